//! Fingerprints of inputs: equal inputs need no new look at Meta.

use std::fmt::Debug;

use sha2::{Digest, Sha256};

use super::ids::Uid;

/// Collects the inputs that answers depend on. Secrets go in as their own fingerprints, never as they are.
pub struct Fingerprint(Sha256);

impl Fingerprint {
    /// Begins a fingerprint for one object.
    pub fn new(uid: &Uid) -> Self {
        Self(Sha256::new()).add("uid", uid)
    }

    /// Adds an input under its name.
    #[must_use]
    pub fn add(mut self, name: &str, value: impl Debug) -> Self {
        // The Debug form quotes and escapes, so that no two lists of inputs run into the same bytes.
        self.0.update(format!("{name}={value:?};"));
        self
    }

    /// The fingerprint: 16 hexadecimal digits.
    pub fn finish(self) -> String {
        hex::encode(&self.0.finalize()[..8])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_inputs_give_equal_fingerprints_and_any_difference_another() {
        let base = || Fingerprint::new(&"u".into()).add("a", 1).add("b", "x").finish();
        assert_eq!(base(), base());
        assert_eq!(base().len(), 16);
        let others = [
            Fingerprint::new(&"v".into()).add("a", 1).add("b", "x").finish(),
            Fingerprint::new(&"u".into()).add("a", 2).add("b", "x").finish(),
            Fingerprint::new(&"u".into()).add("a", 1).add("b", "x;").finish(),
            Fingerprint::new(&"u".into()).add("a", 1).finish(),
        ];
        for other in others {
            assert_ne!(other, base());
        }
    }
}
