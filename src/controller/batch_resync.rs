//! Checks objects because time passed: all objects form a ring, ordered by a stable hash of their UIDs, that is walked in step
//! with the wall clock. Each object keeps its place after a restart, so nothing stampedes and no schedule is stored.
//!
//! A visit is not a pass. Objects that are due in one round are read together. An object that shows nothing new costs no pass
//! and no write; one that does is woken.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use kube::Resource;
use tokio::task::{Id, JoinSet};

use super::context::Context;
use super::pass::Pass;
use super::reconciler::Reconciler;
use super::safeguards::PanicOver;
use crate::api::Reason;
use crate::api::conditions::{ConditionType, find};
use crate::api::outcome::Class;
use crate::base::ids::Uid;
use crate::base::key::Key;
use crate::base::schedule::last_slot;
use crate::cluster::error::Failure;
use crate::limits::round_robin::RoundRobin;

/// A kind whose objects are visited together.
pub trait BatchResync: Reconciler {
    /// An object with everything that is needed to read about it.
    type Visit: Send;

    /// How many objects are read together.
    const TOGETHER: usize;

    /// All objects in the stores.
    fn all(&self) -> Vec<Arc<Self::Object>>;

    /// What objects have in common that may be read together.
    fn group(&self, object: &Self::Object) -> Key;

    /// Prepares a visit.
    ///
    /// # Errors
    /// When the Kubernetes API does not answer.
    fn prepare(
        &self,
        object: Arc<Self::Object>,
        pass: Pass<Self::Status>,
    ) -> impl Future<Output = Result<Prepared<Self::Visit>, Failure>> + Send;

    /// Whether Meta may not be asked about an object any more, though it might when the visit was prepared.
    fn is_held(&self, visit: &Self::Visit) -> bool;

    /// Reads about objects of one group, at most [`BatchResync::TOGETHER`], and says what came of each visit. What was read
    /// about those who are woken is left for their passes.
    fn read(&self, visits: Vec<Self::Visit>) -> impl Future<Output = Vec<Seen>> + Send;
}

/// What to do about an object whose slot has come.
pub enum Prepared<V> {
    /// Nothing: what it waits for wakes it.
    Rest,
    /// Only a pass can look at it.
    Wake,
    /// Meta may not be asked about it now: that counts as no answer.
    Held,
    /// It can be read together with others.
    Read(V),
}

/// What came of one visit.
pub struct Seen {
    /// The object.
    pub key: Key,
    /// UID of the object.
    pub uid: Uid,
    /// What was found.
    pub found: Found,
}

/// What was found about an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Found {
    /// What its status says.
    Same,
    /// Something that its status does not say.
    News,
    /// Meta did not answer.
    Nothing,
    /// Meta wants not to be asked about it before then.
    Later(Timestamp),
    /// Meta wants the whole group to be silent until then.
    Silence(Timestamp),
}

impl Found {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::News => "news",
            Self::Nothing => "unanswered",
            Self::Later(_) => "later",
            Self::Silence(_) => "silence",
        }
    }
}

/// Rounds in a period: few enough for many objects to be read together, many enough to spread the load.
const ROUNDS: u32 = 30;
/// Requests of one group at once.
const REQUESTS_AT_ONCE: usize = 4;

/// The round that ends next after `now`: on a grid of the wall clock.
fn next_round(now: Timestamp, period: Duration) -> Timestamp {
    let length = i64::try_from((period / ROUNDS).as_secs()).unwrap_or(i64::MAX).max(1);
    let since = now.as_second().rem_euclid(length);
    Timestamp::from_second(now.as_second() + length - since).unwrap_or(Timestamp::MAX)
}

/// Whether the slot of an object came after `from` and not after `to`.
fn is_due(uid: &str, period: Duration, from: Timestamp, to: Timestamp) -> bool {
    last_slot(uid, to, period) > from
}

