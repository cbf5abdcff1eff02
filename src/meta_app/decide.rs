//! What to do about an application: a function of values and a time, with no client in sight.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::act::Mutation;
use super::observe::{Observed, SecretSeen, VerifyTokenSeen};
use crate::api::conditions::{ConditionType, Finding, Status, assemble, find};
use crate::api::readiness::readiness;
use crate::api::{AppPermissionStatus, AppSubscriptionStatus, Audience, MetaApp, MetaAppStatus, PURPOSE_LABEL, Reason};
use crate::claims::ClaimSeen;
use crate::engine::answer::{Kept, Refusal, class, keep};
use crate::engine::events::on_transition;
use crate::engine::pass::Report;
use crate::graph::{AppPermission, AppSubscription, PermissionStatus, Verdict};

/// What to do: at most one mutation, and the report if there is none.
pub struct Plan {
    /// The mutation to perform before looking again.
    pub mutation: Option<Mutation>,
    /// What to report.
    pub report: Report<MetaAppStatus>,
}

/// Decides about an application; `None` if nothing has changed since it was looked at.
pub fn decide(app: &MetaApp, previous: &MetaAppStatus, seen: &Observed, now: Timestamp) -> Option<Plan> {
    if !seen.look {
        return None;
    }
    let case = Case { app, previous, seen, generation: app.metadata.generation.unwrap_or_default() };
    let credentials = case.credentials();
    let works = credentials.status == Status::True;
    let permissions = if works { case.permissions() } else { case.unread() };
    let webhook = app.spec.webhook.as_ref().map(|_| if works { case.webhook() } else { (case.unread(), None) });
    let mutation = webhook.as_ref().and_then(|(_, mutation)| mutation.clone());
    let webhook = webhook.map(|(finding, _)| finding);
    let report = case.report(credentials, permissions, webhook, now);
    Some(Plan { mutation, report })
}

struct Case<'a> {
    app: &'a MetaApp,
    previous: &'a MetaAppStatus,
    seen: &'a Observed,
    generation: i64,
}

