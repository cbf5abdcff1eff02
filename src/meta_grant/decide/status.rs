//! The status of a grant apart from its conditions.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::case::Case;
use super::token::{self, SCOPES, TokenVerdict, is_covered};
use crate::api::{GrantedPageStatus, MetaGrantStatus, MissingPageStatus};
use crate::base::ids::PageId;
use crate::graph::TokenInfo;
use crate::meta_grant::coverage;
use crate::meta_grant::model::GrantDependents;
use crate::meta_grant::model::{Observed, SourceTokenSeen, TokenSecretSeen};
use crate::meta_grant::page_tokens::{GrantedPage, Pages};
use crate::meta_grant::token_secret;

/// Pages that a status lists. Ten thousand would make an object that the API server refuses.
const LISTED: usize = 100;

/// Tasks that a status lists.
const TASKS: usize = 20;

/// The status of a grant that was checked.
pub(super) fn status(
    case: &Case<'_>,
    conditions: Vec<Condition>,
    next_step: Option<String>,
    answered: bool,
) -> MetaGrantStatus {
    let (seen, previous) = (case.seen, case.previous);
    let known = match token::in_use(seen, case.now) {
        TokenVerdict::Good(info) | TokenVerdict::Flawed(Some(info), _) if info.is_valid => described(info),
        // An ended token tells little; what was known of it before helps whoever has to authorize again.
        _ => previous.clone(),
    };
    // Whose it is stays known also of a token that has ended, for nobody else's takes its place in the browser.
    let of_token = match token::in_use(seen, case.now) {
        TokenVerdict::Good(info) | TokenVerdict::Flawed(Some(info), _) => info.user_id.clone(),
        _ => None,
    };
    let grantor_id = known.grantor_id.clone().or_else(|| previous.grantor_id.clone()).or(of_token);
    let inputs = Some(seen.inputs.clone());
    // An authorization that ended has no end in the future, whatever its clocks say.
    let ended = conditions.iter().any(|it| it.type_ == "Expired" && it.status == "True");
    let expires = case.expires().filter(|at| !ended || *at <= case.now);
    let status = MetaGrantStatus {
        observed_generation: case.generation,
        conditions,
        expires: expires.map(|at| at.to_string()),
        living_secret_name: matches!(seen.token_secret, TokenSecretSeen::Present { .. })
            .then(|| token_secret::name(case.name())),
        source_token_fingerprint: of_source_token(seen),
        token_fingerprint: seen.in_use.clone(),
        grantor_id,
        waiting_grantors: seen.waiting.clone(),
        reauthorize_url: seen.reauthorize_url.clone(),
        next_step,
        // Kept while nothing new was learned, so that an outage does not rewrite every status.
        inputs: inputs.filter(|inputs| answered || previous.inputs.as_ref() == Some(inputs)),
        pages: previous.pages.clone(),
        missing_pages: previous.missing_pages.clone(),
        page_count: previous.page_count,
        pages_truncated: previous.pages_truncated,
        channels: previous.channels,
        last_handled_requested_at: previous.last_handled_requested_at.clone(),
        ..known
    };
    with_pages(status, seen, case.given(), case.now)
}

/// A status with the channels and pages as they are now; all else stays. For when nothing was asked.
pub fn counted(previous: &MetaGrantStatus, seen: &Observed, now: Timestamp) -> MetaGrantStatus {
    let (waiting_grantors, reauthorize_url) = (seen.waiting.clone(), seen.reauthorize_url.clone());
    let previous = MetaGrantStatus { waiting_grantors, reauthorize_url, ..previous.clone() };
    with_pages(previous, seen, seen.before.as_ref().map(|before| &before.pages), now)
}

fn with_pages(status: MetaGrantStatus, seen: &Observed, given: Option<&Pages>, now: Timestamp) -> MetaGrantStatus {
    let status = MetaGrantStatus { channels: seen.dependents.channels.or(status.channels), ..status };
    let missing_pages = missing(&status, seen, given);
    let Some(given) = given else {
        let used = |page: GrantedPageStatus| GrantedPageStatus {
            in_use: seen.dependents.pages.contains(page.id.as_str()),
            ..page
        };
        let pages = first(status.pages.iter().cloned().map(used).collect(), &seen.dependents);
        // Of a list that was cut short nobody knows what it lacks.
        let told = |id: &str| status.pages_truncated || pages.iter().any(|page| page.id == id);
        let unchecked_pages = unchecked(seen, &missing_pages, told);
        return MetaGrantStatus { pages, missing_pages, unchecked_pages, ..status };
    };
    let mut pages = rows(&status.pages, seen, given);
    let mut count = i64::try_from(pages.len()).unwrap_or(i64::MAX);
    if coverage::next(given, now).is_some() {
        // Nothing is said of what one list lacks before that is certain.
        let known: BTreeSet<_> = pages.iter().map(|page| page.id.clone()).collect();
        let lost = |id: &str| given.get(id).is_some_and(GrantedPage::is_lost);
        let kept = status.pages.iter().filter(|page| !known.contains(&page.id) && !lost(&page.id));
        pages.extend(
            kept.cloned()
                .map(|page| GrantedPageStatus { in_use: seen.dependents.pages.contains(page.id.as_str()), ..page }),
        );
        count = i64::try_from(pages.len()).unwrap_or(i64::MAX).max(status.page_count.unwrap_or_default());
    }
    let listed: HashSet<&str> = pages.iter().map(|page| page.id.as_str()).collect();
    let unchecked_pages = unchecked(seen, &missing_pages, |id| listed.contains(id));
    MetaGrantStatus {
        page_count: Some(count),
        unchecked_pages,
        pages_truncated: count > i64::try_from(LISTED).unwrap_or(i64::MAX),
        pages: first(pages, &seen.dependents),
        missing_pages,
        ..status
    }
}