/// Walks the ring until the shutdown. Groups do not wait for each other.
pub async fn run<K: BatchResync>(kind: Arc<K>) {
    let ctx = Arc::clone(kind.ctx());
    let (mut ring, clock) = (Ring::new(kind), &ctx.clock);
    let mut from = clock.now();
    loop {
        let round = next_round(from, ctx.policy.channel_period);
        tokio::select! {
            biased;
            () = ctx.shutdown.cancelled() => return,
            Some(done) = ring.running.join_next_with_id(), if !ring.running.is_empty() => ring.ended(done),
            () = clock.sleep_until(round) => {
                let to = clock.now();
                ring.collect(from, to);
                from = to;
            }
        }
        ring.start();
    }
}

type Ended = Result<(Id, Option<Timestamp>), tokio::task::JoinError>;

struct Ring<K> {
    kind: Arc<K>,
    /// Who is due in each group and not visited yet, and since when.
    due: HashMap<Key, (Timestamp, BTreeSet<Key>)>,
    /// The groups that are being visited. A task ends with the time until which its group has to be silent.
    running: JoinSet<Option<Timestamp>>,
    groups: HashMap<Id, (Key, Timestamp, BTreeSet<Key>)>,
    silent: Silences,
    /// The slots of which time were collected last.
    collected: Timestamp,
}

impl<K: BatchResync> Ring<K> {
    fn new(kind: Arc<K>) -> Self {
        Self {
            collected: kind.ctx().clock.now(),
            kind,
            due: HashMap::new(),
            running: JoinSet::new(),
            groups: HashMap::new(),
            silent: Silences::default(),
        }
    }

    fn ctx(&self) -> &Context {
        self.kind.ctx()
    }

    /// Collects who became due. Who was due before and is still not visited is visited once.
    fn collect(&mut self, from: Timestamp, to: Timestamp) {
        for object in self.kind.all() {
            let uid = object.as_ref().meta().uid.as_deref().unwrap_or_default();
            if is_due(uid, period::<K>(self.ctx(), &object), from, to) {
                let (_, keys) = self.due.entry(self.kind.group(&object)).or_insert_with(|| (to, BTreeSet::new()));
                keys.insert(Key::of(&*object));
            }
        }
        self.collected = to;
        if self.due.is_empty() && self.groups.is_empty() {
            self.ctx().metrics.swept(K::NAME, Duration::ZERO);
        }
        let since = self.kind.states().unanswered_since();
        let open = since.map(|since| to.duration_since(since)).unwrap_or_default();
        self.ctx().metrics.longest_unanswered(K::NAME, Duration::try_from(open).unwrap_or_default());
    }

    fn start(&mut self) {
        let now = self.ctx().clock.now();
        self.silent.forget_ended(now);
        let busy: Vec<_> = self.groups.values().map(|(group, ..)| group.clone()).collect();
        let idle: Vec<_> = self.due.keys().filter(|group| !busy.contains(group)).cloned().collect();
        for group in idle {
            let Some((since, keys)) = self.due.remove(&group) else { continue };
            let (kind, silent) = (Arc::clone(&self.kind), self.silent.0.get(&group).copied());
            let visited = keys.clone();
            let task = self.running.spawn(async move { visit(&*kind, visited, silent).await });
            self.groups.insert(task.id(), (group, since, keys));
        }
        if self.due.is_empty() && self.groups.is_empty() {
            self.ctx().metrics.swept_until(K::NAME, self.collected);
        }
    }

