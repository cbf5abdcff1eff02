//! What the gateway gets to know about an application: the verify token and the app secrets that may have made a signature. The
//! entry is written before Meta is told to ask for it, and is removed with the MetaApp.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::SignedDuration;
use kube::ResourceExt;

use super::keyring_secret::key_of;
use super::secrets;
use super::state::MetaApps;
use crate::api::keyring::{KeyringEntry, key, namespace_of, uid_of};
use crate::api::references::{Purpose, VERIFY_TOKEN_KEY};
use crate::api::{MetaApp, MetaAppStatus};
use crate::base::clock::Moment;
use crate::base::key::{Key, KindName};
use crate::cluster::error::Failure;
use crate::controller::pass::Pass;
use crate::graph::Token;
use crate::limits::token_bucket::TokenBucket;
use crate::meta_app::model::KeyringSeen;

/// Looks at what the gateway knows. `accepted` says whether Meta accepts the app secret: it did before if that is in the status.
/// Nobody fills the keyring with applications that Meta does not know.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn look(
    apps: &MetaApps,
    app: &MetaApp,
    pass: &Pass<MetaAppStatus>,
    accepted: bool,
) -> Result<KeyringSeen, Failure> {
    if apps.ctx.policy.gateway_url.is_none() {
        return Ok(KeyringSeen::Unneeded);
    }
    let known = apps.keyring.entry(&key_of(app));
    if known.is_none() && !accepted && pass.previous.secret_in_use.is_none() {
        return Ok(KeyringSeen::Unneeded);
    }
    let current = known.as_ref() == Some(&entry(apps, app).await?);
    Ok(if current { KeyringSeen::Current } else { KeyringSeen::Outdated })
}

/// Tells the gateway what there is.
///
/// # Errors
/// When the Kubernetes API refuses or does not answer.
pub async fn write(apps: &MetaApps, app: &MetaApp) -> Result<(), Failure> {
    apps.keyring.put(&key_of(app), entry(apps, app).await?).await
}

/// What the gateway has to know.
async fn entry(apps: &MetaApps, app: &MetaApp) -> Result<Vec<u8>, Failure> {
    let (namespace, name) = (app.namespace().unwrap_or_default(), app.name_any());
    let secret = Key::new(&namespace, &app.spec.app_secret_ref.name);
    let token = Key::new(&namespace, crate::meta_app::facts::verify_token_secret_name(&name));
    let secret = apps.ctx.read(apps.ctx.cluster.secrets.get(&secret, Purpose::AppSecret)).await??.ok();
    let token = apps.ctx.read(apps.ctx.cluster.secrets.get(&token, Purpose::VerifyToken)).await??.ok();
    let token = token.as_deref().and_then(|released| released.value(VERIFY_TOKEN_KEY));
    let token = token.filter(|raw| Token::parse(raw).is_ok()).and_then(|raw| std::str::from_utf8(raw).ok());
    let secrets = secret.as_deref().into_iter().flat_map(secrets::usable);
    let entry = KeyringEntry {
        app_secret_ref: app.spec.app_secret_ref.name.clone(),
        verify_token: token.map(str::to_owned),
        app_secrets: secrets.map(|(key, secret)| (key.to_owned(), secret.expose().to_owned())).collect(),
    };
    // Of texts alone, which can always be written.
    Ok(serde_json::to_vec(&entry).unwrap_or_default())
}

/// How often entries are removed at once; and how often after that, or while it is refused.
const BURST: i32 = 5;
const EVERY: SignedDuration = SignedDuration::from_secs(30);

/// Removes the entries of MetaApps that are gone, or are not ours any more, until the shutdown. What is left of a time before the
/// start is removed first.
pub async fn run(apps: Arc<MetaApps>) {
    if apps.ctx.policy.gateway_url.is_none() {
        return;
    }
    let mut turns = TokenBucket::full(apps.ctx.clock.now());
    while apps.ctx.read(remove(&apps, &mut turns)).await.is_ok() {}
}

/// Removes what is to go, and waits for news.
async fn remove(apps: &MetaApps, turns: &mut TokenBucket) {
    let gone = gone(apps);
    if gone.is_empty() {
        return apps.keyring.news.notified().await;
    }
    if let Err(from) = turns.take(apps.ctx.clock.now(), BURST, EVERY) {
        return apps.ctx.clock.sleep_until(from).await;
    }
    match apps.keyring.remove(&gone).await {
        Ok(()) => tracing::info!(
            entries = gone.len(),
            "removed entries that belong to no MetaApp here from the gateway's keyring"
        ),
        Err(failure) => {
            tracing::warn!(%failure, "the gateway's keyring could not be written; trying again");
            apps.ctx.clock.sleep_until(apps.ctx.clock.now().later(EVERY)).await;
        }
    }
}

/// The keys of MetaApps that are not there for us. Of a namespace where they cannot be listed nothing is known.
fn gone(apps: &MetaApps) -> Vec<String> {
    let keys = apps.keyring.keys();
    if keys.is_empty() {
        return keys;
    }
    let misfits = apps.ctx.cluster.undecodable.uids(KindName::META_APP);
    let mut there: HashSet<String> = apps.ctx.cluster.stores.apps.all().iter().map(|app| key_of(app)).collect();
    there.extend(misfits.iter().map(|(app, uid)| key(&app.namespace, uid.as_str())));
    let waits =
        |key: &str| apps.ctx.cluster.surplus.holds_any(KindName::META_APP.as_str(), namespace_of(key), uid_of(key));
    let is_gone = |key: &String| match apps.ctx.cluster.namespaces.knows_to_be_ours(namespace_of(key)) {
        Some(ours) => !ours || !there.contains(key) && !waits(key),
        None => false,
    };
    keys.into_iter().filter(is_gone).collect()
}