/// Pages in use that are not covered, as far as that is known; by the names that they had when they were.
fn missing(status: &MetaGrantStatus, seen: &Observed, given: Option<&Pages>) -> Vec<MissingPageStatus> {
    let name = |id: &str| {
        let covered = status.pages.iter().find(|page| page.id == id).map(|page| &page.name);
        covered.or_else(|| status.missing_pages.iter().find(|page| page.id == id).map(|page| &page.name)).cloned()
    };
    let was_missing = |id: &PageId| status.missing_pages.iter().any(|page| page.id == id.as_str());
    let is_missing = |id: &&PageId| match given.and_then(|given| given.get(*id)) {
        Some(page) if page.is_lost() => true,
        Some(page) => !is_covered(page) && was_missing(id),
        None => was_missing(id),
    };
    let missing = seen.dependents.pages.iter().filter(is_missing).take(LISTED);
    missing.map(|id| MissingPageStatus { id: id.as_str().to_owned(), name: name(id.as_str()).flatten() }).collect()
}

/// Pages in use of which nothing is known: a channel named them, and nobody has authorized anything yet, or nothing since.
fn unchecked(seen: &Observed, missing: &[MissingPageStatus], is_told: impl Fn(&str) -> bool) -> Vec<String> {
    let is_missing = |id: &PageId| missing.iter().any(|page| page.id == id.as_str());
    let unchecked = seen.dependents.pages.iter().filter(|id| !is_told(id.as_str()) && !is_missing(id));
    unchecked.take(LISTED).map(|id| id.as_str().to_owned()).collect()
}

/// The pages that the grant gives. What is not told of one now is what was told before.
fn rows(told: &[GrantedPageStatus], seen: &Observed, given: &Pages) -> Vec<GrantedPageStatus> {
    let told: HashMap<_, _> = told.iter().map(|page| (page.id.as_str(), page)).collect();
    let row = |(id, page): (&PageId, &GrantedPage)| {
        let before = told.get(id.as_str());
        let name = page.name.clone().or_else(|| before.and_then(|page| page.name.clone()));
        let mut tasks = page.tasks.clone().or_else(|| before.map(|page| page.tasks.clone())).unwrap_or_default();
        tasks.sort();
        tasks.truncate(TASKS);
        GrantedPageStatus { id: id.as_str().to_owned(), name, tasks, in_use: seen.dependents.pages.contains(id) }
    };
    given.iter().filter(|(_, page)| page.gap.is_none() || is_covered(page)).map(row).collect()
}

/// The first pages: those in use before the others, each in the order of their ids.
fn first(mut pages: Vec<GrantedPageStatus>, dependents: &GrantDependents) -> Vec<GrantedPageStatus> {
    pages.sort_by(|one, other| {
        let unused = |page: &GrantedPageStatus| !dependents.pages.contains(page.id.as_str());
        (unused(one), &one.id).cmp(&(unused(other), &other.id))
    });
    pages.truncate(LISTED);
    pages
}

fn described(info: &TokenInfo) -> MetaGrantStatus {
    let mut scopes = info.granted().unwrap_or_default();
    scopes.sort();
    scopes.truncate(SCOPES);
    MetaGrantStatus {
        token_type: info.kind.map(|kind| kind.as_str().to_owned()),
        grantor_id: info.user_id.clone(),
        issued_at: info.issued_at,
        expires_at: info.expires_at,
        data_access_expires_at: info.data_access_expires_at,
        scopes,
        ..MetaGrantStatus::default()
    }
}

/// The source token that the token in use comes from.
fn of_source_token(seen: &Observed) -> Option<String> {
    match (&seen.token_secret, &seen.source_token) {
        (TokenSecretSeen::Present { source_token, .. }, _) => Some(source_token.clone()),
        (_, SourceTokenSeen::Present { fingerprint }) => Some(fingerprint.clone()),
        _ => None,
    }
}
