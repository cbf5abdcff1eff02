//! What is known about the MetaGrants.

use std::sync::Arc;

use super::inbox::Inbox;
use super::page_tokens::{Granted, PageTokens};
use crate::api::{MetaGrant, MetaGrantStatus};
use crate::base::key::{Key, KindName};
use crate::controller::context::Context;
use crate::controller::counts::Counts;
use crate::controller::dependents::Dependency;
use crate::controller::last_look::LastLook;
use crate::controller::object_state::ObjectStates;
use crate::meta_app::MetaApps;

/// The MetaGrants, and what is known of them.
pub struct MetaGrants {
    /// What every kind shares.
    pub ctx: Arc<Context>,
    /// The applications for which people agreed.
    pub apps: Arc<MetaApps>,
    /// What grants give to channels.
    pub tokens: PageTokens,
    /// What the gateway left for the operator.
    pub inbox: Inbox,
    /// How many channels rely on each grant.
    pub(super) counts: Counts<i64>,
    /// When someone was reminded that a grant ends soon.
    pub(super) reminders: LastLook,
    pub(super) states: ObjectStates<MetaGrantStatus>,
}

impl MetaGrants {
    /// Nothing is known of any grant yet.
    pub fn new(apps: &Arc<MetaApps>, inbox: Inbox) -> Self {
        let ctx = Arc::clone(&apps.ctx);
        Self {
            apps: Arc::clone(apps),
            tokens: PageTokens::default(),
            inbox,
            counts: Counts::default(),
            reminders: LastLook::new(ctx.clock.now()),
            states: ObjectStates::default(),
            ctx,
        }
    }

    /// A MetaGrant in a namespace of ours. A status that someone else wrote is not believed, as with [`MetaApps::get`].
    pub fn get(&self, key: &Key) -> Option<Arc<MetaGrant>> {
        let grant = self.ctx.cluster.stores.grants.get(key)?;
        Some(match self.states.kept(key, grant.metadata.uid.as_deref()) {
            Some(status) => Arc::new(MetaGrant { status: Some(status), ..(*grant).clone() }),
            None => grant,
        })
    }

    /// Wakes a grant for a check at Meta, though nothing about it changed; at most once a minute.
    pub fn look_at(&self, key: Key) {
        if self.states.ask_for_look(&key, self.ctx.clock.now()) {
            self.ctx.wakeups.wake(KindName::META_GRANT, key);
        }
    }

    /// Keeps what a grant gives now, and wakes the channels to which that is news.
    pub(super) fn granted(&self, grant: &Key, granted: Granted) {
        let first = self.tokens.get(grant).is_none();
        for page_id in self.tokens.put(grant, granted) {
            self.ctx.wakeups.wake_dependents(&Dependency::GrantedPage(grant.clone(), page_id));
        }
        if first {
            // Those that wait for it may be none of the listed.
            self.ctx.wakeups.wake_dependents(&Dependency::MetaGrant(grant.clone()));
        }
    }
}
