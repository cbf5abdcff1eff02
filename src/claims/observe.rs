//! Reads what has to be known before anything is cleaned up. About a claim whose holder lives, nothing is asked.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use super::decide;
use crate::api::{AssetClaim, ClaimHolder, ClaimState, DeletionPolicy, FacebookChannel, ManagementPolicy, MetaApp};
use crate::engine::answer::Answer;
use crate::engine::breakers::Reach;
use crate::engine::budgets::Budget;
use crate::engine::deletion;
use crate::engine::failure::permitted;
use crate::engine::index::Dependency;
use crate::engine::priority::Priority;
use crate::engine::{Context, Failure, Key, KindName};
use crate::graph::{AppCredentials, Version};
use crate::meta_app::{self, Trouble};

/// What was seen of a claim on a page.
#[derive(Debug)]
pub struct Observed {
    /// Whether the holder lives, as the watch shows it.
    pub lives: bool,
    /// Whether this process saw it live and then go.
    pub departed: bool,
    /// The application through which the page is used; asked for only once the holder is gone.
    pub app: AppSeen,
    /// Whether our clock is not known to agree with Meta's, so that nobody was waited for long enough by it.
    pub clock_doubted: bool,
    /// Before this time it is others' turn, or Meta is left alone.
    pub turn: Option<Timestamp>,
    /// What the API server says of the holder now; asked for only when something is about to be done.
    pub checked: Option<Checked>,
    /// What Meta answered in this pass when the page was to be unsubscribed.
    pub asked: Option<Answer<()>>,
    /// What calls on behalf of the application need, if it is usable.
    pub access: Option<Access>,
}

/// The application through which a page is used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AppSeen {
    /// Its MetaApp is not there.
    Missing,
    /// Its MetaApp is about this application now.
    OtherApp(String),
    /// Its app secret is not there.
    SecretGone,
    /// It cannot be used now, for this reason.
    NotReady(String),
    /// It can be used.
    Ready,
}

/// What the API server says of a holder that the watch does not show.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Checked {
    /// It lives, though it may be one that cannot be decoded.
    Lives,
    /// It is gone, but this other channel of the namespace declares the page.
    Wanted {
        /// Name of that one.
        name: String,
    },
    /// It is gone.
    Gone,
    /// It may not be looked for.
    Forbidden,
}

/// What calls on behalf of an application need.
#[derive(Debug)]
pub struct Access {
    /// Version of the Graph API.
    pub version: Version,
    /// The application's credentials.
    pub credentials: Arc<AppCredentials>,
    /// Its MetaApp.
    pub app: Arc<MetaApp>,
}

/// Reads what has to be known about a claim.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn observe(
    ctx: &Context,
    claim: &AssetClaim,
    asked: Option<Answer<()>>,
    now: Timestamp,
) -> Result<Observed, Failure> {
    let (holder, key) = (&claim.spec.holder, Key::of(claim));
    let dependent = (KindName::AssetClaim, key.clone());
    let lives = lives(ctx, holder);
    let departed = ctx.departed.contains(&holder.uid) || !lives && is_another(ctx, claim);
    let mut seen = Observed {
        lives,
        departed,
        app: AppSeen::Missing,
        clock_doubted: false,
        turn: None,
        checked: None,
        asked,
        access: None,
    };
    if lives || claim.state() == ClaimState::Tombstone {
        ctx.index.forget(&dependent);
        return Ok(seen);
    }
    let app_key = app_key(claim);
    ctx.index.set(&dependent, app_key.iter().cloned().map(Dependency::MetaApp).collect());
    (seen.app, seen.access) = see_app(ctx, &claim.spec.app_id, app_key.as_ref()).await?;
    if let (Some(answer), Some(Access { app, .. })) = (&seen.asked, &seen.access) {
        let (app, uid) = (app.uid().unwrap_or_default(), claim.uid().unwrap_or_default());
        ctx.heed(&budgets(claim, &app), answer.as_ref().err().into_iter(), now);
        ctx.reached(&app, &uid, Reach::Unknown.with(Some(answer)));
    }
    seen.clock_doubted = is_clock_doubted(ctx, seen.access.as_ref());
    if seen.asked.is_some() || seen.clock_doubted || !decide::wants_check(claim, &seen.app, now) {
        return Ok(seen);
    }
    if let (DeletionPolicy::Disconnect, Some(Access { app, .. })) = (claim.spec.deletion_policy, &seen.access) {
        let turn = || ctx.pace.take(&claim.spec.app_id, &key, now).err();
        seen.turn = held_until(ctx, claim, app, now).or_else(turn);
    }
    if seen.turn.is_none() {
        seen.checked = Some(ctx.read(check(ctx, claim)).await??);
    }
    Ok(seen)
}

