//! What keeps harm away even when something else is broken. A test takes one of them out to see what it is for.

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
