//! Whether it is known who handles the traffic.

use super::case::Case;
use crate::api::Reason;
use crate::api::conditions::{Finding, Status};

impl Case<'_> {
    pub(super) fn endpoint(&self) -> Finding {
        use crate::api::EndpointKind::{Bot, Chat, Direct, External};
        match self.channel.spec.endpoint.kind() {
            Some(Direct) => {
                let seen = "The application's own callback handles the traffic.";
                self.found(Status::True, Reason::EndpointResolved, seen, "")
            }
            Some(External | Bot | Chat) if !self.seen.gateway => self.found(
                Status::False,
                Reason::GatewayNotInstalled,
                "This endpoint needs a gateway, and none is configured.",
                "Have the administrator install the gateway and start the operator with --gateway-url, or use endpoint.direct.",
            ),
            Some(External | Bot | Chat) => self.found(
                Status::False,
                Reason::ForwardingUnavailable,
                "This version of the gateway does not forward events yet.",
                "Use endpoint.direct until it does.",
            ),
            None => self.found(
                Status::False,
                Reason::InvalidSpec,
                "Not exactly one endpoint is set.",
                "Set exactly one of endpoint.direct, endpoint.external, endpoint.bot and endpoint.chat.",
            ),
        }
    }
}
