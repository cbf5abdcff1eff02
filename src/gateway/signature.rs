//! Signatures of webhook events.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Header that carries the signature.
pub const HEADER: &str = "x-hub-signature-256";

/// The signature in the header, if it can be one.
pub fn parse(header: &str) -> Option<[u8; 32]> {
    let mut signature = [0; 32];
    hex::decode_to_slice(header.strip_prefix("sha256=")?, &mut signature).ok()?;
    Some(signature)
}

/// Whether a signature is the one of these raw bytes under this app secret. Compares in constant time.
pub fn holds(signature: &[u8; 32], app_secret: &[u8], body: &[u8]) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(app_secret) else { return false };
    mac.update(body);
    mac.verify_slice(signature).is_ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Computed with `printf %s "$BODY" | openssl dgst -sha256 -hmac secret`.
    const BODY: &[u8] = br#"{"object":"page","entry":[{"id":"1","text":"\u00e4"}]}"#;
    const SIGNATURE: &str = "sha256=4d7bc9d9f479e5fe06e0d4a4d5493f1f2884d478283339c128f2f2d937123d00";

    #[test]
    fn a_signature_holds_for_its_bytes_and_secret_only() {
        let signature = parse(SIGNATURE).unwrap();
        assert!(holds(&signature, b"secret", BODY));
        assert!(!holds(&signature, b"other", BODY));
        assert!(!holds(&signature, b"secret", "{\"text\":\"\u{e4}\"}".as_bytes()));
    }

    #[test]
    fn a_header_that_can_be_no_signature_is_refused() {
        for wrong in ["", "sha256=", "sha256=zz", "sha1=00", &SIGNATURE[7..], &SIGNATURE[..60]] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
