//! Reads everything about a channel; something missing or refused is an observation too.

use kube::ResourceExt;

use super::credentials::{Source, see_access};
use super::policy::{grant, token};
use super::prefetched::PageNews;
use super::rate_limits::Restraint;
use super::state::FacebookChannels;
use super::{
    channel_secret, disconnected, endpoint_key, endpoint_service, inbound, previous_app, publication, threads,
    token_check_schedule, token_witness,
};
use crate::api::conditions::ConditionType;
use crate::api::references::NamespacedName;
use crate::api::{
    AssetClaim, AssetKind, ClaimHolder, DeletionPolicy, EndpointKind, FacebookChannel, FacebookChannelStatus,
    ManagementPolicy, REQUESTED_AT,
};
use crate::base::fingerprint::Fingerprint;
use crate::base::ids::{AppId, PageId, Uid};
use crate::base::key::{Key, KindName};
use crate::cluster::error::Failure;
use crate::controller::dependents::Dependency;
use crate::controller::pass::Pass;
use crate::facebook_channel::model::{
    Access, AppSeen, Asked, EndpointSeen, Former, FormerEnd, GatewaySeen, Observed, ServiceSeen, TokenSeen,
};
use crate::graph::{Operation, TokenInfo};
use crate::limits::answer::Refusal;
use crate::meta_app::{self, seen};
use crate::ownership::{self, ClaimObservation, ClaimSeen, Record, Wanted};

/// Reads everything about a channel.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn observe(
    channels: &FacebookChannels,
    channel: &FacebookChannel,
    pass: &Pass<FacebookChannelStatus>,
    asked: Asked,
) -> Result<Observed, Failure> {
    let mut seen = survey(channels, channel, pass, asked).await?;
    let restraint = Restraint::of(channels, channel, &seen);
    ask(channels, channel, &mut seen, pass, &restraint).await?;
    if matches!(seen.claim, ClaimSeen::Ours { .. }) {
        // What was read of the page may be what the claim has to say.
        let wanted = wanted(channel, pass, seen.app_key.as_ref(), &seen.app, &seen.asked);
        seen.record = ownership::observe_record(&channels.ownership, &wanted).unwrap_or(seen.record);
    }
    seen.asked.calls.log(KindName::FACEBOOK_CHANNEL, &pass.key, pass.told());
    channels.ctx.limits.heed(&restraint.budgets, seen.asked.calls.refusals(), pass.now);
    channels.ctx.limits.reached(&restraint.app, &pass.uid, seen.asked.calls.reach());
    Ok(seen)
}

