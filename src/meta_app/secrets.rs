//! The entries of the Secret with the app secret. During a rotation there are two, and Meta may accept either: nobody has to
//! hit the moment at which it switches.

use std::sync::Arc;

use kube::ResourceExt;

use super::state::MetaApps;
use crate::api::references::{APP_SECRET_KEY, PREVIOUS_APP_SECRET_KEY, Purpose, VERIFY_TOKEN_KEY};
use crate::api::{GROUP, MetaApp, SecretInUse};
use crate::base::ids::AppId;
use crate::base::key::Key;
use crate::cluster::error::Failure;
use crate::cluster::secrets::Released;
use crate::graph::{AppCredentials, AppSecret, Token, TokenMalformed};

/// An entry that may be the app secret.
#[derive(Debug)]
pub struct Entry {
    /// Its key, and a fingerprint of its content.
    pub name: SecretInUse,
    /// The credentials that it makes.
    pub credentials: Arc<AppCredentials>,
}

/// What a released Secret holds.
#[derive(Debug)]
pub struct Entries {
    /// Those that can be used, at least one: the one that is in use first.
    pub usable: Vec<Entry>,
    /// What is wrong with one of them, while the other one can be used.
    pub flaw: Option<Flaw>,
}

/// What is wrong with an entry, while the other one can be used.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Flaw {
    /// `app-secret` cannot be used, in these words.
    Current(String),
    /// `previous-app-secret` cannot be used, in these words.
    Former(String),
    /// Both hold the same.
    Twice,
}

/// The entries of a released Secret. What Meta says of the application's usage when they are used is heard.
///
/// # Errors
/// Why the Secret cannot hold an app secret, without its content.
pub fn entries(apps: &MetaApps, app: &MetaApp, released: &Released) -> Result<Entries, String> {
    let entry = |(name, secret)| {
        let credentials = AppCredentials {
            meter: apps.ctx.limits.meter(app),
            ..AppCredentials::new(AppId::new(&app.spec.app_id), secret)
        };
        Entry { name, credentials: Arc::new(credentials) }
    };
    let (usable, flaw) = ordered(released, app)?;
    Ok(Entries { usable: usable.into_iter().map(entry).collect(), flaw })
}

/// The entries that can be used with their keys, the current one first.
pub fn usable(released: &Released) -> impl Iterator<Item = (&'static str, AppSecret)> {
    let parsed = |key| Some((key, parse(released, key).ok()?));
    [APP_SECRET_KEY, PREVIOUS_APP_SECRET_KEY].into_iter().filter_map(parsed)
}

/// The secret under a key, or why it cannot be used, in words that begin with the key; `None` if there is nothing.
fn parse(released: &Released, key: &str) -> Result<AppSecret, Option<String>> {
    let raw = released.value(key).ok_or_else(|| released.too_large(key))?;
    AppSecret::parse(raw).map_err(|why| match why {
        TokenMalformed::Empty if key == PREVIOUS_APP_SECRET_KEY => None,
        why => Some(format!("its key {key} cannot be used: {why}")),
    })
}

type Ordered = (Vec<(SecretInUse, AppSecret)>, Option<Flaw>);

fn ordered(released: &Released, app: &MetaApp) -> Result<Ordered, String> {
    let uid = app.uid().unwrap_or_default();
    let flaw = match [APP_SECRET_KEY, PREVIOUS_APP_SECRET_KEY].map(|key| parse(released, key).map(drop)) {
        [Err(why), former] => {
            let why = why.unwrap_or_else(|| format!("it has no key {APP_SECRET_KEY}"));
            // It goes on with the other one, if that is one.
            former.map_err(|_| why.clone()).map(|()| Some(Flaw::Current(why)))?
        }
        [Ok(()), former] => former.err().flatten().map(Flaw::Former),
    };
    let named = |(key, secret): (&str, AppSecret)| {
        (SecretInUse { key: key.to_owned(), fingerprint: secret.fingerprint(&uid) }, secret)
    };
    let mut entries: Vec<_> = usable(released).map(named).collect();
    let declared = entries.len();
    entries.dedup_by(|one, other| one.0.fingerprint == other.0.fingerprint);
    let twice = (entries.len() < declared).then_some(Flaw::Twice);
    // It is known by its content: in a rotation it moves to another key.
    let known = app.status.as_ref().and_then(|status| status.secret_in_use.as_ref());
    entries.sort_by_key(|(name, _)| known.is_none_or(|known| known.fingerprint != name.fingerprint));
    Ok((entries, flaw.or(twice)))
}

