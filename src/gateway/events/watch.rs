//! Keeps the channels that hold their pages as the API server has them.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;

use futures::StreamExt;
use kube::core::DeserializeGuard;
use kube::{Api, Client, Resource};
use kube_runtime::utils::Backoff;
use kube_runtime::watcher;
use kube_runtime::watcher::{Config, DefaultBackoff, Event};

use super::channels::{Channels, Place};
use crate::api::FacebookChannel;
use crate::base::key::Key;
use crate::base::watch_health::cause;
use crate::cluster::scoped;
use crate::metrics::Metrics;

/// Channels that are listed in one answer.
const PAGE: u32 = 16;

/// Watches the channels of a namespace, or of all if it has no name, until the process ends.
pub(super) async fn watch(channels: Arc<Channels>, client: Client, namespace: String, metrics: Metrics) {
    let api: Api<DeserializeGuard<FacebookChannel>> = scoped(&client, &namespace);
    let (api, config) = metrics.api_server().hearing().watch(api, Config::default());
    let mut backoff = DefaultBackoff::default();
    let mut told = false;
    loop {
        let mut events = pin!(watcher(api.clone(), config.clone().page_size(PAGE)));
        let mut there = HashSet::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => {
                    if !matches!(event, Event::Init | Event::InitApply(_)) {
                        backoff.reset();
                        told = false;
                    }
                    digest(&channels, &namespace, &mut there, event);
                }
                Err(error) => {
                    metrics.api_server().watch_error(&FacebookChannel::kind(&()));
                    if !std::mem::replace(&mut told, true) {
                        let kind = FacebookChannel::kind(&());
                        tracing::warn!(%kind, cause = cause(&error), "the watch was interrupted and starts again");
                    }
                    break;
                }
            }
        }
        tokio::time::sleep(backoff.next().unwrap_or_default()).await;
    }
}

fn digest(
    channels: &Channels,
    namespace: &str,
    there: &mut HashSet<Place>,
    event: Event<DeserializeGuard<FacebookChannel>>,
) {
    match event {
        Event::Init => there.clear(),
        Event::InitApply(DeserializeGuard(Ok(channel))) => {
            channels.applied(&channel);
            there.extend(channels.place_of(&channel));
        }
        Event::InitDone => channels.listed(namespace, &std::mem::take(there)),
        Event::Apply(DeserializeGuard(Ok(channel))) => channels.applied(&channel),
        Event::Delete(DeserializeGuard(Ok(channel))) => channels.gone(&channel),
        Event::InitApply(DeserializeGuard(Err(invalid)))
        | Event::Apply(DeserializeGuard(Err(invalid)))
        | Event::Delete(DeserializeGuard(Err(invalid))) => {
            let metadata = invalid.metadata;
            channels.undecodable(&Key::new(metadata.namespace.unwrap_or_default(), metadata.name.unwrap_or_default()));
        }
    }
}
