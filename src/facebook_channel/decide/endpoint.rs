//! Whether it is known who handles the traffic, and what to do about the key that the gateway signs its requests with. This needs no
//! question to Meta.

use reqwest::Url;
use webhook_forwarder::address::{AddressPolicy, AddressRefusal, Reach};

use super::super::endpoint_key as key;
use super::super::model::{GatewaySeen, Mutation, SecretSeen, ServiceSeen};
use super::case::Case;
use crate::api::conditions::{Finding, Status};
use crate::api::{EndpointKind, EndpointStatus, Reason};
use crate::controller::being_deleted::being_deleted;
use crate::facebook_channel::model::Content;

/// The condition EndpointReady.
pub(super) fn endpoint(case: &Case<'_>) -> Finding {
    match case.channel.spec.endpoint.kind() {
        Some(EndpointKind::Direct) => {
            let seen = "The application's own callback handles the traffic.";
            case.found(Status::True, Reason::EndpointResolved, seen, "")
        }
        Some(EndpointKind::External | EndpointKind::Bot | EndpointKind::Chat) => match case.seen.gateway {
            GatewaySeen::NotInstalled => case.found(
                Status::False,
                Reason::GatewayNotInstalled,
                "This endpoint needs a gateway, and none is configured.",
                "Have the administrator install the gateway and start the operator with --gateway-url, or use endpoint.direct.",
            ),
            GatewaySeen::WithoutForwarding => case.found(
                Status::False,
                Reason::ForwardingUnavailable,
                "The gateway of this release does not forward events.",
                "Have the administrator enable forwarding (gateway.forwarding.enabled of the chart, --forwarding of the operator), or use endpoint.direct.",
            ),
            GatewaySeen::Forwarding => {
                not_allowed(case).or_else(|| without_service(case)).unwrap_or_else(|| signed(case))
            }
        },
        None => case.found(
            Status::False,
            Reason::InvalidSpec,
            "Not exactly one endpoint is set.",
            "Set exactly one of endpoint.direct, endpoint.external, endpoint.bot and endpoint.chat.",
        ),
    }
}

/// What to do about the Secret with the key.
pub(super) fn mutation(case: &Case<'_>) -> Option<Mutation> {
    if case.observes() || case.seen.asked.endpoint_key {
        return None;
    }
    let kind = case.channel.spec.endpoint.kind();
    let forwarding = case.seen.gateway == GatewaySeen::Forwarding;
    let forwarded = forwarding && kind.is_some_and(EndpointKind::is_forwarded) && !case.is_deleted();
    match case.seen.endpoint.key.secret {
        SecretSeen::Missing | SecretSeen::Leftover | SecretSeen::Ours(Content::Outdated) if forwarded => {
            Some(Mutation::WriteEndpointKey)
        }
        // In the next slot: whoever keeps changing it is not raced with.
        SecretSeen::Ours(Content::Touched) if forwarded && case.seen.look => Some(Mutation::WriteEndpointKey),
        SecretSeen::Ours(_) | SecretSeen::Leftover if kind == Some(EndpointKind::Direct) => {
            Some(Mutation::DeleteEndpointKey)
        }
        SecretSeen::Missing | SecretSeen::Leftover | SecretSeen::Ours(_) | SecretSeen::Taken => None,
    }
}

/// What the status says of the endpoint. The generation of its key stays, so that no later key is an earlier one again.
pub(super) fn status(case: &Case<'_>) -> Option<EndpointStatus> {
    let kind = case.channel.spec.endpoint.kind()?;
    let seen = &case.seen.endpoint.key;
    let current = kind.is_forwarded() && seen.secret == SecretSeen::Ours(Content::Current);
    let before = case.previous.endpoint.as_ref().and_then(|endpoint| endpoint.key_generation);
    Some(EndpointStatus {
        kind,
        secret_name: current.then(|| name(case)),
        key_generation: if current { Some(seen.generation) } else { before },
    })
}

fn name(case: &Case<'_>) -> String {
    key::SECRET.name(case.channel.metadata.name.as_deref().unwrap_or_default())
}

/// That nothing may be sent to the URL, whatever its host is.
fn not_allowed(case: &Case<'_>) -> Option<Finding> {
    let external = case.channel.spec.endpoint.external.as_ref()?;
    let checked = match Url::parse(&external.url) {
        Ok(url) => AddressPolicy::default().check_url(&url, Reach::External),
        Err(_) => Err(AddressRefusal::NoHost),
    };
    let refusal = checked.err()?;
    Some(case.found(
        Status::False,
        Reason::EndpointNotAllowed,
        format!("The gateway sends nothing to this URL: {refusal}."),
        "The maintainer of this object must set spec.endpoint.external.url to an https URL with a host name that leads to a public address.",
    ))
}

fn without_service(case: &Case<'_>) -> Option<Finding> {
    let reference = case.channel.spec.endpoint.service()?;
    let (name, port, namespace) = (&reference.name, reference.port, case.namespace());
    let (reason, seen, next) = match case.seen.endpoint.service {
        ServiceSeen::Found | ServiceSeen::NotAsked => return None,
        ServiceSeen::NotFound => (
            Reason::ServiceNotFound,
            format!("There is no Service {name} in namespace {namespace}."),
            format!("The maintainer of the bot must create Service {name}, or spec.endpoint must name another one."),
        ),
        ServiceSeen::NoSuchPort => (
            Reason::ServiceNotFound,
            format!("Service {name} in namespace {namespace} has no port {port}."),
            format!(
                "The maintainer of the bot must add port {port} to Service {name}, or spec.endpoint must name another port."
            ),
        ),
        ServiceSeen::ExternalName => (
            Reason::EndpointNotAllowed,
            format!(
                "Service {name} in namespace {namespace} is only another name for a host, to which the gateway sends nothing."
            ),
            "The maintainer of this object must name a Service with pods, or use endpoint.external.".to_owned(),
        ),
    };
    Some(case.found(Status::False, reason, seen, next))
}

/// Whether the gateway has a key that the bot has too.
fn signed(case: &Case<'_>) -> Finding {
    let name = name(case);
    match case.seen.endpoint.key.secret {
        SecretSeen::Ours(Content::Current) => case.found(
            Status::True,
            Reason::EndpointResolved,
            format!("The gateway forwards the events, and signs them with the key in Secret {name}."),
            "",
        ),
        SecretSeen::Taken => {
            let namespace = case.namespace();
            case.found(
                Status::False,
                Reason::SecretNameTaken,
                format!("A Secret {name} exists that the operator did not create; the operator leaves it alone."),
                format!("The owner of the Secret must check whether it is still needed, keep a copy under another name if so, and remove it: kubectl -n {namespace} delete secret {name}"),
            )
        }
        _ if case.is_deleted() => {
            let seen = format!("Secret {name} does not hold the key.");
            being_deleted(case.found(Status::False, Reason::Pending, seen, ""), &case.channel.metadata)
        }
        _ if case.observes() => case.found(
            Status::False,
            Reason::DriftObserved,
            format!("Secret {name} does not hold the key that events are signed with. The channel is only observed, so the operator writes no Secret."),
            "The maintainer of this object must set spec.managementPolicy to Manage, and the operator writes it; or use endpoint.direct.",
        ),
        _ => case.refused(key::WRITE).unwrap_or_else(|| {
            let seen = format!("The key that events are signed with is being written to Secret {name}.");
            case.found(Status::Unknown, Reason::Pending, seen, "")
        }),
    }
}
