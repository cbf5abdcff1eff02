//! The passes that wait for the budget of an application, and the order in which they get it: more urgent ones first, and among
//! equals the namespaces in turns.
//!
//! Nothing waits here while it holds a permit. A pass that may not ask Meta joins the line and ends; when its turn comes, it
//! gets a ticket and is woken.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};

use super::round_robin::RoundRobin;
use crate::base::clock::Moment;
use crate::base::ids::Uid;
use crate::base::key::Key;
use crate::base::priority::Priority;

/// How long a ticket is good: a pass begins soon after it is woken, unless its object is gone.
const TICKET: SignedDuration = SignedDuration::from_mins(1);

/// Someone whose turn has come.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Called {
    /// The object.
    pub key: Key,
    /// UID of the object.
    pub uid: Uid,
}

/// Those who wait for the budget of one application.
#[derive(Debug, Default)]
pub struct WaitQueue {
    turns: BTreeMap<Priority, RoundRobin<Called>>,
    /// As what each of them waits.
    waiting: HashMap<Key, Priority>,
    tickets: HashMap<Key, (Priority, Timestamp)>,
}

impl WaitQueue {
    /// Joins the line. Who waits already keeps its place, unless it is more pressing now.
    pub fn join(&mut self, key: &Key, uid: &Uid, priority: Priority) {
        if self.waiting.get(key).is_some_and(|known| *known <= priority) {
            return;
        }
        self.leave(key);
        self.waiting.insert(key.clone(), priority);
        let called = Called { key: key.clone(), uid: uid.to_owned() };
        self.turns.entry(priority).or_default().join(&key.namespace, called);
    }

    /// Calls the next one whose priority is let through, and gives it a ticket.
    pub fn call(&mut self, now: Timestamp, is_open: impl Fn(Priority) -> bool) -> Option<Called> {
        let mut open = self.turns.iter_mut().filter(|(priority, _)| is_open(**priority));
        let (priority, called) = open.find_map(|(priority, turns)| Some((*priority, turns.take()?)))?;
        self.waiting.remove(&called.key);
        self.tickets.insert(called.key.clone(), (priority, now.later(TICKET)));
        Some(called)
    }

    /// Takes the ticket of someone who was called: as what it was called.
    pub fn ticket(&mut self, key: &Key, now: Timestamp) -> Option<Priority> {
        self.tickets.remove(key).filter(|(_, until)| *until > now).map(|(priority, _)| priority)
    }

    /// Whether someone waits who is at least as pressing.
    pub fn has(&self, priority: Priority) -> bool {
        self.waiting.values().any(|waiting| *waiting <= priority)
    }

    /// Forgets someone who does not wait any more.
    pub fn leave(&mut self, key: &Key) {
        self.tickets.remove(key);
        let waited = self.waiting.remove(key).and_then(|priority| self.turns.get_mut(&priority));
        if let Some(turns) = waited {
            turns.leave(&key.namespace, |called| called.key == *key);
        }
    }

    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Drops what has run out; whether nothing is left.
    pub fn clear_up(&mut self, now: Timestamp) -> bool {
        self.tickets.retain(|_, (_, until)| *until > now);
        self.waiting.is_empty() && self.tickets.is_empty()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::since_start as at;

    fn join(line: &mut WaitQueue, namespace: &str, name: &str, priority: Priority) {
        line.join(&Key::new(namespace, name), &name.into(), priority);
    }

    fn call(line: &mut WaitQueue) -> String {
        line.call(at(0), |_| true).map(|called| called.key.name).unwrap_or_default()
    }

    #[test]
    fn what_is_more_pressing_comes_first_and_namespaces_take_turns() {
        let mut line = WaitQueue::default();
        for name in ["b1", "b2", "b3"] {
            join(&mut line, "b", name, Priority::Unverified);
        }
        join(&mut line, "a", "a1", Priority::Unverified);
        join(&mut line, "b", "edited", Priority::Edit);
        join(&mut line, "a", "swept", Priority::Sweep);
        join(&mut line, "a", "ending", Priority::Urgent);
        let order: Vec<_> = (0..8).map(|_| call(&mut line)).collect();
        assert_eq!(order, ["edited", "ending", "a1", "b1", "b2", "b3", "swept", ""]);
    }

    #[test]
    fn who_may_not_go_is_passed_over_and_stays() {
        let mut line = WaitQueue::default();
        join(&mut line, "a", "swept", Priority::Sweep);
        join(&mut line, "a", "new", Priority::Unverified);
        assert_eq!(line.call(at(0), |priority| priority == Priority::Edit), None);
        assert_eq!(line.waiting(), 2);
        assert_eq!((line.has(Priority::Edit), line.has(Priority::Unverified)), (false, true));
        assert_eq!(line.call(at(0), |priority| priority == Priority::Sweep).unwrap().uid.as_str(), "swept");
    }

    #[test]
    fn who_joins_twice_is_called_once_and_as_the_more_pressing_of_the_two() {
        let mut line = WaitQueue::default();
        join(&mut line, "a", "first", Priority::Unverified);
        for priority in [Priority::Unverified, Priority::Sweep, Priority::Edit, Priority::Unverified] {
            join(&mut line, "a", "twice", priority);
        }
        assert_eq!(line.waiting(), 2);
        assert_eq!([call(&mut line), call(&mut line), call(&mut line)], ["twice", "first", ""]);
        assert_eq!(line.ticket(&Key::new("a", "twice"), at(1)), Some(Priority::Edit));
    }

    #[test]
    fn a_ticket_is_good_once_and_for_a_minute() {
        let (mut line, key) = (WaitQueue::default(), Key::new("a", "x"));
        for (second, expected) in [(59, Some(Priority::Edit)), (60, None)] {
            line.join(&key, &"uid".into(), Priority::Edit);
            line.call(at(0), |_| true).unwrap();
            assert_eq!(line.ticket(&key, at(second)), expected);
            assert_eq!(line.ticket(&key, at(second)), None);
        }
    }

    #[test]
    fn who_left_is_not_called_and_nothing_of_it_is_kept() {
        let (mut line, gone) = (WaitQueue::default(), Key::new("a", "gone"));
        join(&mut line, "a", "gone", Priority::Edit);
        join(&mut line, "a", "stays", Priority::Edit);
        line.leave(&gone);
        assert_eq!([call(&mut line), call(&mut line)], ["stays", ""]);
        assert!(!line.clear_up(at(1)), "a ticket is out");
        assert!(line.clear_up(at(60)));
    }
}