/// Reads everything about a channel but what only Meta can tell.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn survey(
    channels: &FacebookChannels,
    channel: &FacebookChannel,
    pass: &Pass<FacebookChannelStatus>,
    asked: Asked,
) -> Result<Observed, Failure> {
    let source = Source::of(channels, channel);
    let app_key = source.app(channels, &pass.uid);
    let mut dependencies = source.dependencies();
    dependencies.extend(app_key.iter().flat_map(|key| seen::dependencies(&channels.apps, key, &pass.key.namespace)));
    dependencies.push(Dependency::Secret(publication::SECRET.key(&pass.key)));
    dependencies.push(Dependency::Secret(endpoint_key::SECRET.key(&pass.key)));
    dependencies.push(Dependency::Claim(AssetClaim::page_name(&channel.spec.page_id)));
    let dependent = (KindName::FACEBOOK_CHANNEL, pass.key.clone());
    channels.ctx.wakeups.dependents.set(&dependent, dependencies.clone());

    let (app, app_object) = seen::look(&channels.apps, app_key.as_ref(), &pass.key.namespace).await?;
    let wanted = wanted(channel, pass, app_key.as_ref(), &app, &asked);
    let (seen_token, token) = source.look(channels, pass.uid.as_str(), pass.now).await?;
    let ClaimObservation { claim, record, former } =
        ownership::observe_claim(&channels.ownership, &wanted, |holder| channels.ownership.lives(holder)).await?;
    let claim = asked.claims_unavailable.clone().map_or(claim, ClaimSeen::Unavailable);
    if let Some(key) = former.as_ref().and_then(Former::key_of) {
        dependencies.push(Dependency::MetaApp(key));
        channels.ctx.wakeups.dependents.set(&dependent, dependencies);
    }
    let former = previous_app::see(channels, former).await?;
    let access = see_access(channels, app_object.as_deref(), &app, token).await?;
    let written = asked.published && asked.writes.refusal(channel_secret::KIND).is_none();
    let filling = access.as_ref().map(|access| publication::filling(channel, pass, &app, access));
    let secret = publication::SECRET.of(channels, channel, pass);
    let publication = secret.look(channel.spec.publish_token, filling.as_ref(), written).await?;
    let written = asked.endpoint_key && asked.writes.refusal(endpoint_key::WRITE).is_none();
    let key = endpoint_key::look(channels, channel, pass, written).await?;
    let mut endpoint = EndpointSeen { key, service: ServiceSeen::NotAsked };
    let inputs = Fingerprint::new(&pass.uid)
        .add("generation", pass.generation)
        .add("requested-at", channel.annotations().get(REQUESTED_AT))
        .add("app", &app)
        .add("app-uid", app_object.as_ref().and_then(|app| app.uid()))
        .add("token", seen_token.input())
        .add("claim", &claim)
        .add("former", &former)
        .add("publication", publication.is_in_the_way(channel))
        .add("gateway", &channels.ctx.policy.gateway_url)
        .add("graph", &channels.ctx.policy.graph_url);
    let inputs = match inbound::input(channel) {
        Some(heard) => inputs.add("inbound", heard),
        None => inputs,
    };
    // Once that is withdrawn, what waited for it is done at once, not only at the end of a long pause.
    let inputs = match record {
        Record::GivenAway => inputs.add("given-away", true),
        _ => inputs,
    };
    let inputs = match channel.spec.endpoint.kind().is_some_and(EndpointKind::is_forwarded) {
        true => {
            inputs.add("endpoint", endpoint.is_in_the_way(channel)).add("forwarding", channels.ctx.policy.forwards())
        }
        false => inputs,
    };
    let inputs = inputs.finish();
    let paused = channel.spec.management_policy == ManagementPolicy::Pause;
    let clock_doubted = channels.ctx.limits.clock_skew.is_doubted(&channels.ctx.clock);
    let news = grant::is_news(channel, &app, &seen_token, &pass.previous, (!clock_doubted).then_some(pass.now));
    // What everybody doubts at the same time is checked again in the regular slot.
    let app_uid = app_object.as_deref().map(Uid::of).unwrap_or_default();
    let handed = channels.prefetched.has(&pass.key, &inputs, pass.now);
    let put_off = pass.confirms && !handed && channels.ctx.limits.suspect_tokens.are_many(&app_uid, pass.now);
    let asked_for = pass.due && !put_off || news || pass.requested.is_some();
    let changed = pass.previous.inputs.as_ref() != Some(&inputs) || asked.writes.are_news(pass.refusals());
    let look = !paused && (asked_for || changed || is_let_in_again(channels, &wanted, &claim, pass, &asked).await?);
    let gateway = match &channels.ctx.policy {
        policy if policy.forwards() => GatewaySeen::Forwarding,
        policy if policy.gateway_url.is_some() => GatewaySeen::WithoutForwarding,
        _ => GatewaySeen::NotInstalled,
    };
    if look && gateway == GatewaySeen::Forwarding {
        endpoint.service = endpoint_service::look(channels, channel, pass).await?;
    }
    let token_slot =
        token_check_schedule::token_slot(&pass.uid, &pass.previous, pass.now, channels.ctx.policy.token_period);
    let thing = if channel.spec.parts() { ConditionType::Ready } else { ConditionType::Subscribed };
    let standing = pass.standing::<FacebookChannels>(thing, &inputs);
    Ok(Observed {
        app_key,
        unapproved: app_object.as_deref().map(meta_app::facts::unapproved).unwrap_or_default(),
        app,
        token: seen_token,
        claim,
        record,
        former,
        publication,
        endpoint,
        gateway,
        in_browser: Source::of(channels, channel).is_authorized_in_browser(channels),
        inputs,
        look,
        requested: pass.requested.clone(),
        token_slot,
        standing,
        stale: pass.stale,
        clock_doubted,
        suspicions: pass.suspicions().clone(),
        asked,
        access,
    })
}

