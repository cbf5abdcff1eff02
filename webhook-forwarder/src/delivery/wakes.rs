//! Says which channels have something to do.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::event::ChannelId;

/// Wakes lanes. What is not taken yet is kept once for each channel, however often it is said.
#[derive(Clone, Debug, Default)]
pub struct Wakes(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    said: Mutex<HashMap<ChannelId, Wake>>,
    something: Notify,
}

/// Why a lane is woken. Later ones include the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wake {
    /// It has another event.
    Event,
    /// Its endpoint is another one: what the former did means nothing any more.
    Endpoint,
}

impl Wakes {
    /// Events of this channel were appended to the queue.
    pub fn appended(&self, channel: ChannelId) {
        self.say(channel, Wake::Event);
    }

    /// The endpoint of this channel is another one.
    pub fn endpoint_changed(&self, channel: ChannelId) {
        self.say(channel, Wake::Endpoint);
    }

    fn say(&self, channel: ChannelId, wake: Wake) {
        self.0.said.lock().entry(channel).and_modify(|said| *said = wake.max(*said)).or_insert(wake);
        self.0.something.notify_one();
    }

    /// Everything that was said; waits until there is something.
    pub(super) async fn take(&self) -> HashMap<ChannelId, Wake> {
        loop {
            let said = std::mem::take(&mut *self.0.said.lock());
            if !said.is_empty() {
                return said;
            }
            self.0.something.notified().await;
        }
    }
}
