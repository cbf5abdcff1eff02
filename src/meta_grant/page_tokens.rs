//! What grants give to channels: kept only in memory, because it holds the tokens of pages.
//!
//! The passes of a grant put it here; its channels read it. After a restart there is nothing until a grant had its first pass,
//! which wakes its channels.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use super::page_gap::{Absence, Gap};
use crate::base::ids::{PageId, Uid};
use crate::base::key::Key;
use crate::graph::{Token, TokenInfo};
use crate::limits::answer::Answer;

/// What Meta said of a grant.
#[derive(Clone, Debug)]
pub struct Granted {
    /// UID of the MetaGrant.
    pub uid: Uid,
    /// The MetaApp that was authorized.
    pub app: Key,
    /// Fingerprint of the token in use, as the grant's status has it.
    pub fingerprint: String,
    /// What debug_token said of the token in use.
    pub info: TokenInfo,
    /// The pages that were listed, and those in use that were not, by id.
    pub pages: Pages,
    /// When they were listed.
    pub at: Timestamp,
}

impl Granted {
    /// Whether a page is not covered, for certain.
    pub fn is_lost(&self, page_id: &PageId) -> bool {
        self.pages.get(page_id).is_some_and(GrantedPage::is_lost)
    }
}

/// What a grant gives for each page, by id.
pub type Pages = HashMap<PageId, GrantedPage>;

/// What a grant gives for a page.
#[derive(Clone, Debug, Default)]
pub struct GrantedPage {
    pub name: Option<String>,
    /// What the grantor may do on it; `None` = Meta does not tell.
    pub tasks: Option<Vec<String>>,
    /// Its token. `None`: there is none, or none was found yet.
    pub token: Option<Token>,
    /// What the list leaves open of a page in use. Until that is settled all else is what it was before.
    pub gap: Option<Box<Gap>>,
}

impl GrantedPage {
    /// What is missing for the page, once that is certain.
    pub fn absence(&self) -> Option<Absence> {
        self.gap.as_ref()?.confirmed()
    }

    /// Whether the page is not covered, for certain. One whose tasks do not suffice is covered all the same.
    pub fn is_lost(&self) -> bool {
        self.absence().is_some_and(|absence| absence != Absence::RoleLost || self.token.is_none())
    }
}

/// What is remembered of one grant.
#[derive(Debug, Default)]
struct Known {
    granted: Option<Arc<Granted>>,
    /// Pages whose tokens do not serve any more, though they were listed.
    doubted: HashSet<PageId>,
    /// A token that Meta handed out and that could not be kept yet, with the fingerprint of the one it was handed out for:
    /// while the API server is away Meta is not asked for another one each time.
    obtained: Option<(String, Token)>,
    /// What debug_token said last of a token of this fingerprint, and when.
    heard: Option<(String, Timestamp, Answer<TokenInfo>)>,
}

/// How long what debug_token says of a token is taken for what it says now.
const FRESH: SignedDuration = SignedDuration::from_secs(10);

/// What all grants give.
#[derive(Debug, Default)]
pub struct PageTokens(Mutex<HashMap<Key, Known>>);

impl PageTokens {
    /// What a grant gives, if that is known.
    pub fn get(&self, grant: &Key) -> Option<Arc<Granted>> {
        let all = self.0.lock();
        all.get(grant)?.granted.clone()
    }

    /// Takes the place of what a grant gave before. The pages about which channels have to know: those that came, went
    /// or changed.
    ///
    /// The tokens of pages stay what they were as long as the grant's own token does: Meta may hand out another one each
    /// time it is asked, which is no reason to wake 10,000 channels. One that is doubted is replaced.
    pub fn put(&self, grant: &Key, mut granted: Granted) -> BTreeSet<PageId> {
        let mut all = self.0.lock();
        let known = all.entry(grant.clone()).or_default();
        let doubted = std::mem::take(&mut known.doubted);
        let before = known.granted.take();
        let same = before.as_ref().filter(|it| it.fingerprint == granted.fingerprint && it.uid == granted.uid);
        for (id, page) in granted.pages.iter_mut().filter(|(id, _)| !doubted.contains(*id)) {
            let old = same.and_then(|it| it.pages.get(id)?.token.clone());
            page.token = page.token.take().map(|new| old.unwrap_or(new));
        }
        let changed = changed(before.as_deref(), &granted);
        known.granted = Some(Arc::new(granted));
        changed
    }

    /// Says that the token of a page does not serve: the next listing replaces it. Whether that is news.
    pub fn doubt(&self, grant: &Key, page_id: &PageId) -> bool {
        let mut all = self.0.lock();
        all.get_mut(grant).is_some_and(|known| known.doubted.insert(page_id.clone()))
    }

    /// Whether tokens of a grant's pages are doubted, so that they have to be listed again.
    pub fn is_doubted(&self, grant: &Key) -> bool {
        let all = self.0.lock();
        all.get(grant).is_some_and(|known| !known.doubted.is_empty())
    }

