//! The Service that handles the traffic of a channel. Once it was found it is not asked for again before the declaration changes or
//! somebody asks: whether a bot answers is what the gateway sees.

use k8s_openapi::api::core::v1::Service;
use kube::Api;

use super::state::FacebookChannels;
use crate::api::conditions::{ConditionType, Status, find};
use crate::api::{FacebookChannel, FacebookChannelStatus, ServiceReference};
use crate::cluster::error::{Failure, kubernetes};
use crate::controller::pass::Pass;
use crate::facebook_channel::model::ServiceSeen;

/// Looks for it, where that is not known already.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn look(
    channels: &FacebookChannels,
    channel: &FacebookChannel,
    pass: &Pass<FacebookChannelStatus>,
) -> Result<ServiceSeen, Failure> {
    let Some(reference) = channel.spec.endpoint.service() else { return Ok(ServiceSeen::NotAsked) };
    let before = find(&pass.previous.conditions, ConditionType::EndpointReady);
    let found =
        before.is_some_and(|it| it.status == Status::True.as_str() && it.observed_generation == Some(pass.generation));
    if found && pass.requested.is_none() {
        return Ok(ServiceSeen::Found);
    }
    let api: Api<Service> = Api::namespaced(channels.ctx.cluster.client.clone(), &pass.key.namespace);
    let service = kubernetes("looking for the Service of an endpoint", api.get_opt(&reference.name));
    Ok(channels.ctx.read(service).await??.map_or(ServiceSeen::NotFound, |service| seen(&service, reference)))
}

fn seen(service: &Service, reference: &ServiceReference) -> ServiceSeen {
    let spec = service.spec.clone().unwrap_or_default();
    if spec.type_.as_deref() == Some("ExternalName") {
        return ServiceSeen::ExternalName;
    }
    let has_port = spec.ports.iter().flatten().any(|port| port.port == reference.port);
    if has_port { ServiceSeen::Found } else { ServiceSeen::NoSuchPort }
}
