//! What to do about an application: a function of values and a time, with no client in sight.

pub(super) mod case;
mod credentials;
mod permissions;
mod refused;
mod rotation;
mod supported;
mod version;
mod webhook;

use jiff::Timestamp;

use self::case::{Absent, Case};
use super::model::{KeyringSeen, Mutation, Observed};
use crate::api::conditions::{ConditionType, Status, assemble};
use crate::api::outcome::Class;
use crate::api::readiness;
use crate::api::{ManagementPolicy, MetaApp, MetaAppStatus};
use crate::controller::pass::Report;
use crate::limits::repair_limiter::RepairOutcome;
use crate::meta_app::model::{KEYRING, Plan};

/// What the gateway has to know before anything else, whatever is declared to be left alone: what Meta signs with comes at once.
pub fn beforehand(seen: &Observed) -> Option<Mutation> {
    let tried = seen.asked.writes.refusal(KEYRING).is_some();
    (seen.keyring == KeyringSeen::Outdated && !tried).then_some(Mutation::TellGateway)
}

/// Decides about an application; `None` if nothing has changed since it was checked.
pub fn decide(app: &MetaApp, previous: &MetaAppStatus, seen: &Observed, now: Timestamp) -> Option<Plan> {
    if app.spec.management_policy == ManagementPolicy::Pause {
        return Some(Plan { mutation: None, report: paused(app, previous, seen, now) });
    }
    if !seen.look {
        return None;
    }
    let generation = app.metadata.generation.unwrap_or_default();
    let heard = seen.suspicions.clone();
    let mut case = Case {
        app,
        previous,
        seen,
        generation,
        now,
        heard,
        waits: false,
        refused_for_a_day: false,
        lost: false,
        absent: Absent::default(),
    };
    case.hear_refusals();
    let credentials = case.credentials();
    let version = case.version();
    let supported = case.supported();
    let works = credentials.status == Status::True;
    let flawed = case.flawed_entry().filter(|_| works);
    let other = case.other_secret();
    let permissions = match works {
        _ if case.lost => case.unasked(ConditionType::PermissionsApproved),
        true => case.permissions(),
        false => case.unread(),
    };
    let webhook = app.spec.webhook.as_ref().map(|_| match works {
        _ if case.lost => case.unasked(ConditionType::WebhookSubscribed).into(),
        true => case.webhook(),
        false => case.unread().into(),
    });
    let mutation = webhook.as_ref().and_then(|webhook| webhook.mutation.clone());
    let untold = case.gateway_untold(webhook.as_ref());
    let wishes = flawed.into_iter().chain(version).chain(untold);
    let report = case.report(credentials, (wishes, supported), permissions, webhook, other);
    Some(Plan { mutation, report })
}

/// The report on an application that is to be left alone: everything as it was. Its channels go on with the last verdict.
fn paused(app: &MetaApp, previous: &MetaAppStatus, seen: &Observed, now: Timestamp) -> Report<MetaAppStatus> {
    use ConditionType::{CredentialsValid, PermissionsApproved, VersionSupported, WebhookSubscribed};
    let generation = app.metadata.generation.unwrap_or_default();
    let managed = app.spec.webhook.as_ref().map(|_| WebhookSubscribed);
    let types: Vec<_> = [Some(CredentialsValid), managed, Some(PermissionsApproved), Some(VersionSupported)]
        .into_iter()
        .flatten()
        .collect();
    let state = readiness::paused(&previous.conditions, &types, generation);
    let status = MetaAppStatus {
        observed_generation: generation,
        conditions: assemble(&previous.conditions, &state.findings, now),
        next_step: state.next_step,
        usage: previous.usage.clone(),
        ..case::amended(previous, seen)
    };
    let (class, effect) = (Class::Paused, RepairOutcome::None);
    let suspicions = seen.suspicions.clone();
    let (notes, refused) = (Vec::new(), seen.asked.writes.refused());
    Report { status, class, answered: true, until: None, effect, notes, suspicions, refused }
}

#[cfg(test)]
mod tests;
