//! Reads everything about a grant; what is missing or refused is an observation too.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use super::ask;
use super::coverage::Covered;
use super::inbox::Envelope;
use super::living::{self, Found, Living, Over};
use super::page_tokens::Granted;
use super::state::MetaGrants;
use super::users::{self, Users};
use super::{address, grantors, mail, refused};
use crate::api::conditions::{ConditionType, Status, status_of};
use crate::api::references::{GRANT_TOKEN_KEY, Purpose};
use crate::api::{MetaGrant, MetaGrantStatus, REQUESTED_AT};
use crate::base::fingerprint::Fingerprint;
use crate::base::key::{Key, KindName};
use crate::cluster::error::Failure;
use crate::controller::dependents::Dependency;
use crate::controller::evidence::Suspicions;
use crate::controller::pass::Pass;
use crate::controller::writes::Writes;
use crate::graph::{Account, AppCredentials, PageToken, Token, TokenInfo, Version};
use crate::limits::answer::Answer;
use crate::limits::calls::Calls;
pub use crate::meta_app::seen::AppSeen;
use crate::meta_app::token_check;
use crate::meta_app::{self, seen};

/// What was seen of a grant.
#[derive(Debug)]
pub struct Observed {
    /// The application.
    pub app: AppSeen,
    /// The seed.
    pub seed: SeedSeen,
    /// The Secret with the token in use.
    pub living: LivingSeen,
    /// Fingerprint of the token in use, if there is one.
    pub in_use: Option<String>,
    /// Fingerprint of the token that a person brought in the browser, if there is one to be judged.
    pub mail: Option<String>,
    /// Ids of those who brought one, are not among the grant's people and wait.
    pub waiting: Vec<String>,
    /// Who relies on the grant.
    pub users: Users,
    /// Where a person authorises again.
    pub reauthorize_url: Option<String>,
    /// Fingerprint of everything the answers depend on.
    pub inputs: String,
    /// Whether anything of that changed since the last complete look.
    pub changed: bool,
    /// Pages in use whose tokens are doubted.
    pub doubted: BTreeSet<String>,
    /// Whether Meta has to be asked in this pass.
    pub look: bool,
    /// The look that somebody asked for and that was not taken yet.
    pub requested: Option<String>,
    /// Whether values may not be kept any longer.
    pub stale: bool,
    /// Whether our clock and Meta's are apart, so that nothing ends or is due by ours alone.
    pub clock_doubted: bool,
    /// What was heard before and waits for its confirmation.
    pub suspicions: Suspicions,
    /// Whether it is time to say again that the grant ends soon.
    pub remind: bool,
    /// Whether Meta was not asked again, since what it said holds for some time.
    pub recalled: bool,
    /// What the grant gave before this pass, if that is known.
    pub before: Option<Arc<Granted>>,
    /// The times at which more is to be done than in the regular slots.
    pub times: Times,
    /// What Meta answered in this pass, and what was done.
    pub asked: Asked,
    /// What calls on behalf of the grant need, if it is all there.
    pub access: Option<Access>,
    /// The tokens, for those who send or keep them.
    pub tokens: Tokens,
}

/// The seed, as a decision may see it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SeedSeen {
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

impl SeedSeen {
    /// Its fingerprint, if it is there.
    pub fn fingerprint(&self) -> Option<&str> {
        if let Self::Present { fingerprint } = self { Some(fingerprint) } else { None }
    }
}

/// The Secret with the token in use, as a decision may see it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LivingSeen {
    /// There is none yet.
    Missing,
    /// Somebody else made a Secret of that name.
    Taken,
    /// It cannot be used, for this reason.
    Malformed(String),
    /// It holds the token in use.
    Present {
        /// Fingerprint of the seed that the token comes from.
        seed: String,
        /// Whether we obtained the token from Meta.
        minted: bool,
        /// The token that was in use before.
        previous: Option<PreviousSeen>,
    },
}

/// A token that was in use before, as a decision may see it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PreviousSeen {
    /// Its fingerprint.
    pub fingerprint: String,
    /// Whether we obtained it from Meta.
    pub minted: bool,
    /// When another one took its place.
    pub replaced_at: Timestamp,
}

/// The slots of a grant, besides the regular ones.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// The last time at which the token had to be looked at.
    pub token_slot: Timestamp,
    /// The last time at which what is broken had to be looked at.
    pub broken_slot: Timestamp,
    /// When something that Meta did not answer, though it answered the rest, is tried again.
    pub soon: Timestamp,
    /// When something that Meta refused is tried again, and what is broken is looked at.
    pub later: Timestamp,
    /// When somebody is reminded again.
    pub tomorrow: Timestamp,
    /// When a token is looked at again that is near its end.
    pub near_the_end: Option<Timestamp>,
}

