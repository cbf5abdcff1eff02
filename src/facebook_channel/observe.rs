//! Reads everything about a channel; what is missing or refused is an observation too.

use std::sync::Arc;

use kube::ResourceExt;

use super::FacebookChannelKind;
use super::decide::authorization;
use crate::api::conditions::ConditionType;
use crate::api::references::Purpose;
use crate::api::{
    AssetKind, ClaimHolder, FacebookChannel, FacebookChannelStatus, MetaApp, NamespacesFrom, REQUESTED_AT,
};
use crate::claims::{self, ClaimSeen, Wanted};
use crate::engine::answer::{Answer, Held, Refusal, answer};
use crate::engine::breakers::Reach;
use crate::engine::budgets::Budget;
use crate::engine::fingerprint::Fingerprint;
use crate::engine::index::Dependency;
use crate::engine::pass::Pass;
use crate::engine::repairs::Standing;
use crate::engine::{Context, Failure, Key, KindName};
use crate::graph::{AppCredentials, Caller, PageNode, PageSubscription, Token, TokenInfo, Version};
use crate::meta_app::{self, Verdict};

/// What was seen of a channel.
#[derive(Debug)]
pub struct Observed {
    /// The application.
    pub app: AppSeen,
    /// The page token.
    pub token: TokenSeen,
    /// The claim on the page.
    pub claim: ClaimSeen,
    /// Whether the operator knows of a gateway.
    pub gateway: bool,
    /// Fingerprint of everything the answers depend on.
    pub inputs: String,
    /// Whether Meta has to be asked in this pass.
    pub look: bool,
    /// What subscribing the page would be.
    pub standing: Standing,
    /// Whether values may not be kept any longer.
    pub stale: bool,
    /// What Meta answered in this pass.
    pub asked: Asked,
    /// What calls on behalf of the channel need, if it is all there.
    pub access: Option<Access>,
}

/// The application of a channel.
#[derive(Clone, Debug, PartialEq)]
pub enum AppSeen {
    /// There is no such MetaApp.
    NotFound,
    /// It does not allow the channel's namespace.
    NotAllowed,
    /// It is there.
    Found {
        /// Id of the application at Meta.
        app_id: String,
        /// Fields that the application is to be subscribed to.
        fields: Vec<String>,
        /// Permissions that the token needs.
        required: Vec<String>,
        /// What is known of the application.
        verdict: Verdict,
    },
}

/// The page token, as a decision may see it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TokenSeen {
    /// There is no Secret that was released for it.
    NotReleased,
    /// It cannot be a token, for this reason.
    Malformed(String),
    /// It is there.
    Present {
        /// Its fingerprint.
        fingerprint: String,
    },
}

/// What was asked and done in one pass.
#[derive(Debug, Default)]
pub struct Asked {
    /// What debug_token says.
    pub token: Option<Answer<TokenInfo>>,
    /// The page.
    pub page: Option<Answer<PageNode>>,
    /// The applications that the page is subscribed to.
    pub subscriptions: Option<Answer<Vec<PageSubscription>>>,
    /// The outcome of subscribing.
    pub subscribed: Option<Answer<()>>,
    /// Whether the claim was tried for.
    pub claimed: bool,
}

impl Asked {
    /// Whether Meta answered anything.
    fn reach(&self) -> Reach {
        let reach = Reach::Unknown.with(self.token.as_ref()).with(self.page.as_ref());
        reach.with(self.subscriptions.as_ref()).with(self.subscribed.as_ref())
    }

    /// The calls that were refused.
    fn refusals(&self) -> impl Iterator<Item = &Refusal> {
        let token = self.token.as_ref().and_then(|it| it.as_ref().err());
        let page = self.page.as_ref().and_then(|it| it.as_ref().err());
        let subscriptions = self.subscriptions.as_ref().and_then(|it| it.as_ref().err());
        let subscribed = self.subscribed.as_ref().and_then(|it| it.as_ref().err());
        [token, page, subscriptions, subscribed].into_iter().flatten()
    }
}

