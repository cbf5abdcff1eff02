//! A mutex whose lock never fails.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A mutex that ignores poisoning: a panicking test must not turn into a second panic elsewhere.
#[derive(Default)]
pub(crate) struct Locked<T>(Mutex<T>);

impl<T> Locked<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
