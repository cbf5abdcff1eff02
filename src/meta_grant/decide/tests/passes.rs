//! Passes of one grant after each other, with all that is kept in memory between them.

use std::collections::HashMap;

use jiff::SignedDuration;

use super::scene::*;
use crate::api::conditions::{ConditionType, Status, status_of};
use crate::base::ids::PageId;
use crate::graph::{Account, Operation, PageToken, TokenInfo};
use crate::limits::answer::{Answer, Refusal};
use crate::meta_grant::coverage;
use crate::meta_grant::model::Asked;
use crate::meta_grant::page_gap::Absence;
use crate::meta_grant::page_tokens::{Granted, PageTokens};
use crate::testing::grant;

/// A grant over time.
pub(super) struct Passes {
    pub(super) scene: Scene,
    grants: PageTokens,
    /// What debug_token says.
    pub(super) info: TokenInfo,
    /// The pages that were asked in the last pass, and whether with a token from memory.
    pub(super) asked: Vec<(PageId, bool)>,
}

pub(super) fn gives(page: &str) -> Answer<PageToken> {
    Ok(PageToken { name: None, token: Some(page_token(page)) })
}

pub(super) fn gives_none(_: &str) -> Answer<PageToken> {
    Ok(PageToken { name: None, token: None })
}

/// A page that cannot be seen.
pub(super) fn refuses(_: &str) -> Answer<PageToken> {
    Err(fault(Operation::ReadPageToken, 100, 33, "Unsupported get request"))
}

/// A page that does not answer.
pub(super) fn silent(_: &str) -> Answer<PageToken> {
    Err(no_answer())
}

impl Passes {
    /// A grant of which nothing is remembered.
    pub(super) fn restarted() -> Self {
        let mut scene = Scene::healthy();
        scene.seen.before = None;
        Self { scene, grants: PageTokens::default(), info: system_user(10), asked: Vec::new() }
    }

    /// The same after a restart of the operator.
    pub(super) fn restart(mut self) -> Self {
        self.scene.seen.suspicions = Default::default();
        Self { grants: PageTokens::default(), ..self }
    }

    /// A grant whose two pages were listed.
    pub(super) fn listed() -> Self {
        let mut passes = Self::restarted();
        passes.pass(0, Ok(accounts(&[PAGE_A, PAGE_B])), silent);
        passes
    }

    /// What debug_token says of the token in use, and whether something is remembered of it are the same as before; so many
    /// seconds later its pages are listed, and those asked that have to be.
    pub(super) fn pass(
        &mut self,
        seconds: i64,
        list: Answer<Vec<Account>>,
        node: impl Fn(&str) -> Answer<PageToken>,
    ) -> Outcome {
        let scene = &mut self.scene;
        scene.now += SignedDuration::from_secs(seconds);
        let token_slot = scene.seen.times.token_slot;
        scene.seen.times = times(scene.now);
        scene.seen.times.token_slot = token_slot;
        scene.seen.before = self.grants.get(&grant());
        scene.seen.asked = Asked { token: Some(Ok(self.info.clone())), pages: Some(list), ..Asked::default() };
        self.asked = coverage::to_ask(&scene.seen, scene.now);
        scene.seen.asked.nodes =
            self.asked.iter().map(|(page, _)| (page.clone(), node(page.as_str()))).collect::<HashMap<_, _>>();
        let mut outcome = scene.decide();
        scene.previous = outcome.status().clone();
        scene.seen.suspicions = outcome.plan.report.suspicions.clone();
        if let Some(pages) = outcome.plan.pages.take() {
            let at = scene.now;
            self.grants.put(&grant(), Granted { pages, at, ..granted(&[]) });
        }
        outcome
    }

    /// So many seconds later nothing but the pages is asked that alone are not certain.
    pub(super) fn pass_alone(&mut self, seconds: i64, node: impl Fn(&str) -> Answer<PageToken>) -> Outcome {
        let scene = &mut self.scene;
        scene.now += SignedDuration::from_secs(seconds);
        scene.seen.before = self.grants.get(&grant());
        let before = scene.seen.before.clone().expect("it was listed");
        assert!(!coverage::needs_list(&before, &scene.seen.dependents, scene.now));
        scene.seen.asked = Asked { token: Some(Ok(self.info.clone())), ..Asked::default() };
        scene.seen.recalled = true;
        self.asked = coverage::to_ask_alone(&scene.seen, scene.now);
        scene.seen.asked.nodes =
            self.asked.iter().map(|(page, _)| (page.clone(), node(page.as_str()))).collect::<HashMap<_, _>>();
        let mut outcome = scene.decide();
        scene.seen.recalled = false;
        scene.previous = outcome.status().clone();
        if let Some(pages) = outcome.plan.pages.take() {
            self.grants.put(&grant(), Granted { pages, at: before.at, ..granted(&[]) });
        }
        outcome
    }

    /// Whether the list has to be read in a pass so many seconds later.
    pub(super) fn needs_list(&self, seconds: i64) -> bool {
        let at = self.scene.now + SignedDuration::from_secs(seconds);
        coverage::needs_list(&self.grants.get(&grant()).unwrap(), &self.scene.seen.dependents, at)
    }

    /// What the list says that lacks these pages.
    pub(super) fn lacking(pages: &[&str]) -> Answer<Vec<Account>> {
        Ok(accounts(&[PAGE_A, PAGE_B]).into_iter().filter(|row| !pages.contains(&row.id.as_str())).collect())
    }

    /// What the list says of the first page when a row of it is changed so.
    pub(super) fn with(change: impl FnOnce(&mut Account)) -> Answer<Vec<Account>> {
        let mut rows = accounts(&[PAGE_A, PAGE_B]);
        change(&mut rows[0]);
        Ok(rows)
    }

    /// What is missing for a page, for certain.
    pub(super) fn absence(&self, page: &str) -> Option<Absence> {
        self.grants.get(&grant())?.pages.get(page)?.absence()
    }

    /// Whether channels are given a token of a page.
    pub(super) fn gives_token(&self, page: &str) -> bool {
        self.grants.get(&grant()).is_some_and(|it| it.pages.get(page).is_some_and(|page| page.token.is_some()))
    }

    /// Whether a condition was found not to hold.
    pub(super) fn is_false(&self, type_: ConditionType) -> bool {
        status_of(&self.scene.previous.conditions, type_) == Some(Status::False)
    }

    /// The tasks that channels are told of a page.
    pub(super) fn tasks(&self, page: &str) -> Option<Vec<String>> {
        self.grants.get(&grant())?.pages.get(page)?.tasks.clone()
    }

    /// The token of a page is found not to serve.
    pub(super) fn doubt(&mut self, page: &str) {
        self.scene.seen.doubted = [page.into()].into();
        self.grants.doubt(&grant(), &page.into());
    }
}

/// A list that is refused so.
pub(super) fn refused(code: u32, subcode: impl Into<Option<u32>>, text: &str) -> Answer<Vec<Account>> {
    Err::<_, Refusal>(fault(Operation::ListAccounts, code, subcode, text))
}
