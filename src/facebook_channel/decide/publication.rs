//! Whether the page token is published where that is declared, and what to do about it. This needs no question to Meta, so a
//! Secret that someone deleted comes back without a check.

use super::super::model::Mutation;
use super::super::{channel_secret, publication as secret};
use super::case::{Case, Findings};
use crate::api::Reason;
use crate::api::conditions::{ConditionType, Finding, Status, find};
use crate::controller::being_deleted::being_deleted;
use crate::facebook_channel::model::{Content, SecretSeen};
use crate::ownership::ClaimSeen;

/// The condition TokenPublished, if it is declared, and what to do about the Secret.
pub(super) fn publication(
    case: &Case<'_>,
    authorized: &Finding,
    claimed: &Finding,
) -> (Option<Finding>, Option<Mutation>) {
    let wanted = case.channel.spec.publish_token;
    let finding = wanted.then(|| published(case, authorized, claimed));
    let idle = case.observes() || case.seen.asked.published;
    let may = |it: &Mutation| !idle && (*it == Mutation::Withdraw || !case.is_deleted());
    (finding, mutation(case, authorized, claimed).filter(may))
}

/// What has to be done about the Secret though nothing that Meta knows of has changed.
pub(super) fn restoration(case: &Case<'_>) -> Option<Mutation> {
    let known = |type_| Finding::from_condition(find(&case.previous.conditions, type_)?, None);
    publication(case, &known(ConditionType::Authorized)?, &known(ConditionType::Claimed)?).1
}

/// Name of the Secret, while it is there for a bot to use.
pub(super) fn secret_name(case: &Case<'_>, findings: &Findings) -> Option<String> {
    let ours = matches!(case.seen.publication, SecretSeen::Ours(_));
    let name = case.channel.metadata.name.as_deref().unwrap_or_default();
    let withdrawn = is_withdrawn(case, &findings.authorized) && !case.observes();
    (ours && !withdrawn).then(|| secret::SECRET.name(name))
}

/// Whether the token may not be published any longer. That an authorization ended withdraws nothing: a dead token opens
/// nothing, and a bot that is started meanwhile finds its Secret.
fn is_withdrawn(case: &Case<'_>, authorized: &Finding) -> bool {
    let spec = &case.channel.spec;
    !spec.publish_token
        || spec.parts()
        || matches!(
            case.seen.claim,
            ClaimSeen::Elsewhere { .. } | ClaimSeen::Offered { .. } | ClaimSeen::Duplicate { .. }
        )
        || authorized.status == Status::False && authorized.reason == Reason::NotInGrant
}

fn may_be_published(case: &Case<'_>, authorized: &Finding, claimed: &Finding) -> bool {
    let proven = authorized.status == Status::True && claimed.status == Status::True;
    proven && !is_withdrawn(case, authorized)
}

fn mutation(case: &Case<'_>, authorized: &Finding, claimed: &Finding) -> Option<Mutation> {
    let at_hand = case.seen.token.fingerprint().is_some();
    let publish = || (at_hand && may_be_published(case, authorized, claimed)).then_some(Mutation::Publish);
    match case.seen.publication {
        SecretSeen::Leftover | SecretSeen::Ours(_) if is_withdrawn(case, authorized) => Some(Mutation::Withdraw),
        // Whoever mounts what a restore brought along keeps it, until it can be written over.
        SecretSeen::Missing | SecretSeen::Leftover | SecretSeen::Ours(Content::Outdated) => publish(),
        // In the next slot: whoever keeps changing it is not raced with.
        SecretSeen::Ours(Content::Touched) if case.seen.look => publish(),
        SecretSeen::Ours(_) | SecretSeen::Taken => None,
    }
}

fn published(case: &Case<'_>, authorized: &Finding, claimed: &Finding) -> Finding {
    let name = secret::SECRET.name(case.channel.metadata.name.as_deref().unwrap_or_default());
    if case.parts() {
        let seen = "No page token is published for a page that is declared disconnected or given away.";
        return case.found(Status::False, Reason::DeclaredDisconnected, seen, "");
    }
    if case.seen.publication == SecretSeen::Taken {
        let namespace = case.channel.metadata.namespace.as_deref().unwrap_or_default();
        return case.found(
            Status::False,
            Reason::SecretNameTaken,
            format!("A Secret {name} exists that the operator did not create; the operator leaves it alone."),
            format!(
                "The owner of the Secret must check whether it is still needed, keep a copy under another name if so, and remove it: kubectl -n {namespace} delete secret {name}"
            ),
        );
    }
    if !may_be_published(case, authorized, claimed) {
        let seen = "The page token is published once the credential is verified and the page is claimed.";
        return case.found(Status::Unknown, Reason::CredentialUnverified, seen, "");
    }
    match case.seen.publication {
        SecretSeen::Ours(Content::Current) => {
            case.found(Status::True, Reason::SecretSynced, format!("Secret {name} holds the page token."), "")
        }
        _ if case.is_deleted() => {
            let seen = format!("Secret {name} does not hold the page token.");
            being_deleted(case.found(Status::False, Reason::Pending, seen, ""), &case.channel.metadata)
        }
        _ if case.observes() => case.found(
            Status::False,
            Reason::DriftObserved,
            format!("Secret {name} does not hold the page token. The channel is only observed, so the operator writes no Secret."),
            "The maintainer of this object must set spec.managementPolicy to Manage, and the operator writes it; or set spec.publishToken to false.",
        ),
        _ => case.refused(channel_secret::KIND).unwrap_or_else(|| {
            let seen = format!("The page token is being written to Secret {name}.");
            case.found(Status::Unknown, Reason::Pending, seen, "")
        }),
    }
}

/// That the API server refuses to delete what may not be published any longer.
pub(super) fn left(case: &Case<'_>, authorized: &Finding) -> Option<Finding> {
    let there = match case.seen.publication {
        SecretSeen::Ours(_) => is_withdrawn(case, authorized),
        SecretSeen::Leftover => !case.channel.spec.publish_token,
        SecretSeen::Missing | SecretSeen::Taken => false,
    };
    case.refused(channel_secret::KIND).filter(|_| there && !case.observes())
}