    fn ended(&mut self, done: Ended) {
        let (id, silent, panicked) = match done {
            Ok((id, silent)) => (id, silent, false),
            Err(error) => (error.id(), None, error.is_panic()),
        };
        let Some((group, since, keys)) = self.groups.remove(&id) else { return };
        if panicked {
            self.ctx().metrics.panicked(K::NAME);
            // One of them is to blame. Each has a pass instead, so that the others are checked all the same.
            for (key, object) in keys.iter().filter_map(|key| Some((key, self.kind.stored(key)?))) {
                wake(&*self.kind, key, &Uid::of(object.as_ref()));
            }
        }
        let lag = self.ctx().clock.now().duration_since(since);
        self.ctx().metrics.swept(K::NAME, Duration::try_from(lag).unwrap_or_default());
        if let Some(until) = silent {
            self.silent.0.insert(group, until);
        }
    }
}

/// Until when groups have to be silent.
#[derive(Default)]
struct Silences(HashMap<Key, Timestamp>);

impl Silences {
    fn forget_ended(&mut self, now: Timestamp) {
        self.0.retain(|_, until| *until > now);
    }
}

/// How often an object is visited: by why it is not ready.
fn period<K: Reconciler>(ctx: &Context, object: &K::Object) -> Duration {
    let ready = K::status(object).and_then(|status| find(K::conditions(status), ConditionType::Ready));
    let class = ready.and_then(|ready| Reason::parse(&ready.reason)).map_or(Class::Settled, Class::from);
    class.period(ctx.policy.channel_period, ctx.policy.broken_period)
}

/// Visits objects of one group; returns until when the group has to be silent, if Meta wants that.
async fn visit<K: BatchResync>(kind: &K, keys: BTreeSet<Key>, mut silent: Option<Timestamp>) -> Option<Timestamp> {
    let mut turns = RoundRobin::default();
    keys.into_iter().for_each(|key| turns.join(&key.namespace.clone(), key));
    let mut visits = Vec::new();
    // If it comes to an end early, each namespace has had its share.
    while let Some(key) = turns.take() {
        visits.extend(prepare(kind, &key).await);
    }
    let mut rest = visits.into_iter();
    while silent.is_none() {
        // What the last answers said may hold back the others.
        let mut open = rest.by_ref().filter_map(|(key, uid, visit)| {
            let is_held = kind.is_held(&visit);
            if is_held {
                settle(kind, &Seen { key, uid, found: Found::Nothing });
            }
            (!is_held).then_some(visit)
        });
        let chunks: Vec<Vec<_>> = (0..REQUESTS_AT_ONCE)
            .map(|_| open.by_ref().take(K::TOGETHER).collect())
            .filter(|chunk: &Vec<_>| !chunk.is_empty())
            .collect();
        if chunks.is_empty() {
            return None;
        }
        let mut seen: FuturesUnordered<_> = chunks.into_iter().map(|chunk| kind.read(chunk)).collect();
        while let Some(seen) = seen.next().await {
            let until =
                seen.iter().filter_map(|it| if let Found::Silence(until) = it.found { Some(until) } else { None });
            silent = silent.into_iter().chain(until).max();
            seen.iter().for_each(|seen| settle(kind, seen));
        }
    }
    // Meta was to be asked about the others too: that it does not want to be counts as no answer.
    for (key, uid, _) in rest {
        settle(kind, &Seen { key, uid, found: Found::Nothing });
    }
    silent
}

async fn prepare<K: BatchResync>(kind: &K, key: &Key) -> Option<(Key, Uid, K::Visit)> {
    let object = kind.stored(key)?;
    PanicOver::now(kind.ctx().policy.panic_over.visit.as_ref(), key);
    let uid = Uid::of(object.as_ref());
    let pass = Pass::glance(kind, &object);
    // Whoever does not rest has a time of its own.
    let prepared = if pass.rests() { kind.prepare(object, pass).await } else { Ok(Prepared::Rest) };
    match prepared {
        Ok(Prepared::Read(visit)) => return Some((key.clone(), uid, visit)),
        Ok(Prepared::Rest) => {}
        Ok(Prepared::Wake) => wake(kind, key, &uid),
        Ok(Prepared::Held) => settle(kind, &Seen { key: key.clone(), uid, found: Found::Nothing }),
        Err(failure) => tracing::info!(kind = K::NAME.as_str(), object = %key, %failure, "the regular check failed"),
    }
    None
}

