//! A switch for tests, to see what keeps tenants apart.

/// What keeps the trouble of one tenant from the others. No flag, variable or object reaches it: a test takes one of them out to
/// see what it is for.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Isolation {
    /// A namespace that cannot be listed does not keep the gateway from being ready.
    pub ready: bool,
    /// What is not known yet is answered with 503, not as if it did not exist or were wrong.
    pub unknown: bool,
}

impl Default for Isolation {
    fn default() -> Self {
        Self { ready: true, unknown: true }
    }
}
