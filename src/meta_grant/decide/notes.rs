//! Which news about a grant is worth an Event.

use jiff::Timestamp;

use super::case::{Case, Findings};
use super::message;
use super::token::{self, TokenVerdict, is_covered};
use crate::api::Reason;
use crate::api::conditions::{ConditionType, Finding, Status, find, has_reason};
use crate::base::ids::PageId;
use crate::cluster::events::{Note, on_transition};
use crate::limits::answer::listed;
use crate::meta_grant::model::TokenSecretSeen;
use crate::meta_grant::page_tokens::GrantedPage;

/// The Events of a pass, the most telling first.
pub(super) fn notes(case: &Case<'_>, ready: &Finding, parts: &Findings) -> Vec<Note> {
    let mut notes = on_transition(&case.previous.conditions, ready, "Ready");
    if notes.is_empty() && ready.reason == Reason::ExpiresSoon && case.seen.remind {
        notes.push(warning(Reason::ExpiresSoon.as_str(), "Reconcile", ready.news()));
    }
    notes.extend(replaced(case));
    notes.extend(other_grantor(case));
    notes.extend(shrunk(case));
    notes.extend(newcomers(case));
    let refused = case.seen.asked.message_refused.clone();
    notes.extend(refused.map(|text| warning(crate::meta_grant::messages::REFUSED, "AdoptMail", text)));
    notes.extend(newly_refused(case, ConditionType::Renewed, &parts.renewed, "Renew"));
    // Of a grant whose source token itself is in use, Ready says it.
    if matches!(case.seen.token_secret, TokenSecretSeen::Present { .. }) {
        notes.extend(newly_refused(case, ConditionType::SourceTokenAccepted, &parts.source_token, "AdoptSourceToken"));
    }
    notes
}

fn warning(reason: &'static str, action: &'static str, text: String) -> Note {
    Note { warning: true, reason, action, text }
}

/// That another token is in use than before.
fn replaced(case: &Case<'_>) -> Option<Note> {
    let (Some(old), Some(new)) = (&case.previous.token_fingerprint, &case.seen.in_use) else { return None };
    let TokenVerdict::Good(info) = token::in_use(case.seen, case.now) else { return None };
    if old == new {
        return None;
    }
    let same_source_token = |of: &String| case.previous.source_token_fingerprint.as_ref() == Some(of);
    let renewed = matches!(&case.seen.token_secret, TokenSecretSeen::Present { minted: true, source_token, .. } if same_source_token(source_token));
    let end = |at: Option<Timestamp>| at.map_or_else(|| "has no end".to_owned(), |at| format!("ends at {at}"));
    let text = format!(
        "The grant uses token {new}, which {}, instead of {old}, which {}.",
        end(info.expires_at),
        end(case.previous.expires_at)
    );
    let reason = if renewed { "Renewed" } else { "TokenReplaced" };
    Some(Note { warning: false, reason, action: "Renew", text })
}

fn other_grantor(case: &Case<'_>) -> Option<Note> {
    let TokenVerdict::Good(info) = token::in_use(case.seen, case.now) else { return None };
    let (old, new) = (case.previous.grantor_id.as_ref()?, info.user_id.as_ref()?);
    let text = format!("The grant now belongs to {new}; before, it belonged to {old}.");
    (old != new).then_some(Note { warning: false, reason: "GrantorChanged", action: "AdoptSourceToken", text })
}

/// That someone authorized in the browser who is none of the grant's people.
fn newcomers(case: &Case<'_>) -> Option<Note> {
    let is_new = |id: &&String| !case.previous.waiting_grantors.contains(id);
    let ids: Vec<_> = case.seen.waiting.iter().filter(is_new).cloned().collect();
    let step = message::to_accept(case, &ids)?;
    let who = listed(&ids);
    let text = format!(
        "{who} authorized in the browser and is not among the grant's people. Nothing was changed; the authorization waits for a day. {step}"
    );
    Some(warning("AuthorizationWaits", "AdoptMail", text))
}

/// That pages left the grant though channels use them.
fn shrunk(case: &Case<'_>) -> Option<Note> {
    let now = case.pages.as_ref()?;
    let remembered =
        |page: &PageId| case.seen.before.as_ref().and_then(|it| it.pages.get(page)).is_some_and(is_covered);
    let told = |page: &PageId| case.previous.pages.iter().any(|it| it.id == page.as_str());
    let is_lost = |page: &PageId| now.get(page).is_some_and(GrantedPage::is_lost);
    let left = case.seen.dependents.pages.iter().filter(|page| is_lost(page) && (remembered(page) || told(page)));
    let left: Vec<String> = left.map(|page| page.as_str().to_owned()).collect();
    let text = || {
        let step = "Authorize again with them selected, or delete their channels.";
        format!("Pages that channels use are no longer part of the grant: {}. {step}", listed(&left))
    };
    (!left.is_empty()).then(|| warning("GrantShrunk", "Reconcile", text()))
}

/// That something is refused, if it was not, or for another reason.
fn newly_refused(case: &Case<'_>, type_: ConditionType, finding: &Finding, action: &'static str) -> Option<Note> {
    let old = find(&case.previous.conditions, type_);
    let same = old.is_some_and(|old| old.status == finding.status.as_str() && has_reason(old, finding.reason));
    let told = finding.status == Status::False && finding.reason != Reason::SecretNameTaken;
    let reason = if type_ == ConditionType::Renewed { "RenewalRefused" } else { "SourceTokenRefused" };
    (told && !same).then(|| warning(reason, action, finding.news()))
}
