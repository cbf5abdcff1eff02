//! What the browser keeps for us, sealed: nobody can read or create it without the app secret.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngExt;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::flow::Flow;
use crate::graph::AppSecret;

/// Longer than any flow that fits into a cookie.
const LONGEST: usize = 4096;

/// Seals and opens for one grant. The key follows from the app secret, which every replica has, and which is no more
/// powerful than what is sealed: its holder can act for every page of the application anyway.
pub(super) struct Sealer(LessSafeKey);

impl Sealer {
    /// For the grant with this UID. What was sealed for another grant does not open, nor what was for one of the same name.
    pub(super) fn new(secret: &AppSecret, grant_uid: &str) -> Option<Self> {
        let key = secret.derived_key(&format!("reauthorization/{grant_uid}"));
        UnboundKey::new(&CHACHA20_POLY1305, &key).ok().map(LessSafeKey::new).map(Self)
    }

    /// The flow as text of letters, digits, `-` and `_`.
    pub(super) fn seal(&self, flow: &Flow) -> Option<String> {
        // Sealed in place, and reserved in full: a growing Vec would leave copies of the plain text behind.
        let mut text = Vec::with_capacity(LONGEST);
        serde_json::to_writer(&mut text, flow).ok().filter(|()| text.len() <= LONGEST)?;
        // A random nonce is as good as a counter for the few that one key seals.
        let nonce: [u8; NONCE_LEN] = rand::rng().random();
        self.0.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut text).ok()?;
        Some(URL_SAFE_NO_PAD.encode([&nonce[..], &text].concat()))
    }

    /// The flow that was sealed, if it was with this key.
    pub(super) fn open(&self, sealed: &str) -> Option<Flow> {
        let mut bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, text) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        serde_json::from_slice(self.0.open_in_place(nonce, Aad::empty(), text).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use jiff::Timestamp;

    use super::super::flow::{Flow, Offer, Step};
    use super::*;
    use crate::graph::Token;

    const TOKEN: &str = "EAAB0123456789_abc.DEF-x";

    fn sealer(secret: &str, uid: &str) -> Sealer {
        Sealer::new(&AppSecret::parse(secret.as_bytes()).unwrap(), uid).unwrap()
    }

    fn offered() -> Flow {
        let (flow, _) = Flow::begin("1111000011110000", "address", true, Timestamp::UNIX_EPOCH);
        let token = Token::parse(TOKEN.as_bytes()).unwrap();
        let offer = Offer {
            token,
            is_short: true,
            uncovered: vec![],
            regained: (vec![], 0),
            grantor: "66".to_owned(),
            person: Some("Ada".to_owned()),
            others: vec!["Shop".to_owned()],
            more: 3,
        };
        flow.offered(offer, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn only_the_key_of_the_same_app_and_grant_opens() {
        let (secret, other) = ("0123456789abcdef", "0123456789abcdeg");
        let sealed = sealer(secret, "uid-1").seal(&offered()).unwrap();
        let opened = sealer(secret, "uid-1").open(&sealed).unwrap();
        assert_eq!(opened.id(), opened.id());
        let Step::Offered(offer) = opened.step else { panic!("another step") };
        assert_eq!((offer.token.expose(), offer.more), (TOKEN, 3));
        assert!(sealer(secret, "uid-2").open(&sealed).is_none());
        assert!(sealer(other, "uid-1").open(&sealed).is_none());
    }

    #[test]
    fn what_was_changed_does_not_open() {
        let sealer = sealer("0123456789abcdef", "uid-1");
        let sealed = sealer.seal(&offered()).unwrap();
        assert!(sealed.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{sealed}");
        assert!(!sealed.contains("EAAB"));
        assert_ne!(sealer.seal(&offered()).unwrap(), sealed, "every sealing has a nonce of its own");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(sealer.open(&String::from_utf8(changed).unwrap()).is_none(), "at {at}");
        }
        for short in ["", "AAAA", &sealed[..20], "%"] {
            assert!(sealer.open(short).is_none());
        }
    }
}
