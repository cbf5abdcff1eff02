//! What waits to be delivered, and what became of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use secrecy::SecretString;
use tokio::sync::{Notify, watch};
use url::Url;

use super::record::{Alert, Delivery, Dropped, Records};
use super::signature::Signing;
use super::{Occurrence, payload, subscribers};
use crate::id::Id;
use crate::ledger::plain_url;
use crate::locked::Locked;
use crate::switches::{Switches, WebhookBatching, WebhookOrder};
use crate::world::World;

/// How long events for the same app gather before they go out together.
const WINDOW: Duration = Duration::from_millis(50);
/// How many updates one POST may carry.
const MAX_BATCH: usize = 1000;

/// What waits to be delivered, and what became of it.
///
/// Its lock is taken after that of the world, never before.
#[derive(Default)]
pub(crate) struct Outbox {
    pub(super) state: Locked<State>,
    /// Wakes the delivery.
    pub(crate) told: Notify,
    /// Tells that something was sent or dropped.
    pub(crate) progress: watch::Sender<()>,
}

#[derive(Default)]
pub(super) struct State {
    /// By app: the callback of one app does not hold up those of others.
    lanes: BTreeMap<Id, Lane>,
    /// Since when the callback of an app fails for events of a page.
    pub(super) failing: BTreeMap<(Id, Id), Failing>,
    pub(super) deliveries: Records<Delivery>,
    pub(super) alerts: Records<Alert>,
    /// How the next POSTs of an app are signed, and how many.
    signing: BTreeMap<Id, (Signing, u64)>,
    last_post: u64,
}

/// What waits for one app.
#[derive(Default)]
struct Lane {
    gathering: Vec<Occurrence>,
    /// When the first of these arrived.
    since: Option<Instant>,
    posts: Vec<Post>,
    /// One POST at a time: no attempt overtakes another.
    busy: bool,
}

/// Events that go out together.
pub(super) struct Post {
    pub(super) number: u64,
    pub(super) app: Id,
    pub(super) occurrences: Vec<Occurrence>,
    /// Attempts made or under way.
    pub(super) attempts: u32,
    /// At once without it, however the clock is moved.
    pub(super) due: Option<Timestamp>,
    pub(super) first_failure: Option<Timestamp>,
    /// It was taken already and goes out a second time.
    pub(super) delivered: bool,
}

/// A row of failures.
pub(super) struct Failing {
    pub(super) since: Timestamp,
    pub(super) alerted: bool,
}

/// An attempt to be made.
pub(crate) struct Attempt {
    pub(super) post: Post,
    pub(super) at: Timestamp,
    pub(super) callback: Url,
    pub(super) signing: Signing,
}

impl Outbox {
    /// Takes occurrences for delivery, or notes why an app does not hear of them.
    pub(crate) fn tell(&self, world: &World, occurrences: impl IntoIterator<Item = Occurrence>) {
        for occurrence in occurrences {
            self.take(world, occurrence);
        }
    }

    /// Takes one occurrence; says why the app does not hear of it.
    pub(crate) fn take(&self, world: &World, occurrence: Occurrence) -> Option<Dropped> {
        let mut state = self.state.lock();
        if let Err(reason) = subscribers::hears(world, &occurrence) {
            state.drop_all(&occurrence.app, std::slice::from_ref(&occurrence), reason, occurrence.at);
            return Some(reason);
        }
        let lane = state.lanes.entry(occurrence.app.clone()).or_default();
        lane.since.get_or_insert_with(Instant::now);
        lane.gathering.push(occurrence);
        drop(state);
        self.told.notify_one();
        None
    }

    /// What was sent or dropped after this number.
    pub(crate) fn deliveries(&self, since: u64) -> Vec<Delivery> {
        self.state.lock().deliveries.since(since)
    }

    /// The alerts after this number.
    pub(crate) fn alerts(&self, since: u64) -> Vec<Alert> {
        self.state.lock().alerts.since(since)
    }

    /// Signs the next POSTs of an app in another way; 0 of them ends that.
    pub(crate) fn sign(&self, app: Id, signing: Signing, times: u64) {
        let mut state = self.state.lock();
        state.signing.remove(&app);
        if times > 0 {
            state.signing.insert(app, (signing, times));
        }
    }

    /// The attempts to be made now, one per app at most.
    pub(crate) fn begin(&self, world: &World, now: Timestamp) -> Vec<Attempt> {
        let mut state = self.state.lock();
        let apps: Vec<Id> = state.lanes.keys().cloned().collect();
        let begun = apps.into_iter().filter_map(|app| {
            state.gather(&app, &world.switches);
            state.begin(world, &app, now)
        });
        begun.collect()
    }

    /// How long nothing will be due; nothing at all without an answer.
    pub(crate) fn rest(&self, now: Timestamp) -> Option<Duration> {
        let state = self.state.lock();
        state.lanes.values().filter(|lane| !lane.busy).filter_map(|lane| lane.rest(now)).min()
    }

