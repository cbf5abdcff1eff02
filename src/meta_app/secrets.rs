//! The entries of the Secret with the app secret. During a rotation there are two, and either may be the one that Meta
//! accepts: nobody has to hit the moment at which it switches.

use std::sync::Arc;

use kube::ResourceExt;

use crate::api::references::{APP_SECRET_KEY, PREVIOUS_APP_SECRET_KEY, Purpose, VERIFY_TOKEN_KEY};
use crate::api::{MetaApp, SecretInUse};
use crate::engine::secrets::Released;
use crate::engine::{Context, Failure, Key};
use crate::graph::{AppCredentials, AppSecret, Token};

/// An entry that may be the app secret.
#[derive(Debug)]
pub struct Entry {
    /// Its key, and a fingerprint of its content.
    pub name: SecretInUse,
    /// The credentials that it makes.
    pub credentials: Arc<AppCredentials>,
}

/// The entries of a released Secret, the one that is in use first. What Meta says of the application's usage when they are
/// used is heard.
///
/// # Errors
/// Why the Secret cannot hold an app secret, without its content.
pub fn entries(ctx: &Context, app: &MetaApp, released: &Released) -> Result<Vec<Entry>, String> {
    let entry = |(name, secret)| {
        let credentials = AppCredentials { meter: ctx.meter(app), ..AppCredentials::new(&app.spec.app_id, secret) };
        Entry { name, credentials: Arc::new(credentials) }
    };
    Ok(ordered(released, app)?.into_iter().map(entry).collect())
}

/// The app secret that Meta accepted last, or else the one that is declared as the current one.
pub fn in_use(released: &Released, app: &MetaApp) -> Option<AppSecret> {
    ordered(released, app).ok()?.into_iter().next().map(|(_, secret)| secret)
}

fn ordered(released: &Released, app: &MetaApp) -> Result<Vec<(SecretInUse, AppSecret)>, String> {
    let uid = app.uid().unwrap_or_default();
    let named = |key: &str, secret: AppSecret| {
        (SecretInUse { key: key.to_owned(), fingerprint: secret.fingerprint(&uid) }, secret)
    };
    let raw = released.value(APP_SECRET_KEY).ok_or_else(|| format!("it has no key {APP_SECRET_KEY}"))?;
    let secret = AppSecret::parse(raw).map_err(|why| format!("its key {APP_SECRET_KEY} cannot be used: {why}"))?;
    let mut entries = vec![named(APP_SECRET_KEY, secret)];
    // A former one that cannot be used is none.
    let former = released.value(PREVIOUS_APP_SECRET_KEY).and_then(|raw| AppSecret::parse(raw).ok());
    entries.extend(former.map(|secret| named(PREVIOUS_APP_SECRET_KEY, secret)));
    entries.dedup_by(|one, other| one.0.fingerprint == other.0.fingerprint);
    // It is known by its content: in a rotation it moves to another key.
    let known = app.status.as_ref().and_then(|status| status.secret_in_use.as_ref());
    entries.sort_by_key(|(name, _)| known.is_none_or(|known| known.fingerprint != name.fingerprint));
    Ok(entries)
}

/// The credentials of an application that Meta accepted last, if its Secret is released and well formed.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn find_credentials(ctx: &Context, app: &MetaApp) -> Result<Option<Arc<AppCredentials>>, Failure> {
    let key = Key::new(app.namespace().unwrap_or_default(), &app.spec.app_secret_ref.name);
    let released = ctx.read(ctx.secrets.get(&key, Purpose::AppSecret)).await??.ok();
    let entries = released.and_then(|released| entries(ctx, app, &released).ok());
    Ok(entries.and_then(|entries| entries.into_iter().next()).map(|entry| entry.credentials))
}

/// Fingerprints of all that the Secret holds for us.
pub fn fingerprints(released: &Released, context: &str) -> Vec<Option<String>> {
    [APP_SECRET_KEY, PREVIOUS_APP_SECRET_KEY]
        .map(|key| released.value(key).and_then(|raw| AppSecret::parse(raw).ok()).map(|it| it.fingerprint(context)))
        .to_vec()
}

/// Fingerprint of the verify token in a Secret of ours, if the watch has brought it.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn verify_token_fingerprint(ctx: &Context, key: &Key, context: &str) -> Result<Option<String>, Failure> {
    let released = ctx.read(ctx.secrets.get(key, Purpose::VerifyToken)).await??.ok();
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

    #[test]
    fn the_secret_that_meta_accepted_last_is_used_whatever_its_key() {
        type Entries = &'static [(&'static str, &'static str)];
        let both: Entries = &[(APP_SECRET_KEY, NEW), (PREVIOUS_APP_SECRET_KEY, OLD)];
        let rows: [(Entries, Option<&str>, &str); 6] = [
            (both, None, NEW),
            (both, Some(OLD), OLD),
            (both, Some(NEW), NEW),
            (&[(APP_SECRET_KEY, NEW)], Some(OLD), NEW),
            (&[(APP_SECRET_KEY, NEW), (PREVIOUS_APP_SECRET_KEY, "x")], Some(OLD), NEW),
            (&[(APP_SECRET_KEY, OLD), (PREVIOUS_APP_SECRET_KEY, OLD)], None, OLD),
        ];
        for (entries, accepted, expected) in rows {
            let used = in_use(&released(entries), &app(accepted)).unwrap();
            assert_eq!(used.expose(), expected, "{accepted:?}");
        }
        let names = |entries: &[_]| ordered(&released(entries), &app(None)).map(|all| all.len());
        assert_eq!(names(both), Ok(2));
        assert_eq!(names(&[(APP_SECRET_KEY, OLD), (PREVIOUS_APP_SECRET_KEY, OLD)]), Ok(1), "the same twice is one");
        assert!(names(&[(PREVIOUS_APP_SECRET_KEY, OLD)]).is_err(), "without the current one nothing is released");
    }
}
