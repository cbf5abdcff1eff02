//! One call for all who ask the same at the same time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OnceCell;

/// Calls under way, by what they ask.
pub(crate) struct Flights<K, T>(Mutex<HashMap<K, Arc<OnceCell<T>>>>);

impl<K, T> Default for Flights<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash, T: Clone> Flights<K, T> {
    /// Makes the call, or waits for the one that someone else is making. If that is given up, the next one makes it.
    pub(crate) async fn join(&self, key: K, call: impl Future<Output = T>) -> T {
        let cell = Arc::clone(self.0.lock().entry(key.clone()).or_default());
        let answer = cell.get_or_init(|| call).await.clone();
        // Whoever asks from now on asks anew.
        let mut flights = self.0.lock();
        if flights.get(&key).is_some_and(|current| Arc::ptr_eq(current, &cell)) {
            flights.remove(&key);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn who_asks_during_a_call_gets_its_answer_and_who_asks_later_another() {
        let (flights, calls, go) = (Flights::default(), AtomicUsize::new(0), Notify::new());
        let call = || async {
            let number = calls.fetch_add(1, Ordering::Relaxed);
            go.notified().await;
            number
        };
        let release = async {
            tokio::task::yield_now().await;
            go.notify_one();
        };
        let (one, two, ()) = tokio::join!(flights.join("token", call()), flights.join("token", call()), release);
        assert_eq!((one, two), (0, 0));
        go.notify_one();
        assert_eq!(flights.join("token", call()).await, 1);
        assert!(flights.0.lock().is_empty(), "no answer is kept");
    }

    #[tokio::test]
    async fn different_questions_do_not_wait_for_each_other() {
        let flights = Flights::default();
        let (never, other) = (flights.join("hangs", std::future::pending()), flights.join("other", async { 1 }));
        tokio::select! {
            _ = never => panic!("it hangs"),
            answer = other => assert_eq!(answer, 1),
        }
    }

    #[tokio::test]
    async fn a_call_that_was_given_up_is_made_by_the_next() {
        let flights = Flights::default();
        let given_up = flights.join("token", std::future::pending());
        assert!(tokio::time::timeout(std::time::Duration::from_millis(10), given_up).await.is_err());
        assert_eq!(flights.join("token", async { 2 }).await, 2);
    }
}