fn settle<K: BatchResync>(kind: &K, seen: &Seen) {
    let ctx = kind.ctx();
    ctx.metrics.visited(K::NAME, seen.found.as_str());
    if kind.stored(&seen.key).is_none() {
        // It went while it was visited; what the visit noted of it would be remembered for ever.
        kind.forget(&seen.key);
        return;
    }
    match seen.found {
        // Its pass says what is known of it then.
        Found::News => wake(kind, &seen.key, &seen.uid),
        found => kind.states().note(&seen.key, &seen.uid, ctx.clock.now(), found == Found::Same),
    }
    if let (Found::Later(until), Some(timer)) = (seen.found, ctx.wakeups.timer(K::NAME, &seen.key.namespace)) {
        // Its next slot may come too soon: from now on it has a time of its own, until a pass finds it well.
        kind.states().postpone(&seen.key, &seen.uid, until);
        timer.set(seen.key.clone(), until);
    }
}

fn wake<K: BatchResync>(kind: &K, key: &Key, uid: &Uid) {
    kind.states().request(key, uid);
    kind.ctx().wakeups.wake(K::NAME, key.clone());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::at;

    const PERIOD: Duration = Duration::from_secs(900);

    /// The rounds of a walk that begins at a time, until another.
    fn rounds(begin: i64, end: i64) -> Vec<Timestamp> {
        let next = |from: &Timestamp| Some(next_round(*from, PERIOD)).filter(|round| *round <= at(end));
        std::iter::successors(Some(at(begin)), next).collect()
    }

    /// How many of 1,000 objects each round of a walk visits.
    fn visits(rounds: &[Timestamp]) -> Vec<usize> {
        let due = |from, to| (0..1_000).filter(|n| is_due(&format!("uid-{n}"), PERIOD, from, to)).count();
        rounds.windows(2).map(|pair| due(pair[0], pair[1])).collect()
    }

    #[test]
    fn a_period_visits_everybody_once_and_no_round_many() {
        let walk = visits(&rounds(5_000_010, 5_000_010 + 900));
        assert_eq!(walk.iter().sum::<usize>(), 1_000, "{walk:?}");
        assert!(walk.len() <= 31 && walk.iter().all(|visited| *visited < 3 * 1_000 / 30), "{walk:?}");
    }

    #[test]
    fn a_silence_is_forgotten_once_it_is_over() {
        let mut silent = Silences((0..9).map(|n| (Key::new("a", n.to_string()), at(100 + n))).collect());
        silent.forget_ended(at(105));
        let mut left: Vec<_> = silent.0.into_values().collect();
        left.sort();
        assert_eq!(left, [at(106), at(107), at(108)]);
    }

    #[test]
    fn restarts_visit_nobody_twice() {
        let walks = [(5_000_010, 5_000_200), (5_000_200, 5_000_203), (5_000_210, 5_000_910)];
        let visited: usize = walks.iter().flat_map(|(begin, end)| visits(&rounds(*begin, *end))).sum();
        assert!(visited <= 1_000, "{visited}");
        // What was due between the last round of one walk and the beginning of the next comes a period later.
        assert!(visited >= 900, "{visited}");
    }

    #[test]
    fn a_leap_of_the_clock_visits_everybody_once() {
        assert_eq!(visits(&[at(5_000_010), at(5_090_000)]), [1_000]);
    }

    #[test]
    fn rounds_stand_on_a_grid_of_the_clock() {
        for (now, next) in [(5_000_010, 5_000_040), (5_000_039, 5_000_040), (5_000_040, 5_000_070)] {
            assert_eq!(next_round(at(now), PERIOD), at(next));
        }
        assert_eq!(next_round(at(7), Duration::from_secs(1)), at(8));
    }
}
