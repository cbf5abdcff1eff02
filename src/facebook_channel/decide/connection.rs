//! From the parts to the whole: Ready, Connected, Expired, Disconnected and the state in one word. The only place that
//! derives them.

use super::Findings;
use crate::api::conditions::{ConditionType, Finding, Status};
use crate::api::readiness::readiness;
use crate::api::{Connection, Reason};

/// The state of a channel as a whole.
pub(super) struct State {
    /// All conditions, Ready first.
    pub(super) findings: Vec<(ConditionType, Finding)>,
    /// The one of Connected, Expired and Disconnected that is True, else Pending.
    pub(super) connection: Connection,
    /// The next step, if there is one.
    pub(super) next_step: Option<String>,
}

/// Derives the whole from its parts.
pub(super) fn derive(parts: &Findings, generation: i64, reached: Finding) -> State {
    let connection = connection(parts);
    let ready = readiness(&parts.blocking(), generation, reached);
    let mut findings = ready.findings;
    findings.extend(three(parts, connection));
    findings.extend([
        (ConditionType::Claimed, parts.claimed.clone()),
        (ConditionType::Authorized, parts.authorized.clone()),
        (ConditionType::PageUsable, parts.page_usable.clone()),
        (ConditionType::Subscribed, parts.subscribed.clone()),
        (ConditionType::PrimaryReceiver, parts.receiver.clone()),
        (ConditionType::EndpointReady, parts.endpoint.clone()),
    ]);
    findings.sort_by_key(|(type_, _)| *type_);
    State { findings, connection, next_step: ready.next_step }
}

fn linking(parts: &Findings) -> [&Finding; 5] {
    [&parts.authorized, &parts.claimed, &parts.page_usable, &parts.subscribed, &parts.receiving]
}

fn connection(parts: &Findings) -> Connection {
    let linking = linking(parts);
    if parts.authorized.status == Status::False && parts.authorized.reason.ends_authorization() {
        Connection::Expired
    } else if linking.iter().any(|part| part.status == Status::False) {
        Connection::Disconnected
    } else if linking.iter().any(|part| part.status == Status::Unknown) {
        Connection::Pending
    } else {
        Connection::Connected
    }
}

/// Exactly one of the three is True, or all are Unknown.
fn three(parts: &Findings, connection: Connection) -> [(ConditionType, Finding); 3] {
    let linking = linking(parts);
    let first = |status| linking.into_iter().find(|part| part.status == status);
    let cause = first(Status::False).or(first(Status::Unknown)).unwrap_or(&parts.authorized);
    let oldest = linking.iter().map(|part| part.observed_generation).min().unwrap_or_default();
    let finding = |status, reason, seen: &str| Finding {
        status,
        reason,
        seen: seen.to_owned(),
        next_step: String::new(),
        observed_generation: oldest,
    };
    let linked = "The page is authorised, usable and subscribed.";
    let [connected, expired, disconnected] = match connection {
        Connection::Connected => [
            finding(Status::True, Reason::Linked, linked),
            finding(Status::False, Reason::NotExpired, "The authorisation has not ended."),
            finding(Status::False, Reason::Linked, linked),
        ],
        Connection::Expired => [
            cause.with_status(Status::False),
            cause.with_status(Status::True),
            finding(Status::False, cause.reason, "The link is not cut; its authorisation ended."),
        ],
        Connection::Disconnected => [
            cause.with_status(Status::False),
            finding(Status::False, Reason::NotExpired, "The authorisation has not ended by itself."),
            cause.with_status(Status::True),
        ],
        Connection::Pending => [Status::Unknown; 3].map(|status| cause.with_status(status)),
    };
    [
        (ConditionType::Connected, connected),
        (ConditionType::Expired, expired),
        (ConditionType::Disconnected, disconnected),
    ]
}
