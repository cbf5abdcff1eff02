//! Writes what the events of pages show into the status of their channels, one after another and never fast.

use std::sync::Arc;
use std::time::Duration;

use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource};
use serde_json::json;
use tokio::time::Instant;

use super::channels::{Channels, News};
use crate::api::{AssetClaim, FacebookChannel};
use crate::base::key::{KindName, version};
use crate::cluster::error::{self, Failure};
use crate::cluster::write_refused::Write;
use crate::metrics::Metrics;

/// Field manager of `status.inbound`.
const FIELD_MANAGER: &str = "meta-channel-gateway";

/// The shortest time between two writes, of all channels together.
const PACE: Duration = Duration::from_millis(200);

/// Writes `status.inbound`.
pub(super) struct Writer {
    pub(super) client: Client,
    pub(super) channels: Arc<Channels>,
    pub(super) metrics: Metrics,
}

impl Writer {
    /// Writes until the process ends.
    pub(super) async fn run(self) {
        loop {
            let changed = self.channels.changed.notified();
            match self.channels.next_news(Instant::now()) {
                Some(news) => {
                    self.write(news).await;
                    tokio::time::sleep(PACE).await;
                }
                None => match self.channels.next_due() {
                    Some(due) => {
                        tokio::select! {
                            () = changed => {}
                            () = tokio::time::sleep_until(due) => {}
                        }
                    }
                    None => changed.await,
                },
            }
        }
    }

    async fn write(&self, news: News) {
        let (page, key) = &news.place;
        // Of this very object, and only while it holds its page.
        let patch = json!([
            { "op": "test", "path": "/metadata/uid", "value": news.uid.as_str() },
            { "op": "test", "path": "/status/claimName", "value": AssetClaim::page_name(page.as_str()) },
            { "op": "add", "path": "/status/inbound", "value": news.inbound },
        ]);
        let patch: Patch<()> = Patch::Json(serde_json::from_value(patch).unwrap_or_default());
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let api: Api<FacebookChannel> = Api::namespaced(self.client.clone(), &key.namespace);
        let write = Write::status(KindName::FACEBOOK_CHANNEL.as_str(), key);
        match error::write(&self.metrics, write, api.patch_status(&key.name, &params, &patch)).await {
            Ok(channel) => {
                let version = version(channel.meta());
                self.channels.written(&news, version);
            }
            // Someone wrote first, or it is gone: the watch brings it.
            Err(Failure::Kubernetes { .. }) => self.channels.outdated(&news),
            Err(failure) => {
                if self.channels.failed(&news) == 0 {
                    tracing::warn!(%failure, "what events show of the primary receiver is not in the status of its channel");
                }
            }
        }
    }
}
