//! What to do about an application: a function of values and a time, with no client in sight.

mod webhook;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::act::Mutation;
use super::observe::{Observed, SecretSeen, VerifyTokenSeen};
use crate::api::conditions::{ConditionType, Finding, Status, assemble, find};
use crate::api::readiness::{self, readiness};
use crate::api::{
    AppPermissionStatus, Audience, ManagementPolicy, MetaApp, MetaAppStatus, PURPOSE_LABEL, Reason, UsageStatus,
};
use crate::engine::Class;
use crate::engine::answer::{Kept, Refusal, class, keep};
use crate::engine::events::on_transition;
use crate::engine::pass::Report;
use crate::engine::ration::are_alike;
use crate::engine::repairs::Effect;
use crate::graph::{AppPermission, PermissionStatus, Verdict};

/// What to do: at most one mutation, and the report if there is none.
pub struct Plan {
    /// The mutation to perform before looking again.
    pub mutation: Option<Mutation>,
    /// What to report.
    pub report: Report<MetaAppStatus>,
}

/// Decides about an application; `None` if nothing has changed since it was looked at.
pub fn decide(app: &MetaApp, previous: &MetaAppStatus, seen: &Observed, now: Timestamp) -> Option<Plan> {
    if app.spec.management_policy == ManagementPolicy::Pause {
        return Some(Plan { mutation: None, report: paused(app, previous, seen, now) });
    }
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

/// The status of an application of which nothing is to be looked at: it may say something else of the usage, or count
/// other channels.
pub fn amended(previous: &MetaAppStatus, seen: &Observed) -> MetaAppStatus {
    let channels = seen.channels.clone().or_else(|| previous.channels.clone());
    MetaAppStatus { usage: usage(previous, seen), channels, ..previous.clone() }
}

/// The usage to tell: what was told before unless it comes to something else now, so that a number that moves rewrites
/// nothing.
fn usage(previous: &MetaAppStatus, seen: &Observed) -> Option<UsageStatus> {
    let alike = are_alike(previous.usage.as_ref(), seen.usage.as_ref());
    if alike { previous.usage.clone() } else { seen.usage.clone() }
}

/// The report on an application that is to be left alone: everything as it was. Its channels go on with the last verdict.
fn paused(app: &MetaApp, previous: &MetaAppStatus, seen: &Observed, now: Timestamp) -> Report<MetaAppStatus> {
    use ConditionType::{CredentialsValid, PermissionsApproved, WebhookSubscribed};
    let generation = app.metadata.generation.unwrap_or_default();
    let managed = app.spec.webhook.as_ref().map(|_| WebhookSubscribed);
    let types: Vec<_> = [Some(CredentialsValid), managed, Some(PermissionsApproved)].into_iter().flatten().collect();
    let state = readiness::paused(&previous.conditions, &types, generation);
    let status = MetaAppStatus {
        observed_generation: generation,
        conditions: assemble(&previous.conditions, &state.findings, now),
        next_step: state.next_step,
        usage: previous.usage.clone(),
        ..amended(previous, seen)
    };
    let (class, effect) = (Class::Paused, Effect::None);
    let suspicions = seen.suspicions.clone();
    Report { status, class, answered: true, until: None, effect, notes: Vec::new(), suspicions }
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
        Finding { status, reason, seen: seen.into(), next_step: next_step.into(), words: None, observed_generation }
    }

    fn keep(&self, type_: ConditionType, refusal: &Refusal) -> Finding {
        let previous = find(&self.previous.conditions, type_);
        let next_step = self.previous.next_step.as_deref();
        let (stale, generation) = (self.seen.stale, self.generation);
        keep(Kept { previous, next_step, stale, generation, what: "the application" }, refusal)
    }

    /// What is known after a list was refused. A refusal that is no silence is not the last word on what was listed
    /// before, but neither does that stay true for ever.
    fn list_refused(&self, type_: ConditionType, refusal: &Refusal) -> Finding {
        if refusal.says_nothing() {
            return self.keep(type_, refusal);
        }
        self.found(Status::Unknown, Reason::Unreadable, format!("Meta refuses to show it ({}).", refusal.fact), "")
    }

    /// What is known of something that was not asked for, since the application itself was not answered about.
    fn unasked(&self, type_: ConditionType) -> Finding {
        match &self.seen.asked.node {
            Some(Err(refusal)) => self.list_refused(type_, refusal),
            _ => self.found(Status::Unknown, Reason::Pending, "Meta has not been asked yet.", ""),
        }
    }

    fn unread(&self) -> Finding {
        let seen = "It cannot be read while the application's credentials do not work.";
        self.found(Status::Unknown, Reason::Unreadable, seen, "")
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
            Verdict::NoAnswer | Verdict::Throttled { .. } | Verdict::Refused => {
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
            Some(Err(refusal)) => return self.list_refused(ConditionType::PermissionsApproved, refusal),
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

    /// The answers that left something open.
    fn refusals(&self) -> Vec<&Refusal> {
        let asked = &self.seen.asked;
        let node = asked.node.as_ref().and_then(|it| it.as_ref().err());
        let permissions = asked.permissions.as_ref().and_then(|it| it.as_ref().err());
        let subscriptions = asked.subscriptions.as_ref().and_then(|it| it.as_ref().err());
        let subscribed = asked.subscribed.as_ref().and_then(|it| it.as_ref().err());
        [node, permissions, subscriptions, subscribed].into_iter().flatten().collect()
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
        let subscribed = webhook.as_ref().is_none_or(|webhook| webhook.status == Status::True);
        let effect = Effect::of(self.seen.standing, self.seen.asked.subscribed.is_some(), subscribed);
        let mut notes = on_transition(&self.previous.conditions, &ready.findings[0].1, "Ready");
        notes.extend(effect.note("The webhook of the app had been changed"));
        let webhook = webhook.map(|finding| (ConditionType::WebhookSubscribed, finding));
        let mut findings = ready.findings.clone();
        findings.push((ConditionType::CredentialsValid, credentials));
        findings.extend(webhook);
        findings.push((ConditionType::PermissionsApproved, permissions));
        findings.sort_by_key(|(type_, _)| *type_);
        let conditions = assemble(&self.previous.conditions, &findings, now);
        let status = self.status(conditions, ready.next_step, answered);
        let suspicions = self.seen.suspicions.clone();
        Report { status, class, answered, until: None, effect, notes, suspicions }
    }

    fn status(&self, conditions: Vec<Condition>, next_step: Option<String>, answered: bool) -> MetaAppStatus {
        let (asked, previous) = (&self.seen.asked, amended(self.previous, self.seen));
        let inputs = Some(self.seen.inputs.clone());
        let managed = self.app.spec.webhook.is_some();
        let name = self.app.metadata.name.as_deref().unwrap_or_default();
        MetaAppStatus {
            observed_generation: self.generation,
            conditions,
            app_name: asked.node.as_ref().and_then(|it| it.as_ref().ok()?.name.clone()).or(previous.app_name),
            callback_url: self.seen.callback_url.clone(),
            oauth_redirect_uri: self.seen.redirect_uri.clone(),
            verify_token_secret_name: (managed && self.seen.verify_token == VerifyTokenSeen::Ours)
                .then(|| super::verify_token_secret_name(name)),
            subscription: if managed { self.subscription() } else { None },
            permissions: match &asked.permissions {
                Some(Ok(listed)) => self.permission_rows(listed),
                _ => previous.permissions,
            },
            usage: previous.usage,
            channels: previous.channels,
            graph_url: Some(self.seen.graph_url.clone()),
            next_step,
            // Kept while nothing new was learned, so that an outage does not rewrite every status.
            inputs: inputs.filter(|inputs| answered || previous.inputs.as_ref() == Some(inputs)),
        }
    }
}

#[cfg(test)]
mod tests;
