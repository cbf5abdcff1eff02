//! A grant in good health, to be varied.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::decide;
use crate::api::{MetaGrant, MetaGrantSpec, MetaGrantStatus};
use crate::base::ids::PageId;
use crate::base::key::Key;
use crate::graph::{Account, GraphFault, Operation, Token, TokenInfo, TokenKind};
use crate::limits::answer::Refusal;
use crate::meta_app::facts::{Verdict, WebhookVerdict};
use crate::meta_grant::model::Covered;
use crate::meta_grant::model::GrantDependents;
use crate::meta_grant::model::{
    AppSeen, Asked, Observed, PreviousSeen, SourceTokenSeen, Times, TokenSecretSeen, Tokens,
};
use crate::meta_grant::model::{Mutation, Plan};
use crate::meta_grant::page_tokens::{Granted, GrantedPage};
use crate::testing::invariants;
pub(super) use crate::testing::{APP, Decided, PAGE as PAGE_A, PERSON, fault, now, words};

pub(super) const PAGE_B: &str = "2200000000000002";
pub(super) const SCOPES: [&str; 3] = ["pages_manage_metadata", "pages_messaging", "pages_show_list"];

pub(super) fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

pub(super) fn meta_grant(renewal: Value) -> MetaGrant {
    let spec = json!({
        "appRef": {"name": "acme", "namespace": "platform"}, "tokenSecretRef": {"name": "acme-grant"}, "renewal": renewal
    });
    let spec: MetaGrantSpec = serde_json::from_value(spec).unwrap();
    let mut grant = MetaGrant::new("acme", spec);
    grant.metadata.namespace = Some("tenant-a".to_owned());
    grant.metadata.generation = Some(1);
    grant
}

/// The token of a system user that was issued so many days ago and lives for 60.
pub(super) fn system_user(age: i64) -> TokenInfo {
    TokenInfo {
        app_id: Some(APP.into()),
        kind: Some(TokenKind::SystemUser),
        is_valid: true,
        issued_at: Some(now() - days(age)),
        expires_at: Some(now() - days(age) + days(60)),
        data_access_expires_at: None,
        profile_id: None,
        user_id: Some("6600000000000009".to_owned()),
        scopes: Some(words(&SCOPES)),
        granular_scopes: vec![],
        error: None,
    }
}

/// A person's long-lived token that was issued so many days ago.
pub(super) fn long_user(age: i64) -> TokenInfo {
    TokenInfo {
        kind: Some(TokenKind::User),
        data_access_expires_at: Some(now() - days(age) + days(90)),
        user_id: Some(PERSON.to_owned()),
        ..system_user(age)
    }
}

/// A person's token straight from the login.
pub(super) fn short_user() -> TokenInfo {
    TokenInfo { issued_at: None, expires_at: Some(now() + SignedDuration::from_mins(80)), ..long_user(0) }
}

/// A token that Meta ended, for this subcode.
pub(super) fn ended(subcode: u32) -> TokenInfo {
    TokenInfo { is_valid: false, error: Some(GraphFault::new(190, Some(subcode), "ended")), ..system_user(10) }
}

pub(super) fn accounts(ids: &[&str]) -> Vec<Account> {
    let account = |id: &&str| Account {
        id: (*id).to_owned(),
        name: Some(format!("Page {id}")),
        tasks: Some(words(&["MODERATE", "MESSAGING"])),
        token: Some(page_token(id)),
    };
    ids.iter().map(account).collect()
}

pub(super) fn page_token(id: &str) -> Token {
    Token::parse(format!("EAA0000000000000000000-{id}").as_bytes()).unwrap()
}

/// What another token covers: these pages, and of the others it is known that it does not.
pub(super) fn covered(ids: &[&str]) -> Covered {
    Covered { pages: words(ids).into_iter().collect(), ..Covered::default() }
}

pub(super) fn granted(ids: &[&str]) -> Granted {
    let page = |row: Account| {
        (PageId::from(row.id), GrantedPage { name: row.name, tasks: row.tasks, token: row.token, gap: None })
    };
    Granted {
        uid: "u1".into(),
        app: Key::new("platform", "acme"),
        fingerprint: "in-use".to_owned(),
        info: system_user(10),
        pages: accounts(ids).into_iter().map(page).collect::<HashMap<_, _>>(),
        at: now(),
    }
}

pub(super) fn no_answer() -> Refusal {
    crate::testing::no_answer(Operation::DebugToken)
}

pub(super) fn throttled() -> Refusal {
    fault(Operation::DebugToken, 4, None, "(#4) Application request limit reached")
}

/// A Secret of ours with a token that comes from this source token.
pub(super) fn token_secret(source_token: &str, minted: bool, previous: Option<PreviousSeen>) -> TokenSecretSeen {
    TokenSecretSeen::Present { source_token: source_token.to_owned(), minted, previous }
}

pub(super) fn former(fingerprint: &str, minted: bool, hours_ago: i64) -> PreviousSeen {
    let replaced_at = now() - SignedDuration::from_hours(hours_ago);
    PreviousSeen { fingerprint: fingerprint.to_owned(), minted, replaced_at }
}

pub(super) fn times(now: Timestamp) -> Times {
    Times {
        token_slot: now,
        soon: now + SignedDuration::from_mins(15),
        later: now + SignedDuration::from_hours(2),
        tomorrow: now + SignedDuration::from_hours(24),
        near_the_end: None,
        broken_slot: now,
    }
}

