//! MetaApp: its whole life, as a table of contents.

pub mod act;
pub mod allowed;
mod ask;
pub mod by_id;
pub mod decide;
pub mod keyring;
pub mod keyring_secret;
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

use crate::api::conditions::{ConditionType, Status, find, status_of};
use crate::api::{AppSubscriptionStatus, Audience, MetaApp, MetaAppStatus};
use crate::base::key::{Key, KindName};
use crate::cluster::error::Failure;
use crate::controller::context::Context;
pub use crate::controller::dependency::DependencyError;
use crate::controller::dependency::{Told, holds};
use crate::controller::object_state::ObjectStates;
use crate::controller::pass::Pass;
use crate::controller::reconciler::{Next, Reconciler};
use crate::controller::rounds;
use crate::controller::rounds::{InRounds, Round};

impl Reconciler for MetaApps {
    type Object = MetaApp;
    type Status = MetaAppStatus;
    const NAME: KindName = KindName::MetaApp;

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
    type Asked = observe::Asked;

    async fn round(
        &self,
        app: &MetaApp,
        pass: &Pass<MetaAppStatus>,
        asked: observe::Asked,
    ) -> Result<Round<Self>, Failure> {
        let seen = observe::observe(self, app, pass, asked).await?;
        if let Some(mutation) = decide::beforehand(&seen) {
            return Ok(Round::Again(act::act(self, app, pass, mutation, seen.asked).await?));
        }
        let Some(plan) = decide::decide(app, &pass.previous, &seen, pass.now) else {
            return Ok(Round::Amend(decide::amended(&pass.previous, &seen)));
        };
        Ok(match plan.mutation {
            Some(mutation) => Round::Again(act::act(self, app, pass, mutation, seen.asked).await?),
            None => Round::Report(plan.report),
        })
    }
}

/// What channels need to know of their application. They are woken when it changes, and only then.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Verdict {
    /// Generation that the verdict is about.
    pub observed_generation: i64,
    /// Whether the credentials work.
    pub credentials: Result<(), DependencyError>,
    /// The application's webhook.
    pub webhook: WebhookVerdict,
}

/// The state of an application's webhook, as channels see it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum WebhookVerdict {
    /// It is not declared, so it says nothing about channels.
    NotManaged,
    /// It delivers these fields.
    Subscribed(Vec<String>),
    /// It does not deliver, for this reason in the words of the MetaApp.
    NotSubscribed(Told),
    /// Whether it delivers is not known, for this reason in the words of the MetaApp.
    Unknown(Told),
}

/// The verdict on an application, from its status alone.
pub fn verdict(app: &MetaApp) -> Verdict {
    let empty = MetaAppStatus::default();
    let status = app.status.as_ref().unwrap_or(&empty);
    let holds = |type_| holds(&status.conditions, type_, status.next_step.as_deref());
    let webhook = match (&app.spec.webhook, holds(ConditionType::WebhookSubscribed)) {
        (None, _) => WebhookVerdict::NotManaged,
        (Some(_), Ok(())) => {
            let fields = status.subscription.as_ref().map(|subscription| subscription.fields.clone());
            WebhookVerdict::Subscribed(fields.unwrap_or_default())
        }
        (Some(_), Err(DependencyError::Broken(told))) => WebhookVerdict::NotSubscribed(told),
        // That nothing is known of the application says nothing bad about its channels.
        (Some(_), Err(DependencyError::Unknown(told))) => WebhookVerdict::Unknown(told),
    };
    Verdict {
        // Not that of the status, which moves also when nothing new was found: under Pause, or without an answer.
        observed_generation: find(&status.conditions, ConditionType::CredentialsValid)
            .and_then(|condition| condition.observed_generation)
            .unwrap_or(status.observed_generation),
        credentials: holds(ConditionType::CredentialsValid),
        webhook,
    }
}

/// Permissions that an application for everyone needs and Meta has not approved, as far as that is known. Its channels tell of them,
/// and work all the same.
pub fn unapproved(app: &MetaApp) -> Vec<String> {
    let Some(status) = app.status.as_ref().filter(|_| app.spec.audience == Audience::Everyone) else {
        return Vec::new();
    };
    if status_of(&status.conditions, ConditionType::PermissionsApproved) != Some(Status::False) {
        return Vec::new();
    }
    let open = status.permissions.iter().filter(|row| row.status != APPROVED);
    open.map(|row| row.name.clone()).collect()
}

/// The word for a permission that is approved.
pub(crate) const APPROVED: &str = "live";

/// The webhook fields that are declared for an application.
pub fn declared_fields(app: &MetaApp) -> Vec<String> {
    let declared = app.spec.webhook.as_ref().and_then(|webhook| webhook.fields.clone());
    declared.unwrap_or_else(|| crate::api::DEFAULT_FIELDS.iter().map(|field| (*field).to_owned()).collect())
}