    /// Whether the token of a page is doubted.
    pub fn is_page_doubted(&self, grant: &Key, page_id: &PageId) -> bool {
        let all = self.0.lock();
        all.get(grant).is_some_and(|known| known.doubted.contains(page_id))
    }

    /// Remembers for a moment what debug_token said of the token of this fingerprint.
    pub fn hear(&self, grant: &Key, fingerprint: &str, answer: Answer<TokenInfo>, now: Timestamp) {
        let mut all = self.0.lock();
        all.entry(grant.clone()).or_default().heard = Some((fingerprint.to_owned(), now, answer));
    }

    /// What debug_token said of the token of this fingerprint a moment ago, if it did.
    pub fn heard(&self, grant: &Key, fingerprint: &str, now: Timestamp) -> Option<Answer<TokenInfo>> {
        let all = self.0.lock();
        let (of, at, answer) = all.get(grant)?.heard.as_ref()?;
        let age = now.duration_since(*at);
        (of == fingerprint && !age.is_negative() && age < FRESH).then(|| answer.clone())
    }

    /// Remembers a token that Meta handed out for the one of this fingerprint, until it is kept.
    pub fn obtain(&self, grant: &Key, of: &str, token: Token) {
        let mut all = self.0.lock();
        all.entry(grant.clone()).or_default().obtained = Some((of.to_owned(), token));
    }

    /// The token that Meta handed out and that was not kept yet, with the fingerprint of the one it was handed out for.
    pub fn obtained(&self, grant: &Key) -> Option<(String, Token)> {
        let all = self.0.lock();
        all.get(grant)?.obtained.clone()
    }

    /// Says that the token that Meta handed out is kept, or of no use any more.
    pub fn settle(&self, grant: &Key) {
        let mut all = self.0.lock();
        if let Some(known) = all.get_mut(grant) {
            known.obtained = None;
        }
    }

    /// Forgets a grant that is gone, or whose token is none.
    pub fn forget(&self, grant: &Key) {
        self.0.lock().remove(grant);
    }
}

/// The pages that came, went or changed. What debug_token says matters to all of them.
fn changed(before: Option<&Granted>, now: &Granted) -> BTreeSet<PageId> {
    let Some(before) = before.filter(|it| it.uid == now.uid && it.app == now.app && same_info(&it.info, &now.info))
    else {
        let old = before.into_iter().flat_map(|it| it.pages.keys());
        return old.chain(now.pages.keys()).cloned().collect();
    };
    let same = |id: &PageId| match (before.pages.get(id), now.pages.get(id)) {
        (Some(old), Some(new)) => old.is_same(new, now.uid.as_str()),
        _ => false,
    };
    before.pages.keys().chain(now.pages.keys()).filter(|id| !same(id)).cloned().collect()
}

/// Whether channels would judge both alike. The order of what was granted says nothing.
fn same_info(one: &TokenInfo, other: &TokenInfo) -> bool {
    let sorted = |info: &TokenInfo| {
        let mut info = info.clone();
        info.scopes.iter_mut().for_each(|names| names.sort());
        info.granular_scopes.sort_by(|a, b| a.scope.cmp(&b.scope));
        for row in &mut info.granular_scopes {
            row.target_ids.iter_mut().for_each(|ids| ids.sort());
        }
        info
    };
    sorted(one) == sorted(other)
}

