//! MetaApp: its whole life, as a table of contents.

pub mod act;
pub mod allowed;
mod ask;
pub mod by_id;
pub mod decide;
mod declared;
pub mod facts;
pub mod keyring;
pub mod keyring_secret;
pub mod model;
pub mod observe;
pub mod page_reads;
mod preflight;
pub mod secrets;
pub mod seen;
mod state;
pub mod token_check;
pub mod verify_token;

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

pub use state::MetaApps;

use crate::api::{MetaApp, MetaAppStatus};
use crate::base::key::{Key, KindName};
use crate::cluster::error::Failure;
use crate::controller::context::{Context, Policy};
pub use crate::controller::dependency::DependencyError;
use crate::controller::dependents::Dependency;
use crate::controller::object_state::ObjectStates;
use crate::controller::pass::Pass;
use crate::controller::reconciler::{Next, Periods, Reconciler};
use crate::controller::rounds;
use crate::controller::rounds::{InRounds, Round};

impl Reconciler for MetaApps {
    type Object = MetaApp;
    type Status = MetaAppStatus;
    const NAME: KindName = KindName::META_APP;

    fn periods(policy: &Policy) -> Periods {
        Periods::of(policy.app_period, policy)
    }

    fn as_dependency(key: &Key) -> Option<Dependency> {
        Some(Dependency::MetaApp(key.clone()))
    }

    fn ctx(&self) -> &Arc<Context> {
        &self.ctx
    }

    async fn reconcile(&self, app: &MetaApp) -> Result<Next, Failure> {
        rounds::pass(self, app).await
    }

    fn stored(&self, key: &Key) -> Option<Arc<MetaApp>> {
        self.ctx.cluster.stores.apps.get(key)
    }

    fn status(app: &MetaApp) -> Option<&MetaAppStatus> {
        app.status.as_ref()
    }

    fn with_status(object: &MetaApp, status: MetaAppStatus) -> MetaApp {
        MetaApp { status: Some(status), ..object.clone() }
    }

    fn conditions(status: &MetaAppStatus) -> &[Condition] {
        &status.conditions
    }

    fn inputs(status: &MetaAppStatus) -> Option<&str> {
        status.inputs.as_deref()
    }

    fn handled(status: &MetaAppStatus) -> Option<&str> {
        status.last_handled_requested_at.as_deref()
    }

    fn states(&self) -> &ObjectStates<MetaAppStatus> {
        &self.states
    }
}

impl InRounds for MetaApps {
    type Asked = model::Asked;

    async fn round(
        &self,
        app: &MetaApp,
        pass: &Pass<MetaAppStatus>,
        asked: model::Asked,
    ) -> Result<Round<Self>, Failure> {
        let seen = observe::observe(self, app, pass, asked).await?;
        if let Some(mutation) = decide::beforehand(&seen) {
            return Ok(Round::Again(act::act(self, app, pass, mutation, seen.asked).await?));
        }
        let Some(plan) = decide::decide(app, &pass.previous, &seen, pass.now) else {
            return Ok(Round::Amend(decide::case::amended(&pass.previous, &seen)));
        };
        Ok(match plan.mutation {
            Some(mutation) => Round::Again(act::act(self, app, pass, mutation, seen.asked).await?),
            None => Round::Report(plan.report),
        })
    }
}
