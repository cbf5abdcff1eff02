//! Reads everything about an application; something missing or refused is an observation too.

use kube::ResourceExt;

use super::model::KeyringSeen;
use super::state::MetaApps;
use super::{ask, keyring, secrets, verify_token};
use crate::api::conditions::ConditionType;
use crate::api::references::Purpose;
use crate::api::{ManagementPolicy, MetaApp, MetaAppStatus, PURPOSE_LABEL, REQUESTED_AT};
use crate::base::fingerprint::Fingerprint;
use crate::base::ids::Uid;
use crate::base::key::{Key, KindName};
use crate::cluster::error::Failure;
use crate::controller::dependents::Dependency;
use crate::controller::pass::Pass;
use crate::controller::{being_deleted, managed_secrets};
use crate::limits::app_usage::Budget;
use crate::meta_app::facts;
use crate::meta_app::facts::declared_version;
use crate::meta_app::model::{Asked, KEYRING, Observed, SecretSeen, VerifyTokenSeen};
use crate::ownership::{self, ClaimSeen, Wanted};

/// Reads everything about an application.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn observe(
    apps: &MetaApps,
    app: &MetaApp,
    pass: &Pass<MetaAppStatus>,
    asked: Asked,
) -> Result<Observed, Failure> {
    let secret_key = Key::new(&pass.key.namespace, &app.spec.app_secret_ref.name);
    let token_key = Key::new(&pass.key.namespace, crate::meta_app::facts::verify_token_secret_name(&pass.key.name));
    let wanted = facts::wanted(app, pass);
    let dependencies = vec![
        Dependency::Secret(secret_key.clone()),
        Dependency::Secret(token_key.clone()),
        Dependency::Claim(wanted.claim_name()),
    ];
    apps.ctx.wakeups.dependents.set(&(KindName::META_APP, pass.key.clone()), dependencies);

    let released = apps.ctx.read(apps.ctx.cluster.secrets.get(&secret_key, Purpose::AppSecret)).await??.ok();
    let entries = released.as_deref().map(|released| secrets::entries(apps, app, released));
    let managed = app.spec.webhook.is_some();
    let claim = if managed { look_at_claim(apps, &wanted, pass).await? } else { ClaimSeen::Free };
    let claim = asked.claims_unavailable.clone().map_or(claim, ClaimSeen::Unavailable);
    let verify_token = if managed { look_at_token(apps, app, &token_key).await? } else { VerifyTokenSeen::Missing };
    let verify_token_fingerprint = match verify_token {
        VerifyTokenSeen::Ours => secrets::verify_token_fingerprint(apps, &token_key, pass.uid.as_str()).await?,
        VerifyTokenSeen::Missing | VerifyTokenSeen::LeftOver | VerifyTokenSeen::Taken => None,
    };
    let callback_url = callback_url(apps, app, &pass.key);
    let redirect_uri = apps.ctx.policy.gateway_url.as_ref().map(|url| format!("{url}/oauth/callback"));
    let inputs = Fingerprint::new(&pass.uid)
        .add("generation", pass.generation)
        .add("requested-at", app.annotations().get(REQUESTED_AT))
        .add("secret", released.as_ref().map(|released| secrets::fingerprints(released, pass.uid.as_str())))
        .add("flaw", entries.as_ref().map(|entries| entries.as_ref().map(|entries| &entries.flaw)))
        .add("claim", &claim)
        .add("verify-token", (verify_token, &verify_token_fingerprint))
        .add("callback", &callback_url)
        .add("redirect", &redirect_uri)
        .add("graph", &apps.ctx.policy.graph_url)
        .finish();
    let paused = app.spec.management_policy == ManagementPolicy::Pause;
    let changed = pass.previous.inputs.as_ref() != Some(&inputs) || asked.writes.are_news(pass.refusals());
    let asked_for = pass.due || pass.requested.is_some() || changed;
    let tries = managed && !asked.claimed && !asked.verify_token_made;
    let look = !paused && (asked_for || tries && is_let_in_again(apps, app, pass, &claim, verify_token).await?);
    let known = keyring::look(apps, app, pass, is_accepted(&asked)).await?;
    // What can be told to the gateway now does not wait for Meta.
    let waits = known == KeyringSeen::Outdated && asked.writes.refusal(KEYRING).is_none();
    let mut asked = match &entries {
        Some(Ok(entries)) if look && !waits => ask::ask(apps, app, &entries.usable, asked, pass, &inputs).await?,
        _ => asked,
    };
    let keyring = match known {
        KeyringSeen::Unneeded => keyring::look(apps, app, pass, is_accepted(&asked)).await?,
        known => known,
    };
    asked.calls.log(KindName::META_APP, &pass.key, pass.told());
    apps.ctx.limits.reached(&pass.uid, &pass.uid, asked.calls.reach());
    apps.ctx.limits.heed(&[Budget::app(&pass.uid)], asked.calls.refusals(), pass.now);
    let standing = pass.standing::<MetaApps>(ConditionType::WebhookSubscribed, &inputs);
    let (secret, entries, flaw) = match entries {
        None => (SecretSeen::NotReleased, Vec::new(), None),
        Some(Err(why)) => (SecretSeen::Malformed(why), Vec::new(), None),
        Some(Ok(found)) => {
            (SecretSeen::Present, found.usable.into_iter().map(|entry| entry.name).collect(), found.flaw)
        }
    };
    let graph_url = apps.ctx.policy.graph_url.clone();
    let (channels, usage) = (apps.counts.of(&pass.key), apps.ctx.limits.usage.usage(&pass.uid, pass.now));
    Ok(Observed {
        secret,
        claim,
        verify_token,
        keyring,
        callback_url,
        redirect_uri,
        graph_url,
        inputs,
        look,
        requested: pass.requested.clone(),
        standing,
        stale: pass.stale,
        version: declared_version(app),
        entries,
        flaw,
        served: apps.ctx.limits.served_versions.by(&pass.uid, asked.version.unwrap_or_else(|| facts::version(app))),
        verify_token_fingerprint,
        suspicions: pass.suspicions().clone(),
        usage,
        channels,
        asked,
    })
}

