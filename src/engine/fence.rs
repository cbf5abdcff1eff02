//! What lets a write at Meta through: that this process still knows what it decided by.
//!
//! Meta has no lock and takes a write from whoever has a token. A process may be stopped anywhere and go on a minute later as if
//! nothing had happened, and a watch may lag for as long. So directly before each write, after everything else that takes time, the
//! Lease must have been renewed lately, and the claim is read from the API server itself (`claims/fence.rs`).

use std::collections::HashMap;

use std::time::Duration;

use super::clock::Stamp;
use super::context::Context;
use super::failure::Failure;
use super::key::{Key, KindName};
use super::leader::Tenure;
use parking_lot::{Mutex, MutexGuard};

/// How long what was read or written of a claim counts.
pub const FRESH: Duration = Duration::from_secs(5);

/// Longest wait for an answer of Meta that may be set, well below how long a request counts as on its way.
pub const LONGEST_ANSWER: Duration = Duration::from_secs(30);

/// The Lease under which this process works.
#[derive(Clone, Debug)]
pub struct Lease {
    /// What is known of it.
    pub tenure: Tenure,
    /// How long a renewal counts.
    pub fresh: Duration,
}

/// Why a write at Meta was not sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Withheld {
    /// The claim is not what was decided by.
    #[error("the claim, read anew, is not the object's any more, or given away")]
    Claim,
    /// What the claim says could not be found out in time.
    #[error("the claim could not be read anew in time")]
    Unanswered,
    /// Somebody else may lead by now.
    #[error("the Lease was not renewed lately, so that another replica may lead")]
    Lease,
}

impl Withheld {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Claim, Self::Unanswered, Self::Lease];

    /// The reason as it stands in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Unanswered => "unanswered",
            Self::Lease => "lease",
        }
    }
}

/// What this process knows for certain of its Lease and of claims.
#[derive(Debug, Default)]
pub struct Fence {
    lease: Option<Lease>,
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

impl Fence {
    /// Without a Lease there is nothing to renew: then claims alone let a write through.
    pub fn new(lease: Option<Lease>) -> Self {
        Self { lease, ..Self::default() }
    }

    /// Whether no other replica can lead yet.
    pub fn leads(&self) -> bool {
        let renewed = |lease: &Lease| lease.tenure.age().is_some_and(|age| age < lease.fresh);
        self.lease.as_ref().is_none_or(renewed)
    }

    /// Notes that a claim was written for this holder. One that is given away at the same time may be taken at any moment.
    pub fn wrote(&self, claim: &str, holder: &str, is_given_away: bool, sent: Stamp) {
        let mut written = lock(&self.written);
        written.retain(|name, own| own.sent.age() < FRESH && name != claim);
        if !is_given_away {
            written.insert(claim.to_owned(), Own { holder: holder.to_owned(), sent });
        }
    }

    /// When this process sent what it wrote of a claim for this holder, if that was just now.
    pub fn sent(&self, claim: &str, holder: &str) -> Option<Stamp> {
        lock(&self.written).get(claim).filter(|own| own.holder == holder).map(|own| own.sent)
    }

    /// Notes that another version of a claim was read than the watch shows. Whether that is news.
    pub fn outdate(&self, claim: &str, shown: Option<u64>, read: Option<u64>) -> bool {
        let outdated = Outdated { shown, read };
        shown != read && lock(&self.outdated).insert(claim.to_owned(), outdated) != Some(outdated)
    }

    /// Notes which version of a claim the watch shows, so that what was found of another one is forgotten.
    pub fn shows(&self, claim: &str, shown: Option<u64>) {
        self.is_outdated(claim, shown);
    }