    /// Whether something is under way or due.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        let is_due = |lane: &Lane| lane.busy || lane.since.is_some() || lane.posts.iter().any(|post| post.is_due(now));
        self.state.lock().lanes.values().any(is_due)
    }
}

impl Post {
    fn is_due(&self, now: Timestamp) -> bool {
        self.due.is_none_or(|due| due <= now)
    }
}

impl Lane {
    fn rest(&self, now: Timestamp) -> Option<Duration> {
        let window = self.since.map(|since| WINDOW.saturating_sub(since.elapsed()));
        // What is due already gives a negative span.
        let left = |due: Timestamp| due.duration_since(now).try_into().unwrap_or_default();
        let posts = self.posts.iter().map(|post| post.due.map_or(Duration::ZERO, left));
        posts.chain(window).min()
    }

    /// Takes out all POSTs that are due, the first one first.
    fn all_due(&mut self, now: Timestamp) -> Vec<Post> {
        let (mut due, waiting): (Vec<Post>, _) =
            std::mem::take(&mut self.posts).into_iter().partition(|post| post.is_due(now));
        self.posts = waiting;
        due.sort_by_key(|post| (post.due, post.number));
        due
    }

    /// Takes these occurrences out of all POSTs that are due.
    fn extract_due(&mut self, now: Timestamp, which: impl Fn(&Occurrence) -> bool) -> Vec<Vec<Occurrence>> {
        let due = self.posts.iter_mut().filter(|post| post.is_due(now));
        let taken = due.map(|post| post.occurrences.extract_if(.., |o| which(o)).collect()).collect();
        self.posts.retain(|post| !post.occurrences.is_empty());
        taken
    }

    /// Takes out the POST that is due first.
    fn due(&mut self, now: Timestamp) -> Option<Post> {
        let due = self.posts.iter().enumerate().filter(|(_, post)| post.is_due(now));
        let (index, _) = due.min_by_key(|(_, post)| (post.due, post.number))?;
        Some(self.posts.remove(index))
    }
}

impl State {
    /// Makes POSTs of what has gathered for an app for long enough.
    fn gather(&mut self, app: &Id, switches: &Switches) {
        let Some(lane) = self.lanes.get_mut(app).filter(|lane| lane.since.is_some_and(|s| s.elapsed() >= WINDOW))
        else {
            return;
        };
        lane.since = None;
        let mut gathered = std::mem::take(&mut lane.gathering);
        if switches.webhook_order == WebhookOrder::Reversed {
            gathered.reverse();
        }
        let size = match switches.webhook_batching {
            WebhookBatching::Together => MAX_BATCH,
            WebhookBatching::Single => 1,
        };
        let mut gathered = gathered.into_iter();
        loop {
            let occurrences: Vec<Occurrence> = gathered.by_ref().take(size).collect();
            if occurrences.is_empty() {
                return;
            }
            self.last_post += 1;
            let number = self.last_post;
            let app = app.clone();
            let (attempts, first_failure, delivered) = (0, None, false);
            lane.posts.push(Post { number, app, occurrences, attempts, due: None, first_failure, delivered });
        }
    }

    /// Prepares what is due first for an app, leaving out what it no longer hears of.
    fn begin(&mut self, world: &World, app: &Id, now: Timestamp) -> Option<Attempt> {
        while let Some(mut post) = self.lanes.get_mut(app).filter(|lane| !lane.busy)?.due(now) {
            let callback = match subscribers::callback(world, app) {
                Ok(callback) => callback,
                Err(reason) => {
                    // Nothing else is heard either. Thousands may wait, so they go in one pass.
                    let others = self.lanes.get_mut(app).map(|lane| lane.all_due(now)).unwrap_or_default();
                    let posts = std::iter::once(post).chain(others).map(|post| post.occurrences);
                    self.drop_posts(app, posts.collect(), reason, now);
                    break;
                }
            };
            let is_gone = |occurrence: &Occurrence| !subscribers::on_page(world, app, &occurrence.page);
            let gone: Vec<Occurrence> = post.occurrences.extract_if(.., |o| is_gone(o)).collect();
            if !gone.is_empty() {
                let others = self.lanes.get_mut(app).map(|lane| lane.extract_due(now, is_gone));
                let posts = std::iter::once(gone).chain(others.into_iter().flatten());
                self.drop_posts(app, posts.collect(), Dropped::PageNotSubscribed, now);
            }
            if post.occurrences.is_empty() {
                continue;
            }
            post.attempts += 1;
            self.lanes.entry(app.clone()).or_default().busy = true;
            return Some(Attempt { post, at: now, callback, signing: self.next_signing(app) });
        }
        self.clear_away(app);
        None
    }

    fn next_signing(&mut self, app: &Id) -> Signing {
        let Some((signing, times)) = self.signing.get_mut(app) else {
            return Signing::Right;
        };
        let signing = signing.clone();
        *times -= 1;
        if *times == 0 {
            self.signing.remove(app);
        }
        signing
    }

