//! What an attempt to deliver leads to.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Occurrence;
use super::outbox::{Attempt, Failing, Outbox, Post, State};
use super::record::{Alert, AlertKind, Delivery, Dropped};
use super::retry_policy::{ALERT, Next};
use crate::callback::Failure;
use crate::id::Id;
use crate::switches::WebhookDuplicates;
use crate::world::{World, after};

/// The status of the answer, and why it is a failure.
pub(crate) struct Outcome {
    pub(crate) status: Option<u16>,
    pub(crate) failure: Option<Failure>,
}

impl Outbox {
    /// Draws the consequences of an attempt.
    pub(crate) fn conclude(&self, world: &mut World, attempt: Attempt, outcome: Outcome) {
        self.state.lock().conclude(world, attempt, outcome);
    }
}

impl State {
    fn conclude(&mut self, world: &mut World, attempt: Attempt, outcome: Outcome) {
        let Outcome { status, failure } = outcome;
        let failure = failure.map(|failure| failure.to_string());
        let failed = failure.is_some();
        let mut delivery = attempt.summary(0);
        (delivery.status, delivery.failure) = (status, failure);
        self.deliveries.push(|seq| Delivery { seq, ..delivery });
        let Attempt { post, at, .. } = attempt;
        let app = post.app.clone();
        let again = match failed {
            false => self.succeeded(world, post),
            // The second of two copies is not worth another attempt.
            true if post.delivered => None,
            true => self.failed(world, post, at),
        };
        self.release(&app, again);
    }

    /// Ends the rows of failures; a POST that shall arrive twice goes out again.
    fn succeeded(&mut self, world: &World, post: Post) -> Option<Post> {
        for occurrence in &post.occurrences {
            self.failing.remove(&(post.app.clone(), occurrence.page.clone()));
        }
        let twice = world.switches.webhook_duplicates == WebhookDuplicates::Twice;
        (twice && !post.delivered).then_some(Post { delivered: true, due: None, ..post })
    }

    /// Alerts, unsubscribes, and says what of the POST goes out again, and when.
    fn failed(&mut self, world: &mut World, mut post: Post, at: Timestamp) -> Option<Post> {
        let patience = world.switches.webhook_patience;
        let mut pages: Vec<Id> = post.occurrences.iter().map(|occurrence| occurrence.page.clone()).collect();
        pages.sort_unstable();
        pages.dedup();
        let mut ended = BTreeSet::new();
        for page in pages {
            let failing = self.failing.entry((post.app.clone(), page.clone()));
            let failing = failing.or_insert(Failing { since: at, alerted: false });
            let elapsed = at.duration_since(failing.since);
            if elapsed >= ALERT && !failing.alerted {
                failing.alerted = true;
                self.alert(&post.app, &page, AlertKind::WebhooksFailing, at);
            }
            if elapsed >= patience.end() {
                ended.insert(page);
            }
        }
        if !ended.is_empty() {
            let dropped = post.occurrences.extract_if(.., |occurrence| ended.contains(&occurrence.page)).collect();
            self.disable(world, &post.app, &ended, dropped, at);
        }
        if post.occurrences.is_empty() {
            return None;
        }
        let first = *post.first_failure.get_or_insert(at);
        let due = match patience.next(post.attempts, at.duration_since(first)) {
            Some(Next::AtOnce) => None,
            Some(Next::After(span)) => Some(after(first, span)),
            None => {
                self.drop_all(&post.app, &post.occurrences, Dropped::GivenUp, at);
                self.forget_failures(&post.app, &post.occurrences);
                return None;
            }
        };
        Some(Post { due, ..post })
    }

    /// Takes the app's row off the pages, and with it what waits.
    fn disable(&mut self, world: &mut World, app: &Id, pages: &BTreeSet<Id>, dropped: Vec<Occurrence>, at: Timestamp) {
        let waiting = self.take_pages(app, pages);
        let mut by_page: BTreeMap<Id, Vec<Occurrence>> = BTreeMap::new();
        for occurrence in dropped.into_iter().chain(waiting) {
            by_page.entry(occurrence.page.clone()).or_default().push(occurrence);
        }
        for page in pages {
            if let Some(page) = world.pages.get_mut(page) {
                page.subscriptions.remove(app);
            }
            self.failing.remove(&(app.clone(), page.clone()));
            let dropped = by_page.get(page).map(Vec::as_slice).unwrap_or_default();
            self.drop_all(app, dropped, Dropped::WebhooksDisabled, at);
            self.alert(app, page, AlertKind::WebhooksDisabled, at);
        }
    }

    fn alert(&mut self, app: &Id, page: &Id, kind: AlertKind, time: Timestamp) {
        let message = match kind {
            AlertKind::WebhooksFailing => "Webhooks Failing: your callback URL does not take the events of this page.",
            AlertKind::WebhooksDisabled => {
                "Webhooks Disabled: your callback URL has failed for too long, so your app was unsubscribed from this \
                 page."
            }
        };
        let (app, page, message) = (app.to_string(), page.to_string(), message.to_owned());
        self.alerts.push(|seq| Alert { seq, time, app, page, kind, message });
    }
}
