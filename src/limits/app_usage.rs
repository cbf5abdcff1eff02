//! Restraint by what Meta reports about its limits. Once Meta said "too often", whatever a limit applies to is left alone until
//! the limit is over. And while much of a limit is used, less urgent checks are deferred before the limit is met: Meta reports
//! usage in headers, for each page and for the whole application.
//!
//! Nothing waits here while it holds a permit: a pass that may not ask ends, and is woken when it may.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use parking_lot::{Mutex, MutexGuard};

use super::answer::{Refusal, end_of_silence};
use super::reasons_to_wait;
use super::wait_queue::{Called, WaitQueue};
use crate::api::{UsageLevel, UsageShare, UsageStatus};
use crate::base::clock::Moment;
use crate::base::ids::{PageId, Uid};
use crate::base::key::Key;
use crate::base::priority::{FULL, Priority, SPARSE, TIGHT};
use crate::base::schedule::spread;
use crate::graph::{Metered, ThrottleScope, Usage, Verdict};

/// Over how long those are spread who wait for the same limit.
const SPREAD: SignedDuration = SignedDuration::from_mins(1);
/// Meta counts the calls of an hour: what was heard almost an hour ago says nothing any more. Less than the hour, so that
/// the look an hour later, which may come a little sooner than the one before did, is not held back.
const WINDOW: SignedDuration = SignedDuration::from_mins(50);
/// How long what was heard of an application is believed without asking again.
const BELIEVED: SignedDuration = SignedDuration::from_mins(5);
/// Whoever is held back asks again after that, and after twice as long at most, though it is called when its turn comes.
const RETRY: SignedDuration = SignedDuration::from_mins(10);
/// The time between two of those who wait for a tight budget, and how many are called at once when it is not tight.
const BETWEEN: SignedDuration = SignedDuration::from_secs(1);
const CALLED_AT_ONCE: usize = 50;

/// What a limit applies to. All of it belongs to a MetaApp, by its UID: whatever one tenant's application meets slows
/// nobody else's, even if both name the same app at Meta.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Budget {
    app: Uid,
    part: Part,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Part {
    App,
    Page(PageId),
    Token(String),
}

impl Budget {
    /// Of everything that is asked for an application.
    pub fn app(uid: &Uid) -> Self {
        Self { app: uid.to_owned(), part: Part::App }
    }

    /// Of what is asked about a page.
    pub fn page(app: &Uid, id: &PageId) -> Self {
        Self { app: app.to_owned(), part: Part::Page(id.clone()) }
    }

    /// Of what is asked with a token, known by its fingerprint.
    pub fn token(app: &Uid, fingerprint: &str) -> Self {
        Self { app: app.to_owned(), part: Part::Token(fingerprint.to_owned()) }
    }

    fn is_limited_by(&self, scope: ThrottleScope) -> bool {
        matches!(
            (&self.part, scope),
            (Part::App, ThrottleScope::App)
                | (Part::Page(_), ThrottleScope::Page)
                | (Part::Token(_), ThrottleScope::Token)
        )
    }
}

/// A look that someone wants to take.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// UID of the MetaApp.
    pub app: &'a Uid,
    /// What of the application is used by it besides the application's own budget.
    pub budgets: &'a [Budget],
    /// The object.
    pub key: &'a Key,
    /// UID of the object.
    pub uid: &'a Uid,
    /// How pressing it is.
    pub priority: Priority,
}

/// What Meta said of its limits.
#[derive(Debug, Default)]
pub struct UsageTracker(Mutex<All>);

#[derive(Debug, Default)]
struct All {
    /// What must be left alone.
    silences: HashMap<Budget, Silence>,
    /// How much is used: of applications, and of pages of which much is.
    shares: HashMap<Budget, Share>,
    /// Who waits, by the UIDs of the MetaApps.
    lines: HashMap<Uid, (WaitQueue, Timestamp)>,
}

/// Since when something must be left alone, and until when.
#[derive(Clone, Copy, Debug)]
struct Silence {
    since: Timestamp,
    until: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Share {
    percent: u32,
    heard: Timestamp,
    /// Since when it has been heard that much is used.
    since: Timestamp,
}

/// Whether an application may be asked for.
#[derive(Clone, Copy, Debug)]
struct Gate {
    silent_until: Option<Timestamp>,
    percent: u32,
}

impl Gate {
    fn lets(self, priority: Priority) -> bool {
        self.silent_until.is_none() && !priority.is_held_at(self.percent)
    }

    const fn is_tight(self) -> bool {
        self.percent >= TIGHT
    }
}

impl All {
    fn silence_of<'a>(&self, budgets: impl Iterator<Item = &'a Budget>, now: Timestamp) -> Option<Silence> {
        let silences = budgets.filter_map(|budget| self.silences.get(budget)).filter(|it| it.until > now);
        silences.max_by_key(|it| it.until).copied()
    }

