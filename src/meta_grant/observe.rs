//! Reads everything about a grant; something missing or refused is an observation too.

use std::sync::Arc;

use kube::ResourceExt;

use super::fetch;
use super::inbox::Envelope;
use super::model::{
    Access, AppSeen, Asked, Observed, PreviousSeen, SourceTokenSeen, Times, TokenSecretSeen, Tokens, app_key,
};
use super::state::MetaGrants;
use super::token_secret::{self, Found};
use super::{address, dependents, grantors, messages, refused};
use crate::api::conditions::{ConditionType, Status, status_of};
use crate::api::references::{GRANT_TOKEN_KEY, Purpose};
use crate::api::{MetaGrant, MetaGrantStatus, REQUESTED_AT};
use crate::base::fingerprint::Fingerprint;
use crate::base::ids::Uid;
use crate::base::key::{Key, KindName};
use crate::cluster::error::Failure;
use crate::controller::dependents::Dependency;
use crate::controller::pass::Pass;
use crate::graph::Token;
use crate::meta_app::token_check;
use crate::meta_app::{self, seen};

/// Reads everything about a grant.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn observe(
    grants: &MetaGrants,
    grant: &MetaGrant,
    pass: &Pass<MetaGrantStatus>,
    asked: Asked,
) -> Result<Observed, Failure> {
    let mut seen = survey(grants, grant, pass, asked).await?;
    let app = grants.apps.get(&app_key(grant, &pass.key)).as_deref().map(Uid::of).unwrap_or_default();
    let budgets = fetch::budgets(&app, &seen);
    fetch::fetch(grants, grant, &mut seen, pass, &app, &budgets).await?;
    seen.clock_doubted = grants.ctx.limits.clock_skew.is_doubted(&grants.ctx.clock);
    seen.asked.calls.log(KindName::META_GRANT, &pass.key, pass.told());
    grants.ctx.limits.heed(&budgets, seen.asked.calls.refusals(), pass.now);
    grants.ctx.limits.reached(&app, &pass.uid, seen.asked.calls.reach());
    Ok(seen)
}

/// Reads everything about a grant but what only Meta can tell.
async fn survey(
    grants: &MetaGrants,
    grant: &MetaGrant,
    pass: &Pass<MetaGrantStatus>,
    asked: Asked,
) -> Result<Observed, Failure> {
    let app_key = app_key(grant, &pass.key);
    let source_key = Key::new(&pass.key.namespace, &grant.spec.token_secret_ref.name);
    let mut dependencies = seen::dependencies(&grants.apps, &app_key, &pass.key.namespace);
    dependencies.extend([source_key.clone(), token_secret::key(&pass.key)].map(Dependency::Secret));
    grants.ctx.wakeups.dependents.set(&(KindName::META_GRANT, pass.key.clone()), dependencies);

    let (app, app_object) = seen::look(&grants.apps, Some(&app_key), &pass.key.namespace).await?;
    let context = token_secret::context(&pass.key);
    let (source_token, source) = observe_source_token(grants, &source_key, &context).await?;
    let (token_secret, mut tokens) = observe_token_secret(token_secret::read(grants, &pass.key).await?, &context);
    let (envelopes, waiting) = grantors::sorted(grants, grant, pass);
    (tokens.message, tokens.envelopes) = open_messages(grants, envelopes).await?;
    let message = tokens.message.as_ref().map(|token| token.fingerprint(&context));
    // Whoever has nothing else begins with what came through the inbox.
    let first = source.clone().or_else(|| tokens.message.clone());
    tokens.in_use = tokens.token_secret.as_ref().map(|token_secret| token_secret.token.clone()).or(first);
    tokens.source_token = source;
    let in_use = tokens.in_use.as_ref().map(|token| token.fingerprint(&context));
    tokens.obtained = grants.tokens.obtained(&pass.key);
    let dependents = dependents::of(grants, &pass.key);
    let inputs = Fingerprint::new(&pass.uid)
        .add("generation", pass.generation)
        .add("requested-at", grant.annotations().get(REQUESTED_AT))
        .add("app", needs(&app))
        .add("app-uid", app_object.as_ref().and_then(|app| app.uid()))
        .add("source token", &source_token)
        .add("living", &token_secret)
        .add("in-use", &in_use)
        .add("users", dependents::evaluated_by(&source_token, &token_secret, &dependents))
        .add("graph", &grants.ctx.policy.graph_url)
        .finish();
    let before = grants.tokens.get(&pass.key).filter(|it| it.uid == pass.uid);
    let changed = pass.previous.inputs.as_ref() != Some(&inputs);
    // What the grant gives is not kept anywhere but in memory, so that it has to be asked for after a restart.
    let valid = status_of(&pass.previous.conditions, ConditionType::Valid) == Some(Status::True);
    let unknown = before.as_ref().is_some_and(|it| dependents.pages.iter().any(|page| !it.pages.contains_key(page)));
    let newcomer = grantors::is_one_new(&waiting, &pass.previous);
    // Who waits no more is no next step any more.
    let moved = waiting != pass.previous.waiting_grantors;
    let news = asked.changes > 0 || moved || message.is_some() && !pass.was_refused(messages::KIND);
    let wanted = pass.due || pass.requested.is_some() || news;
    let look =
        wanted || changed || unknown || valid && before.is_none() || refused::is_let_in(grants, pass, &tokens).await?;
    let doubted =
        dependents.pages.iter().filter(|page| grants.tokens.is_page_doubted(&pass.key, page)).cloned().collect();
    let access = match (&app_object, &app) {
        (Some(object), AppSeen::Found { verdict, .. }) if look && verdict.credentials.is_ok() => {
            let credentials = meta_app::secrets::find_credentials(&grants.apps, object).await?;
            credentials.map(|credentials| Access { version: meta_app::facts::version(object), credentials })
        }
        _ => None,
    };
    Ok(Observed {
        app,
        source_token,
        token_secret,
        reauthorize_url: address::at(grants, pass, newcomer || in_use != pass.previous.token_fingerprint),
        in_use,
        message,
        waiting,
        dependents,
        inputs,
        changed,
        doubted,
        look,
        requested: pass.requested.clone(),
        stale: pass.stale,
        clock_doubted: grants.ctx.limits.clock_skew.is_doubted(&grants.ctx.clock),
        suspicions: pass.suspicions().clone(),
        remind: grants.reminders.is_due(&pass.key, &pass.uid, pass.now, DAY),
        recalled: false,
        before,
        times: times(grants, pass),
        asked,
        access,
        tokens,
    })
}

