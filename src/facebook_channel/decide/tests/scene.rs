//! A channel in good health, to be varied.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::super::{Plan, decide};
use crate::api::conditions::{ConditionType, find};
use crate::api::references::NamespacedName;
use crate::api::{FacebookChannel, FacebookChannelSpec, FacebookChannelStatus};
use crate::base::key::Key;
use crate::facebook_channel::model::{
    AppSeen, Asked, EndpointKeySeen, EndpointSeen, Former, GatewaySeen, Observed, PageGrant, SecretSeen, ServiceSeen,
    TokenSeen,
};
use crate::graph::{Operation, PageNode, PageSubscription, TokenInfo, TokenKind, Verdict};
use crate::limits::answer::{Answer, Refusal};
use crate::limits::repair_limiter::DriftState;
use crate::meta_app;
use crate::meta_app::DependencyError;
use crate::meta_app::by_id::AppState;
use crate::meta_app::facts::WebhookVerdict;
use crate::ownership::{ClaimSeen, FormerApp, Record};
use crate::testing::invariants;
pub(super) use crate::testing::{APP, Decided, FIELDS, PAGE, PERSON, fault, now, words};

pub(super) const OTHER_APP: &str = "9999000099990000";
pub(super) const OTHER_PAGE: &str = "2200000000000002";
pub(super) const SCOPES: [&str; 3] = ["pages_show_list", "pages_manage_metadata", "pages_messaging"];

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn channel(generation: i64) -> FacebookChannel {
    let spec: FacebookChannelSpec = serde_json::from_value(json!({
        "pageId": PAGE,
        "credentials": {"pageToken": {
            "secretRef": {"name": "shop-token", "key": "token"},
            "appRef": {"name": "acme", "namespace": "platform"},
        }},
        "endpoint": {"direct": {}},
    }))
    .unwrap();
    let mut channel = FacebookChannel::new("shop", spec);
    channel.metadata.namespace = Some("tenant-a".to_owned());
    channel.metadata.uid = Some("uid-1".to_owned());
    channel.metadata.generation = Some(generation);
    channel
}

/// What debug_token says of a token that fits.
pub(super) fn token_info() -> TokenInfo {
    TokenInfo {
        app_id: Some(APP.into()),
        kind: Some(TokenKind::Page),
        is_valid: true,
        issued_at: None,
        expires_at: None,
        data_access_expires_at: None,
        profile_id: Some(PAGE.into()),
        user_id: Some(PERSON.to_owned()),
        scopes: Some(words(&SCOPES)),
        granular_scopes: vec![],
        error: None,
    }
}

/// What a grant gives for a page that it covers.
pub(super) fn page_grant() -> PageGrant {
    let tasks = Some(words(&["MESSAGING", "MODERATE", "ANALYZE"]));
    PageGrant {
        info: token_info(),
        of_system_user: false,
        absence: None,
        tasks,
        fingerprint: Some("f1".to_owned()),
        at: now(),
    }
}

pub(super) fn page_node() -> PageNode {
    PageNode { id: PAGE.to_owned(), name: Some("Acme Shop".to_owned()), is_published: Some(true) }
}

pub(super) fn row(app_id: &str, fields: &[&str]) -> PageSubscription {
    PageSubscription { id: app_id.into(), name: None, subscribed_fields: words(fields) }
}

pub(super) fn app(credentials: Result<(), DependencyError>, webhook: WebhookVerdict) -> AppSeen {
    AppSeen::Found {
        app_id: APP.into(),
        fields: words(&FIELDS),
        awaited: words(&FIELDS),
        required: words(&SCOPES),
        verdict: Box::new(meta_app::facts::Verdict { observed_generation: 1, credentials, webhook }),
    }
}

/// What forwarding needs, of which only the Secret is of interest.
pub(super) fn endpoint_seen(secret: SecretSeen) -> EndpointSeen {
    let key = EndpointKeySeen { secret, generation: 1, can_be_made: true };
    EndpointSeen { key, service: ServiceSeen::NotAsked }
}

/// Another application, through which the page was used before.
pub(super) fn former(app: AppState) -> Former {
    let app_ref = Some(NamespacedName { namespace: "platform".to_owned(), name: "old".to_owned() });
    Former { claimed: FormerApp { app_id: OTHER_APP.to_owned(), app_ref, fields: words(&FIELDS) }, app }
}

pub(super) fn refusal(verdict: Verdict) -> Refusal {
    Refusal::new(verdict, "code 1")
}

pub(super) fn no_answer() -> Refusal {
    crate::testing::no_answer(Operation::ReadPage)
}

pub(super) fn throttled() -> Refusal {
    fault(Operation::ReadPage, 32, None, "(#32) Page request limit reached")
}

/// Everything a decision depends on.
pub(super) struct Scene {
    pub(super) channel: FacebookChannel,
    pub(super) previous: FacebookChannelStatus,
    pub(super) seen: Observed,
    pub(super) now: Timestamp,
}

