//! The fence that lets a write at Meta through only while this process still knows the facts behind its decision.
//!
//! Meta has no lock and takes a write from anyone with a token. A process may be stopped at any point and continue a minute
//! later as if nothing had happened, and a watch may lag for as long. So directly before each write, after everything else that
//! takes time, the Lease must have been renewed lately, and the claim is read from the API server itself
//! (`ownership/claim_fence.rs`).
//!
//! # What lets a write at Meta through
//!
//! A pass decides by what watches show, and a process may be stopped between any two of its steps. So each write at Meta is a
//! future that is handed to a fence. The fence polls it only if nothing that counts can have changed:
//! `ownership/claim_fence.rs` reads the claim without a version (unless the process wrote it within the last five seconds), and
//! `controller/lease_fence.rs` compares the age of the last renewal of the Lease (`cluster/leader/mod.rs`) by both clocks.
//! Nothing is awaited in between. If the claim differs from what the watch shows, the watch is not believed until it continues:
//! `ownership/observe.rs` then reads the claim itself, and the same pass decides again. Otherwise the pass ends with
//! `Class::Withheld`. Cleaning up marks the claim first, over the very version that was checked, and sends only over that mark.
//!
//! A status is written as a whole, whoever wrote the previous one. An older status that a former leader writes over a newer one
//! is someone else's status for the current leader, and is repaired as such (`controller/own_status.rs`). There is no test of
//! its version, which every edit of a spec or an annotation would fail.

use super::context::Context;
use crate::base::key::{Key, KindName};
use crate::base::withheld::Withheld;
use crate::cluster::error::Failure;

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
        for (path, text) in files.iter().filter(|(path, _)| !path.ends_with("controller/lease_fence.rs")) {
            let written = count(text, &writes);
            all += written;
            assert!(written == 0 || written == count(text, &fences), "{}", path.display());
        }
        assert_eq!(all, 7, "another write, or one less");
    }
}
