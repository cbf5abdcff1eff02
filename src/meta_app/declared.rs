//! What is done when a MetaApp comes, changes or goes.

use kube::ResourceExt;

use super::facts;
use super::state::MetaApps;
use crate::api::{AssetClaim, MetaApp};
use crate::base::key::Key;
use crate::cluster::stores::Objects;
use crate::controller::declared::{Declared, digest};
use crate::controller::dependents::Dependency;
use crate::controller::reconciler::Reconciler;

impl Declared for MetaApps {
    fn objects(&self) -> &Objects<MetaApp> {
        &self.ctx.cluster.stores.apps
    }

    fn changed(&self, app: &MetaApp) {
        // It may have been made anew.
        self.keyring.news.notify_one();
        // It may have given up its webhook, which another one waits for.
        self.ctx.wakeups.wake_dependents(&Dependency::Claim(AssetClaim::app_name(&app.spec.app_id)));
    }

    fn outside(&self, key: &Key, app: &MetaApp) -> Option<u64> {
        // As its dependents see it.
        let seen = self.get(key);
        let app = seen.as_deref().unwrap_or(app);
        Some(digest(&(app.uid(), facts::verdict(app), facts::unapproved(app))))
    }

    fn departed(&self, _: u64) {
        self.keyring.news.notify_one();
    }

    fn went(&self, key: &Key) {
        let limits = &self.ctx.limits;
        if let Some(uid) = self.forget(key) {
            self.ctx.metrics.unreachable_apps(limits.circuit_breakers.forget(&uid));
            limits.usage.forget_app(&uid);
            limits.suspect_tokens.forget(&uid);
            limits.served_versions.forget(&uid);
        }
        self.ctx.metrics.forget_app(key);
        self.keyring.news.notify_one();
    }
}