/// What Meta gave for a token that it was asked to exchange.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exchanged {
    /// Another token.
    Another,
    /// The same token: it is as good as it gets.
    Same,
}

/// What was asked and done in one pass.
#[derive(Debug, Default)]
pub struct Asked {
    /// Every call that was made.
    pub calls: Calls,
    /// What debug_token says of the token in use.
    pub token: Option<Answer<TokenInfo>>,
    /// The pages that the token in use covers.
    pub pages: Option<Answer<Vec<Account>>>,
    /// What pages in use said themselves that the list left open.
    pub nodes: HashMap<String, Answer<PageToken>>,
    /// What debug_token says of the seed, if that is another token.
    pub seed: Option<Answer<TokenInfo>>,
    /// The pages that the seed covers, if that is another token.
    pub seed_pages: Option<Answer<Covered>>,
    /// What debug_token says of the token that a person brought in the browser.
    pub mail: Option<Answer<TokenInfo>>,
    /// The pages that this one covers.
    pub mail_pages: Option<Answer<Covered>>,
    /// Why this one was thrown away, if it was refused.
    pub mail_refused: Option<String>,
    /// What debug_token says of the token that was in use before.
    pub previous: Option<Answer<TokenInfo>>,
    /// The outcome of exchanging a token for another one.
    pub exchanged: Option<Answer<Exchanged>>,
    /// The outcome of revoking the token that was in use before.
    pub revoked: Option<Answer<()>>,
    /// How many changes were made.
    pub changes: u8,
    /// What came of the writes in the cluster.
    pub writes: Writes,
}

/// What calls on behalf of a grant need.
#[derive(Clone, Debug)]
pub struct Access {
    /// Version of the Graph API.
    pub version: Version,
    /// The application's credentials.
    pub credentials: Arc<AppCredentials>,
}