const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);
const SOON: std::time::Duration = std::time::Duration::from_secs(15 * 60);

fn times(grants: &MetaGrants, pass: &Pass<MetaGrantStatus>) -> Times {
    use crate::base::schedule::{last_slot, next_slot};
    let end = [pass.previous.expires_at, pass.previous.data_access_expires_at].into_iter().flatten().min();
    let (uid, now, period) = (&pass.uid, pass.now, grants.ctx.policy.token_period);
    Times {
        token_slot: token_check::last_slot(uid, end, now, period),
        broken_slot: last_slot(uid.as_str(), now, grants.ctx.policy.broken_period),
        soon: next_slot(uid.as_str(), now, SOON),
        later: next_slot(uid.as_str(), now, grants.ctx.policy.broken_period),
        tomorrow: next_slot(uid.as_str(), now, DAY),
        near_the_end: token_check::next_slot_near_the_end(uid, end, now, period),
    }
}

/// What of an application the answers depend on. Its webhook is no matter of its grants.
fn needs(app: &AppSeen) -> impl std::fmt::Debug {
    match app {
        AppSeen::NotFound => Err("not found"),
        AppSeen::Unjudged => Err("not judged"),
        AppSeen::Found { app_id, required, verdict, .. } => {
            Ok((app_id.clone(), required.clone(), verdict.credentials.clone()))
        }
    }
}

/// The token of the newest message, and all of them: what came before is of no use any more.
async fn open_messages(
    grants: &MetaGrants,
    envelopes: Vec<Arc<Envelope>>,
) -> Result<(Option<Token>, Vec<Arc<Envelope>>), Failure> {
    let Some(newest) = envelopes.first() else { return Ok((None, envelopes)) };
    Ok((grants.ctx.read(grants.inbox.open(newest)).await??, envelopes))
}

async fn observe_source_token(
    grants: &MetaGrants,
    secret: &Key,
    context: &str,
) -> Result<(SourceTokenSeen, Option<Token>), Failure> {
    let Ok(released) = grants.ctx.read(grants.ctx.cluster.secrets.get(secret, Purpose::GrantToken)).await?? else {
        return Ok((SourceTokenSeen::NotReleased, None));
    };
    let Some(raw) = released.value(GRANT_TOKEN_KEY) else {
        return Ok((SourceTokenSeen::Malformed(released.why_missing(GRANT_TOKEN_KEY)), None));
    };
    Ok(match Token::parse(raw) {
        Ok(token) => (SourceTokenSeen::Present { fingerprint: token.fingerprint(context) }, Some(token)),
        Err(why) => (SourceTokenSeen::Malformed(format!("its key {GRANT_TOKEN_KEY} cannot be used: {why}")), None),
    })
}

fn observe_token_secret(found: Found, context: &str) -> (TokenSecretSeen, Tokens) {
    match found {
        Found::Missing => (TokenSecretSeen::Missing, Tokens::default()),
        Found::Taken => (TokenSecretSeen::Taken, Tokens::default()),
        Found::Malformed(why, over) => {
            (TokenSecretSeen::Malformed(why), Tokens { over: Some(over), ..Tokens::default() })
        }
        Found::Ours(token_secret, over) => {
            let previous = token_secret.previous.as_ref().map(|it| PreviousSeen {
                fingerprint: it.token.fingerprint(context),
                minted: it.minted,
                replaced_at: it.replaced_at,
            });
            let seen = TokenSecretSeen::Present {
                source_token: token_secret.source_token.clone(),
                minted: token_secret.minted,
                previous,
            };
            (seen, Tokens { token_secret: Some(token_secret), over: Some(over), ..Tokens::default() })
        }
    }
}
