//! The keys that requests to endpoints are signed with. All of them are made of one that the operator and the gateway of a release
//! share, so that the gateway needs to be told of no channel's own.

use hmac::{Hmac, KeyInit, Mac};
use rand::RngExt;
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Bytes of the key that others are made of.
const BYTES: usize = 32;
/// Bytes of the key of an endpoint: as a hexadecimal number it has the form of an app secret, which bots take it for.
const ENDPOINT_BYTES: usize = 16;

/// What the keys of all endpoints of a release are made of. It is never shown: no `Debug`.
#[derive(Clone)]
pub struct ForwardingKey([u8; BYTES]);

impl ForwardingKey {
    /// A new one.
    pub fn generate() -> Self {
        Self(rand::rng().random())
    }

    /// The one that is written so.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut key = [0; BYTES];
        hex::decode_to_slice(text, &mut key).ok()?;
        Some(Self(key))
    }

    /// As it is written.
    pub fn text(&self) -> String {
        hex::encode(self.0)
    }

    /// The key of the endpoint of the channel with this UID, in a generation: the next one is another key.
    pub fn of_endpoint(&self, channel_uid: &str, generation: i64) -> String {
        // HMAC takes keys of every length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(format!("endpoint/{channel_uid}/{generation}").as_bytes());
        let made = mac.finalize().into_bytes();
        hex::encode(made.get(..ENDPOINT_BYTES).unwrap_or_default())
    }
}

impl PartialEq for ForwardingKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_written_and_nothing_else_is_one() {
        let key = ForwardingKey::generate();
        assert!(ForwardingKey::parse(key.text().as_bytes()).unwrap() == key);
        assert!(ForwardingKey::generate() != key);
        for text in ["", "zz", &key.text()[1..], &"z".repeat(64)] {
            assert!(ForwardingKey::parse(text.as_bytes()).is_none(), "{text}");
        }
    }

    /// Computed with `printf endpoint/uid-1/1 | openssl dgst -sha256 -mac HMAC -macopt hexkey:0707…`.
    #[test]
    fn each_channel_and_generation_has_a_key_of_its_own() {
        let key = ForwardingKey::parse("07".repeat(32).as_bytes()).unwrap();
        assert_eq!(key.of_endpoint("uid-1", 1), "53de018bc87cc101b6ed0e5e6963a5d9");
        let others = [
            key.of_endpoint("uid-1", 2),
            key.of_endpoint("uid-2", 1),
            ForwardingKey::generate().of_endpoint("uid-1", 1),
        ];
        assert!(!others.contains(&key.of_endpoint("uid-1", 1)));
    }
}