    /// Lets the next POST of an app go; with one to be sent again.
    pub(super) fn release(&mut self, app: &Id, again: Option<Post>) {
        let lane = self.lanes.entry(app.clone()).or_default();
        lane.busy = false;
        lane.posts.extend(again);
        self.clear_away(app);
    }

    fn clear_away(&mut self, app: &Id) {
        self.lanes.retain(|id, lane| id != app || lane.busy || lane.since.is_some() || !lane.posts.is_empty());
    }

    /// Takes out everything about these pages that waits for an app.
    pub(super) fn take_pages(&mut self, app: &Id, pages: &BTreeSet<Id>) -> Vec<Occurrence> {
        let Some(lane) = self.lanes.get_mut(app) else {
            return Vec::new();
        };
        let mut taken: Vec<Occurrence> = lane
            .posts
            .iter_mut()
            .flat_map(|post| post.occurrences.extract_if(.., |o| pages.contains(&o.page)))
            .collect();
        taken.extend(lane.gathering.extract_if(.., |o| pages.contains(&o.page)));
        lane.posts.retain(|post| !post.occurrences.is_empty());
        if lane.gathering.is_empty() {
            lane.since = None;
        }
        taken
    }

    /// Ends the rows of failures of pages about which nothing waits after these were dropped: a
    /// failure long after is the first of a new row.
    pub(super) fn forget_failures(&mut self, app: &Id, dropped: &[Occurrence]) {
        let posts = self.lanes.get(app).map(|lane| lane.posts.as_slice()).unwrap_or_default();
        let waiting: BTreeSet<&Id> = posts.iter().flat_map(|post| &post.occurrences).map(|o| &o.page).collect();
        for occurrence in dropped.iter().filter(|occurrence| !waiting.contains(&occurrence.page)) {
            self.failing.remove(&(app.clone(), occurrence.page.clone()));
        }
    }

    /// Notes of whole POSTs, or parts of them, that they will not be sent.
    fn drop_posts(&mut self, app: &Id, posts: Vec<Vec<Occurrence>>, reason: Dropped, at: Timestamp) {
        for occurrences in &posts {
            self.drop_all(app, occurrences, reason, at);
        }
        self.forget_failures(app, &posts.into_iter().flatten().collect::<Vec<_>>());
    }

    /// Notes that these will not be sent, or not again.
    pub(super) fn drop_all(&mut self, app: &Id, occurrences: &[Occurrence], reason: Dropped, at: Timestamp) {
        if !occurrences.is_empty() {
            self.deliveries.push(|seq| Delivery { seq, time: at, dropped: Some(reason), ..summary(app, occurrences) });
        }
    }
}

/// What a delivery tells of these occurrences.
pub(super) fn summary(app: &Id, occurrences: &[Occurrence]) -> Delivery {
    let mut pages: Vec<String> = occurrences.iter().map(|occurrence| occurrence.page.to_string()).collect();
    let mut fields: Vec<String> = occurrences.iter().map(|occurrence| occurrence.field.to_owned()).collect();
    for names in [&mut pages, &mut fields] {
        names.sort_unstable();
        names.dedup();
    }
    Delivery { app: app.to_string(), pages, fields, updates: occurrences.len(), ..Delivery::default() }
}

impl Attempt {
    /// The app that is told.
    pub(crate) fn app(&self) -> &Id {
        &self.post.app
    }

    /// Where it goes.
    pub(crate) fn callback(&self) -> &Url {
        &self.callback
    }

    /// What is sent.
    pub(crate) fn body(&self) -> serde_json::Result<Vec<u8>> {
        payload::body(&self.post.occurrences)
    }

    /// The headers that sign the body.
    pub(crate) fn signatures(&self, app_secret: &SecretString, body: &[u8]) -> Vec<(&'static str, String)> {
        self.signing.headers(app_secret, body)
    }

    /// What a delivery tells of this attempt.
    pub(super) fn summary(&self, seq: u64) -> Delivery {
        Delivery {
            seq,
            time: self.at,
            callback: Some(plain_url(self.callback.as_str())),
            post: Some(self.post.number),
            attempt: self.post.attempts,
            signing: Some(self.signing.name().to_owned()),
            ..summary(&self.post.app, &self.post.occurrences)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::webhooks::Place;

    #[test]
    fn twenty_thousand_events_nobody_hears_go_at_once() {
        let (app, page): (Id, Id) = ("1111000011110000".parse().unwrap(), "2200000000000001".parse().unwrap());
        let now = Timestamp::UNIX_EPOCH;
        let post = |number| {
            let (place, item) = (Place::Messaging, json!({}));
            let occurrence =
                Occurrence { page: page.clone(), app: app.clone(), field: "messages", place, item, at: now };
            let (occurrences, attempts, due, first_failure) = (vec![occurrence], 0, None, None);
            Post { number, app: app.clone(), occurrences, attempts, due, first_failure, delivered: false }
        };
        let mut state = State::default();
        state.lanes.entry(app.clone()).or_default().posts = (0..20_000).map(post).collect();
        let began = Instant::now();
        assert!(state.begin(&World::default(), &app, now).is_none());
        assert!(state.lanes.is_empty());
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
}
