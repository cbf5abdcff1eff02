//! What this process knows for certain about claims: which ones it just wrote, and for which ones the watch shows an old
//! version.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::base::clock::Stamp;

/// How long what was read or written of a claim counts.
pub const FRESH: Duration = Duration::from_secs(5);

/// Which claims this process wrote or read just now.
#[derive(Debug, Default)]
pub struct Freshness {
    written: Mutex<HashMap<String, Own>>,
    outdated: Mutex<HashMap<String, Outdated>>,
}

/// A claim that was written for this holder, by a request that was sent not before this time.
#[derive(Debug)]
struct Own {
    holder: String,
    sent: Stamp,
}

/// Which version of a claim the watch showed when another one was read; `None` stands for no claim.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Outdated {
    shown: Option<u64>,
    read: Option<u64>,
}

impl Freshness {
    /// Notes that a claim was written for this holder. One that is given away at the same time may be taken at any moment.
    pub fn wrote(&self, claim: &str, holder: &str, is_given_away: bool, sent: Stamp) {
        let mut written = self.written.lock();
        written.retain(|name, own| own.sent.age() < FRESH && name != claim);
        if !is_given_away {
            written.insert(claim.to_owned(), Own { holder: holder.to_owned(), sent });
        }
    }

    /// When this process sent what it wrote of a claim for this holder, if that was just now.
    pub fn sent(&self, claim: &str, holder: &str) -> Option<Stamp> {
        self.written.lock().get(claim).filter(|own| own.holder == holder).map(|own| own.sent)
    }

    /// Notes that another version of a claim was read than the watch shows. Whether that is news.
    pub fn outdate(&self, claim: &str, shown: Option<u64>, read: Option<u64>) -> bool {
        let outdated = Outdated { shown, read };
        shown != read && self.outdated.lock().insert(claim.to_owned(), outdated) != Some(outdated)
    }

    /// Notes which version of a claim the watch shows, so that what was found of another one is forgotten.
    pub fn shows(&self, claim: &str, shown: Option<u64>) {
        self.is_outdated(claim, shown);
    }

    /// Whether the watch still shows a version of a claim that was found to be outdated.
    pub fn is_outdated(&self, claim: &str, shown: Option<u64>) -> bool {
        let mut all = self.outdated.lock();
        let still = all.get(claim).is_some_and(|outdated| {
            // What is older than what was read is none the better for being newer than what was shown then.
            outdated.shown == shown || shown.is_some() && shown < outdated.read
        });
        if !still {
            all.remove(claim);
        }
        still
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_counts_for_its_holder_alone_unless_it_is_given_away() {
        let (freshness, now) = (Freshness::default(), Stamp::now());
        freshness.wrote("page", "a", false, now);
        assert_eq!(
            (freshness.sent("page", "a"), freshness.sent("page", "b"), freshness.sent("other", "a")),
            (Some(now), None, None)
        );
        freshness.wrote("page", "a", true, now);
        assert_eq!(freshness.sent("page", "a"), None);
    }

    #[test]
    fn a_claim_counts_as_outdated_until_the_watch_shows_another_version_and_only_what_differs_is_news() {
        let freshness = Freshness::default();
        assert!(!freshness.outdate("page", Some(7), Some(7)), "the watch shows what was read");
        assert!(!freshness.is_outdated("page", Some(7)));
        assert!(freshness.outdate("page", Some(7), Some(8)));
        assert!(!freshness.outdate("page", Some(7), Some(8)), "it was known");
        assert!(freshness.outdate("page", Some(7), None), "it was deleted meanwhile");
        assert!(freshness.is_outdated("page", Some(7)) && !freshness.is_outdated("other", Some(7)));
        freshness.outdate("page", Some(7), Some(9));
        assert!(freshness.is_outdated("page", Some(8)), "older than what was read");
        assert!(!freshness.is_outdated("page", Some(9)), "the watch goes on");
        assert!(!freshness.is_outdated("page", Some(7)), "and that is not forgotten");
    }

    #[test]
    fn nothing_is_kept_of_a_claim_that_nobody_looks_at_again() {
        let freshness = Freshness::default();
        for claim in 0..100 {
            freshness.outdate(&claim.to_string(), Some(7), Some(8));
        }
        for claim in 0..99 {
            freshness.shows(&claim.to_string(), Some(8).filter(|_| claim > 0));
        }
        freshness.shows("99", Some(7));
        assert_eq!(freshness.outdated.lock().len(), 1, "only that which the watch shows as it was");
    }
}
