//! Verify tokens that were replaced. Meta goes on asking with the one that it was given last, so that one is accepted until
//! the operator has given Meta the new one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kube::ResourceExt;

use crate::api::MetaApp;
use crate::engine::Key;
use crate::engine::secrets::Released;
use crate::meta_app::secrets::fingerprint_of_verify_token;

/// So many of one application are kept: whoever deletes the Secret over and over fills no memory.
const MOST: usize = 4;

/// The replaced verify tokens of each application, by the Secret that they were in.
#[derive(Default)]
pub(super) struct FormerTokens(Mutex<HashMap<Key, Former>>);

struct Former {
    /// UID of the application: another one of that name is another one.
    app: String,
    tokens: Vec<Arc<Released>>,
}

impl FormerTokens {
    /// Keeps a token of an application that is there no more.
    pub(super) fn keep(&self, secret: &Key, app: &MetaApp, token: Arc<Released>) {
        let uid = app.uid().unwrap_or_default();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let former = all.entry(secret.clone()).or_insert_with(|| Former { app: uid.clone(), tokens: Vec::new() });
        if former.app != uid {
            *former = Former { app: uid, tokens: Vec::new() };
        }
        // The first one is what Meta knows, if it was given none since.
        if former.tokens.len() < MOST {
            former.tokens.push(token);
        }
    }

    /// The tokens of an application that Meta may still know, beside the one that is there now.
    pub(super) fn of(&self, secret: &Key, app: &MetaApp, current: Option<&Released>) -> Vec<Arc<Released>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let uid = app.uid().unwrap_or_default();
        let Some(former) = all.get(secret).filter(|former| former.app == uid) else { return Vec::new() };
        let given = app.status.as_ref().and_then(|it| it.subscription.as_ref()?.verify_token_fingerprint.as_deref());
        let now = current.and_then(|current| fingerprint_of_verify_token(current, &uid));
        if now.is_some() && now.as_deref() == given {
            all.remove(secret);
            return Vec::new();
        }
        former.tokens.clone()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::api::references::VERIFY_TOKEN_KEY;

    fn app(uid: &str, given: Option<&Released>) -> MetaApp {
        let given = given.map(|token| fingerprint_of_verify_token(token, uid).unwrap());
        serde_json::from_value(json!({
            "metadata": {"name": "acme", "namespace": "platform", "uid": uid},
            "spec": {"appId": "1111000011110000", "appSecretRef": {"name": "x"}},
            "status": {"subscription": {"active": true, "verifyTokenFingerprint": given}},
        }))
        .unwrap()
    }

    fn token(text: &str) -> Arc<Released> {
        let secret: k8s_openapi::api::core::v1::Secret = serde_json::from_value(json!({
            "metadata": {"labels": {"metachannels.io/purpose": "verify-token"}},
            "data": {VERIFY_TOKEN_KEY: k8s_openapi::ByteString(text.repeat(48).into_bytes())},
        }))
        .unwrap();
        Arc::new(Released::read(secret).unwrap())
    }

    fn texts(tokens: &[Arc<Released>]) -> Vec<u8> {
        tokens.iter().map(|token| token.value(VERIFY_TOKEN_KEY).unwrap()[0]).collect()
    }

    #[test]
    fn a_replaced_token_is_accepted_until_meta_was_given_the_new_one() {
        let (former, secret) = (FormerTokens::default(), Key::new("platform", "metaapp-acme-verify-token"));
        let (a, b, c) = (token("a"), token("b"), token("c"));
        let of =
            |given: &Released, current: Option<&Released>| texts(&former.of(&secret, &app("u1", Some(given)), current));
        assert_eq!(of(&a, Some(&a)), b"", "none was replaced");
        former.keep(&secret, &app("u1", Some(&a)), Arc::clone(&a));
        assert_eq!(of(&a, None), b"a", "the new one is not there yet");
        assert_eq!(of(&a, Some(&b)), b"a");
        // Replaced once more before Meta was given it: Meta still knows the first.
        former.keep(&secret, &app("u1", Some(&a)), Arc::clone(&b));
        assert_eq!(of(&a, Some(&c)), b"ab");
        assert_eq!(of(&c, Some(&c)), b"", "Meta was given it");
        assert_eq!(of(&a, Some(&c)), b"", "and those before are forgotten");
    }

    #[test]
    fn another_application_of_the_same_name_inherits_nothing() {
        let (former, secret) = (FormerTokens::default(), Key::new("platform", "metaapp-acme-verify-token"));
        let (a, b) = (token("a"), token("b"));
        former.keep(&secret, &app("u1", None), Arc::clone(&a));
        assert_eq!(texts(&former.of(&secret, &app("u2", None), Some(&b))), b"");
        former.keep(&secret, &app("u2", None), Arc::clone(&b));
        assert_eq!(texts(&former.of(&secret, &app("u2", None), None)), b"b");
    }

    #[test]
    fn whoever_deletes_the_secret_over_and_over_fills_no_memory() {
        let (former, secret) = (FormerTokens::default(), Key::new("platform", "metaapp-acme-verify-token"));
        for number in ["0", "1", "2", "3", "4", "5", "6"] {
            former.keep(&secret, &app("u1", None), token(number));
        }
        assert_eq!(texts(&former.of(&secret, &app("u1", None), None)), b"0123");
    }
}