/// The credentials of an application that Meta accepted last, if its Secret is released and well formed.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn find_credentials(apps: &MetaApps, app: &MetaApp) -> Result<Option<Arc<AppCredentials>>, Failure> {
    let key = Key::new(app.namespace().unwrap_or_default(), &app.spec.app_secret_ref.name);
    let released = apps.ctx.read(apps.ctx.cluster.secrets.get(&key, Purpose::AppSecret)).await??.ok();
    let entries = released.and_then(|released| entries(apps, app, &released).ok());
    Ok(entries.and_then(|entries| entries.usable.into_iter().next()).map(|entry| entry.credentials))
}

/// Fingerprints of all that the Secret holds for us.
pub fn fingerprints(released: &Released, context: &str) -> Vec<Option<String>> {
    [APP_SECRET_KEY, PREVIOUS_APP_SECRET_KEY]
        .map(|key| released.value(key).and_then(|raw| AppSecret::parse(raw).ok()).map(|it| it.fingerprint(context)))
        .to_vec()
}

/// Whether a Secret is of the type of verify tokens, released as one, and holds one.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn is_verify_token(apps: &MetaApps, key: &Key) -> Result<bool, Failure> {
    let released = apps.ctx.read(apps.ctx.cluster.secrets.get(key, Purpose::VerifyToken)).await??.ok();
    let type_ = format!("{GROUP}/{}", Purpose::VerifyToken.as_str());
    Ok(released.is_some_and(|it| it.type_() == type_ && fingerprint_of_verify_token(&it, "").is_some()))
}

/// Fingerprint of the verify token in a Secret of ours, if the watch has brought it.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn verify_token_fingerprint(apps: &MetaApps, key: &Key, context: &str) -> Result<Option<String>, Failure> {
    let released = apps.ctx.read(apps.ctx.cluster.secrets.get(key, Purpose::VerifyToken)).await??.ok();
    Ok(released.and_then(|released| fingerprint_of_verify_token(&released, context)))
}

