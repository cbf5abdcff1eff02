//! The proof that a code comes back to the browser that asked for it (RFC 7636): Meta is given the digest of a secret with the
//! login dialog, and the secret with the code. Where Meta checks it, a code is of no use in anyone else's login.
//!
//! The secret follows from the state and the app secret. So it is stored nowhere, and a code that comes back to another browser
//! can be redeemed in order to discard it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::graph::AppSecret;

/// The secret that goes with a code.
pub(super) struct CodeVerifier(SecretString);

impl CodeVerifier {
    /// The one of a login that was begun with this state.
    pub(super) fn new(secret: &AppSecret, state: &str) -> Self {
        let key = secret.derived_key(&format!("code-verifier/{state}"));
        Self(URL_SAFE_NO_PAD.encode(key).into())
    }

    /// What the login dialog is given of it.
    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.0.expose_secret()))
    }

    /// The text itself, for the exchange of the code.
    pub(super) const fn secret(&self) -> &SecretString {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_state_and_each_app_secret_has_a_verifier_of_its_own_that_its_challenge_does_not_tell() {
        let secret = |text: &str| AppSecret::parse(text.as_bytes()).unwrap();
        let (one, other) = (secret("0123456789abcdef"), secret("0123456789abcdeg"));
        let verifier = CodeVerifier::new(&one, "state");
        let text = verifier.secret().expose_secret();
        assert_eq!(CodeVerifier::new(&one, "state").secret().expose_secret(), text);
        for different in [CodeVerifier::new(&one, "statf"), CodeVerifier::new(&other, "state")] {
            assert_ne!(different.secret().expose_secret(), text);
        }
        // RFC 7636, 4.1: 43 to 128 letters of a few kinds.
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        assert!(text.len() == 43 && text.bytes().all(is_allowed), "{text}");
        assert!(verifier.challenge().len() == 43 && verifier.challenge() != text);
    }
}