    fn silent_until<'a>(&self, budgets: impl Iterator<Item = &'a Budget>, now: Timestamp) -> Option<Timestamp> {
        Some(self.silence_of(budgets, now)?.until)
    }

    fn percent(&self, budget: &Budget, now: Timestamp) -> u32 {
        let share = self.shares.get(budget).filter(|share| share.is_recent(now));
        share.map_or(0, |share| share.percent)
    }

    /// When a check that needs all of these may be taken, if it may not now.
    fn held_until<'a>(
        &self,
        budgets: impl Iterator<Item = &'a Budget> + Clone,
        priority: Priority,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let is_held = budgets.clone().any(|budget| priority.is_held_at(self.percent(budget, now)));
        self.silent_until(budgets, now).max(is_held.then(|| now.later(RETRY)))
    }

    fn gate(&self, app: &Uid, now: Timestamp) -> Gate {
        let app = Budget::app(app);
        Gate { silent_until: self.silent_until([&app].into_iter(), now), percent: self.percent(&app, now) }
    }

    fn silence(&mut self, budget: &Budget, until: Timestamp, now: Timestamp) {
        self.silences.retain(|_, silence| silence.until > now);
        // A limit that is told of again by an answer to an older question is not prolonged.
        self.silences.entry(budget.clone()).or_insert(Silence { since: now, until });
    }

    /// Lets a look through, or has it wait for the application's budget.
    fn admit(&mut self, ask: &Ask<'_>, now: Timestamp) -> Result<(), Timestamp> {
        let gate = self.gate(ask.app, now);
        let known = self.lines.get_mut(ask.app);
        if known.is_none() && gate.lets(ask.priority) && !gate.is_tight() {
            return Ok(());
        }
        let (line, last) =
            self.lines.entry(ask.app.to_owned()).or_insert((WaitQueue::default(), Timestamp::UNIX_EPOCH));
        let called = line.ticket(ask.key, now);
        let priority = called.map_or(ask.priority, |called| called.min(ask.priority));
        let turn = called.is_some() || !gate.is_tight() || !line.has(priority) && has_passed(BETWEEN, *last, now);
        if gate.lets(priority) && turn {
            line.leave(ask.key);
            if called.is_none() {
                *last = now;
            }
            return Ok(());
        }
        line.join(ask.key, ask.uid, priority);
        let again = now.later(RETRY);
        Err(gate.silent_until.map_or(again, |until| until.max(again)).later(spread(ask.uid.as_str(), RETRY)))
    }

    /// How a budget stands now.
    fn shown(&self, budget: &Budget, now: Timestamp) -> UsageShare {
        let percent = self.percent(budget, now);
        let level = match (self.silent_until([budget].into_iter(), now), percent) {
            (Some(_), _) => UsageLevel::Silent,
            (None, SPARSE..) => UsageLevel::Sparse,
            (None, TIGHT..) => UsageLevel::Tight,
            (None, _) => UsageLevel::Normal,
        };
        UsageShare { level, percent }
    }
}

fn has_passed(span: SignedDuration, since: Timestamp, now: Timestamp) -> bool {
    now.duration_since(since) >= span
}

impl Share {
    fn is_recent(&self, now: Timestamp) -> bool {
        !has_passed(WINDOW, self.heard, now)
    }
}