/// Everything a decision depends on.
pub(super) struct Scene {
    pub(super) grant: MetaGrant,
    pub(super) previous: MetaGrantStatus,
    pub(super) seen: Observed,
    pub(super) now: Timestamp,
}

impl Scene {
    /// As declared: a system user's token of ten days, kept.
    pub(super) fn healthy() -> Self {
        let seen = Observed {
            app: AppSeen::Found {
                app_id: APP.into(),
                fields: vec![],
                awaited: Vec::new(),
                required: words(&SCOPES),
                verdict: Box::new(Verdict {
                    observed_generation: 1,
                    credentials: Ok(()),
                    webhook: WebhookVerdict::NotManaged,
                }),
            },
            source_token: SourceTokenSeen::Present { fingerprint: "seed".to_owned() },
            token_secret: token_secret("seed", true, None),
            message: None,
            waiting: Vec::new(),
            in_use: Some("in-use".to_owned()),
            dependents: GrantDependents {
                channels: Some(2),
                pages: [PAGE_A, PAGE_B].map(PageId::new).into(),
                broken: BTreeSet::new(),
            },
            reauthorize_url: None,
            inputs: "inputs".to_owned(),
            changed: false,
            doubted: BTreeSet::new(),
            look: true,
            requested: None,
            stale: false,
            clock_doubted: false,
            suspicions: Default::default(),
            remind: false,
            recalled: false,
            before: Some(Arc::new(granted(&[PAGE_A, PAGE_B]))),
            times: times(now()),
            asked: Asked {
                token: Some(Ok(system_user(10))),
                pages: Some(Ok(accounts(&[PAGE_A, PAGE_B]))),
                ..Asked::default()
            },
            access: None,
            tokens: Tokens::default(),
        };
        Self { grant: meta_grant(json!({})), previous: MetaGrantStatus::default(), seen, now: now() }
    }

    /// Healthy but for one change.
    pub(super) fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut scene = Self::healthy();
        change(&mut scene);
        scene
    }

    /// The token in use is this one.
    pub(super) fn of(info: TokenInfo) -> Self {
        Self::with(|scene| scene.seen.asked.token = Some(Ok(info)))
    }

    /// Nothing is kept yet: the source token itself is in use.
    pub(super) fn fresh(info: TokenInfo) -> Self {
        let mut scene = Self::of(info);
        scene.seen.token_secret = TokenSecretSeen::Missing;
        scene.seen.in_use = Some("seed".to_owned());
        scene.seen.before = None;
        scene
    }

    /// Another source token was put there.
    pub(super) fn new_seed(info: TokenInfo, pages: &[&str]) -> Self {
        Self::with(|scene| {
            scene.seen.source_token = SourceTokenSeen::Present { fingerprint: "new-seed".to_owned() };
            scene.seen.asked.source_token = Some(Ok(info));
            scene.seen.asked.source_token_pages = Some(Ok(covered(pages)));
        })
    }

    /// A person authorized again in the browser.
    pub(super) fn mailed(info: TokenInfo, pages: &[&str]) -> Self {
        Self::with(|scene| {
            scene.seen.asked.token = Some(Ok(long_user(10)));
            scene.seen.message = Some("mail".to_owned());
            scene.seen.asked.message = Some(Ok(info));
            scene.seen.asked.message_pages = Some(Ok(covered(pages)));
        })
    }

    /// This scene an hour after the status of another one was written.
    pub(super) fn after(mut self, before: &Outcome) -> Self {
        self.previous = before.status().clone();
        self.now = before.now + SignedDuration::from_hours(1);
        self.seen.times = times(self.now);
        self
    }

    /// The same a minute later, with what was heard in between.
    pub(super) fn again(mut self, before: &Outcome) -> Self {
        self.previous = before.status().clone();
        self.seen.suspicions = before.plan.report.suspicions.clone();
        self.now = before.now + SignedDuration::from_secs(60);
        self
    }

    /// What is decided once the same was said again.
    pub(super) fn judged(self) -> Outcome {
        let first = self.decide();
        if first.plan.report.suspicions.is_empty() { first } else { self.again(&first).decide() }
    }

    pub(super) fn decide(&self) -> Outcome {
        let plan = decide(&self.grant, &self.previous, &self.seen, self.now).expect("there is something to look at");
        let status = &plan.report.status;
        invariants::check(&self.previous.conditions, &status.conditions, status.next_step.as_deref(), 1, self.now);
        Outcome { plan, now: self.now }
    }
}

/// What was decided.
pub(super) struct Outcome {
    pub(super) plan: Plan,
    pub(super) now: Timestamp,
}

impl Decided for Outcome {
    type Status = MetaGrantStatus;

    fn status(&self) -> &MetaGrantStatus {
        &self.plan.report.status
    }
}

impl Outcome {
    /// Reasons of the Events, warnings with an exclamation mark.
    pub(super) fn notes(&self) -> Vec<String> {
        let mark = |warning| if warning { "!" } else { "" };
        self.plan.report.notes.iter().map(|note| format!("{}{}", note.reason, mark(note.warning))).collect()
    }

    pub(super) fn mutates(&self, expected: Option<Mutation>) {
        assert_eq!(self.plan.mutation, expected, "{:#?}", self.status());
    }
}

/// The values of conditions, for tables.
pub(super) fn values(outcome: &Outcome) -> BTreeMap<String, String> {
    let conditions = outcome.status().conditions.iter();
    conditions.map(|it| (it.type_.clone(), format!("{}/{}", it.status, it.reason))).collect()
}
