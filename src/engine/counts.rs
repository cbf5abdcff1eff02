//! How many channels each application has, as it was counted last. It is counted at times of its own, so that statuses follow at a
//! bounded rate, however many channels change.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::key::Key;
use crate::api::ChannelCounts;

/// What was counted last.
#[derive(Debug, Default)]
pub struct Counts(Mutex<HashMap<Key, ChannelCounts>>);

impl Counts {
    /// The channels of an application; `None` if it was not there yet when they were counted.
    pub fn of(&self, app: &Key) -> Option<ChannelCounts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(app).cloned()
    }

    /// Takes the place of what was counted before.
    pub fn replace(&self, counted: HashMap<Key, ChannelCounts>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = counted;
    }
}