/// The tokens of a grant.
#[derive(Debug, Default)]
pub struct Tokens {
    /// The one in use.
    pub in_use: Option<Token>,
    /// The seed.
    pub seed: Option<Token>,
    /// The one that a person brought in the browser.
    pub mail: Option<Token>,
    /// What came by mail: that one first, and what came before it.
    pub envelopes: Vec<Arc<Envelope>>,
    /// Those in the Secret of ours.
    pub living: Option<Living>,
    /// The version of that Secret, to be written over.
    pub over: Option<Over>,
    /// One that Meta handed out and that is not kept yet, with the fingerprint of the one it was handed out for.
    pub obtained: Option<(String, Token)>,
}

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
    let app = grants.apps.get(&app_key(grant, &pass.key)).and_then(|app| app.uid()).unwrap_or_default();
    let budgets = ask::budgets(&app, &seen);
    ask::ask(grants, grant, &mut seen, pass, &app, &budgets).await?;
    seen.clock_doubted = grants.ctx.limits.clock_skew.is_doubted(&grants.ctx.clock);
    seen.asked.calls.log(KindName::MetaGrant, &pass.key, pass.told());
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
    let seed_key = Key::new(&pass.key.namespace, &grant.spec.token_secret_ref.name);
    let mut dependencies = seen::dependencies(&grants.apps, &app_key, &pass.key.namespace);
    dependencies.extend([seed_key.clone(), living::key(&pass.key)].map(Dependency::Secret));
    grants.ctx.wakeups.dependents.set(&(KindName::MetaGrant, pass.key.clone()), dependencies);

    let (app, app_object) = seen::look(&grants.apps, Some(&app_key), &pass.key.namespace).await?;
    let context = living::context(&pass.key);
    let (seed, seed_token) = see_seed(grants, &seed_key, &context).await?;
    let (living, mut tokens) = see_living(living::look(grants, &pass.key).await?, &context);
    let (envelopes, waiting) = grantors::sorted(grants, grant, pass);
    (tokens.mail, tokens.envelopes) = open_mail(grants, envelopes).await?;
    let mail = tokens.mail.as_ref().map(|token| token.fingerprint(&context));
    // Whoever has nothing else begins with what came by mail.
    let first = seed_token.clone().or_else(|| tokens.mail.clone());
    tokens.in_use = tokens.living.as_ref().map(|living| living.token.clone()).or(first);
    tokens.seed = seed_token;
    let in_use = tokens.in_use.as_ref().map(|token| token.fingerprint(&context));
    tokens.obtained = grants.tokens.obtained(&pass.key);
    let users = users::of(grants, &pass.key);
    let inputs = Fingerprint::new(&pass.uid)
        .add("generation", pass.generation)
        .add("requested-at", grant.annotations().get(REQUESTED_AT))
        .add("app", needs(&app))
        .add("app-uid", app_object.as_ref().and_then(|app| app.uid()))
        .add("seed", &seed)
        .add("living", &living)
        .add("in-use", &in_use)
        .add("users", users::judged_by(&seed, &living, &users))
        .add("graph", &grants.ctx.policy.graph_url)
        .finish();
    let before = grants.tokens.get(&pass.key).filter(|it| it.uid == pass.uid);
    let changed = pass.previous.inputs.as_ref() != Some(&inputs);
    // What the grant gives is not kept anywhere but in memory, so that it has to be asked for after a restart.
    let valid = status_of(&pass.previous.conditions, ConditionType::Valid) == Some(Status::True);
    let unknown = before.as_ref().is_some_and(|it| users.pages.iter().any(|page| !it.pages.contains_key(page)));
    let newcomer = grantors::is_one_new(&waiting, &pass.previous);
    // Who waits no more is no next step any more.
    let moved = waiting != pass.previous.waiting_grantors;
    let news = asked.changes > 0 || moved || mail.is_some() && !pass.was_refused(mail::KIND);
    let wanted = pass.due || pass.requested.is_some() || news;
    let look =
        wanted || changed || unknown || valid && before.is_none() || refused::is_let_in(grants, pass, &tokens).await?;
    let doubted = users.pages.iter().filter(|page| grants.tokens.is_page_doubted(&pass.key, page)).cloned().collect();
    let access = match (&app_object, &app) {
        (Some(object), AppSeen::Found { verdict, .. }) if look && verdict.credentials.is_ok() => {
            let credentials = meta_app::secrets::find_credentials(&grants.apps, object).await?;
            credentials.map(|credentials| Access { version: meta_app::facts::version(object), credentials })
        }
        _ => None,
    };
    Ok(Observed {
        app,
        seed,
        living,
        reauthorize_url: address::at(grants, pass, newcomer || in_use != pass.previous.token_fingerprint),
        in_use,
        mail,
        waiting,
        users,
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
        broken_slot: last_slot(uid, now, grants.ctx.policy.broken_period),
        soon: next_slot(uid, now, SOON),
        later: next_slot(uid, now, grants.ctx.policy.broken_period),
        tomorrow: next_slot(uid, now, DAY),
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

/// The MetaApp that a grant names.
pub fn app_key(grant: &MetaGrant, key: &Key) -> Key {
    seen::key_of(&grant.spec.app_ref, &key.namespace)
}

/// The token of the newest mail, and all of it: what came before is of no use any more.
async fn open_mail(
    grants: &MetaGrants,
    envelopes: Vec<Arc<Envelope>>,
) -> Result<(Option<Token>, Vec<Arc<Envelope>>), Failure> {
    let Some(newest) = envelopes.first() else { return Ok((None, envelopes)) };
    Ok((grants.ctx.read(grants.inbox.open(newest)).await??, envelopes))
}

async fn see_seed(grants: &MetaGrants, secret: &Key, context: &str) -> Result<(SeedSeen, Option<Token>), Failure> {
    let Ok(released) = grants.ctx.read(grants.ctx.cluster.secrets.get(secret, Purpose::GrantToken)).await?? else {
        return Ok((SeedSeen::NotReleased, None));
    };
    let Some(raw) = released.value(GRANT_TOKEN_KEY) else {
        return Ok((SeedSeen::Malformed(released.why_missing(GRANT_TOKEN_KEY)), None));
    };
    Ok(match Token::parse(raw) {
        Ok(token) => (SeedSeen::Present { fingerprint: token.fingerprint(context) }, Some(token)),
        Err(why) => (SeedSeen::Malformed(format!("its key {GRANT_TOKEN_KEY} cannot be used: {why}")), None),
    })
}

fn see_living(found: Found, context: &str) -> (LivingSeen, Tokens) {
    match found {
        Found::Missing => (LivingSeen::Missing, Tokens::default()),
        Found::Taken => (LivingSeen::Taken, Tokens::default()),
        Found::Malformed(why, over) => (LivingSeen::Malformed(why), Tokens { over: Some(over), ..Tokens::default() }),
        Found::Living(living, over) => {
            let previous = living.previous.as_ref().map(|it| PreviousSeen {
                fingerprint: it.token.fingerprint(context),
                minted: it.minted,
                replaced_at: it.replaced_at,
            });
            let seen = LivingSeen::Present { seed: living.seed.clone(), minted: living.minted, previous };
            (seen, Tokens { living: Some(living), over: Some(over), ..Tokens::default() })
        }
    }
}
