//! MetaGrant: its whole life, as a table of contents.

pub mod act;
pub mod address;
mod ask;
pub mod coverage;
pub mod decide;
pub mod gap;
pub mod grantors;
pub mod inbox;
pub mod living;
pub mod mail;
pub mod observe;
pub mod page_tokens;
mod refused;
mod state;
pub mod users;
mod witness;

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

pub use state::MetaGrants;

use crate::api::conditions::{ConditionType, find};
use crate::api::{MetaGrant, MetaGrantStatus, Reason};
use crate::base::key::{Key, KindName};
use crate::cluster::error::Failure;
use crate::controller::context::Context;
use crate::controller::dependency::{DependencyError, holds};
use crate::controller::object_state::ObjectStates;
use crate::controller::pass::Pass;
use crate::controller::reconciler::{Next, Reconciler};
use crate::controller::rounds;
use crate::controller::rounds::{InRounds, Round};
use crate::meta_grant::page_tokens::{Granted, Pages};
use observe::Observed;
pub use witness::witness;

impl Reconciler for MetaGrants {
    type Object = MetaGrant;
    type Status = MetaGrantStatus;
    const NAME: KindName = KindName::MetaGrant;

    fn ctx(&self) -> &Arc<Context> {
        &self.ctx
    }

    async fn reconcile(&self, grant: &MetaGrant) -> Result<Next, Failure> {
        rounds::pass(self, grant).await
    }

    fn stored(&self, key: &Key) -> Option<Arc<MetaGrant>> {
        self.ctx.cluster.stores.grants.get(key)
    }

    fn status(grant: &MetaGrant) -> Option<&MetaGrantStatus> {
        grant.status.as_ref()
    }

    fn with_status(object: &MetaGrant, status: MetaGrantStatus) -> MetaGrant {
        MetaGrant { status: Some(status), ..object.clone() }
    }

    fn conditions(status: &MetaGrantStatus) -> &[Condition] {
        &status.conditions
    }

    fn inputs(status: &MetaGrantStatus) -> Option<&str> {
        status.inputs.as_deref()
    }

    fn handled(status: &MetaGrantStatus) -> Option<&str> {
        status.last_handled_requested_at.as_deref()
    }

    fn states(&self) -> &ObjectStates<MetaGrantStatus> {
        &self.states
    }

    fn forget(&self, key: &Key) -> Option<String> {
        self.tokens.forget(key);
        self.reminders.forget(key);
        self.states.forget(key)
    }
}

impl InRounds for MetaGrants {
    type Asked = observe::Asked;

    async fn round(
        &self,
        grant: &MetaGrant,
        pass: &Pass<MetaGrantStatus>,
        asked: observe::Asked,
    ) -> Result<Round<Self>, Failure> {
        let mut seen = observe::observe(self, grant, pass, asked).await?;
        let Some(plan) = decide::decide(grant, &pass.previous, &seen, pass.now) else {
            let status = decide::counted(&pass.previous, &seen, pass.now);
            let broken = seen.before.as_ref().is_some_and(|before| seen.users.lack_something(&before.pages));
            return Ok(match broken {
                true => Round::AmendUntil(status, seen.times.later),
                false if status == pass.previous => Round::Unchanged,
                false => Round::Amend(status),
            });
        };
        if let Some(mutation) = plan.mutation {
            return Ok(Round::Again(act::act(self, pass, mutation, seen).await?));
        }
        let granted = granted(self, grant, pass, plan.pages, &mut seen);
        if plan.report.notes.iter().any(|note| note.reason == Reason::ExpiresSoon.as_str()) {
            self.reminders.mark(&pass.key, &pass.uid, pass.now);
        }
        Ok(match granted {
            None => Round::Report(plan.report),
            // Channels look at the status too: it is there before they are woken.
            Some(granted) => {
                let key = pass.key.clone();
                Round::ReportThen(plan.report, Box::new(move |grants: &Self| grants.granted(&key, granted)))
            }
        })
    }
}

/// What a grant gives its channels, if its token serves and its pages were listed in this pass.
fn granted(
    grants: &MetaGrants,
    grant: &MetaGrant,
    pass: &Pass<MetaGrantStatus>,
    pages: Option<Pages>,
    seen: &mut Observed,
) -> Option<Granted> {
    let pages = pages?;
    let info = seen.asked.token.take()?.ok()?;
    let listed = seen.before.as_ref().filter(|_| seen.recalled).map(|before| before.at);
    Some(Granted {
        uid: pass.uid.clone(),
        app: observe::app_key(grant, &pass.key),
        fingerprint: seen.in_use.clone()?,
        info,
        pages,
        at: listed.unwrap_or_else(|| grants.ctx.clock.now()),
    })
}

/// What channels need to know of their grant. They are woken when it changes, and only then. What it gives for each page
/// is another matter, see [`crate::meta_grant::page_tokens`].
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Verdict {
    /// Generation that the verdict is about.
    pub observed_generation: i64,
    /// Whether the grant's token works.
    pub valid: Result<(), DependencyError>,
}

/// The verdict on a grant, from its status alone.
pub fn verdict(grant: &MetaGrant) -> Verdict {
    let conditions = grant.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let next_step = grant.status.as_ref().and_then(|status| status.next_step.as_deref());
    let valid = find(conditions, ConditionType::Valid);
    Verdict {
        observed_generation: valid.and_then(|condition| condition.observed_generation).unwrap_or(-1),
        valid: holds(conditions, ConditionType::Valid, next_step),
    }
}

/// Name of the Secret with the token that a grant uses.
pub fn living_secret_name(grant_name: &str) -> String {
    format!("metagrant-{grant_name}-token")
}
