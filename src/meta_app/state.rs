//! What is known about the MetaApps.

use std::sync::{Arc, OnceLock, Weak};

use super::keyring_secret::Keyring;
use super::page_reads::LendsPages;
use crate::api::{ChannelCounts, MetaApp, MetaAppStatus};
use crate::base::key::{Key, KindName};
use crate::cluster::namespace_labels::NamespaceLabels;
use crate::controller::context::Context;
use crate::controller::counts::Counts;
use crate::controller::object_state::ObjectStates;
use crate::ownership::Ownership;

/// The MetaApps, and what is known of them.
pub struct MetaApps {
    /// What every kind shares.
    pub ctx: Arc<Context>,
    /// Who holds which callback.
    pub ownership: Arc<Ownership>,
    /// What the gateway is told of the applications.
    pub keyring: Keyring,
    /// How many channels each application has.
    pub counts: Counts<ChannelCounts>,
    /// The labels of namespaces.
    pub(super) labels: NamespaceLabels,
    pub(super) states: ObjectStates<MetaAppStatus>,
    /// Who lends the tokens of pages.
    pub(super) lenders: OnceLock<Weak<dyn LendsPages>>,
}

impl MetaApps {
    /// Nothing is known of any application yet.
    pub fn new(ownership: &Arc<Ownership>, keyring: Keyring) -> Self {
        let ctx = Arc::clone(&ownership.ctx);
        Self {
            ownership: Arc::clone(ownership),
            keyring,
            counts: Counts::default(),
            labels: NamespaceLabels::new(ctx.cluster.client.clone()),
            states: ObjectStates::default(),
            lenders: OnceLock::new(),
            ctx,
        }
    }

    /// Names who lends the tokens of pages, for trying another version of the Graph API. Once.
    pub fn borrow_from(&self, lenders: Weak<dyn LendsPages>) {
        let _ = self.lenders.set(lenders);
    }

    /// A MetaApp in a namespace of ours. A status that someone else wrote is not believed: until the MetaApp was checked, it is what
    /// it was before.
    pub fn get(&self, key: &Key) -> Option<Arc<MetaApp>> {
        let app = self.ctx.cluster.stores.apps.get(key)?;
        Some(match self.states.kept(key, app.metadata.uid.as_deref()) {
            Some(status) => Arc::new(MetaApp { status: Some(status), ..(*app).clone() }),
            None => app,
        })
    }

    /// Wakes an application for a check at Meta, though nothing about it changed; at most once a minute.
    pub fn look_at(&self, key: Key) {
        if self.states.ask_for_look(&key, self.ctx.clock.now()) {
            self.ctx.wakeups.wake(KindName::META_APP, key);
        }
    }
}