/// Whether a claim that was refused would be let in now, so that it is worth a proof.
async fn is_let_in_again(
    channels: &FacebookChannels,
    wanted: &Wanted,
    claim: &ClaimSeen,
    pass: &Pass<FacebookChannelStatus>,
    asked: &Asked,
) -> Result<bool, Failure> {
    let open = pass.was_refused(ownership::KIND) && !asked.claimed && !asked.recorded;
    Ok(open && channels.ctx.read(ownership::is_let_in(&channels.ownership, wanted, claim)).await??)
}

/// The MetaApp that a channel is connected through, if that is known.
pub fn app_key(channels: &FacebookChannels, channel: &FacebookChannel) -> Option<Key> {
    Source::of(channels, channel).app(channels, &Uid::of(channel))
}

/// The claim that a channel has to hold.
pub fn wanted(
    channel: &FacebookChannel,
    pass: &Pass<FacebookChannelStatus>,
    app_key: Option<&Key>,
    app: &AppSeen,
    asked: &Asked,
) -> Wanted {
    let app_id = app.id().map(AppId::as_str).unwrap_or_default().to_owned();
    let holder = ClaimHolder {
        namespace: pass.key.namespace.clone(),
        name: pass.key.name.clone(),
        uid: pass.uid.as_str().to_owned(),
    };
    let app_ref = |key: &Key| NamespacedName { namespace: key.namespace.clone(), name: key.name.clone() };
    Wanted {
        kind: AssetKind::FacebookPage,
        id: channel.spec.page_id.clone(),
        app_id,
        app_ref: app_key.map(app_ref),
        fields: disconnected::claimed_fields(channel, &pass.previous, app, asked),
        deletion_policy: on_deletion(channel),
        offer: disconnected::offer(channel, &pass.previous, app, asked),
        former_ended: asked.former.as_ref().is_some_and(FormerEnd::is_final),
        holder,
    }
}

/// What the claim says for when the channel is gone: whoever only observes wrote nothing at Meta, and leaves it alone.
fn on_deletion(channel: &FacebookChannel) -> DeletionPolicy {
    match channel.spec.management_policy {
        ManagementPolicy::Manage | ManagementPolicy::Pause => channel.spec.deletion_policy,
        ManagementPolicy::Observe => DeletionPolicy::Orphan,
    }
}

/// What is known of the token without asking Meta about it: what a grant gives, or what the status remembers.
pub fn recall_token(
    channel: &FacebookChannel,
    seen: &Observed,
    pass: &Pass<FacebookChannelStatus>,
) -> Option<TokenInfo> {
    match &seen.token {
        TokenSeen::Granted(grant) => Some(grant.info.clone()),
        _ => token_check_schedule::remembered_token(channel, &pass.previous, seen, seen.app.id()?, pass.now),
    }
}

