//! What happens in conversations: who may do it, what it changes, and who is told.
//!
//! Graph calls and control calls meet here. An act takes a thread and gives it back changed with
//! the events to tell, so that a call can still be refused, or have no effect.

mod acts;
mod events;
#[cfg(test)]
pub(crate) mod laws;

use jiff::Timestamp;

pub(crate) use acts::Desk;
pub(crate) use events::number;

use crate::id::Id;
use crate::webhooks::{Occurrence, Outbox};
use crate::world::{Thread, World};

/// A thread after an act, and who is told of it.
pub(crate) struct Outcome {
    pub(crate) thread: Thread,
    pub(crate) told: Vec<Occurrence>,
}

impl Outcome {
    /// Makes it so.
    pub(crate) fn apply(self, outbox: &Outbox, world: &mut World, page: &Id) {
        if let Some(page) = world.pages.get_mut(page) {
            page.messaging.threads.insert(self.thread.psid.clone(), self.thread);
            outbox.tell(world, self.told);
        }
    }
}

/// Why an act is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("No matching user found")]
    UnknownRecipient,
    #[error("the target app is not connected to the page")]
    UnknownApp,
    #[error("calling app is not the thread owner")]
    PassByStranger,
    #[error("Only the current thread owner can release")]
    ReleaseByStranger,
    #[error("Only the current thread owner can extend")]
    ExtendByStranger,
    #[error("another app is controlling this thread")]
    SendByStranger,
    #[error("Conversation Routing is not enabled for this page")]
    RoutingOff,
    #[error("The app is not allowed to take control of conversations of this page")]
    NoTakeSwitch,
    #[error("Thread control cannot be requested while Conversation Routing is enabled")]
    RoutingOn,
    #[error("The parameter target_app_id is required")]
    NoTarget,
}

/// What an app may know about a thread's owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// The owner and the end of its control.
    Owner(Id, Timestamp),
    /// That someone's control ends then.
    Expiration(Timestamp),
    Nothing,
}

/// A message id of the shape Graph uses.
pub(crate) fn message_id() -> String {
    format!("m_{:032x}", rand::random::<u128>())
}
