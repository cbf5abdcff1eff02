//! Which objects this process saw alive and then gone. Only that distinguishes a deletion from an object that is not there yet,
//! as in the middle of a restore.

use parking_lot::Mutex;
use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

/// How many are remembered. Most held no claim, so that nobody writes down that they went, and the oldest give way.
const MOST: usize = 100_000;

/// The objects that were seen to go, by their UIDs, until that is written down.
#[derive(Debug, Default)]
pub struct Departed(Mutex<Marks>);

#[derive(Debug, Default)]
struct Marks {
    all: HashSet<u64>,
    in_order: VecDeque<u64>,
}

/// What is kept of a UID.
pub fn mark(uid: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    uid.hash(&mut hasher);
    hasher.finish()
}

impl Departed {
    /// Notes that the object with this mark was seen to go.
    pub fn note(&self, mark: u64) {
        let mut marks = self.0.lock();
        if marks.all.insert(mark) {
            marks.in_order.push_back(mark);
        }
        if marks.in_order.len() > MOST
            && let Some(oldest) = marks.in_order.pop_front()
        {
            marks.all.remove(&oldest);
        }
    }

    /// Whether the object of this UID was seen to go.
    pub fn contains(&self, uid: &str) -> bool {
        self.0.lock().all.contains(&mark(uid))
    }

    pub fn forget(&self, uid: &str) {
        self.0.lock().all.remove(&mark(uid));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_makes_and_deletes_without_end_fills_no_memory() {
        let departed = Departed::default();
        for uid in 0..=MOST {
            departed.note(mark(&uid.to_string()));
            departed.note(mark(&uid.to_string()));
        }
        assert!(!departed.contains("0") && departed.contains("1") && departed.contains(&MOST.to_string()));
        departed.forget("1");
        assert!(!departed.contains("1"));
        departed.note(mark("1"));
        let marks = departed.0.lock();
        assert!(marks.all.len() <= MOST && marks.in_order.len() <= MOST);
    }
}
