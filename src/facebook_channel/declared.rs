//! What is done when a FacebookChannel comes, changes or goes.

use kube::ResourceExt;

use super::inbound;
use super::state::FacebookChannels;
use crate::api::FacebookChannel;
use crate::base::key::{Key, KindName};
use crate::cluster::stores::Objects;
use crate::controller::batch_resync::BatchResync;
use crate::controller::declared::{ConnectedThrough, Declared, digest};
use crate::controller::reconciler::Reconciler;
use crate::meta_grant::dependents;

impl Declared for FacebookChannels {
    fn objects(&self) -> &Objects<FacebookChannel> {
        &self.ctx.cluster.stores.channels
    }

    fn heard(&self, channel: &FacebookChannel) -> u64 {
        digest(&inbound::input(channel))
    }

    fn outside(&self, _: &Key, channel: &FacebookChannel) -> Option<u64> {
        // Its grant sees whether it is broken: it is checked as often then.
        let grant = dependents::grant_of(channel).filter(|_| dependents::is_broken(channel))?;
        Some(digest(&grant.name))
    }

    fn outside_changed(&self, _: &Key, channel: &FacebookChannel) {
        if let Some(grant) = dependents::grant_of(channel) {
            self.ctx.wakeups.wake(KindName::META_GRANT, grant);
        }
    }

    fn departed(&self, mark: u64) {
        self.ownership.departed.note(mark);
    }

    fn went(&self, key: &Key) {
        self.forget(key);
        self.ctx.limits.usage.forget(key);
    }

    fn secret_went(&self, key: &Key) {
        self.published.forget(key);
    }

    fn channels(&self) -> Vec<ConnectedThrough> {
        let connected = |channel: &FacebookChannel| ConnectedThrough {
            app: self.group(channel),
            namespace: channel.namespace().unwrap_or_default(),
            connection: channel.status.as_ref().map(|status| status.connection).unwrap_or_default(),
        };
        self.objects().all().iter().map(|channel| connected(channel)).collect()
    }
}
