//! What to do about a claim whose holder may be gone: a function of values and a time, with no client in sight.

use jiff::{SignedDuration, Timestamp, Unit};

use super::model::{Checked, Observed, Plan, Report, Then};
use crate::api::conditions::{Finding, Status, assemble};
use crate::api::outcome::Class;
use crate::api::readiness::readiness;
use crate::api::{AssetClaim, AssetClaimStatus, CLEANUP, ClaimState, Cleanup, DeletionPolicy, LeftAtMeta, Reason};
use crate::base::clock::Moment;
use crate::cluster::events::Note;
use crate::graph::Verdict;
use crate::limits::answer::{Refusal, class};
use crate::meta_app::by_id::AppState;
use crate::ownership::ON_ITS_WAY;

/// How long a holder must be gone before anything is done: a channel that is renamed, restored or made anew gets its page
/// back without a break.
pub const GRACE: SignedDuration = SignedDuration::from_mins(1);

/// How long a holder is waited for that is not there though nobody saw it go: it may be on its way back from a backup, and
/// unsubscribing its page would cut off everybody who writes to it.
pub const WAIT: SignedDuration = SignedDuration::from_hours(24);

/// How soon is looked again whether our clock agrees with Meta's.
const CLOCK: SignedDuration = SignedDuration::from_secs(10);

/// Whether the API server has to be asked about the holder: something could be done now.
pub fn wants_check(claim: &AssetClaim, app: &AppState, now: Timestamp) -> bool {
    let could_act = match claim.state() {
        _ if claim.cleanup() == Ok(Some(Cleanup::Never)) => false,
        ClaimState::Held | ClaimState::AwaitingHolder | ClaimState::Tombstone => false,
        ClaimState::CleanupPending => true,
        // Said already; it is said anew once there is something to clean up with.
        ClaimState::LeftBehind => claim.spec.deletion_policy == DeletionPolicy::Orphan || *app == AppState::Ready,
    };
    could_act && not_before(claim).is_none_or(|at| at <= now)
}

/// The time before which a claim is left alone.
fn not_before(claim: &AssetClaim) -> Option<Timestamp> {
    let status = claim.current()?;
    let grace = status.gone_since.map(|since| since.later(GRACE));
    grace.max(status.releasing_since.map(|since| since.later(ON_ITS_WAY)))
}

/// Decides about a claim on a page.
pub fn decide(claim: &AssetClaim, seen: &Observed, now: Timestamp) -> Plan {
    let case = Case { claim, seen, now };
    if seen.lives || seen.checked == Some(Checked::Lives) {
        return case.held();
    }
    match claim.state() {
        ClaimState::Tombstone => case.tombstone_again(),
        _ if seen.clock_doubted && seen.asked.is_none() => case.rest(Then::At(now.later(CLOCK))),
        _ if claim.cleanup() == Ok(Some(Cleanup::Never)) => case.forbidden(),
        ClaimState::Held | ClaimState::AwaitingHolder if !case.is_gone() => case.awaiting(),
        ClaimState::Held | ClaimState::AwaitingHolder => {
            case.pending(format!("{} is gone.", case.holder()), Then::At(now.later(GRACE)))
        }
        ClaimState::CleanupPending | ClaimState::LeftBehind => case.clean_up(),
    }
}

struct Case<'a> {
    claim: &'a AssetClaim,
    seen: &'a Observed,
    now: Timestamp,
}