impl Case<'_> {
    fn found(&self, status: Status, reason: Reason, seen: impl Into<String>, next_step: impl Into<String>) -> Finding {
        let observed_generation = self.generation;
        Finding { status, reason, seen: seen.into(), next_step: next_step.into(), observed_generation }
    }

    fn keep(&self, type_: ConditionType, refusal: &Refusal) -> Finding {
        let previous = find(&self.previous.conditions, type_);
        let next_step = self.previous.next_step.as_deref();
        let (stale, generation) = (self.seen.stale, self.generation);
        keep(Kept { previous, next_step, stale, generation, what: "the application" }, refusal)
    }

    fn unread(&self) -> Finding {
        let seen = "It cannot be read while the application's credentials do not work.";
        self.found(Status::Unknown, Reason::Unreadable, seen, "")
    }

    /// What was not asked about because the call before it got no answer keeps its value, as that call's does.
    fn unasked(&self, type_: ConditionType) -> Finding {
        match &self.seen.asked.node {
            Some(Err(refusal)) => self.keep(type_, refusal),
            _ => self.found(Status::Unknown, Reason::Pending, "Meta has not been asked yet.", ""),
        }
    }

    fn credentials(&self) -> Finding {
        let (secret, id) = (&self.app.spec.app_secret_ref.name, &self.app.spec.app_id);
        let namespace = self.app.metadata.namespace.as_deref().unwrap_or_default();
        match &self.seen.secret {
            SecretSeen::NotReleased => self.found(
                Status::False,
                Reason::SecretNotReleased,
                format!("There is no Secret {secret} in namespace {namespace} that is released as an app secret."),
                format!(
                    "Somebody who may write Secrets there must create it with the key app-secret and release it: kubectl -n {namespace} label secret {secret} {PURPOSE_LABEL}=app-secret"
                ),
            ),
            SecretSeen::Malformed(why) => self.found(
                Status::False,
                Reason::SecretMalformed,
                format!("Secret {secret} cannot be used as an app secret: {why}."),
                "Put the app secret, as the App Dashboard shows it under Settings, Basic, into the key app-secret.",
            ),
            SecretSeen::Present => match &self.seen.asked.node {
                Some(Ok(_)) => {
                    self.found(Status::True, Reason::Accepted, format!("Meta accepts the credentials of app {id}."), "")
                }
                Some(Err(refusal)) => self.refused(refusal),
                None => self.found(Status::Unknown, Reason::Pending, "Meta has not been asked yet.", ""),
            },
        }
    }

    fn refused(&self, refusal: &Refusal) -> Finding {
        let (secret, id) = (&self.app.spec.app_secret_ref.name, &self.app.spec.app_id);
        let fact = &refusal.fact;
        let (reason, next_step) = match &refusal.verdict {
            Verdict::NoAnswer | Verdict::Throttled { .. } => {
                return self.keep(ConditionType::CredentialsValid, refusal);
            }
            Verdict::VersionRetired => (
                Reason::GraphVersionRetired,
                "Whoever maintains this MetaApp must set spec.graphVersion to a version that Meta still serves."
                    .to_owned(),
            ),
            Verdict::AppBroken(reason) if Reason::from(*reason) == Reason::AppBlocked => (
                Reason::AppBlocked,
                format!("An administrator of app {id} must look at the alerts in the App Dashboard."),
            ),
            Verdict::RequestRejected | Verdict::FieldUnknown(_) | Verdict::NotChannelHealth => (
                Reason::RequestRejected,
                "Please report this to the maintainers of the operator; it will not go away by itself.".to_owned(),
            ),
            verdict => (
                match verdict {
                    Verdict::AppBroken(reason) => Reason::from(*reason),
                    _ => Reason::AppCredentialsRejected,
                },
                format!(
                    "An administrator of app {id} must compare spec.appId and the Secret {secret} with the App Dashboard, Settings, Basic, and put the current app secret into the key app-secret."
                ),
            ),
        };
        let seen = format!("Meta rejects the credentials of app {id} ({fact}).");
        self.found(Status::False, reason, seen, next_step)
    }

    fn permissions(&self) -> Finding {
        let listed = match &self.seen.asked.permissions {
            Some(Ok(listed)) => listed,
            Some(Err(refusal)) => return self.keep(ConditionType::PermissionsApproved, refusal),
            None => return self.unasked(ConditionType::PermissionsApproved),
        };
        let missing: Vec<_> =
            self.permission_rows(listed).into_iter().filter(|row| row.status != "live").map(|row| row.name).collect();
        if missing.is_empty() {
            return self.found(Status::True, Reason::Approved, "Meta approved every required permission.", "");
        }
        let next_step = match self.app.spec.audience {
            Audience::Everyone => {
                "An administrator of the app must request advanced access in the App Dashboard, App Review; or set spec.audience to Testers while the app is in development."
            }
            Audience::Testers => "Nothing is to be done while the app serves testers only.",
        };
        let seen = format!("Meta has not approved {} for the app.", missing.join(", "));
        self.found(Status::False, Reason::NotApproved, seen, next_step)
    }

    fn permission_rows(&self, listed: &[AppPermission]) -> Vec<AppPermissionStatus> {
        let status = |name: &str| match listed.iter().find(|row| row.permission == name).map(|row| &row.status) {
            Some(PermissionStatus::Live) => "live".to_owned(),
            Some(PermissionStatus::Unapproved) => "unapproved".to_owned(),
            Some(PermissionStatus::Other(word)) => word.clone(),
            None => "missing".to_owned(),
        };
        let required = self.app.spec.required_permissions.iter();
        required.map(|name| AppPermissionStatus { name: name.clone(), status: status(name) }).collect()
    }

    /// The webhook, and what to do about it.
    fn webhook(&self) -> (Finding, Option<Mutation>) {
        let Some(callback_url) = &self.seen.callback_url else {
            let finding = self.found(
                Status::False,
                Reason::CallbackUnknown,
                "There is no callback URL to give to Meta.",
                "Set spec.webhook.callbackUrl, or have the operator started with --gateway-url.",
            );
            return (finding, None);
        };
        let rows = match &self.seen.asked.subscriptions {
            Some(Ok(rows)) => rows,
            Some(Err(refusal)) => return (self.keep(ConditionType::WebhookSubscribed, refusal), None),
            None => return (self.unasked(ConditionType::WebhookSubscribed), None),
        };
        if let Some(obstacle) = self.obstacle() {
            return obstacle;
        }
        let row = rows.iter().find(|row| row.object == "page");
        let Some(defect) = self.defect(row, callback_url) else {
            let seen = format!("Meta delivers the declared fields to {callback_url}.");
            return (self.found(Status::True, Reason::FieldsMatch, seen, ""), None);
        };
        match &self.seen.asked.subscribed {
            None if defect.reason != Reason::ForeignCallback => {
                let mutation =
                    Mutation::Subscribe { callback_url: callback_url.clone(), fields: super::fields(self.app) };
                (defect, Some(mutation))
            }
            Some(Err(refusal)) => (self.not_subscribed(refusal, callback_url), None),
            _ => (defect, None),
        }
    }

    /// What has to be done, or is in the way, before the subscription at Meta may be written.
    fn obstacle(&self) -> Option<(Finding, Option<Mutation>)> {
        let asked = &self.seen.asked;
        let first = |mutation: Mutation, tried: bool| {
            let finding = self.found(Status::Unknown, Reason::Pending, "The webhook is being prepared.", "");
            Some((finding, (!tried).then_some(mutation)))
        };
        match &self.seen.claim {
            ClaimSeen::Free => return first(Mutation::AcquireClaim, asked.claimed),
            ClaimSeen::Orphaned { of } => return first(Mutation::AdoptClaim { of: of.clone() }, asked.claimed),
            ClaimSeen::Ours { .. } => {}
            ClaimSeen::Duplicate { name } => {
                let seen =
                    format!("MetaApp {name} of this namespace manages the webhook of app {}.", self.app.spec.app_id);
                let step = "Remove spec.webhook from one of the two.";
                return Some((self.found(Status::False, Reason::DuplicateInNamespace, seen, step), None));
            }
            ClaimSeen::Elsewhere { namespace } => {
                let seen = format!("Namespace {namespace} manages the webhook of app {}.", self.app.spec.app_id);
                let step = "Remove spec.webhook here, or ask the people of that namespace to give it up.";
                return Some((self.found(Status::False, Reason::ClaimedElsewhere, seen, step), None));
            }
        }
        match self.seen.verify_token {
            VerifyTokenSeen::Ours => None,
            VerifyTokenSeen::Missing => first(Mutation::CreateVerifyToken, asked.verify_token_made),
            VerifyTokenSeen::Taken => {
                let name = super::verify_token_secret_name(self.app.metadata.name.as_deref().unwrap_or_default());
                let seen = format!("A Secret {name} exists and was not made by the operator; it is left alone.");
                let step = "Whoever made it must rename or delete it.";
                Some((self.found(Status::False, Reason::SecretNameTaken, seen, step), None))
            }
        }
    }

    /// How the row at Meta differs from what is declared.
    fn defect(&self, row: Option<&AppSubscription>, callback_url: &str) -> Option<Finding> {
        let Some(row) = row else {
            return Some(self.found(
                Status::False,
                Reason::NotSubscribed,
                "The app has no webhook for pages at Meta.",
                "",
            ));
        };
        if row.callback_url != callback_url {
            return Some(self.other_callback(&row.callback_url));
        }
        if !row.active {
            return Some(self.found(
                Status::False,
                Reason::NotSubscribed,
                "Meta has set the app's webhook inactive.",
                "",
            ));
        }
        let missing: Vec<_> = super::fields(self.app).into_iter().filter(|field| !row.fields.contains(field)).collect();
        let seen = || format!("The app's webhook lacks the fields {}.", missing.join(", "));
        (!missing.is_empty()).then(|| self.found(Status::False, Reason::FieldsMissing, seen(), ""))
    }

    fn other_callback(&self, found: &str) -> Finding {
        let ours_before = self.previous.subscription.as_ref().and_then(|it| it.callback_url.as_deref()) == Some(found);
        let take_over = self.app.spec.webhook.as_ref().and_then(|it| it.take_over_from.as_deref()) == Some(found);
        let shown = crate::graph::redact(found, &[]);
        let seen = format!("The app's callback at Meta is {shown}");
        if ours_before || take_over {
            return self.found(Status::False, Reason::NotSubscribed, format!("{seen}."), "");
        }
        let step = "If it may be replaced, set spec.webhook.takeOverFrom to that URL; if not, remove spec.webhook.";
        let seen = format!("{seen}, which this MetaApp never wrote; it is left alone.");
        self.found(Status::False, Reason::ForeignCallback, seen, step)
    }

    fn not_subscribed(&self, refusal: &Refusal, callback_url: &str) -> Finding {
        let fact = &refusal.fact;
        match refusal.verdict {
            Verdict::NoAnswer | Verdict::Throttled { .. } => self.keep(ConditionType::WebhookSubscribed, refusal),
            Verdict::CallbackFailed => self.found(
                Status::False,
                Reason::CallbackVerificationFailed,
                format!("Meta could not verify the callback {callback_url} ({fact})."),
                "The operator tries again by itself; whoever runs the gateway must see that Meta can reach it under that URL, with a certificate of a public authority.",
            ),
            _ => self.found(
                Status::False,
                Reason::RequestRejected,
                format!("Meta refused the subscription of the webhook ({fact})."),
                "Whoever maintains this MetaApp must compare spec.webhook with what Meta accepts.",
            ),
        }
    }

    fn report(
        &self,
        credentials: Finding,
        permissions: Finding,
        webhook: Option<Finding>,
        now: Timestamp,
    ) -> Report<MetaAppStatus> {
        let mut blocking = vec![&credentials];
        if self.app.spec.audience == Audience::Everyone {
            blocking.push(&permissions);
        }
        blocking.extend(&webhook);
        let reached = self.found(Status::True, Reason::Reached, "The application is as declared.", "");
        let ready = readiness(&blocking, self.generation, reached);
        let refusals = self.refusals();
        let class = class(&blocking, &refusals, now);
        let answered = !refusals.iter().any(|refusal| refusal.says_nothing());
        let notes = on_transition(&self.previous.conditions, &ready.findings[0].1, "Ready");
        let webhook = webhook.map(|finding| (ConditionType::WebhookSubscribed, finding));
        let mut findings = ready.findings.clone();
        findings.push((ConditionType::CredentialsValid, credentials));
        findings.extend(webhook);
        findings.push((ConditionType::PermissionsApproved, permissions));
        findings.sort_by_key(|(type_, _)| *type_);
        let conditions = assemble(&self.previous.conditions, &findings, now);
        Report { status: self.status(conditions, ready.next_step, answered), class, answered, until: None, notes }
    }

    fn refusals(&self) -> Vec<&Refusal> {
        let asked = &self.seen.asked;
        let all = [
            asked.node.as_ref().and_then(|it| it.as_ref().err()),
            asked.permissions.as_ref().and_then(|it| it.as_ref().err()),
            asked.subscriptions.as_ref().and_then(|it| it.as_ref().err()),
            asked.subscribed.as_ref().and_then(|it| it.as_ref().err()),
        ];
        all.into_iter().flatten().collect()
    }

    fn status(&self, conditions: Vec<Condition>, next_step: Option<String>, answered: bool) -> MetaAppStatus {
        let (asked, previous) = (&self.seen.asked, self.previous.clone());
        let inputs = Some(self.seen.inputs.clone());
        let managed = self.app.spec.webhook.is_some();
        let name = self.app.metadata.name.as_deref().unwrap_or_default();
        MetaAppStatus {
            observed_generation: self.generation,
            conditions,
            app_name: asked.node.as_ref().and_then(|it| it.as_ref().ok()?.name.clone()).or(previous.app_name),
            callback_url: self.seen.callback_url.clone(),
            verify_token_secret_name: (managed && self.seen.verify_token == VerifyTokenSeen::Ours)
                .then(|| super::verify_token_secret_name(name)),
            subscription: if managed { self.subscription().or(previous.subscription) } else { None },
            permissions: match &asked.permissions {
                Some(Ok(listed)) => self.permission_rows(listed),
                _ => previous.permissions,
            },
            graph_url: Some(self.seen.graph_url.clone()),
            next_step,
            // Kept while nothing new was learned, so that an outage does not rewrite every status.
            inputs: inputs.filter(|inputs| answered || previous.inputs.as_ref() == Some(inputs)),
        }
    }

    /// The subscription as Meta shows it. Only a callback that is ours is recorded: it is how we know it again.
    fn subscription(&self) -> Option<AppSubscriptionStatus> {
        let Some(Ok(rows)) = &self.seen.asked.subscriptions else { return None };
        let row = rows.iter().find(|row| row.object == "page")?;
        let recorded = self.previous.subscription.as_ref().and_then(|it| it.callback_url.clone());
        let ours = Some(&row.callback_url) == self.seen.callback_url.as_ref();
        let mut fields = row.fields.clone();
        fields.sort();
        let callback_url = if ours { Some(row.callback_url.clone()) } else { recorded };
        Some(AppSubscriptionStatus { active: row.active && ours, callback_url, fields })
    }
}
