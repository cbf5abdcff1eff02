//! Signatures of event bodies and of signed requests.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha1::Sha1;
use sha2::Sha256;

/// How events are signed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signing {
    /// With the app secret.
    #[default]
    Right,
    /// With a secret nobody has.
    Wrong,
    /// Not at all: the headers are missing.
    None,
    /// With this secret, for example the one before a reset.
    Secret(SecretString),
}

impl Signing {
    /// The name deliveries show.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Wrong => "wrong",
            Self::None => "none",
            Self::Secret(_) => "secret",
        }
    }

    /// The headers `X-Hub-Signature-256` and `X-Hub-Signature` of this body.
    pub(super) fn headers(&self, app_secret: &SecretString, body: &[u8]) -> Vec<(&'static str, String)> {
        let wrong = SecretString::from(hex::encode(rand::random::<[u8; 16]>()));
        let secret = match self {
            Self::Right => app_secret,
            Self::Wrong => &wrong,
            Self::Secret(secret) => secret,
            Self::None => return Vec::new(),
        };
        let key = secret.expose_secret().as_bytes();
        vec![
            ("x-hub-signature-256", format!("sha256={}", hex::encode(hmac_sha256(key, body)))),
            ("x-hub-signature", format!("sha1={}", hex::encode(hmac_sha1(key, body)))),
        ]
    }
}

/// HMAC takes keys of any length, so the empty result stands for nothing that happens.
pub(crate) fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    Hmac::<Sha256>::new_from_slice(key)
        .map(|mac| mac.chain_update(message).finalize().into_bytes().to_vec())
        .unwrap_or_default()
}

fn hmac_sha1(key: &[u8], message: &[u8]) -> Vec<u8> {
    Hmac::<Sha1>::new_from_slice(key)
        .map(|mac| mac.chain_update(message).finalize().into_bytes().to_vec())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_standards() {
        // RFC 4231 and RFC 2202, test case 2.
        let message = b"what do ya want for nothing?";
        let headers = Signing::Right.headers(&"Jefe".into(), message);
        let sha256 = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let sha1 = "sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79";
        assert_eq!(headers, [("x-hub-signature-256", sha256.to_owned()), ("x-hub-signature", sha1.to_owned())]);
        assert_eq!(Signing::Secret("Jefe".into()).headers(&"other".into(), message), headers);
        assert_ne!(Signing::Wrong.headers(&"Jefe".into(), message), headers);
        assert!(Signing::None.headers(&"Jefe".into(), message).is_empty());
    }
}