impl Case<'_> {
    /// Whether the holder was deleted, as opposed to not being there: it was seen to go, now or by an earlier process; or it
    /// was waited for long enough; or an administrator says so.
    fn is_gone(&self) -> bool {
        let known = self.claim.current().is_some_and(|status| status.gone_since.is_some());
        let told = self.claim.cleanup() == Ok(Some(Cleanup::Now));
        self.seen.departed || known || told || self.awaited_until() <= self.now
    }

    /// Since when the holder has been missing, to the second.
    fn awaited_since(&self) -> Timestamp {
        let known = self.claim.current().and_then(|status| status.awaited_since);
        known.unwrap_or_else(|| self.now.round(Unit::Second).unwrap_or(self.now))
    }

    fn awaited_until(&self) -> Timestamp {
        self.awaited_since().later(WAIT)
    }

    /// The holder is not there, and nobody saw it go.
    fn awaiting(&self) -> Plan {
        let until = self.awaited_until();
        let unknown = self.claim.cleanup().is_err();
        let unknown =
            if unknown { " The current value of the annotation is neither of these and is ignored." } else { "" };
        let seen = format!(
            "{} is missing, and the operator did not see its deletion: it may be about to come back from a backup. The page stays as it is until {until}, or until the channel is back.",
            self.holder()
        );
        let next_step = format!(
            "The operator continues on its own. If the channel does not come back, an administrator need not wait: {}=now; =never leaves the page as it is permanently.{unknown}",
            self.annotate()
        );
        let finding = self.found(Status::False, Reason::AwaitingHolder, seen, next_step);
        self.report(ClaimState::AwaitingHolder, &finding, Then::At(until), None)
    }

    /// Nothing is to be cleaned up.
    fn forbidden(&self) -> Plan {
        let seen = format!(
            "{} is missing, and the annotation {CLEANUP} forbids the cleanup: the page stays subscribed.",
            self.holder()
        );
        let next_step = format!(
            "An administrator who wants the page unsubscribed must remove the annotation: {}-. Otherwise, the channel takes the page up again when it comes back.",
            self.annotate()
        );
        let finding = self.found(Status::False, Reason::CleanupForbidden, seen, next_step);
        self.report(ClaimState::AwaitingHolder, &finding, Then::Never, None)
    }

    /// The command that sets the annotation, without a value.
    fn annotate(&self) -> String {
        let (metadata, none) = (&self.claim.metadata, String::new());
        let namespace = metadata.namespace.as_ref().unwrap_or(&none);
        let name = metadata.name.as_ref().unwrap_or(&none);
        format!("kubectl -n {namespace} annotate --overwrite assetclaim/{name} {CLEANUP}")
    }

    fn clean_up(&self) -> Plan {
        if let Some(answer) = &self.seen.asked {
            return match answer {
                Ok(()) => self.tombstone("The app was unsubscribed from the page"),
                Err(refusal) => self.refused(refusal),
            };
        }
        if let Some(at) = not_before(self.claim).filter(|at| *at > self.now).or(self.seen.turn) {
            return self.rest(Then::At(at));
        }
        match &self.seen.checked {
            Some(Checked::Lives) => self.held(),
            Some(Checked::Wanted { name }) => self.pending(
                format!("{} is gone; FacebookChannel {name} declares the same page and may take over.", self.holder()),
                Then::Class(Class::Waiting),
            ),
            Some(Checked::Forbidden) => {
                let namespace = &self.claim.spec.holder.namespace;
                self.left_behind(&format!("the operator may not read FacebookChannels in namespace {namespace}"))
            }
            Some(Checked::Gone) => self.release(),
            None => self.rest(Then::Class(Class::Terminal)),
        }
    }

    /// The holder is gone for certain, and nobody else wants the page.
    fn release(&self) -> Plan {
        if self.claim.spec.deletion_policy == DeletionPolicy::Orphan {
            return self.tombstone(
                "Nothing was written at Meta, as deletionPolicy Orphan or managementPolicy Observe required,",
            );
        }
        let app = self.app();
        // Who was disconnected as declared left nothing. With an app that can be used that is made sure of once more.
        let parted = self.claim.spec.subscribed_fields.is_empty();
        match &self.seen.app {
            AppState::Ready => Plan { release: true, ..self.rest(Then::Class(Class::Transient)) },
            AppState::Missing | AppState::OtherApp(_) | AppState::SecretGone if parted => {
                self.tombstone("Nothing was left at Meta because the page was disconnected,")
            }
            AppState::Missing => self.left_behind(&format!("{app} does not exist")),
            AppState::OtherApp(id) => self.left_behind(&format!("{app} now stands for app {id}")),
            AppState::SecretGone => self.left_behind(&format!("{app} has no usable app secret")),
            AppState::NotReady(why) => self.pending(
                format!("{} is gone; the page is unsubscribed once {app} can be used. {why}", self.holder()),
                Then::Class(Class::Waiting),
            ),
        }
    }

    fn refused(&self, refusal: &Refusal) -> Plan {
        let class = class(&[], &[refusal], self.now);
        match refusal.verdict {
            Verdict::NoAnswer | Verdict::Throttled { .. } | Verdict::Refused => {
                let seen = format!("{} is gone; Meta gives no usable answer to the unsubscription.", self.holder());
                self.pending(seen, Then::Class(class))
            }
            Verdict::AppBroken(_) => self.pending(
                format!(
                    "{} is gone; Meta rejects the credentials of {} ({}).",
                    self.holder(),
                    self.app(),
                    refusal.fact
                ),
                Then::Class(Class::AppBroken),
            ),
            _ => self.left_behind(&format!("Meta refuses to unsubscribe it ({})", refusal.fact)),
        }
    }

    /// The holder lives. Most claims have never said anything else, and that is not written down.
    fn held(&self) -> Plan {
        let untouched = self
            .claim
            .status
            .as_ref()
            .is_none_or(|status| status.state == ClaimState::Held && status.releasing_since.is_none());
        if untouched {
            return self.rest(Then::Never);
        }
        let reached = self.found(Status::True, Reason::ClaimHeld, "This namespace holds the page.".to_owned(), "");
        self.report(ClaimState::Held, &reached, Then::Never, None)
    }

    fn pending(&self, seen: String, then: Then) -> Plan {
        let finding = self.found(Status::False, Reason::CleanupPending, seen, "The operator continues on its own.");
        self.report(ClaimState::CleanupPending, &finding, then, None)
    }

    /// It rests, but for what an administrator changed in it since.
    fn tombstone_again(&self) -> Plan {
        let told = self.claim.current().and_then(|status| status.observed_generation);
        if told.is_none_or(|told| Some(told) == self.claim.metadata.generation) {
            return self.rest(Then::Never);
        }
        self.tombstone("The app was unsubscribed from the page, or no cleanup was needed,")
    }

    fn tombstone(&self, what: &str) -> Plan {
        let reserved = match &self.claim.spec.transfer_to {
            Some(to) => {
                format!("It is given to namespace {to}: a FacebookChannel there can take it with its own credential.")
            }
            None => format!("The page stays reserved for namespace {}.", self.claim.spec.holder.namespace),
        };
        let seen = format!("{what} after {} was deleted. {reserved}", self.holder());
        let finding = self.found(Status::True, Reason::Tombstone, seen, "");
        self.report(ClaimState::Tombstone, &finding, Then::Never, None)
    }

    fn left_behind(&self, why: &str) -> Plan {
        let spec = &self.claim.spec;
        let left = self.left_at_meta();
        let fields =
            if left.fields.is_empty() { String::new() } else { format!(" (fields {})", left.fields.join(", ")) };
        let seen = format!(
            "{} is gone, and app {} stays subscribed to page {}{fields}: {why}.",
            self.holder(),
            left.app_id,
            left.page_id
        );
        let next_step = format!(
            "The maintainer of {} must restore it for app {} with its Secret and the operator's rights; then the operator cleans up on its own. Otherwise, someone with full control of the page must remove the app from it at facebook.com, and a cluster administrator must delete this AssetClaim.",
            self.app(),
            spec.app_id
        );
        let finding = self.found(Status::False, Reason::LeftBehind, seen, next_step);
        self.report(ClaimState::LeftBehind, &finding, Then::Class(Class::Terminal), Some(left))
    }

    fn left_at_meta(&self) -> LeftAtMeta {
        let spec = &self.claim.spec;
        LeftAtMeta {
            page_id: spec.asset_id.clone(),
            app_id: spec.app_id.clone(),
            fields: spec.subscribed_fields.clone(),
        }
    }

    fn holder(&self) -> String {
        let holder = &self.claim.spec.holder;
        format!("FacebookChannel {}/{}", holder.namespace, holder.name)
    }

    fn app(&self) -> String {
        let app = self.claim.spec.app_ref.as_ref();
        app.map_or_else(|| "the MetaApp".to_owned(), |app| format!("MetaApp {}/{}", app.namespace, app.name))
    }

    fn found(&self, status: Status, reason: Reason, seen: String, next_step: impl Into<String>) -> Finding {
        let observed_generation = self.claim.metadata.generation.unwrap_or_default();
        Finding::new(status, reason, seen, next_step, observed_generation)
    }

    /// Nothing new is to be said.
    fn rest(&self, then: Then) -> Plan {
        Plan { release: false, report: Report { status: None, then, note: None } }
    }

    fn report(&self, state: ClaimState, finding: &Finding, then: Then, left: Option<LeftAtMeta>) -> Plan {
        let generation = finding.observed_generation;
        let ready = readiness(&[finding], generation, finding.clone());
        let previous = self.claim.status.as_ref();
        let conditions = previous.map(|status| status.conditions.as_slice()).unwrap_or_default();
        let since = self.claim.current().and_then(|status| status.gone_since);
        let now = self.now.round(Unit::Second).unwrap_or(self.now);
        let gone_since = match state {
            ClaimState::Held => None,
            ClaimState::AwaitingHolder => since,
            ClaimState::CleanupPending | ClaimState::Tombstone | ClaimState::LeftBehind => Some(since.unwrap_or(now)),
        };
        let status = AssetClaimStatus {
            observed_generation: Some(generation),
            state,
            holder_uid: Some(self.claim.spec.holder.uid.clone()),
            claim_uid: self.claim.metadata.uid.clone(),
            awaited_since: (state == ClaimState::AwaitingHolder).then(|| self.awaited_since()),
            gone_since,
            releasing_since: None,
            left_at_meta: left,
            conditions: assemble(conditions, &ready.findings, self.now),
        };
        let moved = self.claim.state() != state;
        let told = matches!(state, ClaimState::Tombstone | ClaimState::LeftBehind | ClaimState::AwaitingHolder);
        let note = (moved && told).then(|| Note {
            warning: state != ClaimState::Tombstone,
            reason: finding.reason.as_str(),
            action: "CleanUp",
            text: finding.message(),
        });
        let status = Some(status).filter(|status| previous != Some(status));
        Plan { release: false, report: Report { status, then, note } }
    }
}

#[cfg(test)]
mod tests;