/// Asks Meta what was not asked in this pass yet and has to be asked again: first about the token, and about the page
/// only with a proven credential and the claim.
async fn ask(
    channels: &FacebookChannels,
    channel: &FacebookChannel,
    seen: &mut Observed,
    pass: &Pass<FacebookChannelStatus>,
    restraint: &Restraint,
) -> Result<(), Failure> {
    if !seen.look {
        return Ok(());
    }
    match &seen.token {
        _ if seen.asked.token.is_some() => {}
        TokenSeen::NotListed => seen.asked.token = token_witness::not_listed(channel, pass.now).map(Err),
        // Known without asking, also that the grant gives nothing.
        TokenSeen::Granted(grant) => {
            seen.asked.token = Some(Ok(grant.info.clone()));
            let held = match &seen.access {
                Some(_) if token::is_proven(channel, seen, pass.now) => restraint.held(channels, seen, pass),
                Some(_) => None,
                None => lacks_the_app_secret(seen).then(Refusal::nothing),
            };
            (seen.asked.page, seen.asked.subscriptions) = (held.clone().map(Err), held.map(Err));
        }
        _ if seen.access.is_none() => seen.asked.token = lacks_the_app_secret(seen).then(|| Err(Refusal::nothing())),
        _ => match restraint.held(channels, seen, pass) {
            Some(held) => seen.asked.token = Some(Err(held)),
            None => {
                seen.asked.token = recall_token(channel, seen, pass).map(Ok);
                if seen.asked.token.is_none() {
                    token_witness::ask_about_token(channels, seen, &pass.previous).await?;
                }
            }
        },
    }
    // The answer may be the first that tells.
    seen.clock_doubted = channels.ctx.limits.clock_skew.is_doubted(&channels.ctx.clock);
    let proven = seen.access.is_some() && token::is_proven(channel, seen, pass.now);
    if !proven || !matches!(seen.claim, ClaimSeen::Ours { .. }) {
        return Ok(());
    }
    ask_about_page(channels, channel, seen, pass).await?;
    token_witness::ask_if_doubted(channels, channel, seen, pass, &restraint.app).await
}

/// Whether nothing can be asked because the app secret is gone, while the application still counts as working. It says what
/// that means, a minute later; until then nothing was learned.
fn lacks_the_app_secret(seen: &Observed) -> bool {
    let has_token = match &seen.token {
        TokenSeen::Granted(grant) => grant.fingerprint.is_some(),
        token => matches!(token, TokenSeen::Present { .. }),
    };
    let works = matches!(&seen.app, AppSeen::Found { verdict, .. } if verdict.credentials.is_ok());
    seen.access.is_none() && has_token && works
}

async fn ask_about_page(
    channels: &FacebookChannels,
    channel: &FacebookChannel,
    seen: &mut Observed,
    pass: &Pass<FacebookChannelStatus>,
) -> Result<(), Failure> {
    let Some(Access { version, credentials, token }) = &seen.access else { return Ok(()) };
    let (page_id, asked) = (&PageId::new(&channel.spec.page_id), &mut seen.asked);
    if let Some(PageNews { page, subscriptions, threads }) = channels.prefetched.take(&pass.key, &seen.inputs, pass.now)
    {
        asked.calls.note(Operation::ReadPage, &page);
        asked.calls.note(Operation::ReadPageSubscriptions, &subscriptions);
        asked.page.get_or_insert(page);
        asked.subscriptions.get_or_insert(subscriptions);
        asked.threads = asked.threads.take().or(threads);
    }
    if asked.page.is_none() {
        let result = channels.ctx.read(channels.ctx.graph.page(version, credentials, token, page_id)).await?;
        asked.page = Some(asked.calls.answer(Operation::ReadPage, result));
    }
    if asked.subscriptions.is_none() {
        let result =
            channels.ctx.read(channels.ctx.graph.page_subscriptions(version, credentials, token, page_id)).await?;
        asked.subscriptions = Some(asked.calls.answer(Operation::ReadPageSubscriptions, result));
    }
    // Of a page that Meta is silent about, or refuses on account of the token, nothing more is asked.
    let shown = matches!(&seen.asked.page, Some(Ok(_)));
    if shown && seen.asked.threads.is_none() && threads::are_due_in_pass(channels, channel, seen, pass) {
        let found =
            threads::read(channels, version, credentials, &[threads::Look { channel, page_id, token, pass }]).await?;
        seen.asked.threads = found.into_iter().next().inspect(|it| {
            seen.asked.calls.note(Operation::ReadConversations, it);
            threads::note(channels, pass, it);
        });
    }
    seen.asked.threads_owed = if shown { threads::owed(channels, channel, seen, pass) } else { None };
    Ok(())
}