/// What calls on behalf of a channel need.
#[derive(Debug)]
pub struct Access {
    /// Version of the Graph API.
    pub version: Version,
    /// The application's credentials.
    pub credentials: Arc<AppCredentials>,
    /// The page token.
    pub token: Token,
}

/// Reads everything about a channel.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn observe(
    ctx: &Context,
    channel: &FacebookChannel,
    pass: &Pass<FacebookChannelStatus>,
    asked: Asked,
) -> Result<Observed, Failure> {
    let page_token = &channel.spec.credentials.page_token;
    let app_key = app_key(channel, &pass.key);
    let secret_key = Key::new(&pass.key.namespace, &page_token.secret_ref.name);
    let app_object = ctx.app(&app_key);
    let app = see_app(app_object.as_deref(), &app_key, &pass.key);
    let wanted = wanted(channel, pass, &app);
    let dependencies = vec![
        Dependency::MetaApp(app_key),
        Dependency::Secret(secret_key.clone()),
        Dependency::Claim(wanted.claim_name()),
    ];
    ctx.index.set(&(KindName::FacebookChannel, pass.key.clone()), dependencies);

    let token = read_token(ctx, channel, &secret_key).await?;
    let seen_token = see_token(&token, &pass.uid);
    let claim = look_at_claim(ctx, &wanted, pass).await?;
    let inputs = Fingerprint::new(&pass.uid)
        .add("generation", pass.generation)
        .add("requested-at", channel.annotations().get(REQUESTED_AT))
        .add("app", &app)
        .add("app-uid", app_object.as_ref().and_then(|app| app.uid()))
        .add("token", &seen_token)
        .add("claim", &claim)
        .add("gateway", &ctx.policy.gateway_url)
        .add("graph", &ctx.policy.graph_url)
        .finish();
    let look = pass.due || pass.previous.inputs.as_ref() != Some(&inputs);
    let access = match (token, &app_object, &app) {
        (Some(Ok(token)), Some(object), AppSeen::Found { verdict, .. }) if look && verdict.credentials.is_ok() => {
            let credentials = meta_app::observe::find_credentials(ctx, object).await?;
            credentials.map(|credentials| Access { version: meta_app::observe::version(object), credentials, token })
        }
        _ => None,
    };
    let gateway = ctx.policy.gateway_url.is_some();
    let standing = pass.standing::<FacebookChannelKind>(ConditionType::Subscribed, &inputs);
    let (token, stale) = (seen_token, pass.stale);
    let mut seen = Observed { app, token, claim, gateway, inputs, look, standing, stale, asked, access };
    let app_uid = app_object.as_ref().and_then(|app| app.uid()).unwrap_or_default();
    let budgets = budgets(&app_uid, channel, &seen.token);
    ask(ctx, channel, &mut seen, pass, &app_uid, &budgets).await?;
    ctx.heed(&budgets, seen.asked.refusals(), pass.now);
    ctx.reached(&app_uid, &pass.uid, seen.asked.reach());
    Ok(seen)
}

/// What is limited when Meta is asked about a channel.
fn budgets(app: &str, channel: &FacebookChannel, token: &TokenSeen) -> Vec<Budget> {
    let token = match token {
        TokenSeen::Present { fingerprint } => Some(Budget::token(app, fingerprint)),
        _ => None,
    };
    [Budget::app(app), Budget::page(app, &channel.spec.page_id)].into_iter().chain(token).collect()
}

/// The MetaApp that a channel names.
pub fn app_key(channel: &FacebookChannel, key: &Key) -> Key {
    let app_ref = &channel.spec.credentials.page_token.app_ref;
    Key::new(app_ref.namespace.as_ref().unwrap_or(&key.namespace), &app_ref.name)
}

/// The claim that a channel has to hold.
pub fn wanted(channel: &FacebookChannel, pass: &Pass<FacebookChannelStatus>, app: &AppSeen) -> Wanted {
    let app_id = if let AppSeen::Found { app_id, .. } = app { app_id.clone() } else { String::new() };
    let holder =
        ClaimHolder { namespace: pass.key.namespace.clone(), name: pass.key.name.clone(), uid: pass.uid.clone() };
    Wanted { kind: AssetKind::FacebookPage, id: channel.spec.page_id.clone(), app_id, holder }
}

