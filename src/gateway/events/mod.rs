//! What signed events show of who the primary receiver of a page is. Nothing of what was said or by whom is kept or written.
//!
//! `payload` reads a body; `evidence` is what follows from the events of one page, a function of values; `channels` knows which
//! channel holds which page, from a watch; `writer` writes `status.inbound` of a channel when what is shown becomes something else,
//! and once a day. The operator weighs it (`facebook_channel/decide/receiver.rs`). Of several replicas each hears a part: what one
//! wrote the others take in.
//!
//! What is in an event is handed on as it was sent, to be forwarded where its channel says so (`forwarding`).

mod channels;
mod evidence;
mod payload;
#[cfg(test)]
mod tests;
mod watch;
mod writer;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kube::Client;
use tokio::task::JoinSet;
use tokio::time::Instant;
use webhook_forwarder::event::NewEvent;

pub(super) use self::channels::Channels;
use self::channels::{Through, Took};
use self::payload::{Item, Sent};
use self::writer::Writer;
use super::oauth::Grants;
use super::route::Route;
use crate::api::MetaApp;
use crate::base::clock::Clock;
use crate::base::key::Key;
use crate::metrics::{ItemResult, Metrics};

/// How long namespaces whose channels were not listed are waited for after the start.
const PATIENCE: Duration = Duration::from_secs(30);

/// Takes evidence from events, and finds out which are to be forwarded.
pub(super) struct Events {
    pub(super) channels: Arc<Channels>,
    namespaces: Vec<String>,
    started: Instant,
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
        for namespace in namespaces.clone() {
            tasks.spawn(watch::watch(Arc::clone(&channels), client.clone(), namespace, metrics.clone()));
        }
        let writer = Writer { client: client.clone(), channels: Arc::clone(&channels), metrics: metrics.clone() };
        tasks.spawn(writer.run());
        let (grants, started) = (Arc::clone(grants), Instant::now());
        Self { channels, namespaces, started, grants, clock: clock.clone(), metrics: metrics.clone() }
    }

    /// Takes the events in a body that was signed for this application, and gives those that are to be forwarded. Whatever is in it,
    /// there is no error: Meta is to send no such body again.
    pub(super) fn take(&self, app: &MetaApp, body: &[u8]) -> Taken {
        let (key, app_id, now) = (Key::of(app), app.spec.app_id.as_str(), self.clock.now());
        let received = SystemTime::from(now);
        let is_of = |through: &Through| match through {
            Through::App(app) => *app == key,
            Through::Grant(grant) => self.grants.get(grant).is_some_and(|grant| grant.app() == key),
        };
        let mut taken = Taken::default();
        payload::each_item(body, app_id, |sent, item| {
            let page = sent.map_or("", |sent| sent.page);
            let result = match item {
                Item::Unknown => ItemResult::NotParsed,
                Item::Other => ItemResult::NotEvidence,
                Item::Sign(sign, at) => self.channels.hear(page, app_id, sign, at, now, is_of).into(),
            };
            taken.misses |= result == ItemResult::UnknownPage;
            self.metrics.gateway().webhook_item(item.as_str(), result);
            let Some(sent) = sent else { return };
            let route = self.channels.route_of(sent.page, is_of).filter(|route| route.wants(sent.list));
            taken.to_forward.extend(route.map(|route| event(&route, sent, received)));
        });
        // A channel that is there may not be known yet.
        taken.misses &= self.started.elapsed() < PATIENCE && !self.channels.are_listed(&self.namespaces);
        taken
    }
}

/// What was in a body.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) to_forward: Vec<NewEvent>,
    /// Whether something is of a channel that may be there and is not known yet: it is to be sent again.
    pub(super) misses: bool,
}

fn event(route: &Route, sent: Sent<'_>, received: SystemTime) -> NewEvent {
    NewEvent {
        channel: route.channel,
        kind: sent.list,
        entry_id: sent.page.into(),
        entry_time: sent.entry_time,
        item: sent.raw.as_bytes().into(),
        received,
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