impl Scene {
    /// Connected, as declared.
    pub(super) fn healthy() -> Self {
        let seen = Observed {
            app_key: Some(Key::new("platform", "acme")),
            app: app(Ok(()), WebhookVerdict::Subscribed(words(&FIELDS))),
            unapproved: Vec::new(),
            token: TokenSeen::Present { fingerprint: "f1".to_owned() },
            claim: ClaimSeen::Ours { uid: "c1".to_owned() },
            record: Record::Current,
            former: None,
            publication: SecretSeen::Missing,
            endpoint: endpoint_seen(SecretSeen::Missing),
            gateway: GatewaySeen::NotInstalled,
            in_browser: false,
            inputs: "inputs".to_owned(),
            look: true,
            requested: None,
            token_slot: now(),
            standing: DriftState::Known,
            stale: false,
            clock_doubted: false,
            suspicions: Default::default(),
            asked: Asked {
                calls: Default::default(),
                witnessed: true,
                token: Some(Ok(token_info())),
                page: Some(Ok(page_node())),
                subscriptions: Some(Ok(vec![row(APP, &FIELDS)])),
                before: None,
                threads: None,
                threads_owed: None,
                subscribed: None,
                refused_fields: vec![],
                unsubscribed: None,
                former: None,
                claimed: false,
                recorded: false,
                unrecorded: None,
                published: false,
                endpoint_key: false,
                claims_unavailable: None,
                writes: Default::default(),
            },
            access: None,
        };
        Self { channel: channel(1), previous: FacebookChannelStatus::default(), seen, now: now() }
    }

    /// Connected by a grant, as declared, but for one change of what is given for the page.
    pub(super) fn granted(change: impl FnOnce(&mut PageGrant)) -> Self {
        let mut scene = Self::healthy();
        let credentials = json!({"grantRef": {"name": "acme-grant"}});
        scene.channel.spec.credentials = serde_json::from_value(credentials).unwrap();
        scene.give(change);
        scene
    }

    /// Lets the grant give what it gives to a healthy channel, but for one change.
    pub(super) fn give(&mut self, change: impl FnOnce(&mut PageGrant)) {
        let mut grant = page_grant();
        change(&mut grant);
        let token = TokenSeen::Granted(Box::new(grant.clone()));
        if crate::facebook_channel::policy::grant::flaw(&token).is_some() {
            self.seen.asked = Asked::default();
        }
        self.seen.asked.token = Some(Ok(grant.info));
        self.seen.token = token;
    }

    /// Healthy but for one change.
    pub(super) fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut scene = Self::healthy();
        change(&mut scene);
        scene
    }

    /// debug_token answers this; without a proof nothing is asked about the page.
    pub(super) fn debugged(info: Answer<TokenInfo>) -> Self {
        Self::with(|scene| scene.seen.asked = Asked { token: Some(info), ..Asked::default() })
    }

    /// The page's own subscriptions are these.
    pub(super) fn rows(rows: Vec<PageSubscription>) -> Self {
        Self::with(|scene| scene.seen.asked.subscriptions = Some(Ok(rows)))
    }

    /// This scene after the status of another one was written.
    pub(super) fn after(mut self, before: &Outcome) -> Self {
        self.previous = before.status().clone();
        self.now = before.now + SignedDuration::from_mins(15);
        self
    }

    /// What comes of this scene when it is met again so much later, with what was heard before.
    pub(super) fn again(mut self, before: &Outcome, later: SignedDuration) -> Outcome {
        self.previous = before.status().clone();
        self.seen.suspicions = before.plan.report.suspicions.clone();
        self.now = before.now + later;
        self.decide()
    }

    /// What comes of a scene that is met twice, a minute apart.
    pub(super) fn twice(scene: impl Fn() -> Self) -> Outcome {
        scene().again(&scene().decide(), SignedDuration::from_mins(1))
    }

    pub(super) fn decide(&self) -> Outcome {
        let plan = decide(&self.channel, &self.previous, &self.seen, self.now).expect("there is something to look at");
        let generation = self.channel.metadata.generation.unwrap();
        let status = &plan.report.status;
        invariants::check(
            &self.previous.conditions,
            &status.conditions,
            status.next_step.as_deref(),
            generation,
            self.now,
        );
        check_connection(&plan.report.status);
        Outcome { plan, now: self.now }
    }
}

/// Exactly one of the three is True and names the state, or all are Unknown.
pub(super) fn check_connection(status: &FacebookChannelStatus) {
    use ConditionType::{Connected, Disconnected, Expired};
    let three = [Connected, Expired, Disconnected].map(|type_| find(&status.conditions, type_).unwrap());
    let holding: Vec<_> = three.iter().filter(|it| it.status == "True").map(|it| it.type_.as_str()).collect();
    if holding.is_empty() {
        assert!(three.iter().all(|it| it.status == "Unknown"), "{three:#?}");
        assert_eq!(status.connection.as_str(), "Pending");
    } else {
        assert_eq!(holding, [status.connection.as_str()], "{three:#?}");
        assert!(three.iter().all(|it| it.status != "Unknown"), "{three:#?}");
    }
}

/// What was decided.
pub(super) struct Outcome {
    pub(super) plan: Plan,
    pub(super) now: Timestamp,
}

impl Decided for Outcome {
    type Status = FacebookChannelStatus;

    fn status(&self) -> &FacebookChannelStatus {
        &self.plan.report.status
    }
}

impl Outcome {
    pub(super) fn no_mutation(&self) {
        assert_eq!(self.plan.mutation, None);
    }
}
