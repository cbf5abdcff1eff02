//! Which pages a grant covers. A single list is no withdrawal: if it lacks a page in use, or shows the page without a token or
//! without the needed tasks, nothing changes until that was said twice, some time apart, or definitely. The page itself is
//! asked about whatever the list lacks.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::decide::token::{self, TokenVerdict};
use super::model::{AppSeen, Covered, GrantDependents, Observed};
use super::page_gap::GapStatus;
use super::page_gap::{Absence, Gap};
use super::page_tokens::{Granted, GrantedPage, Pages};
use crate::base::ids::PageId;
use crate::graph::{
    Account, AppCredentials, CutReason, GraphClient, Operation, PageRead, PageReason, PageToken, Token, TokenInfo,
    Verdict, Version, missing_tasks,
};
use crate::limits::answer::{Answer, answer};

/// How many pages are asked for a token within [`SPAN`], however many the list lacks.
pub const ASKS: usize = 50;
const SPAN: SignedDuration = SignedDuration::from_mins(1);

/// What a list leaves open of a page.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Doubt {
    /// It lacks the page.
    Unlisted,
    /// It says that the needed tasks are not there.
    WithoutTasks,
    /// It shows no token.
    WithoutToken,
}

fn doubt(row: Option<&Account>) -> Option<Doubt> {
    let Some(row) = row else { return Some(Doubt::Unlisted) };
    if row.tasks.as_deref().is_some_and(|tasks| !missing_tasks(tasks).is_empty()) {
        return Some(Doubt::WithoutTasks);
    }
    row.token.is_none().then_some(Doubt::WithoutToken)
}

/// What a list is evaluated by.
struct Ground<'a> {
    seen: &'a Observed,
    required: &'a [String],
    info: &'a TokenInfo,
    listed: HashMap<&'a str, &'a Account>,
    /// What the same token gave before.
    same: Option<&'a Granted>,
    now: Timestamp,
}

impl<'a> Ground<'a> {
    fn of(seen: &'a Observed, now: Timestamp) -> Option<Self> {
        let (AppSeen::Found { required, .. }, TokenVerdict::Good(info)) = (&seen.app, token::in_use(seen, now)) else {
            return None;
        };
        let rows = seen.asked.pages.as_ref()?.as_ref().ok()?;
        let listed = rows.iter().map(|row| (row.id.as_str(), row)).collect();
        let same = seen.before.as_deref().filter(|before| Some(&before.fingerprint) == seen.in_use.as_ref());
        Some(Self { seen, required, info, listed, same, now })
    }

    /// What was known of a gap, for the same token.
    fn known(&self, page: &str) -> Option<Gap> {
        let gap = **self.same?.pages.get(page)?.gap.as_ref()?;
        let lapsed = gap.status == GapStatus::Vouched && !self.is_vouched(page, &gap);
        Some(if lapsed { Gap { since: self.now, status: GapStatus::Open, ..gap } } else { gap })
    }

    /// Whether the page gave a token, and has not to be asked again yet.
    fn is_vouched(&self, page: &str, gap: &Gap) -> bool {
        let fresh = gap.asked.is_some_and(|at| at >= self.seen.times.token_slot);
        gap.status == GapStatus::Vouched && fresh && !self.seen.changed && !self.seen.doubted.contains(page)
    }

    /// Whether something that is needed was granted for other pages only.
    fn is_excluded(&self, page: &str) -> bool {
        self.required.iter().any(|scope| !self.info.grants(scope, page))
    }

    /// What is missing if the page gives no token either.
    fn suspected(&self, page: &str, doubt: Doubt) -> Absence {
        match doubt {
            Doubt::WithoutTasks => Absence::RoleLost,
            Doubt::Unlisted if !is_named(self.info, page) => Absence::NotInGrant,
            Doubt::Unlisted | Doubt::WithoutToken => Absence::BusinessManagementMissing,
        }
    }

    /// What becomes of a gap by what was said in this pass.
    fn settled(&self, page: &str, doubt: Doubt) -> Gap {
        if doubt != Doubt::WithoutTasks && self.is_excluded(page) {
            return Gap::definite(Absence::NotInGrant, self.now);
        }
        let suspected = self.suspected(page, doubt);
        // What was told of tasks is no matter of whether there is a token.
        let of_tasks = |gap: &Gap| gap.absence == Absence::RoleLost && gap.asked.is_none();
        let known = self.known(page);
        if let Some(gap) = known.filter(|gap| of_tasks(gap) && doubt == Doubt::Unlisted && gap.confirmed().is_some()) {
            return gap;
        }
        let known = known.filter(|gap| of_tasks(gap) == (doubt == Doubt::WithoutTasks));
        let gap = known.unwrap_or_else(|| Gap::new(suspected, self.now));
        if doubt == Doubt::WithoutTasks {
            // The list says it itself, and what a page gives says nothing of tasks.
            return gap.denied(Absence::RoleLost, self.now);
        }
        let Some(answer) = self.seen.asked.nodes.get(page) else { return gap };
        let asked = Gap { asked: Some(self.now), ..gap };
        match answer {
            Ok(PageToken { token: Some(_), .. }) => Gap { absence: suspected, status: GapStatus::Vouched, ..asked },
            answer => match denial(answer) {
                Some(lost) => asked.denied(lost.unwrap_or(suspected), self.now),
                None => asked,
            },
        }
    }

