//! MetaGrant: its whole life, as a table of contents.
//!
//! # A grant's token
//!
//! A MetaGrant begins with a source token that someone else writes. The token in use is kept in a Secret of ours
//! (`meta_grant/token_secret.rs`): a copy of the source token, the result of its exchange, or a renewed token, next to the
//! previous one. Each step of a pass makes one change: obtain, keep, check, list. So a process that is killed anywhere leaves a
//! working token (`decide/tests/life.rs` and `tests/cluster/kills.rs` kill it everywhere). A token that was obtained and could
//! not be kept is remembered in memory. Our writes count before the watch shows them (`cluster/secrets.rs`). The pages and
//! their tokens are in memory only (`meta_grant/page_tokens.rs`); `put` reports for which pages something changed, and only
//! their channels are woken.
//!
//! What a list leaves open about a page in use is a gap (`meta_grant/page_gap.rs`). `meta_grant/coverage.rs` says which pages
//! must be asked for a token, at most fifty a minute, and evaluates the list together with the answers of the pages. Until a
//! gap is settled, the row before stays in force, and no dependent hears of it. Source tokens, inbox messages and the gateway's
//! logins are judged by the same file (`of_another`). Other answers that count only when repeated are in `decide/heard.rs`.
//! Random histories of answers are judged by rules kept apart from that code (`decide/tests/histories.rs`).

pub mod act;
pub mod address;
pub mod coverage;
pub mod decide;
mod declared;
pub mod dependents;
mod fetch;
pub mod grantors;
pub mod inbox;
pub mod messages;
pub mod model;
pub mod observe;
pub mod page_gap;
pub mod page_tokens;
mod refused;
mod state;
pub mod token_secret;
mod token_witness;
mod verdict;

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

pub use state::MetaGrants;

use crate::api::{MetaGrant, MetaGrantStatus, Reason};
use crate::base::ids::Uid;
use crate::base::key::{Key, KindName};
use crate::cluster::error::Failure;
use crate::controller::context::{Context, Policy};
use crate::controller::dependents::Dependency;
use crate::controller::object_state::ObjectStates;
use crate::controller::pass::Pass;
use crate::controller::reconciler::{Next, Periods, Reconciler};
use crate::controller::rounds;
use crate::controller::rounds::{InRounds, Round};
use crate::meta_grant::page_tokens::{Granted, Pages};
use model::{Asked, Observed};
pub use token_witness::witness;
pub use verdict::{Verdict, verdict};

impl Reconciler for MetaGrants {
    type Object = MetaGrant;
    type Status = MetaGrantStatus;
    const NAME: KindName = KindName::META_GRANT;

    fn periods(policy: &Policy) -> Periods {
        // One that works is checked more rarely than what is broken, so that a broken one is not found well too late.
        Periods { regular: policy.token_period, broken: policy.broken_period }
    }

    fn as_dependency(key: &Key) -> Option<Dependency> {
        Some(Dependency::MetaGrant(key.clone()))
    }

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

    fn forget(&self, key: &Key) -> Option<Uid> {
        self.tokens.forget(key);
        self.reminders.forget(key);
        self.states.forget(key)
    }
}

impl InRounds for MetaGrants {
    type Asked = Asked;

    async fn round(
        &self,
        grant: &MetaGrant,
        pass: &Pass<MetaGrantStatus>,
        asked: Asked,
    ) -> Result<Round<Self>, Failure> {
        let mut seen = observe::observe(self, grant, pass, asked).await?;
        let Some(plan) = decide::decide(grant, &pass.previous, &seen, pass.now) else {
            let status = decide::counted(&pass.previous, &seen, pass.now);
            let broken = seen.before.as_ref().is_some_and(|before| seen.dependents.lack_something(&before.pages));
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
        app: model::app_key(grant, &pass.key),
        fingerprint: seen.in_use.clone()?,
        info,
        pages,
        at: listed.unwrap_or_else(|| grants.ctx.clock.now()),
    })
}
