//! Reads everything about an application; what is missing or refused is an observation too.

use std::sync::Arc;

use kube::ResourceExt;

use super::keyring::{self, KeyringSeen};
use super::preflight::Trial;
use super::secrets::Flaw;
use super::state::MetaApps;
use super::{ask, secrets, verify_token};
use crate::api::conditions::{ConditionType, Quote};
use crate::api::references::Purpose;
use crate::api::{
    AssetKind, ChannelCounts, ClaimHolder, DeletionPolicy, ManagementPolicy, MetaApp, MetaAppStatus, PURPOSE_LABEL,
    REQUESTED_AT, SecretInUse, UsageStatus,
};
use crate::base::fingerprint::Fingerprint;
use crate::base::key::{Key, KindName};
use crate::cluster::error::Failure;
use crate::controller::deletion;
use crate::controller::dependents::Dependency;
use crate::controller::evidence::Suspicions;
use crate::controller::managed_secrets;
use crate::controller::pass::Pass;
use crate::controller::writes::Writes;
use crate::graph::{AppCredentials, AppNode, AppPermission, AppSubscription, Version};
use crate::limits::answer::{Answer, Refusal};
use crate::limits::calls::Calls;
use crate::limits::drift_guard::DriftState;
use crate::limits::usage::Budget;
use crate::ownership::{self, ClaimSeen, Offer, Unavailable, Wanted};

/// What was seen of an application.
#[derive(Debug)]
pub struct Observed {
    /// The app secret.
    pub secret: SecretSeen,
    /// The claim on the callback, if the webhook is managed.
    pub claim: ClaimSeen,
    /// The Secret with the verify token.
    pub verify_token: VerifyTokenSeen,
    /// What the gateway knows.
    pub keyring: KeyringSeen,
    /// Callback URL that Meta is to be given; `None` if there is nowhere to derive it from.
    pub callback_url: Option<String>,
    /// Where the login dialog sends people back to; `None` if no gateway is there to receive them.
    pub redirect_uri: Option<String>,
    /// Base URL of the Graph API.
    pub graph_url: String,
    /// Fingerprint of everything the answers depend on.
    pub inputs: String,
    /// Whether Meta has to be asked in this pass.
    pub look: bool,
    /// The look that somebody asked for and that was not taken yet.
    pub requested: Option<String>,
    /// What subscribing the webhook would be.
    pub standing: DriftState,
    /// Whether values may not be kept any longer.
    pub stale: bool,
    /// The declared version of the Graph API.
    pub version: Version,
    /// The entries of the Secret that can be used. Of two, Meta accepts one or the other.
    pub entries: Vec<SecretInUse>,
    /// What is wrong with another one.
    pub flaw: Option<Flaw>,
    /// The version that answered last where the one in use was asked, as its answer says.
    pub served: Option<Version>,
    /// Fingerprint of the verify token that the gateway has.
    pub verify_token_fingerprint: Option<String>,
    /// What was heard before and waits for its confirmation.
    pub suspicions: Suspicions,
    /// How much of what Meta allows is used, if it is much.
    pub usage: Option<UsageStatus>,
    /// Its channels, if they were counted.
    pub channels: Option<ChannelCounts>,
    /// What Meta answered in this pass.
    pub asked: Asked,
}

/// The app secret, as a decision may see it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SecretSeen {
    /// There is no Secret that was released for it.
    NotReleased,
    /// It cannot be an app secret, for this reason.
    Malformed(String),
    /// It is there.
    Present,
}

/// The Secret with the verify token.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum VerifyTokenSeen {
    /// There is none of that name.
    Missing,
    /// We made it.
    Ours,
    /// We made it for an earlier MetaApp of this name, which is gone.
    LeftOver,
    /// Somebody else made a Secret of that name.
    Taken,
}

