//! Performs the one mutation that was decided, and reads back its result.

use std::time::Duration;

use secrecy::SecretString;

use super::model::Asked;
use super::state::MetaApps;
use super::{keyring, secrets, verify_token};
use crate::api::WebhookObject::Page;
use crate::api::references::{Purpose, VERIFY_TOKEN_KEY};
use crate::api::{MetaApp, MetaAppStatus, ProofMethod};
use crate::base::key::{Key, KindName};
use crate::cluster::error::Failure;
use crate::controller::pass::Pass;
use crate::graph::Operation;
use crate::meta_app::facts;
use crate::meta_app::model::{KEYRING, Mutation};
use crate::ownership;
use crate::ownership::{ClaimSeen, Wanted, claim_fence};

/// How long the gateway gets to see a new verify token before Meta is told to ask it.
const GATEWAY_NOTICE: Duration = Duration::from_millis(500);

/// Performs a mutation; says in what was asked that it was tried.
///
/// # Errors
/// When the Kubernetes API refuses or does not answer.
pub async fn act(
    apps: &MetaApps,
    app: &MetaApp,
    pass: &Pass<MetaAppStatus>,
    mutation: Mutation,
    mut asked: Asked,
) -> Result<Asked, Failure> {
    // What was refused is tried again each minute.
    if mutation != Mutation::TellGateway || !pass.was_refused(KEYRING) {
        tracing::info!(kind = "MetaApp", object = %pass.key, "{}", mutation.told());
    }
    match mutation {
        Mutation::AcquireClaim => {
            let wanted = facts::wanted(app, pass);
            let acquired = ownership::acquire(&apps.ownership, &wanted, ProofMethod::AppToken).await;
            asked.claims_unavailable = asked.writes.note(ownership::KIND, acquired)?.flatten();
            asked.claimed = true;
        }
        Mutation::AdoptClaim { of } => {
            let (wanted, proof) = (facts::wanted(app, pass), Some(ProofMethod::AppToken));
            let adopted = ownership::adopt(&apps.ownership, &wanted, &ClaimSeen::Orphaned { of }, proof).await;
            asked.claims_unavailable = asked.writes.note(ownership::KIND, adopted)?.flatten();
            asked.claimed = true;
        }
        Mutation::CreateVerifyToken => {
            let created = verify_token::create(apps, app, &pass.key, false).await;
            asked.verify_token_made = true;
            let made = asked.writes.note(verify_token::KIND, created)?.is_some();
            // Of a gateway of someone else's it is not known how it learns of it.
            if made && apps.ctx.policy.gateway_url.is_none() {
                notice(apps).await?;
            }
        }
        Mutation::AdoptVerifyToken => {
            let adopted = verify_token::adopt(apps, app, &pass.key, &pass.uid, false).await;
            asked.writes.note(verify_token::KIND, adopted)?;
            asked.verify_token_made = true;
        }
        Mutation::TellGateway => {
            let written = keyring::write(apps, app).await;
            if asked.writes.note(KEYRING, written)?.is_some() && is_to_be_asked_for(apps, app, pass).await? {
                notice(apps).await?;
            }
        }
        Mutation::Subscribe { callback_url, fields } => {
            let wanted = facts::wanted(app, pass);
            return subscribe(apps, &pass.key, &wanted, &callback_url, &fields, asked).await;
        }
        Mutation::Introduce { callback_url, fields } => {
            asked.introduced = true;
            let wanted = facts::wanted(app, pass);
            return subscribe(apps, &pass.key, &wanted, &callback_url, &fields, asked).await;
        }
    }
    Ok(asked)
}

/// Whether Meta is about to be given a verify token that it does not know.
async fn is_to_be_asked_for(apps: &MetaApps, app: &MetaApp, pass: &Pass<MetaAppStatus>) -> Result<bool, Failure> {
    let key = Key::new(&pass.key.namespace, crate::meta_app::facts::verify_token_secret_name(&pass.key.name));
    let there = secrets::verify_token_fingerprint(apps, &key, pass.uid.as_str()).await?;
    let given = pass.previous.subscription.as_ref().and_then(|it| it.verify_token_fingerprint.as_ref());
    Ok(app.spec.webhook.is_some() && there.is_some_and(|there| Some(&there) != given))
}

/// Gives the gateway time to see a new verify token, within the pass: all channels of a new application wait for its end.
async fn notice(apps: &MetaApps) -> Result<(), Failure> {
    if apps.ctx.rest(GATEWAY_NOTICE).await { Ok(()) } else { Err(Failure::ShuttingDown) }
}

async fn subscribe(
    apps: &MetaApps,
    key: &Key,
    wanted: &Wanted,
    callback_url: &str,
    fields: &[String],
    mut asked: Asked,
) -> Result<Asked, Failure> {
    let token_key = Key::new(&key.namespace, crate::meta_app::facts::verify_token_secret_name(&key.name));
    let released = apps.ctx.cluster.secrets.get(&token_key, Purpose::VerifyToken).await?.ok();
    let token = released.as_ref().and_then(|released| std::str::from_utf8(released.value(VERIFY_TOKEN_KEY)?).ok());
    let token = token.map(SecretString::from);
    let (Some(token), Some(credentials), Some(version)) = (token, asked.credentials.clone(), asked.version) else {
        return Err(Failure::Kubernetes {
            what: "reading the verify token",
            detail: "the watch has not brought its Secret yet".to_owned(),
            conflict: true,
        });
    };
    let subscribe = apps.ctx.graph.subscribe_app(&version, &credentials, callback_url, &token, fields);
    let sent = claim_fence::held(&apps.ownership, KindName::META_APP, key, wanted, subscribe).await?;
    let Some(written) = sent else { return Ok(asked) };
    asked.before = asked.subscriptions.take().and_then(Result::ok);
    let written = asked.calls.answer(Operation::SubscribeApp, written);
    let refused = written.as_ref().err().map(|refusal| refusal.refused_fields(Page, fields)).unwrap_or_default();
    if refused.is_empty() {
        asked.subscribed = Some(written);
    } else {
        // That a field is not known says nothing about the others: they are tried without it.
        asked.refused.extend(refused);
        asked.refused_words = written.err().and_then(|refusal| refusal.quote());
    }
    // What Meta says of the write counts less than what it shows afterwards.
    let shown = apps.ctx.graph.app_subscriptions(&version, &credentials).await;
    asked.subscriptions = Some(asked.calls.answer(Operation::ReadAppSubscriptions, shown));
    Ok(asked)
}
