//! Restraint in checking: someone who edits an object over and over causes only a few checks at Meta.

use std::collections::HashMap;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use super::token_bucket::TokenBucket;
use crate::base::ids::Uid;

/// So many looks are free at once.
const BURST: i32 = 5;

/// What someone changes when an object is edited. What it depends on changes without anybody's edit: a claim passes on,
/// an application recovers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Edit {
    /// Generation of the object.
    pub generation: i64,
    /// Its annotation that asks for a check.
    pub requested_at: Option<String>,
}

/// The buckets of all objects that were edited lately, by UID, with the edits that were admitted last.
#[derive(Debug)]
pub struct EditLimiter {
    /// After the free looks there is one in this time.
    every: SignedDuration,
    buckets: Mutex<Buckets>,
}

#[derive(Debug, Default)]
struct Buckets {
    by_uid: HashMap<Uid, (TokenBucket, Edit)>,
    /// How many there were when those that are full again were last dropped.
    kept: usize,
}

impl EditLimiter {
    /// Nothing was edited yet.
    pub fn new(every: Duration) -> Self {
        Self { every: SignedDuration::try_from(every).unwrap_or(SignedDuration::MAX), buckets: Mutex::default() }
    }

    /// Admits a look because of this edit; another one because of the same edit is free.
    ///
    /// # Errors
    /// When it will be admitted.
    pub fn admit(&self, uid: &Uid, edit: &Edit, now: Timestamp) -> Result<(), Timestamp> {
        let mut all = self.buckets.lock();
        // A full bucket is as good as none. They are dropped when there are twice as many as were kept last time, so
        // that 10,000 new objects do not cost 10,000 walks over all.
        if all.by_uid.len() >= 2 * all.kept.max(32) {
            all.by_uid.retain(|_, (bucket, _)| !bucket.is_full(now));
            all.kept = all.by_uid.len();
        }
        match all.by_uid.get_mut(uid) {
            Some((_, admitted)) if admitted == edit => Ok(()),
            Some((bucket, admitted)) => bucket.take(now, BURST, self.every).map(|()| admitted.clone_from(edit)),
            None => {
                let mut bucket = TokenBucket::full(now);
                bucket.take(now, BURST, self.every)?;
                all.by_uid.insert(uid.to_owned(), (bucket, edit.clone()));
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::since_start as at;

    /// The edit that makes this generation.
    fn edit(generation: i64) -> Edit {
        Edit { generation, requested_at: None }
    }

    #[test]
    fn five_looks_are_free_and_then_there_is_one_a_minute() {
        let edits = EditLimiter::new(Duration::from_secs(60));
        let rows: [(i64, Result<(), i64>); 12] = [
            (0, Ok(())),
            (0, Ok(())),
            (1, Ok(())),
            (2, Ok(())),
            (3, Ok(())),
            (4, Err(60)),
            (59, Err(60)),
            (60, Ok(())),
            (60, Err(120)),
            // Two minutes of peace are worth two looks.
            (180, Ok(())),
            (180, Ok(())),
            (181, Err(240)),
        ];
        for (generation, (now, expected)) in (1..).zip(rows) {
            assert_eq!(edits.admit(&"a".into(), &edit(generation), at(now)), expected.map_err(at), "at {now}");
        }
        assert_eq!(edits.admit(&"b".into(), &edit(1), at(181)), Ok(()), "each object has its own");
        for generation in 21..26 {
            assert_eq!(edits.admit(&"a".into(), &edit(generation), at(10_000)), Ok(()), "full again");
        }
        assert_eq!(edits.admit(&"a".into(), &edit(26), at(10_000)), Err(at(10_060)));
    }

    #[test]
    fn looks_without_another_edit_are_free() {
        let edits = EditLimiter::new(Duration::from_secs(60));
        for _ in 0..20 {
            assert_eq!(edits.admit(&"a".into(), &edit(1), at(0)), Ok(()));
        }
        for number in 0..4 {
            let requested_at = Some(number.to_string());
            assert_eq!(edits.admit(&"a".into(), &Edit { generation: 1, requested_at }, at(0)), Ok(()));
        }
        assert_eq!(edits.admit(&"a".into(), &edit(2), at(0)), Err(at(60)));
        assert_eq!(edits.admit(&"a".into(), &edit(2), at(60)), Ok(()));
    }

    #[test]
    fn objects_that_are_left_alone_are_forgotten() {
        let edits = EditLimiter::new(Duration::from_secs(60));
        for number in 0..1_000 {
            edits.admit(&Uid::new(&format!("uid-{number}")), &edit(1), at(number * 60)).unwrap();
        }
        assert!(edits.buckets.lock().by_uid.len() <= 64);
    }
}