impl UsageTracker {
    fn lock(&self) -> MutexGuard<'_, All> {
        self.0.lock()
    }

    /// Takes note of a refusal, if it speaks of a limit.
    pub fn heed(&self, budgets: &[Budget], refusal: &Refusal, now: Timestamp) {
        let (Verdict::Throttled { until_hint, scope }, None) = (&refusal.verdict, refusal.held) else { return };
        let until = end_of_silence(*until_hint, now);
        let mut all = self.lock();
        budgets.iter().filter(|it| it.is_limited_by(*scope)).for_each(|budget| all.silence(budget, until, now));
    }

    /// Takes note of how much Meta says is used of something of an application.
    pub fn hear(&self, app: &Uid, usage: &Usage, now: Timestamp) {
        let budget = match &usage.of {
            Metered::App => Budget::app(app),
            Metered::Object(id) => Budget::page(app, &PageId::new(id)),
        };
        let mut all = self.lock();
        if usage.percent >= FULL {
            all.silence(&budget, end_of_silence(usage.regain_access, now), now);
        }
        // Most pages are far from their limits; nothing is kept of them.
        if usage.percent >= TIGHT || budget.part == Part::App {
            let known = all.shares.get(&budget).filter(|share| share.is_recent(now) && share.percent >= TIGHT);
            let since = known.filter(|_| usage.percent >= TIGHT).map_or(now, |share| share.since);
            all.shares.insert(budget, Share { percent: usage.percent, heard: now, since });
        } else {
            all.shares.remove(&budget);
        }
    }

    /// When an object that needs all of these may ask, if it has to be silent now.
    pub fn silent_until(&self, budgets: &[Budget], uid: &Uid, now: Timestamp) -> Option<Timestamp> {
        Some(self.lock().silent_until(budgets.iter(), now)?.later(spread(uid.as_str(), SPREAD)))
    }

    /// When a check that needs all of these may be taken, if it may not now. Nobody is called for it.
    pub fn held_until(&self, budgets: &[Budget], priority: Priority, uid: &Uid, now: Timestamp) -> Option<Timestamp> {
        Some(self.lock().held_until(budgets.iter(), priority, now)?.later(spread(uid.as_str(), SPREAD)))
    }

    /// Why a check that needs all of these is held back.
    pub fn brake(&self, budgets: &[Budget], now: Timestamp) -> String {
        let all = self.lock();
        let used = |budget| all.shares.get(budget).filter(|share| share.is_recent(now) && share.percent >= TIGHT);
        match all.silence_of(budgets.iter(), now) {
            Some(silence) => reasons_to_wait::silent(silence.since),
            None => reasons_to_wait::used(budgets.iter().filter_map(used).map(|share| share.since).min()),
        }
    }

    /// Whether so much is used of one of these that what is only due in time comes half as often.
    pub fn are_tight(&self, budgets: &[Budget], now: Timestamp) -> bool {
        let all = self.lock();
        budgets.iter().any(|budget| all.percent(budget, now) >= TIGHT)
    }

    /// Lets a look through. If not, whoever wants it stands in line and is called when its turn comes.
    ///
    /// # Errors
    /// When to ask again if it was not called before.
    pub fn admit(&self, ask: &Ask<'_>, now: Timestamp) -> Result<(), Timestamp> {
        let mut all = self.lock();
        let own = ask.budgets.iter().filter(|budget| budget.part != Part::App);
        match all.held_until(own, ask.priority, now) {
            // It is no use to be called before that.
            Some(until) => Err(until.later(spread(ask.uid.as_str(), SPREAD))),
            None => all.admit(ask, now),
        }
    }

    /// Calls those whose turn has come: one a second for each application while its budget is tight.
    pub fn call(&self, now: Timestamp) -> Vec<Called> {
        let mut all = self.lock();
        let mut called = Vec::new();
        let mut lines = std::mem::take(&mut all.lines);
        lines.retain(|app, (line, last)| {
            let gate = all.gate(app, now);
            let turns = match gate.is_tight() {
                true => usize::from(has_passed(BETWEEN, *last, now)),
                false => CALLED_AT_ONCE,
            };
            let before = called.len();
            called.extend((0..turns).map_while(|_| line.call(now, |priority| gate.lets(priority))));
            if called.len() > before {
                *last = now;
            }
            !line.clear_up(now) || !has_passed(BETWEEN, *last, now)
        });
        all.lines = lines;
        called
    }

    /// Whether what was heard of an application's usage is too old to go on being held back by it, unless Meta asked for
    /// silence.
    pub fn wants_news(&self, app: &Uid, now: Timestamp) -> bool {
        let all = self.lock();
        let share = all.shares.get(&Budget::app(app)).filter(|share| share.percent >= TIGHT && share.is_recent(now));
        share.is_some_and(|share| has_passed(BELIEVED, share.heard, now)) && all.gate(app, now).silent_until.is_none()
    }

    /// How much of the limits of an application and its pages is used, if it is much.
    pub fn usage(&self, app: &Uid, now: Timestamp) -> Option<UsageStatus> {
        let all = self.lock();
        let is_much = |share: &UsageShare| share.level != UsageLevel::Normal;
        let pages = all.shares.keys().filter(|it| it.app == *app && it.part != Part::App).map(|it| all.shown(it, now));
        let highest_page = pages.filter(is_much).max_by_key(|share| (share.level, share.percent));
        let usage = UsageStatus { app: Some(all.shown(&Budget::app(app), now)).filter(is_much), highest_page };
        (usage != UsageStatus::default()).then_some(usage)
    }

    /// Drops what was heard too long ago.
    pub fn clear_up(&self, now: Timestamp) {
        let mut all = self.lock();
        all.shares.retain(|_, share| share.is_recent(now));
        all.silences.retain(|_, silence| silence.until > now);
    }

    /// Forgets an object that is gone.
    pub fn forget(&self, key: &Key) {
        self.lock().lines.values_mut().for_each(|(line, _)| line.leave(key));
    }

    /// Forgets an application that is gone.
    pub fn forget_app(&self, app: &Uid) {
        let mut all = self.lock();
        all.silences.retain(|budget, _| budget.app != *app);
        all.shares.retain(|budget, _| budget.app != *app);
        all.lines.remove(app);
    }
}

#[cfg(test)]
mod tests;
