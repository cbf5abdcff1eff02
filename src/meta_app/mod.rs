//! MetaApp: its whole life, as a table of contents.

pub mod act;
pub mod decide;
pub mod observe;

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::conditions::{ConditionType, Status, find, status_of};
use crate::api::{MetaApp, MetaAppStatus};
use crate::engine::memory::Memories;
use crate::engine::pass::Pass;
use crate::engine::run::{Kind, Next};
use crate::engine::{Context, Failure, Key, KindName};

/// The kind MetaApp.
pub struct MetaAppKind;

impl Kind for MetaAppKind {
    type Object = MetaApp;
    type Status = MetaAppStatus;
    const NAME: KindName = KindName::MetaApp;

    async fn reconcile(ctx: &Context, app: &MetaApp) -> Result<Next, Failure> {
        let pass = Pass::begin::<Self>(ctx, app);
        let mut asked = observe::Asked::default();
        loop {
            let seen = observe::observe(ctx, app, &pass, asked).await?;
            let Some(plan) = decide::decide(app, &pass.previous, &seen, pass.now) else {
                return Ok(pass.unchanged::<Self>(ctx));
            };
            match plan.mutation {
                Some(mutation) => asked = act::act(ctx, app, &pass, mutation, seen.asked).await?,
                None => return pass.report::<Self>(ctx, app, plan.report).await,
            }
        }
    }

    fn stored(ctx: &Context, key: &Key) -> Option<Arc<MetaApp>> {
        ctx.app(key)
    }

    fn status(app: &MetaApp) -> Option<&MetaAppStatus> {
        app.status.as_ref()
    }

    fn conditions(status: &MetaAppStatus) -> &[Condition] {
        &status.conditions
    }

    fn memories(ctx: &Context) -> &Memories<MetaAppStatus> {
        &ctx.app_memories
    }
}

/// What channels need to know of their application. They are woken when it changes, and only then.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Verdict {
    /// Generation that the verdict is about.
    pub observed_generation: i64,
    /// Whether the credentials work.
    pub credentials: Standing<()>,
    /// Whether the application's webhook delivers, and which fields; `None` if it is not declared, so that it says
    /// nothing about channels.
    pub webhook: Option<Standing<Vec<String>>>,
}

/// How a part of an application stands, as channels see it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Standing<T> {
    /// It works.
    Works(T),
    /// It does not, for this reason in the words of the MetaApp.
    Broken(String),
    /// It is not known: not checked yet, or Meta has not answered for too long.
    Unverified,
}

/// The verdict on an application, from its status alone.
pub fn verdict(app: &MetaApp) -> Verdict {
    let empty = MetaAppStatus::default();
    let status = app.status.as_ref().unwrap_or(&empty);
    let fields = || status.subscription.as_ref().map(|subscription| subscription.fields.clone()).unwrap_or_default();
    Verdict {
        observed_generation: status.observed_generation,
        credentials: standing(status, ConditionType::CredentialsValid, || ()),
        webhook: app.spec.webhook.as_ref().map(|_| standing(status, ConditionType::WebhookSubscribed, fields)),
    }
}

fn standing<T>(status: &MetaAppStatus, type_: ConditionType, works: impl FnOnce() -> T) -> Standing<T> {
    let condition = find(&status.conditions, type_);
    match (condition, status_of(&status.conditions, type_)) {
        (Some(_), Some(Status::True)) => Standing::Works(works()),
        (Some(condition), Some(Status::False)) => {
            Standing::Broken(format!("{}: {}", condition.reason, condition.message))
        }
        _ => Standing::Unverified,
    }
}

/// The webhook fields that an application is to be subscribed to.
pub fn fields(app: &MetaApp) -> Vec<String> {
    let declared = app.spec.webhook.as_ref().and_then(|webhook| webhook.fields.clone());
    declared.unwrap_or_else(|| crate::api::DEFAULT_FIELDS.iter().map(|field| (*field).to_owned()).collect())
}

/// Name of the Secret with the generated verify token.
pub fn verify_token_secret_name(app_name: &str) -> String {
    format!("metaapp-{app_name}-verify-token")
}