impl GrantedPage {
    fn is_same(&self, other: &Self, context: &str) -> bool {
        let fingerprint = |page: &Self| page.token.as_ref().map(|token| token.fingerprint(context));
        let tasks = |page: &Self| page.tasks.as_ref().map(|tasks| tasks.iter().cloned().collect::<BTreeSet<_>>());
        self.name == other.name
            && tasks(self) == tasks(other)
            && self.absence() == other.absence()
            && fingerprint(self) == fingerprint(other)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::graph::{GranularScope, TokenKind};
    use crate::testing::{grant, token};

    /// A grant in use with this token, that lists these pages with these tokens.
    fn granted(fingerprint: &str, pages: &[(&str, &str)]) -> Granted {
        let page = |text: &str| GrantedPage {
            tasks: Some(vec!["MESSAGING".into()]),
            token: Some(token(text)),
            ..GrantedPage::default()
        };
        Granted {
            uid: "u".into(),
            app: Key::new("platform", "acme"),
            fingerprint: fingerprint.into(),
            info: TokenInfo {
                app_id: Some("1111000011110000".into()),
                kind: Some(TokenKind::SystemUser),
                is_valid: true,
                issued_at: None,
                expires_at: None,
                data_access_expires_at: None,
                profile_id: None,
                user_id: None,
                scopes: Some(vec!["pages_messaging".into(), "pages_show_list".into()]),
                granular_scopes: vec![],
                error: None,
            },
            pages: pages.iter().map(|(id, text)| (PageId::new(id), page(text))).collect(),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    fn put(grants: &PageTokens, granted: Granted) -> Vec<String> {
        grants.put(&grant(), granted).iter().map(|id| id.as_str().to_owned()).collect()
    }

    /// What the token of a page is known by.
    fn of_page(grants: &PageTokens, id: &str) -> String {
        grants.get(&grant()).unwrap().pages[id].token.as_ref().unwrap().fingerprint("")
    }

    #[test]
    fn only_pages_that_came_went_or_changed_are_news() {
        let grants = PageTokens::default();
        assert_eq!(put(&grants, granted("t", &[("1", "a"), ("2", "b")])), ["1", "2"]);
        assert_eq!(put(&grants, granted("t", &[("1", "a"), ("2", "b")])), [""; 0]);
        assert_eq!(put(&grants, granted("t", &[("2", "b"), ("3", "c")])), ["1", "3"]);
        let mut other_tasks = granted("t", &[("2", "b"), ("3", "c")]);
        other_tasks.pages.get_mut("2").unwrap().tasks = Some(vec!["MANAGE".into()]);
        assert_eq!(put(&grants, other_tasks), ["2"]);
    }

    #[test]
    fn what_debug_token_says_is_news_to_all_pages_but_not_its_order() {
        let grants = PageTokens::default();
        put(&grants, granted("t", &[("1", "a"), ("2", "b")]));
        let mut reordered = granted("t", &[("1", "a"), ("2", "b")]);
        reordered.info.scopes.as_mut().unwrap().reverse();
        assert_eq!(put(&grants, reordered), [""; 0]);
        let mut narrowed = granted("t", &[("1", "a"), ("2", "b")]);
        let target_ids = Some(vec!["1".to_owned()]);
        narrowed.info.granular_scopes = vec![GranularScope { scope: "pages_messaging".into(), target_ids }];
        assert_eq!(put(&grants, narrowed), ["1", "2"]);
    }

    #[test]
    fn a_page_keeps_its_token_until_the_grants_own_changes_or_it_is_doubted() {
        let grants = PageTokens::default();
        put(&grants, granted("t", &[("1", "a"), ("2", "b")]));
        let first = of_page(&grants, "1");
        assert_eq!(put(&grants, granted("t", &[("1", "x"), ("2", "y")])), [""; 0]);
        assert_eq!(of_page(&grants, "1"), first);

        assert!(
            grants.doubt(&grant(), &"1".into()) && !grants.doubt(&grant(), &"1".into()) && grants.is_doubted(&grant())
        );
        assert_eq!(put(&grants, granted("t", &[("1", "x"), ("2", "y")])), ["1"]);
        assert!(of_page(&grants, "1") != first && !grants.is_doubted(&grant()));

        assert_eq!(put(&grants, granted("renewed", &[("1", "p"), ("2", "q")])), ["1", "2"]);
        assert_eq!(of_page(&grants, "1"), token("p").fingerprint(""));
    }

    #[test]
    fn what_was_heard_of_a_token_holds_for_some_seconds_and_for_this_token_alone() {
        let (grants, info) = (PageTokens::default(), granted("t", &[]).info);
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(grants.heard(&grant(), "t", at(100)), None);
        grants.hear(&grant(), "t", Ok(info.clone()), at(100));
        assert_eq!(grants.heard(&grant(), "t", at(109)), Some(Ok(info)));
        assert_eq!(grants.heard(&grant(), "other", at(101)), None);
        assert_eq!([99, 110].map(|second| grants.heard(&grant(), "t", at(second))), [None, None]);
    }

    #[test]
    fn a_page_that_is_missing_for_certain_is_news_and_gets_no_token_back() {
        let grants = PageTokens::default();
        put(&grants, granted("t", &[("1", "a")]));
        let gap = |gap: Gap| {
            let mut now = granted("t", &[("1", "a")]);
            now.pages.get_mut("1").unwrap().gap = Some(Box::new(gap));
            now
        };
        assert_eq!(put(&grants, gap(Gap::new(Absence::NotInGrant, Timestamp::UNIX_EPOCH))), [""; 0], "not yet certain");
        let mut lost = gap(Gap::definite(Absence::NotInGrant, Timestamp::UNIX_EPOCH));
        lost.pages.get_mut("1").unwrap().token = None;
        assert_eq!(put(&grants, lost), ["1"]);
        let page = grants.get(&grant()).unwrap().pages["1"].clone();
        assert!(page.token.is_none() && page.is_lost());
    }

    #[test]
    fn nothing_is_known_of_a_grant_that_is_gone() {
        let grants = PageTokens::default();
        put(&grants, granted("t", &[("1", "a")]));
        grants.forget(&grant());
        assert!(grants.get(&grant()).is_none() && !grants.doubt(&grant(), &"1".into()));
    }
}