/// The webhook fields that channels inherit: of those that are declared the ones that Meta was seen to deliver last. If it
/// delivers none of them, what it was seen to deliver; never what was only declared.
pub fn fields(app: &MetaApp) -> Vec<String> {
    if app.spec.webhook.is_none() {
        return declared_fields(app);
    }
    verified_fields(app, app.status.as_ref().and_then(|status| status.subscription.as_ref()))
}

/// Of what a subscription was seen to hold, the part that channels rely on.
pub fn verified_fields(app: &MetaApp, subscription: Option<&AppSubscriptionStatus>) -> Vec<String> {
    let verified = subscription.map(|it| it.fields.as_slice()).unwrap_or_default();
    let declared: Vec<_> = declared_fields(app).into_iter().filter(|field| verified.contains(field)).collect();
    if declared.is_empty() { verified.to_vec() } else { declared }
}

/// The declared webhook fields that Meta was not seen to deliver, and did not refuse: they may be there soon.
pub fn awaited_fields(app: &MetaApp) -> Vec<String> {
    let subscription = app.status.as_ref().and_then(|status| status.subscription.as_ref());
    let known = |field: &String| subscription.is_some_and(|it| it.fields.contains(field) || it.refused.contains(field));
    let declared = app.spec.webhook.as_ref().map(|_| declared_fields(app)).unwrap_or_default();
    declared.into_iter().filter(|field| !known(field)).collect()
}

/// Name of the Secret with the generated verify token.
pub fn verify_token_secret_name(app_name: &str) -> String {
    format!("metaapp-{app_name}-verify-token")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use k8s_openapi::jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::api::conditions::{Finding, assemble};
    use crate::api::{MetaAppSpec, Reason};

    fn app(webhook: bool, conditions: &[(ConditionType, Status)]) -> MetaApp {
        let spec = json!({"appId": "1111000011110000", "appSecretRef": {"name": "acme-app"}});
        let mut spec: MetaAppSpec = serde_json::from_value(spec).unwrap();
        spec.webhook = webhook.then(Default::default);
        let finding = |status| Finding {
            status,
            reason: Reason::Pending,
            seen: "why".to_owned(),
            next_step: String::new(),
            words: None,
            observed_generation: 1,
        };
        let findings: Vec<_> = conditions.iter().map(|(type_, status)| (*type_, finding(*status))).collect();
        let mut app = MetaApp::new("acme", spec);
        let conditions = assemble(&[], &findings, Timestamp::UNIX_EPOCH);
        app.status = Some(MetaAppStatus { conditions, ..MetaAppStatus::default() });
        app
    }

    #[test]
    fn a_webhook_that_is_not_known_is_not_called_broken() {
        use ConditionType::WebhookSubscribed;
        let why = || Told::only("Pending: why");
        let rows = [
            (false, vec![], WebhookVerdict::NotManaged),
            (true, vec![(WebhookSubscribed, Status::True)], WebhookVerdict::Subscribed(vec![])),
            (true, vec![(WebhookSubscribed, Status::False)], WebhookVerdict::NotSubscribed(why())),
            (true, vec![(WebhookSubscribed, Status::Unknown)], WebhookVerdict::Unknown(why())),
            (true, vec![], WebhookVerdict::Unknown(Told::only("it was not checked yet."))),
        ];
        for (webhook, conditions, expected) in rows {
            assert_eq!(verdict(&app(webhook, &conditions)).webhook, expected);
        }
    }

    #[test]
    fn what_is_not_approved_matters_to_channels_of_an_app_for_everyone() {
        use ConditionType::PermissionsApproved;
        let of = |status, audience: Audience| {
            let mut app = app(false, &[(PermissionsApproved, status)]);
            app.spec.audience = audience;
            let rows = json!([{"name": "a", "status": "live"}, {"name": "b", "status": "unapproved"}, {"name": "c", "status": "missing"}]);
            app.status.as_mut().unwrap().permissions = serde_json::from_value(rows).unwrap();
            unapproved(&app)
        };
        assert_eq!(of(Status::False, Audience::Everyone), ["b", "c"]);
        assert_eq!(of(Status::False, Audience::Testers), [""; 0]);
        assert_eq!(
            [Status::True, Status::Unknown].map(|it| of(it, Audience::Everyone).len()),
            [0, 0],
            "it is not known"
        );
    }

    #[test]
    fn credentials_work_only_once_they_were_accepted() {
        use ConditionType::CredentialsValid;
        let of = |conditions: &[_]| verdict(&app(false, conditions)).credentials;
        assert_eq!(of(&[(CredentialsValid, Status::True)]), Ok(()));
        assert_eq!(of(&[(CredentialsValid, Status::False)]), Err(DependencyError::Broken(Told::only("Pending: why"))));
        assert_eq!(
            of(&[(CredentialsValid, Status::Unknown)]),
            Err(DependencyError::Unknown(Told::only("Pending: why")))
        );
        assert_eq!(of(&[]), Err(DependencyError::Unknown(Told::only("it was not checked yet."))));
    }
}