    /// Whether the watch still shows a version of a claim that was found to be outdated.
    pub fn is_outdated(&self, claim: &str, shown: Option<u64>) -> bool {
        let mut all = lock(&self.outdated);
        let still = all.get(claim).is_some_and(|outdated| outdated.shown == shown);
        if !still {
            all.remove(claim);
        }
        still
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

/// Makes sure that this process leads.
///
/// # Errors
/// [`Failure::Withheld`] if another one may.
pub fn leads(ctx: &Context, kind: KindName, key: &Key) -> Result<(), Failure> {
    if ctx.policy.safeguards.lease && !ctx.fence.leads() {
        return Err(withhold(ctx, kind, key, Withheld::Lease));
    }
    Ok(())
}

/// Sends a write at Meta that takes no claim, if this process leads. Nothing is sent before the future is polled, and nothing is
/// waited for in between.
///
/// # Errors
/// [`Failure::Withheld`] if another one may lead.
pub async fn leading<T>(
    ctx: &Context,
    kind: KindName,
    key: &Key,
    write: impl Future<Output = T>,
) -> Result<T, Failure> {
    leads(ctx, kind, key)?;
    Ok(write.await)
}

/// Tells that a write at Meta is not sent.
pub fn withhold(ctx: &Context, kind: KindName, key: &Key, why: Withheld) -> Failure {
    ctx.metrics.write_withheld(why);
    tracing::warn!(kind = kind.as_str(), object = %key, reason = why.as_str(), "a write at Meta was withheld: {why}");
    Failure::Withheld(why)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::{Path, PathBuf};

    use super::*;

    #[test]
    fn what_was_written_counts_for_its_holder_alone_unless_it_is_given_away() {
        let (fence, now) = (Fence::new(None), Stamp::now());
        fence.wrote("page", "a", false, now);
        assert_eq!(
            (fence.sent("page", "a"), fence.sent("page", "b"), fence.sent("other", "a")),
            (Some(now), None, None)
        );
        fence.wrote("page", "a", true, now);
        assert_eq!(fence.sent("page", "a"), None);
    }

    #[test]
    fn a_claim_counts_as_outdated_until_the_watch_shows_another_version_and_only_what_differs_is_news() {
        let fence = Fence::new(None);
        assert!(!fence.outdate("page", Some(7), Some(7)), "the watch shows what was read");
        assert!(!fence.is_outdated("page", Some(7)));
        assert!(fence.outdate("page", Some(7), Some(8)));
        assert!(!fence.outdate("page", Some(7), Some(8)), "it was known");
        assert!(fence.outdate("page", Some(7), None), "it was deleted meanwhile");
        assert!(fence.is_outdated("page", Some(7)) && !fence.is_outdated("other", Some(7)));
        assert!(!fence.is_outdated("page", Some(9)), "the watch goes on");
        assert!(!fence.is_outdated("page", Some(7)), "and that is not forgotten");
    }

    #[test]
    fn nothing_is_kept_of_a_claim_that_nobody_looks_at_again() {
        let fence = Fence::new(None);
        for claim in 0..100 {
            fence.outdate(&claim.to_string(), Some(7), Some(8));
        }
        for claim in 0..99 {
            fence.shows(&claim.to_string(), Some(8).filter(|_| claim > 0));
        }
        fence.shows("99", Some(7));
        assert_eq!(lock(&fence.outdated).len(), 1, "only that which the watch shows as it was");
    }

    /// The operator's code, file by file.
    fn sources(folder: &Path, into: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("graph") && !path.ends_with("gateway") {
                sources(&path, into);
            } else if path.is_file() {
                into.push((path.clone(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }

    #[test]
    fn every_write_at_meta_is_handed_to_a_fence() {
        let mut files = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
        let calls = ["subscribe_page", "unsubscribe_page", "subscribe_app", "exchange_token", "revoke_token"];
        let count = |text: &str, of: &[String]| of.iter().map(|it| text.matches(it.as_str()).count()).sum::<usize>();
        let writes = calls.map(|call| format!("graph.{call}("));
        let fences = ["fence::held(", "fence::marked(", " leading(", "(leading("].map(str::to_owned);
        let mut all = 0;
        for (path, text) in files.iter().filter(|(path, _)| !path.ends_with("engine/fence.rs")) {
            let written = count(text, &writes);
            all += written;
            assert!(written == 0 || written == count(text, &fences), "{}", path.display());
        }
        assert_eq!(all, 7, "another write, or one less");
    }

    #[test]
    fn a_lease_counts_for_as_long_as_it_was_renewed_lately_and_none_always_does() {
        let lease = |fresh| Fence::new(Some(Lease { tenure: Tenure::default(), fresh }));
        assert!(Fence::new(None).leads());
        let held = lease(Duration::from_secs(10));
        assert!(!held.leads(), "it is not held yet");
        let renew = |fence: &Fence| fence.lease.as_ref().map(|lease| lease.tenure.renewed());
        renew(&held);
        assert!(held.leads());
        let short = lease(Duration::ZERO);
        renew(&short);
        assert!(!short.leads(), "it was renewed too long ago");
    }
}
