//! From the parts to the whole: Ready, Connected, Expired, Disconnected and the state in one word. The only place that
//! derives them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::case::Findings;
use crate::api::conditions::{ConditionType, Finding, Status, status_of};
use crate::api::readiness::{self, readiness};
use crate::api::{Connection, Reason};

/// The state of a channel as a whole.
pub(super) struct State {
    /// All conditions, Ready first.
    pub(super) findings: Vec<(ConditionType, Finding)>,
    /// The one of Connected, Expired and Disconnected that is True, else Pending.
    pub(super) connection: Connection,
    /// The next step, if there is one.
    pub(super) next_step: Option<String>,
    /// Why Ready is what it is, in full.
    pub(super) cause: Finding,
}

/// Derives the whole from its parts; `brake` is why Meta is not asked now, if it is not.
pub(super) fn derive(
    parts: &Findings,
    grant_ended: Option<Reason>,
    generation: i64,
    reached: Finding,
    brake: Option<&str>,
) -> State {
    let ready = readiness(&parts.blocking(), generation, reached).held_by(brake);
    let mut findings = ready.findings;
    let (connection, others) = match parts.parted() {
        Some(parted) => (Connection::Disconnected, parted_by_declaration(parts, parted)),
        // Also when it is to be parted from: until then what is true is shown.
        None => judged(parts, grant_ended),
    };
    findings.extend(others);
    findings.extend([
        (ConditionType::Claimed, parts.claimed.clone()),
        (ConditionType::EndpointReady, parts.endpoint.clone()),
    ]);
    findings.extend(parts.published.clone().map(|published| (ConditionType::TokenPublished, published)));
    findings.sort_by_key(|(type_, _)| *type_);
    State { findings, connection, next_step: ready.next_step, cause: ready.cause }
}

fn judged(parts: &Findings, grant_ended: Option<Reason>) -> (Connection, Vec<(ConditionType, Finding)>) {
    let connection = connection(parts, grant_ended);
    let mut findings = three(parts, connection, grant_ended).to_vec();
    findings.extend([
        (ConditionType::Authorized, parts.authorized.clone()),
        (ConditionType::PageUsable, parts.page_usable.clone()),
        (ConditionType::Subscribed, parts.subscribed.clone()),
        (ConditionType::PrimaryReceiver, parts.receiver.clone()),
    ]);
    (connection, findings)
}

/// A page that was parted from as declared is judged no further: neither a dead token nor an unpublished page matters.
fn parted_by_declaration(parts: &Findings, parted: &Finding) -> Vec<(ConditionType, Finding)> {
    use ConditionType::{Authorized, Connected, Disconnected, Expired, PageUsable, PrimaryReceiver, Subscribed};
    let finding = |status, seen: &str| Finding { status, seen: seen.to_owned(), ..parted.clone() };
    let not_judged = match parted.reason {
        Reason::TransferOffered | Reason::Transferred => "This is not evaluated while the channel gives the page away.",
        _ => "This is not evaluated while the channel is declared Disconnected.",
    };
    let subscribed = match parts.claimed.status {
        Status::True => finding(Status::False, "The page is not subscribed to the app, as declared."),
        _ => finding(Status::Unknown, not_judged),
    };
    vec![
        (Connected, parted.with_status(Status::False)),
        (Expired, finding(Status::False, not_judged)),
        (Disconnected, parted.clone()),
        (Authorized, finding(Status::Unknown, not_judged)),
        (PageUsable, finding(Status::Unknown, not_judged)),
        (Subscribed, subscribed),
        (PrimaryReceiver, finding(Status::Unknown, not_judged)),
    ]
}

/// The state of a channel that is to be left alone: what was known of it stays.
pub(super) fn paused(previous: &[Condition], publishes: bool, generation: i64) -> State {
    use ConditionType::{
        Authorized, Claimed, Connected, Disconnected, EndpointReady, Expired, PageUsable, PrimaryReceiver, Subscribed,
        TokenPublished,
    };
    let parts = [Claimed, Authorized, PageUsable, Subscribed, PrimaryReceiver, EndpointReady, TokenPublished];
    let parts = if publishes { &parts[..] } else { &parts[..6] };
    let states =
        [(Connected, Connection::Connected), (Expired, Connection::Expired), (Disconnected, Connection::Disconnected)];
    let status = |type_| status_of(previous, type_).unwrap_or(Status::Unknown);
    let holding: Vec<_> = states.into_iter().filter(|(type_, _)| status(*type_) == Status::True).collect();
    let known = states.iter().all(|(type_, _)| status(*type_) != Status::Unknown);
    let (connection, kept) = match holding[..] {
        [(_, connection)] if known => (connection, previous),
        // Statuses of other versions may say what no status says now.
        _ => (Connection::Pending, &[] as &[Condition]),
    };
    let mut ready = readiness::paused(kept, &[Connected, Expired, Disconnected], generation);
    ready.findings.extend(readiness::paused(previous, parts, generation).findings.into_iter().skip(1));
    State { findings: ready.findings, connection, next_step: ready.next_step, cause: ready.cause }
}

/// What makes the link. A page that only who has more permissions may see is no part of it: Meta delivers all the same.
fn linking(parts: &Findings) -> Vec<&Finding> {
    let page = Some(&parts.page_usable).filter(|page| page.reason != Reason::ReadNotPermitted);
    let before = [&parts.authorized, &parts.claimed].into_iter().chain(page);
    before.chain([&parts.subscribed, &parts.receiving]).collect()
}

fn connection(parts: &Findings, grant_ended: Option<Reason>) -> Connection {
    let linking = linking(parts);
    let ended = parts.authorized.reason.ends_authorization() || grant_ended.is_some();
    if parts.authorized.status == Status::False && ended {
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
fn three(parts: &Findings, connection: Connection, grant_ended: Option<Reason>) -> [(ConditionType, Finding); 3] {
    let linking = linking(parts);
    let first = |status| linking.iter().copied().find(|part| part.status == status);
    let cause = first(Status::False).or(first(Status::Unknown)).unwrap_or(&parts.authorized);
    let oldest = linking.iter().map(|part| part.observed_generation).min().unwrap_or_default();
    let finding = |status, reason, seen: &str| Finding {
        status,
        reason,
        seen: seen.to_owned(),
        next_step: String::new(),
        words: None,
        observed_generation: oldest,
    };
    let linked = "The page is authorized, usable and subscribed.";
    let [connected, expired, disconnected] = match connection {
        Connection::Connected => [
            finding(Status::True, Reason::ConnectionVerified, linked),
            finding(Status::False, Reason::NotExpired, "The authorization has not ended."),
            finding(Status::False, Reason::ConnectionVerified, linked),
        ],
        Connection::Expired => [
            cause.with_status(Status::False),
            Finding { reason: grant_ended.unwrap_or(cause.reason), ..cause.with_status(Status::True) },
            finding(Status::False, cause.reason, "The link is not cut; its authorization ended."),
        ],
        Connection::Disconnected => [
            cause.with_status(Status::False),
            finding(Status::False, Reason::NotExpired, "The authorization has not ended on its own."),
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
