//! What signed events show of who the primary receiver of a page is. Nothing of what was said or by whom is kept or written.
//!
//! `payload` reads a body; `evidence` is what follows from the events of one page, a function of values; `channels` knows which
//! channel holds which page, from a watch; `writer` writes `status.inbound` of a channel when what is shown becomes something else,
//! and once a day. The operator weighs it (`facebook_channel/decide/receiver.rs`). Of several replicas each hears a part: what one
//! wrote the others take in.

mod channels;
mod evidence;
mod payload;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::Arc;

use kube::Client;
use tokio::task::JoinSet;

use self::channels::{Channels, Through, Took};
use self::payload::Item;
use self::writer::Writer;
use super::oauth::Grants;
use crate::api::MetaApp;
use crate::base::clock::Clock;
use crate::base::key::Key;
use crate::metrics::{ItemResult, Metrics};

/// Takes evidence from events.
pub(super) struct Events {
    channels: Arc<Channels>,
    grants: Arc<Grants>,
    clock: Clock,
    metrics: Metrics,
}

impl Events {
    /// Starts the watches and what writes; they end when the set is dropped.
    pub(super) fn start(
        client: &Client,
        namespaces: Vec<String>,
        grants: &Arc<Grants>,
        clock: &Clock,
        metrics: &Metrics,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let channels = Arc::new(Channels::default());
        for namespace in namespaces {
            tasks.spawn(channels::watch(Arc::clone(&channels), client.clone(), namespace, metrics.clone()));
        }
        let writer = Writer { client: client.clone(), channels: Arc::clone(&channels), metrics: metrics.clone() };
        tasks.spawn(writer.run());
        Self { channels, grants: Arc::clone(grants), clock: clock.clone(), metrics: metrics.clone() }
    }

    /// Takes the events in a body that was signed for this application. Whatever is in it, there is no error: Meta is to send no
    /// such body again.
    pub(super) fn take(&self, app: &MetaApp, body: &[u8]) {
        let (key, app_id, now) = (Key::of(app), app.spec.app_id.as_str(), self.clock.now());
        payload::each_item(body, app_id, |page, item| {
            let (kind, result) = match item {
                Item::Unknown => (item.as_str(), ItemResult::NotParsed),
                Item::Other => (item.as_str(), ItemResult::NotEvidence),
                Item::Sign(sign, at) => {
                    let is_of = |through: &Through| match through {
                        Through::App(app) => *app == key,
                        Through::Grant(grant) => self.grants.get(grant).is_some_and(|grant| grant.app() == key),
                    };
                    let took = self.channels.hear(page, app_id, sign, at, now, is_of);
                    (item.as_str(), took.into())
                }
            };
            self.metrics.gateway().webhook_item(kind, result);
        });
    }
}

impl From<Took> for ItemResult {
    fn from(took: Took) -> Self {
        match took {
            Took::Counted => Self::Counted,
            Took::Old => Self::Old,
            Took::UnknownPage => Self::UnknownPage,
        }
    }
}