/// Whether our clock is not known to agree with Meta's. Before Meta answered anything the application is looked at, which tells.
fn is_clock_doubted(ctx: &Context, access: Option<&Access>) -> bool {
    let asks = |access: &&Access| access.app.spec.management_policy != ManagementPolicy::Pause;
    let unheard = access.filter(asks).filter(|_| !ctx.skew.is_heard());
    unheard.inspect(|access| ctx.look_at_app(Key::of(&*access.app))).is_some() || ctx.skew.is_doubted(&ctx.clock)
}

/// What an unsubscription uses of what Meta allows.
fn budgets(claim: &AssetClaim, app: &str) -> [Budget; 2] {
    [Budget::app(app), Budget::page(app, &claim.spec.asset_id)]
}

/// Until when Meta is not asked to unsubscribe a page, since it limits that or does not answer. Nobody waits for it, so
/// that it is held back as early as anything.
fn held_until(ctx: &Context, claim: &AssetClaim, app: &MetaApp, now: Timestamp) -> Option<Timestamp> {
    let (key, uid) = (Key::of(app), claim.uid().unwrap_or_default());
    let app_uid = app.uid().unwrap_or_default();
    // Only the application's own look finds out when an outage is over, which a paused one never takes.
    let probed = app.spec.management_policy != ManagementPolicy::Pause;
    let outage = ctx.breakers.open_until(&app_uid, &uid, now).filter(|_| probed).inspect(|_| ctx.look_at_app(key));
    outage.or_else(|| ctx.budgets.held_until(&budgets(claim, &app_uid), Priority::Sweep, &uid, now))
}

/// Whether this release looks after a claim: the namespace of its holder is ours, or was until it was deleted. That takes the
/// binding and our rights with it, in any order. Of other namespaces that are not ours nothing is known.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn is_looked_after(ctx: &Context, claim: &AssetClaim) -> Result<bool, Failure> {
    let holder = &claim.spec.holder;
    if ctx.is_ours(&holder.namespace) {
        return Ok(true);
    }
    let shown = ctx.channels.shown(&Key::new(&holder.namespace, &holder.name));
    if claim.state() == ClaimState::Tombstone
        || shown.is_some_and(|channel| channel.uid().as_ref() == Some(&holder.uid))
    {
        return Ok(false);
    }
    is_gone(ctx, &holder.namespace).await
}

/// Whether a watched namespace was there and is gone, or about to go. Where one cannot be looked for, the right to has gone
/// with it.
async fn is_gone(ctx: &Context, namespace: &str) -> Result<bool, Failure> {
    if !ctx.bindings.is_left(namespace) {
        return Ok(false);
    }
    let namespaces: Api<Namespace> = Api::all(ctx.client.clone());
    let found = ctx.read(permitted("looking for a namespace", namespaces.get_opt(namespace))).await??;
    Ok(found.flatten().is_none_or(|it| deletion::is_begun(&it.metadata)))
}

