//! What a MetaApp reports to its dependents.

use crate::api::conditions::{ConditionType, Status, find, status_of};
use crate::api::{AppSubscriptionStatus, AssetKind, Audience, ClaimHolder, DeletionPolicy, MetaApp, MetaAppStatus};
use crate::controller::dependency::{DependencyError, Told, holds};
use crate::controller::pass::Pass;
use crate::graph::Version;
use crate::ownership::{Offer, Wanted};

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

/// The claim that an application with a webhook has to hold.
pub fn wanted(app: &MetaApp, pass: &Pass<MetaAppStatus>) -> Wanted {
    let holder = ClaimHolder {
        namespace: pass.key.namespace.clone(),
        name: pass.key.name.clone(),
        uid: pass.uid.as_str().to_owned(),
    };
    Wanted {
        kind: AssetKind::MetaApp,
        id: app.spec.app_id.clone(),
        app_id: app.spec.app_id.clone(),
        app_ref: None,
        fields: None,
        // Nothing is cleaned up after an application: its webhook belongs to it.
        deletion_policy: DeletionPolicy::Orphan,
        offer: Offer::None,
        former_ended: false,
        holder,
    }
}

/// The version of the Graph API that is declared for an application.
pub fn declared_version(app: &MetaApp) -> Version {
    app.spec.graph_version.as_deref().and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// The version of the Graph API in which everything about an application is asked: the one that answered last. What is
/// declared takes its place once it answers.
pub fn version(app: &MetaApp) -> Version {
    let known = app.status.as_ref().and_then(|status| status.graph_version.as_deref()?.parse().ok());
    known.unwrap_or_else(|| declared_version(app))
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
            (true, vec![], WebhookVerdict::Unknown(Told::only("it has not been checked yet."))),
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
        assert_eq!(of(&[]), Err(DependencyError::Unknown(Told::only("it has not been checked yet."))));
    }
}
