//! What lets a write at Meta through: that this process still knows what it decided by.
//!
//! Meta has no lock and takes a write from whoever has a token. A process may be stopped anywhere and go on a minute later as if
//! nothing had happened, and a watch may lag for as long. So directly before each write, after everything else that takes time, the
//! Lease must have been renewed lately, and the claim is read from the API server itself (`claims/fence.rs`).

use std::time::Duration;

use super::context::Context;
use super::failure::Failure;
use super::key::{Key, KindName};
use super::leader::Tenure;

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

impl Lease {
    /// Whether it was renewed lately, so that no other replica can lead yet.
    pub fn is_fresh(&self) -> bool {
        self.tenure.age().is_some_and(|age| age < self.fresh)
    }
}

/// Makes sure that this process leads.
///
/// # Errors
/// [`Failure::Withheld`] if another one may.
pub fn leads(ctx: &Context, kind: KindName, key: &Key) -> Result<(), Failure> {
    if ctx.policy.safeguards.lease && !ctx.cluster.leads() {
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
    fn a_lease_counts_for_as_long_as_it_was_renewed_lately() {
        let lease = |fresh| Lease { tenure: Tenure::default(), fresh };
        let held = lease(Duration::from_secs(10));
        assert!(!held.is_fresh(), "it is not held yet");
        held.tenure.renewed();
        assert!(held.is_fresh());
        let short = lease(Duration::ZERO);
        short.tenure.renewed();
        assert!(!short.is_fresh(), "it was renewed too long ago");
    }
}
