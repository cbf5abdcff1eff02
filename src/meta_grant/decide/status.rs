//! The status of a grant besides its conditions.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::Case;
use super::token::{self, Word};
use crate::api::{GrantedPageStatus, MetaGrantStatus, MissingPageStatus};
use crate::graph::TokenInfo;
use crate::meta_grant::observe::{LivingSeen, Observed, SeedSeen};
use crate::meta_grant::users::Users;

/// Pages that a status lists. Ten thousand would make an object that the API server refuses.
const LISTED: usize = 100;

/// Tasks and permissions that a status lists.
const TASKS: usize = 20;
const SCOPES: usize = 200;

/// The status of a grant that was looked at.
pub(super) fn status(
    case: &Case<'_>,
    conditions: Vec<Condition>,
    next_step: Option<String>,
    answered: bool,
) -> MetaGrantStatus {
    let (seen, previous) = (case.seen, case.previous);
    let known = match token::in_use(seen, case.now) {
        Word::Good(info) | Word::Flawed(Some(info), _) if info.is_valid => described(info),
        // An ended token tells little; what was known of it before helps whoever has to authorise again.
        _ => previous.clone(),
    };
    let inputs = Some(seen.inputs.clone());
    // An authorisation that ended has no end in the future, whatever its clocks say.
    let ended = conditions.iter().any(|it| it.type_ == "Expired" && it.status == "True");
    let expires = case.expires().filter(|at| !ended || *at <= case.now);
    let status = MetaGrantStatus {
        observed_generation: case.generation,
        conditions,
        expires: expires.map(|at| at.to_string()),
        living_secret_name: matches!(seen.living, LivingSeen::Present { .. })
            .then(|| crate::meta_grant::living_secret_name(case.name())),
        seed_fingerprint: of_seed(seen),
        token_fingerprint: seen.in_use.clone(),
        reauthorize_url: seen.reauthorize_url.clone(),
        next_step,
        // Kept while nothing new was learned, so that an outage does not rewrite every status.
        inputs: inputs.filter(|inputs| answered || previous.inputs.as_ref() == Some(inputs)),
        pages: previous.pages.clone(),
        missing_pages: previous.missing_pages.clone(),
        page_count: previous.page_count,
        pages_truncated: previous.pages_truncated,
        channels: previous.channels,
        ..known
    };
    with_pages(status, seen)
}

/// A status with the channels and pages as they are now; all else stays. For when nothing was asked.
pub fn counted(previous: &MetaGrantStatus, seen: &Observed) -> MetaGrantStatus {
    with_pages(previous.clone(), seen)
}

fn with_pages(status: MetaGrantStatus, seen: &Observed) -> MetaGrantStatus {
    let status = MetaGrantStatus { channels: seen.users.channels.or(status.channels), ..status };
    let missing_pages = missing(&status, seen);
    let Some(pages) = rows(seen) else {
        let used = |page: GrantedPageStatus| GrantedPageStatus { in_use: seen.users.pages.contains(&page.id), ..page };
        let pages = first(status.pages.iter().cloned().map(used).collect(), &seen.users);
        return MetaGrantStatus { pages, missing_pages, ..status };
    };
    let count = pages.len();
    MetaGrantStatus {
        page_count: Some(i64::try_from(count).unwrap_or(i64::MAX)),
        pages: first(pages, &seen.users),
        pages_truncated: count > LISTED,
        missing_pages,
        ..status
    }
}

/// Pages in use that are not covered, as far as that is known; by the names that they had when they were.
fn missing(status: &MetaGrantStatus, seen: &Observed) -> Vec<MissingPageStatus> {
    let name = |id: &String| {
        let covered = status.pages.iter().find(|page| page.id == *id).map(|page| &page.name);
        covered.or_else(|| status.missing_pages.iter().find(|page| page.id == *id).map(|page| &page.name)).cloned()
    };
    let is_missing = |id: &&String| match token::covered(seen) {
        Some(covered) => !covered.contains(*id),
        None => status.missing_pages.iter().any(|page| page.id == **id),
    };
    let missing = seen.users.pages.iter().filter(is_missing).take(LISTED);
    missing.map(|id| MissingPageStatus { id: id.clone(), name: name(id).flatten() }).collect()
}

/// The pages as they were listed last, if they were.
fn rows(seen: &Observed) -> Option<Vec<GrantedPageStatus>> {
    let row = |id: &String, name: &Option<String>, tasks: &[String]| {
        let mut tasks = tasks.to_vec();
        tasks.sort();
        tasks.truncate(TASKS);
        GrantedPageStatus { id: id.clone(), name: name.clone(), tasks, in_use: seen.users.pages.contains(id) }
    };
    match (&seen.asked.pages, &seen.before) {
        (Some(Ok(rows)), _) => Some(rows.iter().map(|it| row(&it.id, &it.name, &it.tasks)).collect()),
        (_, Some(before)) => Some(before.pages.iter().map(|(id, it)| row(id, &it.name, &it.tasks)).collect()),
        _ => None,
    }
}

/// The first pages: those in use before the others, each in the order of their ids.
fn first(mut pages: Vec<GrantedPageStatus>, users: &Users) -> Vec<GrantedPageStatus> {
    pages.sort_by(|one, other| {
        let unused = |page: &GrantedPageStatus| !users.pages.contains(&page.id);
        (unused(one), &one.id).cmp(&(unused(other), &other.id))
    });
    pages.truncate(LISTED);
    pages
}

fn described(info: &TokenInfo) -> MetaGrantStatus {
    let mut scopes = info.scopes.clone();
    scopes.sort();
    scopes.truncate(SCOPES);
    MetaGrantStatus {
        token_type: Some(info.kind.as_str().to_owned()),
        grantor_id: info.user_id.clone(),
        issued_at: info.issued_at,
        expires_at: info.expires_at,
        data_access_expires_at: info.data_access_expires_at,
        scopes,
        ..MetaGrantStatus::default()
    }
}

/// The seed that the token in use comes from.
fn of_seed(seen: &Observed) -> Option<String> {
    match (&seen.living, &seen.seed) {
        (LivingSeen::Present { seed, .. }, _) => Some(seed.clone()),
        (_, SeedSeen::Present { fingerprint }) => Some(fingerprint.clone()),
        _ => None,
    }
}