    /// What a grant gives for a page in use that the list leaves open.
    fn page(&self, id: &str, doubt: Doubt) -> GrantedPage {
        let row = self.listed.get(id).copied();
        let node = self.seen.asked.nodes.get(id).and_then(|answer| answer.as_ref().ok());
        let former = self.seen.before.as_ref().and_then(|before| before.pages.get(id));
        let gap = self.settled(id, doubt);
        let name = node.and_then(|node| node.name.clone()).or_else(|| row.and_then(|row| row.name.clone()));
        let name = name.or_else(|| former.and_then(|former| former.name.clone()));
        let tasks = row.and_then(|row| row.tasks.clone());
        let listed = row.and_then(|row| row.token.clone());
        let (tasks, token) = match (gap.status, former) {
            (GapStatus::Absent, Some(former)) if row.is_none() && former.absence() == Some(Absence::RoleLost) => {
                (former.tasks.clone(), former.token.clone())
            }
            (GapStatus::Absent, _) => (tasks, listed),
            (GapStatus::Vouched, former) if node.is_some() => {
                let before = former.and_then(|former| former.tasks.clone());
                (tasks.or(before), node.and_then(|node| node.token.clone()))
            }
            (_, Some(former)) if former.token.is_some() => {
                let new = listed.filter(|_| self.seen.doubted.contains(id));
                (former.tasks.clone(), new.or_else(|| former.token.clone()))
            }
            // Nothing is known of it from before: what is said against it does not count yet.
            _ => (tasks.filter(|tasks| missing_tasks(tasks).is_empty()), listed),
        };
        GrantedPage { name, tasks, token, gap: Some(Box::new(gap)) }
    }
}

/// Whether the page denies that there is a token for it, and what is lost if it says so. That nothing was said, or something
/// about the call alone, is no denial.
fn denial(answer: &Answer<PageToken>) -> Option<Option<Absence>> {
    match answer {
        Ok(PageToken { token, .. }) => token.is_none().then_some(None),
        Err(refusal) => match &refusal.verdict {
            Verdict::AccessCut(CutReason::RoleLost) => Some(Some(Absence::RoleLost)),
            Verdict::AccessCut(CutReason::NotInGrant | CutReason::ScopeMissing { .. })
            | Verdict::PageFault(PageReason::NotVisible | PageReason::Migrated) => Some(None),
            _ => None,
        },
    }
}

/// The pages in use that have to be asked for a token, after the list; those that were asked longest ago first. Whether to
/// ask with the token of the page that is in memory.
pub fn to_ask(seen: &Observed, now: Timestamp) -> Vec<(PageId, bool)> {
    let Some(ground) = Ground::of(seen, now) else { return Vec::new() };
    let recently = |gap: &Gap| gap.asked.is_some_and(|at| at <= now && now.duration_since(at) < SPAN);
    let gaps = ground.same.into_iter().flat_map(|it| it.pages.values()).filter_map(|page| page.gap.as_deref());
    let left = ASKS.saturating_sub(gaps.filter(|gap| recently(gap)).count());
    let mut asks: Vec<_> = seen
        .dependents
        .pages
        .iter()
        .filter(|page| doubt(ground.listed.get(page.as_str()).copied()).is_some_and(|it| it != Doubt::WithoutTasks))
        .filter(|page| !ground.is_excluded(page.as_str()))
        .map(|page| (page, ground.known(page.as_str())))
        .filter(|(page, known)| !known.is_some_and(|gap| recently(&gap) || ground.is_vouched(page.as_str(), &gap)))
        .collect();
    asks.sort_by_key(|(_, known)| known.and_then(|gap| gap.asked));
    let own = |page: &PageId, known: Option<Gap>| {
        let refused = known.is_some_and(|gap| gap.was_asked());
        let remembered = ground.same.and_then(|it| it.pages.get(page)).is_some_and(|page| page.token.is_some());
        remembered && !refused && !seen.doubted.contains(page)
    };
    asks.into_iter().take(left).map(|(page, known)| (page.clone(), own(page, known))).collect()
}

/// The pages in use that have to be asked for a token though nothing else is asked, since they alone have not answered.
pub fn to_ask_alone(seen: &Observed, now: Timestamp) -> Vec<(PageId, bool)> {
    let Some(before) = seen.before.as_deref() else { return Vec::new() };
    let open = |page: &PageId| before.pages.get(page)?.gap.as_deref().filter(|gap| gap.next(now).is_some());
    let gaps: Vec<_> = seen.dependents.pages.iter().filter_map(|page| Some((page, open(page)?.asked))).collect();
    let (recent, mut due): (Vec<_>, Vec<_>) =
        gaps.into_iter().partition(|(_, asked)| asked.is_some_and(|at| at <= now && now.duration_since(at) < SPAN));
    due.sort_by_key(|(_, asked)| *asked);
    due.into_iter().take(ASKS.saturating_sub(recent.len())).map(|(page, _)| (page.clone(), false)).collect()
}

