//! Signatures of webhook events (graph-api §5.3).

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Header that carries the signature.
pub const HEADER: &str = "x-hub-signature-256";

/// Whether a signature is the one of these raw bytes under this app secret. Compares in constant time.
pub fn holds(signature: &str, app_secret: &[u8], body: &[u8]) -> bool {
    let Some(Ok(signature)) = signature.strip_prefix("sha256=").map(hex::decode) else { return false };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(app_secret) else { return false };
    mac.update(body);
    mac.verify_slice(&signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with `printf %s "$BODY" | openssl dgst -sha256 -hmac secret`.
    const BODY: &[u8] = br#"{"object":"page","entry":[{"id":"1","text":"\u00e4"}]}"#;
    const SIGNATURE: &str = "sha256=4d7bc9d9f479e5fe06e0d4a4d5493f1f2884d478283339c128f2f2d937123d00";

    #[test]
    fn a_signature_holds_for_its_bytes_and_secret_only() {
        assert!(holds(SIGNATURE, b"secret", BODY));
        assert!(!holds(SIGNATURE, b"other", BODY));
        assert!(!holds(SIGNATURE, b"secret", "{\"text\":\"ä\"}".as_bytes()));
        for wrong in ["", "sha256=", "sha256=zz", "sha1=00", &SIGNATURE[7..], &SIGNATURE[..60]] {
            assert!(!holds(wrong, b"secret", BODY), "{wrong:?}");
        }
    }
}