/// Fingerprint of the verify token that was read.
pub fn fingerprint_of_verify_token(released: &Released, context: &str) -> Option<String> {
    Token::parse(released.value(VERIFY_TOKEN_KEY)?).ok().map(|token| token.fingerprint(context))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use k8s_openapi::ByteString;
    use k8s_openapi::api::core::v1::Secret;
    use serde_json::json;

    use super::*;

    const OLD: &str = "old-secret-0000000000000000000000";
    const NEW: &str = "new-secret-1111111111111111111111";

    fn released(entries: &[(&str, &str)]) -> Released {
        let data: std::collections::BTreeMap<_, _> =
            entries.iter().map(|(key, value)| (*key, ByteString(value.as_bytes().to_vec()))).collect();
        let secret: Secret = serde_json::from_value(json!({
            "metadata": {"labels": {"metachannels.io/purpose": "app-secret"}}, "data": data,
        }))
        .unwrap();
        Released::read(secret).unwrap()
    }

    /// An application of which Meta accepted this secret last.
    fn app(accepted: Option<&str>) -> MetaApp {
        let fingerprint = |secret: &str| AppSecret::parse(secret.as_bytes()).unwrap().fingerprint("u1");
        let known = accepted.map(|secret| json!({"key": APP_SECRET_KEY, "fingerprint": fingerprint(secret)}));
        serde_json::from_value(json!({
            "metadata": {"name": "acme", "uid": "u1"},
            "spec": {"appId": "1111000011110000", "appSecretRef": {"name": "x"}},
            "status": {"secretInUse": known},
        }))
        .unwrap()
    }

    type Row<'a> = (&'a [(&'a str, &'a str)], usize, Option<Flaw>);
    type Pairs = &'static [(&'static str, &'static str)];
    const BOTH: Pairs = &[(APP_SECRET_KEY, NEW), (PREVIOUS_APP_SECRET_KEY, OLD)];

    #[test]
    fn the_secret_that_meta_accepted_last_is_used_whatever_its_key() {
        let rows: [(Pairs, Option<&str>, &str); 7] = [
            (BOTH, None, NEW),
            (BOTH, Some(OLD), OLD),
            (BOTH, Some(NEW), NEW),
            (&[(APP_SECRET_KEY, NEW)], Some(OLD), NEW),
            (&[(APP_SECRET_KEY, NEW), (PREVIOUS_APP_SECRET_KEY, "x")], Some(OLD), NEW),
            (&[(APP_SECRET_KEY, OLD), (PREVIOUS_APP_SECRET_KEY, OLD)], None, OLD),
            (&[(PREVIOUS_APP_SECRET_KEY, OLD)], None, OLD),
        ];
        for (entries, accepted, expected) in rows {
            let used = ordered(&released(entries), &app(accepted)).unwrap().0;
            assert_eq!(used[0].1.expose(), expected, "{accepted:?}");
        }
    }

    #[test]
    fn an_entry_that_cannot_be_used_is_told_and_the_other_one_is_used() {
        let two_lines = "new-secret-11111\n1111111111111111";
        let newline = "old-secret-0000000000000000000000\n";
        let current = |why: &str| Some(Flaw::Current(why.to_owned()));
        let rows: [Row<'_>; 9] = [
            (BOTH, 2, None),
            (&[(APP_SECRET_KEY, NEW)], 1, None),
            (&[(APP_SECRET_KEY, NEW), (PREVIOUS_APP_SECRET_KEY, newline)], 2, None),
            (&[(APP_SECRET_KEY, NEW), (PREVIOUS_APP_SECRET_KEY, "")], 1, None),
            (&[(APP_SECRET_KEY, OLD), (PREVIOUS_APP_SECRET_KEY, newline)], 1, Some(Flaw::Twice)),
            (
                &[(APP_SECRET_KEY, NEW), (PREVIOUS_APP_SECRET_KEY, two_lines)],
                1,
                Some(Flaw::Former("its key previous-app-secret cannot be used: it contains a line break".to_owned())),
            ),
            (&[(PREVIOUS_APP_SECRET_KEY, OLD)], 1, current("it has no key app-secret")),
            (
                &[(APP_SECRET_KEY, ""), (PREVIOUS_APP_SECRET_KEY, OLD)],
                1,
                current("its key app-secret cannot be used: it is empty"),
            ),
            (
                &[(APP_SECRET_KEY, two_lines), (PREVIOUS_APP_SECRET_KEY, OLD)],
                1,
                current("its key app-secret cannot be used: it contains a line break"),
            ),
        ];
        for (entries, count, flaw) in rows {
            let (usable, found) = ordered(&released(entries), &app(None)).unwrap();
            assert_eq!((usable.len(), found), (count, flaw));
        }
    }

    #[test]
    fn a_secret_without_any_entry_that_can_be_used_says_what_is_wrong_with_the_current_one() {
        let rows: [(Pairs, &str); 3] = [
            (&[], "it has no key app-secret"),
            (&[(PREVIOUS_APP_SECRET_KEY, "x")], "it has no key app-secret"),
            (
                &[(APP_SECRET_KEY, "x"), (PREVIOUS_APP_SECRET_KEY, "")],
                "its key app-secret cannot be used: it has fewer than 16 characters",
            ),
        ];
        for (entries, expected) in rows {
            assert_eq!(ordered(&released(entries), &app(None)).err().as_deref(), Some(expected));
        }
    }
}