/// What the grant gives for each page now, if its pages were listed in this pass, or some of them were asked alone.
pub fn evaluate(seen: &Observed, now: Timestamp) -> Option<Pages> {
    let Some(ground) = Ground::of(seen, now) else { return asked_alone(seen, now) };
    let plain = |row: &Account| GrantedPage {
        name: row.name.clone(),
        tasks: row.tasks.clone(),
        token: row.token.clone(),
        gap: None,
    };
    let mut pages: Pages = ground.listed.iter().map(|(id, row)| (PageId::new(id), plain(row))).collect();
    for id in &seen.dependents.pages {
        if let Some(doubt) = doubt(ground.listed.get(id.as_str()).copied()) {
            pages.insert(id.clone(), ground.page(id.as_str(), doubt));
        }
    }
    Some(pages)
}

/// What was given before, with what pages said that were asked without a new list.
fn asked_alone(seen: &Observed, now: Timestamp) -> Option<Pages> {
    let before = seen.before.as_deref().filter(|_| seen.recalled && !seen.asked.nodes.is_empty())?;
    let mut pages = before.pages.clone();
    for (id, answer) in &seen.asked.nodes {
        let Some(page) = pages.get_mut(id) else { continue };
        let Some(gap) = page.gap.as_deref().map(|gap| Gap { asked: Some(now), ..*gap }) else { continue };
        let gap = match (answer, denial(answer)) {
            (Ok(node @ PageToken { token: Some(_), .. }), _) => {
                page.token.clone_from(&node.token);
                Gap { status: GapStatus::Vouched, ..gap }
            }
            (_, Some(lost)) => gap.denied(lost.unwrap_or(gap.absence), now),
            (_, None) => gap,
        };
        page.gap = Some(Box::new(gap));
    }
    Some(pages)
}

/// Whether the list has to be read to be certain of what is given for the pages in use.
pub fn needs_list(before: &Granted, dependents: &GrantDependents, now: Timestamp) -> bool {
    let settled = |page: &GrantedPage| page.gap.as_ref().is_none_or(|gap| !gap.needs_list(now));
    !dependents.pages.iter().all(|id| before.pages.get(id).is_some_and(settled))
}

/// When to check again at what is not certain.
pub fn next(pages: &Pages, now: Timestamp) -> Option<Timestamp> {
    pages.values().filter_map(|page| next_of(page, now)).min()
}

fn next_of(page: &GrantedPage, now: Timestamp) -> Option<Timestamp> {
    page.gap.as_ref()?.next(now)
}

/// What calls with another token need.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// Client of the Graph API.
    pub graph: &'a GraphClient,
    /// Version of the Graph API.
    pub version: &'a Version,
    /// The application's credentials.
    pub credentials: &'a AppCredentials,
    pub token: &'a Token,
}

/// Which of the pages in use another token covers, by its list and, where that lacks one, by the page itself: the one rule of
/// operator and gateway. Once one is denied the others are not asked.
pub async fn of_another(
    caller: Caller<'_>,
    rows: &[Account],
    in_use: impl Iterator<Item = &str>,
    (info, required): (&TokenInfo, &[String]),
) -> Covered {
    let mut covered = Covered { pages: rows.iter().map(|row| row.id.clone()).collect(), ..Covered::default() };
    let is_excluded = |page: &str| required.iter().any(|scope| !info.grants(scope, page));
    let unlisted: Vec<_> = in_use.filter(|page| !covered.pages.contains(*page) && !is_excluded(page)).collect();
    let mut denied = false;
    for pages in unlisted.chunks(ASKS) {
        if denied {
            covered.open.extend(pages.iter().map(|page| (*page).to_owned()));
            continue;
        }
        let Caller { graph, version, credentials, token } = caller;
        let ids: Vec<_> = pages.iter().map(|page| PageId::new(page)).collect();
        let reads: Vec<_> = ids.iter().map(|page_id| PageRead { page_id, token }).collect();
        let answers = graph.page_tokens(version, credentials, &reads).await;
        for (page, result) in pages.iter().zip(answers) {
            let answer = answer(Operation::ReadPageToken, result);
            denied |= !matches!(answer, Ok(PageToken { token: Some(_), .. }));
            covered.note(page, &answer, info);
        }
    }
    covered
}

impl Covered {
    fn note(&mut self, page: &str, answer: &Answer<PageToken>, info: &TokenInfo) {
        let set = match (answer, denial(answer)) {
            (Ok(PageToken { token: Some(_), .. }), _) => &mut self.pages,
            (_, Some(_)) if is_named(info, page) => &mut self.named,
            (_, Some(_)) => return,
            (_, None) => &mut self.open,
        };
        set.insert(page.to_owned());
    }
}

/// Whether the token names the page among those that something was granted for.
fn is_named(info: &TokenInfo, page: &str) -> bool {
    let mut targets = info.granular_scopes.iter().filter_map(|row| row.target_ids.as_ref());
    targets.any(|ids| ids.iter().any(|id| id == page))
}