/// What was asked and done in one pass.
#[derive(Debug, Default)]
pub struct Asked {
    /// Every call that was made.
    pub calls: Calls,
    /// The application itself.
    pub node: Option<Answer<AppNode>>,
    /// The version of the Graph API in which it was answered for, or was to be.
    pub version: Option<Version>,
    /// The refusal of the declared version, if Meta does not serve it.
    pub version_refused: Option<Refusal>,
    /// What is in the way of the declared version, though it may answer for the application itself.
    pub trial: Option<Trial>,
    /// The credentials that Meta accepts, and the entry of the Secret that they are from.
    pub credentials: Option<Arc<AppCredentials>>,
    /// The name and fingerprint of that entry.
    pub secret_in_use: Option<SecretInUse>,
    /// Those of the other one, and whether Meta accepts it too.
    pub other_secret: Option<(SecretInUse, bool)>,
    /// Its permissions.
    pub permissions: Option<Answer<Vec<AppPermission>>>,
    /// Its subscriptions.
    pub subscriptions: Option<Answer<Vec<AppSubscription>>>,
    /// Its subscriptions before they were written.
    pub before: Option<Vec<AppSubscription>>,
    /// The outcome of subscribing.
    pub subscribed: Option<Answer<()>>,
    /// Whether that was to give Meta the verify token.
    pub introduced: bool,
    /// Webhook fields that Meta does not know.
    pub refused: Vec<String>,
    /// What it said of the last of them.
    pub refused_words: Option<Quote>,
    /// Whether the claim was tried for.
    pub claimed: bool,
    /// Why the claim could not be made, if claims are out of reach.
    pub claims_unavailable: Option<Unavailable>,
    /// Whether the verify token was created.
    pub verify_token_made: bool,
    /// What came of the writes in the cluster.
    pub writes: Writes,
}

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
    let token_key = Key::new(&pass.key.namespace, super::verify_token_secret_name(&pass.key.name));
    let wanted = wanted(app, pass);
    let dependencies = vec![
        Dependency::Secret(secret_key.clone()),
        Dependency::Secret(token_key.clone()),
        Dependency::Claim(wanted.claim_name()),
    ];
    apps.ctx.wakeups.dependents.set(&(KindName::MetaApp, pass.key.clone()), dependencies);

    let released = apps.ctx.read(apps.ctx.cluster.secrets.get(&secret_key, Purpose::AppSecret)).await??.ok();
    let entries = released.as_deref().map(|released| secrets::entries(apps, app, released));
    let managed = app.spec.webhook.is_some();
    let claim = if managed { look_at_claim(apps, &wanted, pass).await? } else { ClaimSeen::Free };
    let claim = asked.claims_unavailable.clone().map_or(claim, ClaimSeen::Unavailable);
    let verify_token = if managed { look_at_token(apps, app, &token_key).await? } else { VerifyTokenSeen::Missing };
    let verify_token_fingerprint = match verify_token {
        VerifyTokenSeen::Ours => secrets::verify_token_fingerprint(apps, &token_key, &pass.uid).await?,
        VerifyTokenSeen::Missing | VerifyTokenSeen::LeftOver | VerifyTokenSeen::Taken => None,
    };
    let callback_url = callback_url(apps, app, &pass.key);
    let redirect_uri = apps.ctx.policy.gateway_url.as_ref().map(|url| format!("{url}/oauth/callback"));
    let inputs = Fingerprint::new(&pass.uid)
        .add("generation", pass.generation)
        .add("requested-at", app.annotations().get(REQUESTED_AT))
        .add("secret", released.as_ref().map(|released| secrets::fingerprints(released, &pass.uid)))
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
    let waits = known == KeyringSeen::Outdated && asked.writes.refusal(keyring::KIND).is_none();
    let mut asked = match &entries {
        Some(Ok(entries)) if look && !waits => ask::ask(apps, app, &entries.usable, asked, pass, &inputs).await?,
        _ => asked,
    };
    let keyring = match known {
        KeyringSeen::Unneeded => keyring::look(apps, app, pass, is_accepted(&asked)).await?,
        known => known,
    };
    asked.calls.log(KindName::MetaApp, &pass.key, pass.told());
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
        served: apps.ctx.limits.served_versions.by(&pass.uid, asked.version.unwrap_or_else(|| version(app))),
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
        && apps.ctx.read(ownership::is_let_in(&apps.ownership, &wanted(app, pass), claim)).await??;
    let token = pass.was_refused(verify_token::KIND)
        && apps.ctx.read(verify_token::is_let_in(apps, app, &pass.key, &pass.uid, token)).await??;
    Ok(claim || token)
}

/// The claim that an application with a webhook has to hold.
pub fn wanted(app: &MetaApp, pass: &Pass<MetaAppStatus>) -> Wanted {
    let holder =
        ClaimHolder { namespace: pass.key.namespace.clone(), name: pass.key.name.clone(), uid: pass.uid.clone() };
    Wanted {
        kind: AssetKind::MetaApp,
        id: app.spec.app_id.clone(),
        app_id: app.spec.app_id.clone(),
        app_ref: None,
        fields: None,
        // Nothing is cleaned up after an application: its webhook belongs to it.
        deletion_policy: DeletionPolicy::Orphan,
        offer: Offer::None,
        former_ended: false,
        holder,
    }
}

/// The version of the Graph API that is declared for an application.
pub fn declared_version(app: &MetaApp) -> Version {
    app.spec.graph_version.as_deref().and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// The version of the Graph API in which everything about an application is asked: the one that answered last. What is
/// declared takes its place once it answers.
pub fn version(app: &MetaApp) -> Version {
    let known = app.status.as_ref().and_then(|status| status.graph_version.as_deref()?.parse().ok());
    known.unwrap_or_else(|| declared_version(app))
}

fn callback_url(apps: &MetaApps, app: &MetaApp, key: &Key) -> Option<String> {
    let webhook = app.spec.webhook.as_ref()?;
    let derived =
        || apps.ctx.policy.gateway_url.as_ref().map(|url| format!("{url}/webhooks/{}/{}", key.namespace, key.name));
    webhook.callback_url.clone().or_else(derived)
}

async fn look_at_claim(apps: &MetaApps, wanted: &Wanted, pass: &Pass<MetaAppStatus>) -> Result<ClaimSeen, Failure> {
    let look = ownership::look(&apps.ownership, wanted, |holder| {
        let key = Key::new(&pass.key.namespace, &holder.name);
        // Whether one that cannot be decoded, or is one too many, manages its webhook cannot be told, so it keeps the claim.
        if apps.ctx.cluster.undecodable.uid(KindName::MetaApp, &key).as_deref() == Some(&holder.uid)
            || apps.ctx.cluster.is_surplus(KindName::MetaApp, &key, &holder.uid)
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
    let ends = deletion::is_begun(&app.metadata);
    let (app_key, uid) = (Key::of(app), app.uid().filter(|_| !ends).unwrap_or_default());
    let purpose = Purpose::VerifyToken;
    let former = managed_secrets::is_of_predecessor::<MetaApp>(&apps.ctx, &metadata, purpose, &app_key, &uid).await?;
    // A restore may have left the label behind, without which it is not read.
    let labelled = metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(PURPOSE_LABEL));
    Ok(match former && (!labelled || secrets::is_verify_token(apps, key).await?) {
        true if ends => VerifyTokenSeen::Ours,
        true => VerifyTokenSeen::LeftOver,
        false => VerifyTokenSeen::Taken,
    })
}
