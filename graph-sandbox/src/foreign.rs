//! Someone else who writes over subscriptions, after the fault `overwrite`.

use jiff::Timestamp;

use crate::faults::ForeignWrite;
use crate::id::Id;
use crate::locked::Locked;
use crate::world::{AppSubscriptionChange, PageSubscriptionChange, World, drift_app, drift_page};

/// The subscription that is written over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    App { app: Id, object: String },
    Page { page: Id, app: Id },
}

/// Writes that wait for their time.
#[derive(Default)]
pub(crate) struct ForeignWrites {
    waiting: Locked<Vec<(Timestamp, ForeignWrite, Target)>>,
}

impl ForeignWrites {
    pub(crate) fn add(&self, now: Timestamp, write: ForeignWrite, target: Target) {
        // A delay that leads off the calendar never ends.
        if let Ok(due) = now.checked_add(write.delay) {
            self.waiting.lock().push((due, write, target));
        }
    }

    /// Makes the writes whose time has come, in their order.
    pub(crate) fn catch_up(&self, world: &mut World, now: Timestamp) {
        let mut waiting = self.waiting.lock();
        if waiting.is_empty() {
            return;
        }
        waiting.sort_by_key(|(due, ..)| *due);
        let count = waiting.partition_point(|(due, ..)| *due <= now);
        for (_, write, target) in waiting.drain(..count) {
            apply(world, write, target);
        }
    }
}

fn apply(world: &mut World, write: ForeignWrite, target: Target) {
    match target {
        Target::App { app, object } => {
            let ForeignWrite { callback_url, fields, active, removed, .. } = write;
            let change = AppSubscriptionChange { object, callback_url, active, fields, removed };
            if let Some(app) = world.apps.get_mut(&app)
                && let Err(error) = drift_app(&mut app.subscriptions, change)
            {
                tracing::warn!(%error, "the fault `overwrite` has no effect");
            }
        }
        Target::Page { page, app } => {
            if let Some(page) = world.pages.get_mut(&page) {
                let kept = page.subscriptions.get(&app).map(|row| row.fields.clone());
                let fields = write.fields.or(kept).filter(|_| !write.removed);
                drift_page(page, PageSubscriptionChange { app, fields });
            }
        }
    }
}