/// Whether the holder is a living channel of another name or namespace, so that the one which the claim names is none: an
/// administrator moved it.
fn is_another(ctx: &Context, claim: &AssetClaim) -> bool {
    let declare_the_page = ctx.index.dependents(&Dependency::Claim(claim.name_any()));
    let is = |key: &Key| ctx.channels.shown(key).is_some_and(|it| it.uid().as_ref() == Some(&claim.spec.holder.uid));
    declare_the_page.iter().any(|(kind, key)| *kind == KindName::FacebookChannel && is(key))
}

/// Whether the holder is there, be it one that cannot be decoded or one too many.
pub fn lives(ctx: &Context, holder: &ClaimHolder) -> bool {
    let key = Key::new(&holder.namespace, &holder.name);
    let uid = ctx.channel(&key).and_then(|channel| channel.uid());
    uid.or_else(|| ctx.misfits.uid(KindName::FacebookChannel, &key)).as_deref() == Some(&holder.uid)
        || ctx.is_surplus(KindName::FacebookChannel, &key, &holder.uid)
}

fn app_key(claim: &AssetClaim) -> Option<Key> {
    claim.spec.app_ref.as_ref().map(|app| Key::new(&app.namespace, &app.name))
}

/// Looks at an application by its id and its MetaApp, if that is known.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn see_app(ctx: &Context, app_id: &str, key: Option<&Key>) -> Result<(AppSeen, Option<Access>), Failure> {
    let Some(key) = key else { return Ok((AppSeen::Missing, None)) };
    if ctx.watches(&key.namespace) && !ctx.is_ours(&key.namespace) {
        let gone = is_gone(ctx, &key.namespace).await?;
        let why = "Its namespace is not bound to this release.".to_owned();
        return Ok((if gone { AppSeen::Missing } else { AppSeen::NotReady(why) }, None));
    }
    let Some(app) = ctx.app(key) else {
        let why = if ctx.misfits.uid(KindName::MetaApp, key).is_some() {
            Some("It cannot be decoded.")
        } else if ctx.surplus.holds(KindName::MetaApp.as_str(), key) {
            Some("There are too many in its namespace.")
        } else {
            None
        };
        return Ok((why.map_or(AppSeen::Missing, |why| AppSeen::NotReady(why.to_owned())), None));
    };
    if app.spec.app_id != app_id {
        return Ok((AppSeen::OtherApp(app.spec.app_id.clone()), None));
    }
    let Some(credentials) = meta_app::secrets::find_credentials(ctx, &app).await? else {
        return Ok((AppSeen::SecretGone, None));
    };
    Ok(match meta_app::verdict(&app).credentials {
        Ok(()) => (AppSeen::Ready, Some(Access { version: meta_app::observe::version(&app), credentials, app })),
        Err(Trouble::Broken(told) | Trouble::Unknown(told)) => (AppSeen::NotReady(told.why), None),
    })
}

/// Looks at the API server itself, as metadata: it counts also what the watch lags behind of and what cannot be decoded.
async fn check(ctx: &Context, claim: &AssetClaim) -> Result<Checked, Failure> {
    let (holder, page) = (&claim.spec.holder, &claim.spec.asset_id);
    let api: Api<FacebookChannel> = Api::namespaced(ctx.client.clone(), &holder.namespace);
    let named = permitted("looking for a channel", api.get_metadata_opt(&holder.name)).await?;
    let Some(named) = named else { return Ok(Checked::Forbidden) };
    if named.is_some_and(|channel| channel.uid().as_ref() == Some(&holder.uid)) {
        return Ok(Checked::Lives);
    }
    let of_page = ListParams::default().fields(&format!("spec.pageId={page}")).limit(1);
    let others = permitted("looking for channels of a page", api.list_metadata(&of_page)).await?;
    let Some(others) = others else { return Ok(Checked::Forbidden) };
    Ok(match others.items.first() {
        Some(other) => Checked::Wanted { name: other.name_any() },
        None => Checked::Gone,
    })
}