/// Whether Meta accepted the app secret in this pass.
fn is_accepted(asked: &Asked) -> bool {
    matches!(asked.node, Some(Ok(_)))
}

/// Whether something that was refused would be let in now, so that it is worth a look.
async fn is_let_in_again(
    apps: &MetaApps,
    app: &MetaApp,
    pass: &Pass<MetaAppStatus>,
    claim: &ClaimSeen,
    token: VerifyTokenSeen,
) -> Result<bool, Failure> {
    let claim = pass.was_refused(ownership::KIND)
        && apps.ctx.read(ownership::is_let_in(&apps.ownership, &facts::wanted(app, pass), claim)).await??;
    let token = pass.was_refused(verify_token::KIND)
        && apps.ctx.read(verify_token::is_let_in(apps, app, &pass.key, &pass.uid, token)).await??;
    Ok(claim || token)
}

fn callback_url(apps: &MetaApps, app: &MetaApp, key: &Key) -> Option<String> {
    let webhook = app.spec.webhook.as_ref()?;
    let derived =
        || apps.ctx.policy.gateway_url.as_ref().map(|url| format!("{url}/webhooks/{}/{}", key.namespace, key.name));
    webhook.callback_url.clone().or_else(derived)
}

async fn look_at_claim(apps: &MetaApps, wanted: &Wanted, pass: &Pass<MetaAppStatus>) -> Result<ClaimSeen, Failure> {
    let look = ownership::observe_claim(&apps.ownership, wanted, |holder| {
        let key = Key::new(&pass.key.namespace, &holder.name);
        // Whether one that cannot be decoded, or is one too many, manages its webhook cannot be told, so it keeps the claim.
        if apps.ctx.cluster.undecodable.uid(KindName::META_APP, &key).is_some_and(|uid| uid.as_str() == holder.uid)
            || apps.ctx.cluster.is_surplus(KindName::META_APP, &key, &holder.uid)
        {
            return true;
        }
        // One that does not manage its webhook any more has given it up.
        let manages = |other: &MetaApp| other.uid().as_deref() == Some(&holder.uid) && other.spec.webhook.is_some();
        apps.get(&key).is_some_and(|other| manages(&other))
    })
    .await?;
    Ok(look.claim)
}

async fn look_at_token(apps: &MetaApps, app: &MetaApp, key: &Key) -> Result<VerifyTokenSeen, Failure> {
    let Some(metadata) = apps.ctx.read(apps.ctx.cluster.secrets.metadata(key)).await?? else {
        return Ok(VerifyTokenSeen::Missing);
    };
    let ours = metadata.owner_references.iter().flatten().any(|owner| Some(&owner.uid) == app.metadata.uid.as_ref());
    if ours {
        return Ok(VerifyTokenSeen::Ours);
    }
    // Who is being deleted leaves it behind, if it is orphaned.
    let ends = being_deleted::is_begun(&app.metadata);
    let (app_key, uid) = (Key::of(app), Some(app).filter(|_| !ends).map(Uid::of).unwrap_or_default());
    let purpose = Purpose::VerifyToken;
    let former = managed_secrets::is_of_predecessor::<MetaApp>(&apps.ctx, &metadata, purpose, &app_key, &uid).await?;
    // A restore may have left the label behind, without which it is not read.
    let labeled = metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(PURPOSE_LABEL));
    Ok(match former && (!labeled || secrets::is_verify_token(apps, key).await?) {
        true if ends => VerifyTokenSeen::Ours,
        true => VerifyTokenSeen::LeftOver,
        false => VerifyTokenSeen::Taken,
    })
}
