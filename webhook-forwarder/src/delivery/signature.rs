//! By what an endpoint knows that a request is ours, and that it had it before.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::endpoint::SigningKey;
use crate::event::{NewEvent, QueuedEvent};

/// Length of an identifier: 132 bits.
const ID_LENGTH: usize = 22;

/// By what a request is known: the same whenever the same events are sent again, by Meta or by us.
pub(super) fn request_id(events: &[QueuedEvent]) -> String {
    let mut ids = events.iter().map(|of| event_id(&of.event));
    match (ids.next(), ids.next()) {
        (None, _) => String::new(),
        (Some(only), None) => only,
        (Some(first), Some(second)) => {
            let mut hash = Sha256::new_with_prefix(first + &second);
            ids.for_each(|id| hash.update(id));
            shortened(&hash.finalize())
        }
    }
}

/// By what an event is known: its page and its bytes.
pub fn event_id(event: &NewEvent) -> String {
    shortened(&Sha256::new_with_prefix(&*event.entry_id).chain_update(&event.item).finalize())
}

fn shortened(hash: &[u8]) -> String {
    let mut id = BASE64_URL_SAFE_NO_PAD.encode(hash);
    id.truncate(ID_LENGTH);
    id
}

/// The headers that sign a body: Meta's two, of which bots of some years ago check the older one alone, and the three of
/// [Standard Webhooks](https://www.standardwebhooks.com), whose secret is `whsec_` and the key in Base64.
pub(super) fn headers(key: &SigningKey, id: &str, now: SystemTime, body: &[u8]) -> HeaderMap {
    let timestamp = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().to_string();
    let standard = mac::<Hmac<Sha256>>(key, &[id.as_bytes(), b".", timestamp.as_bytes(), b".", body]);
    let values = [
        ("x-hub-signature-256", format!("sha256={}", hex::encode(mac::<Hmac<Sha256>>(key, &[body])))),
        ("x-hub-signature", format!("sha1={}", hex::encode(mac::<Hmac<Sha1>>(key, &[body])))),
        ("webhook-signature", format!("v1,{}", BASE64_STANDARD.encode(standard))),
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", timestamp),
    ];
    let value = |(name, value): (&'static str, String)| {
        Some((HeaderName::from_static(name), HeaderValue::try_from(value).ok()?))
    };
    values.into_iter().filter_map(value).collect()
}

fn mac<M: Mac + KeyInit>(key: &SigningKey, parts: &[&[u8]]) -> Vec<u8> {
    // HMAC takes keys of every length.
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(key.bytes()) else { return Vec::new() };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::{CHANNEL, queued};

    /// Computed with `printf %s BODY | openssl dgst -sha256 -hmac KEY` (-sha1), and of the third -binary | base64.
    #[test]
    fn headers_are_those_that_openssl_computes() {
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let headers = headers(&SigningKey::new("0123456789abcdef"), "msg_1", now, br#"{"object":"page"}"#);
        let expected = [
            ("x-hub-signature-256", "sha256=06ecaf5bb77490cc3ea14e9fb7f2eea8eeeb8f5c7b405f9d52cdbb91d8486b48"),
            ("x-hub-signature", "sha1=02cfdb11382d1af18f3dcfb4328e86ea97ea6b1c"),
            ("webhook-signature", "v1,FAx8ltECj8R2+2E4N3oyaMfRzgJNMXlvKERIE/TBRkE="),
            ("webhook-id", "msg_1"),
            ("webhook-timestamp", "1700000000"),
        ];
        for (name, value) in expected {
            assert_eq!(headers[name], value, "{name}");
        }
        assert_eq!(headers.len(), expected.len());
    }

    #[test]
    fn an_event_is_known_by_its_page_and_its_bytes_alone() {
        let event = queued(CHANNEL, 1, r#"{"n":1}"#);
        let mut again = queued(CHANNEL, 9, r#"{"n":1}"#);
        again.attempts.failed = 3;
        let alone = |event: &QueuedEvent| request_id(std::slice::from_ref(event));
        assert_eq!(alone(&event), alone(&again));
        assert_eq!(alone(&event).len(), ID_LENGTH);
        again.event.entry_id = "7".into();
        assert_ne!(alone(&event), alone(&again));
        let both = request_id(&[event.clone(), again.clone()]);
        assert_eq!(both, request_id(&[event.clone(), again.clone()]));
        assert!(![request_id(&[again.clone()]), request_id(&[again, event])].contains(&both));
    }
}
