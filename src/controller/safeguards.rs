//! Safeguards that prevent harm even when something else is broken, and switches that only tests set. A test removes a
//! safeguard to see what it is for.

use crate::base::key::Key;

/// What is made sure of. No flag, variable or object reaches it.
#[derive(Clone, Copy, Debug)]
pub struct Safeguards {
    /// The claim is read anew before a write at Meta, unless it was written just now.
    pub claim: bool,
    /// The Lease was renewed lately when something is written at Meta.
    pub lease: bool,
    /// The claim is judged anew before it is taken over.
    pub judge: bool,
    /// The claim says that its page is being cleaned up before that is done.
    pub mark: bool,
    /// A token that works is kept beside the one that takes its place.
    pub former_token: bool,
    /// That claims are protected is proven again and again.
    pub proofs: bool,
}

impl Default for Safeguards {
    fn default() -> Self {
        Self { claim: true, lease: true, judge: true, mark: true, former_token: true, proofs: true }
    }
}

/// What only tests set, to see that a panic ends one thing and not the others. No flag, environment or object reaches it.
#[derive(Clone, Debug, Default)]
pub struct PanicOver {
    /// In each pass over this object.
    pub pass: Option<Key>,
    /// In each visit to this object.
    pub visit: Option<Key>,
}

impl PanicOver {
    /// Panics if a test said so.
    pub(super) fn now(over: Option<&Key>, key: &Key) {
        assert!(over != Some(key), "a test wants a panic");
    }
}