fn see_app(app: Option<&MetaApp>, app_key: &Key, key: &Key) -> AppSeen {
    let Some(app) = app else { return AppSeen::NotFound };
    if app.spec.allowed_namespaces.from == NamespacesFrom::Same && app_key.namespace != key.namespace {
        return AppSeen::NotAllowed;
    }
    AppSeen::Found {
        app_id: app.spec.app_id.clone(),
        fields: meta_app::fields(app),
        required: app.spec.required_permissions.clone(),
        verdict: meta_app::verdict(app),
    }
}

async fn read_token(
    ctx: &Context,
    channel: &FacebookChannel,
    secret: &Key,
) -> Result<Option<Result<Token, String>>, Failure> {
    let key = &channel.spec.credentials.page_token.secret_ref.key;
    let released = ctx.read(ctx.secrets.get(secret, Purpose::PageToken)).await??.ok();
    Ok(released.map(|released| {
        let raw = released.value(key).ok_or_else(|| format!("it has no key {key}"))?;
        Token::parse(raw).map_err(|why| format!("its key {key} cannot be used: {why}"))
    }))
}

fn see_token(token: &Option<Result<Token, String>>, context: &str) -> TokenSeen {
    match token {
        None => TokenSeen::NotReleased,
        Some(Err(why)) => TokenSeen::Malformed(why.clone()),
        Some(Ok(token)) => TokenSeen::Present { fingerprint: token.fingerprint(context) },
    }
}

async fn look_at_claim(
    ctx: &Context,
    wanted: &Wanted,
    pass: &Pass<FacebookChannelStatus>,
) -> Result<ClaimSeen, Failure> {
    claims::look(ctx, wanted, |holder| {
        let key = Key::new(&pass.key.namespace, &holder.name);
        ctx.channel(&key).is_some_and(|other| other.uid().as_deref() == Some(&holder.uid))
    })
    .await
}

/// Asks Meta what was not asked in this pass yet: first about the token, and about the page only with a proven
/// credential and the claim.
async fn ask(
    ctx: &Context,
    channel: &FacebookChannel,
    seen: &mut Observed,
    pass: &Pass<FacebookChannelStatus>,
    app: &str,
    budgets: &[Budget],
) -> Result<(), Failure> {
    let Some(Access { version, credentials, token }) = &seen.access else { return Ok(()) };
    if seen.asked.token.is_none() {
        if let Some(until) = ctx.breakers.open_until(app, &pass.uid, pass.now) {
            // The application's own look is the one call that finds out whether Meta is back.
            ctx.look_at_app(app_key(channel, &pass.key));
            seen.asked.token = Some(Err(Refusal::held(Held::Outage(until))));
            return Ok(());
        }
        if let Some(held) = pass.held::<FacebookChannelKind>(ctx, &seen.inputs, budgets) {
            seen.asked.token = Some(Err(held));
            return Ok(());
        }
        let result = ctx.read(ctx.graph.debug_token(version, credentials, token)).await?;
        seen.asked.token = Some(answer("debug_token", Caller::AppToken, result));
        // An application-wide fault shows here first; the application's own check decides whether it is one.
        if seen.asked.token.as_ref().is_some_and(authorization::blames_the_app) {
            ctx.look_at_app(app_key(channel, &pass.key));
        }
    }
    let proven = authorization::is_proven(channel, seen, pass.now);
    if !proven || !matches!(seen.claim, ClaimSeen::Ours { .. }) {
        return Ok(());
    }
    let page_id = &channel.spec.page_id;
    if seen.asked.page.is_none() {
        let result = ctx.read(ctx.graph.page(version, credentials, token, page_id)).await?;
        seen.asked.page = Some(answer("page", Caller::PageToken, result));
    }
    if seen.asked.subscriptions.is_none() {
        let result = ctx.read(ctx.graph.page_subscriptions(version, credentials, token, page_id)).await?;
        seen.asked.subscriptions = Some(answer("page subscriptions", Caller::PageToken, result));
    }
    Ok(())
}
