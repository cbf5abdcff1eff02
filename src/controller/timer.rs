//! Wake-ups: each object has at most one, on the operator's own clock.
//!
//! kube's scheduler sleeps on tokio's instants, which a test cannot move together with the time that decisions see. Reconciles
//! therefore return `await_change` and leave a time here.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use futures::Stream;
use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::base::clock::Clock;

enum Command<K> {
    At(K, Timestamp),
    NoLater(K, Timestamp),
    Now(K),
    Forget(K),
}

/// Hands wake-ups to a [`wakes`] stream.
pub struct Timer<K>(mpsc::UnboundedSender<Command<K>>);

impl<K> Clone for Timer<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K> Timer<K> {
    /// Wakes `key` at `at`, instead of at the time set before.
    pub fn set(&self, key: K, at: Timestamp) {
        self.send(Command::At(key, at));
    }

    /// Wakes `key` at `at` or at the time set before, whichever comes first.
    pub fn no_later(&self, key: K, at: Timestamp) {
        self.send(Command::NoLater(key, at));
    }

    /// Wakes `key` at once, leaving its set time alone.
    pub fn wake(&self, key: K) {
        self.send(Command::Now(key));
    }

    /// Drops the wake-up of a `key` that is gone.
    pub fn forget(&self, key: K) {
        self.send(Command::Forget(key));
    }

    fn send(&self, command: Command<K>) {
        // Fails only when the stream is gone, at shutdown; then nobody waits for a wake-up.
        let _ = self.0.send(command);
    }
}

/// A timer and the stream of keys whose time has come.
pub fn wakes<K>(clock: Clock) -> (Timer<K>, impl Stream<Item = K> + Send + 'static)
where
    K: Clone + Eq + Hash + Ord + Send + 'static,
{
    let (sender, commands) = mpsc::unbounded_channel();
    let state = State { clock, commands, due: BTreeSet::new(), at: HashMap::new() };
    let stream = futures::stream::unfold(state, |mut state| async move {
        let key = state.next().await?;
        Some((key, state))
    });
    (Timer(sender), stream)
}

struct State<K> {
    clock: Clock,
    commands: mpsc::UnboundedReceiver<Command<K>>,
    due: BTreeSet<(Timestamp, K)>,
    at: HashMap<K, Timestamp>,
}

impl<K: Clone + Eq + Hash + Ord> State<K> {
    async fn next(&mut self) -> Option<K> {
        loop {
            let first = self.due.first().map(|(at, _)| *at);
            let clock = self.clock.clone();
            let due = async move {
                match first {
                    Some(at) => clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                command = self.commands.recv() => match command? {
                    Command::Now(key) => return Some(key),
                    Command::At(key, at) => self.set(key, Some(at)),
                    Command::NoLater(key, at) => {
                        let at = self.at.get(&key).map_or(at, |set| at.min(*set));
                        self.set(key, Some(at));
                    }
                    Command::Forget(key) => self.set(key, None),
                },
                () = due => {
                    let (_, key) = self.due.pop_first()?;
                    self.at.remove(&key);
                    return Some(key);
                }
            }
        }
    }

    fn set(&mut self, key: K, at: Option<Timestamp>) {
        if let Some(old) = self.at.remove(&key) {
            self.due.remove(&(old, key.clone()));
        }
        if let Some(at) = at {
            self.due.insert((at, key.clone()));
            self.at.insert(key, at);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::pin::pin;
    use std::time::Duration;

    use futures::StreamExt;
    use jiff::SignedDuration;

    use super::*;
    use crate::base::clock::Shift;

    async fn next<K>(stream: &mut (impl Stream<Item = K> + Unpin)) -> Option<K> {
        tokio::time::timeout(Duration::from_millis(200), stream.next()).await.ok().flatten()
    }

    #[tokio::test]
    async fn keys_wake_in_the_order_of_their_times_when_the_clock_passes_them() {
        let shift = Shift::default();
        let clock = Clock::Shifted(shift.clone());
        let now = clock.now();
        let (timer, stream) = wakes(clock);
        let mut stream = pin!(stream);
        timer.set("late", now + SignedDuration::from_mins(20));
        timer.set("early", now + SignedDuration::from_mins(10));
        assert_eq!(next(&mut stream).await, None);
        shift.advance(SignedDuration::from_mins(30));
        assert_eq!(next(&mut stream).await, Some("early"));
        assert_eq!(next(&mut stream).await, Some("late"));
    }

    #[tokio::test]
    async fn a_new_time_replaces_the_old_one_and_a_forgotten_key_never_wakes() {
        let shift = Shift::default();
        let clock = Clock::Shifted(shift.clone());
        let now = clock.now();
        let (timer, stream) = wakes(clock);
        let mut stream = pin!(stream);
        timer.set("moved", now + SignedDuration::from_mins(1));
        timer.set("moved", now + SignedDuration::from_hours(1));
        timer.set("gone", now + SignedDuration::from_mins(1));
        timer.forget("gone");
        shift.advance(SignedDuration::from_mins(30));
        assert_eq!(next(&mut stream).await, None);
        shift.advance(SignedDuration::from_mins(30));
        assert_eq!(next(&mut stream).await, Some("moved"));
        assert_eq!(next(&mut stream).await, None, "one time, one wake");
    }

    #[tokio::test]
    async fn a_key_that_is_to_wake_no_later_keeps_an_earlier_time() {
        let shift = Shift::default();
        let clock = Clock::Shifted(shift.clone());
        let now = clock.now();
        let (timer, stream) = wakes(clock);
        let mut stream = pin!(stream);
        timer.set("early", now + SignedDuration::from_mins(10));
        timer.set("late", now + SignedDuration::from_hours(10));
        for minutes in [20, 30] {
            for key in ["early", "late", "new"] {
                timer.no_later(key, now + SignedDuration::from_mins(minutes));
            }
        }
        let mut woken = Vec::new();
        for minutes in [10, 10, 10] {
            shift.advance(SignedDuration::from_mins(minutes));
            let mut all: Vec<&str> = Vec::new();
            while let Some(key) = next(&mut stream).await {
                all.push(key);
            }
            woken.push(all);
        }
        assert_eq!(woken, [vec!["early"], vec!["late", "new"], vec![]]);
    }

    #[tokio::test]
    async fn waking_at_once_keeps_the_set_time() {
        let shift = Shift::default();
        let clock = Clock::Shifted(shift.clone());
        let now = clock.now();
        let (timer, stream) = wakes(clock);
        let mut stream = pin!(stream);
        timer.set("key", now + SignedDuration::from_mins(1));
        timer.wake("key");
        assert_eq!(next(&mut stream).await, Some("key"));
        shift.advance(SignedDuration::from_mins(1));
        assert_eq!(next(&mut stream).await, Some("key"));
    }
}
