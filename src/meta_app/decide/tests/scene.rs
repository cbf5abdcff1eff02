//! An application in good health, to be varied.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::api::{MetaApp, MetaAppSpec, MetaAppStatus, SecretInUse, Webhook};
use crate::graph::{AppNode, AppPermission, AppSubscription, Operation, PermissionStatus, Version};
use crate::limits::answer::Refusal;
use crate::limits::repair_limiter::DriftState;
use crate::meta_app::decide::decide;
use crate::meta_app::model::{Asked, KeyringSeen, Observed, Plan, SecretSeen, VerifyTokenSeen};
use crate::ownership::ClaimSeen;
use crate::testing::invariants;
pub(super) use crate::testing::{APP, Decided, FIELDS, now, words};

pub(super) const CALLBACK: &str = "https://hooks.example.com/webhooks/platform/acme";
pub(super) const FOREIGN: &str = "https://old.example/bot?key=hidden";
/// Fingerprint of the verify token that the gateway has.
pub(super) const TOKEN: &str = "token";

pub(super) fn meta_app(generation: i64) -> MetaApp {
    let spec: MetaAppSpec = serde_json::from_value(json!({
        "appId": APP,
        "appSecretRef": {"name": "acme-app"},
        "webhook": {"fields": FIELDS},
    }))
    .unwrap();
    let mut app = MetaApp::new("acme", spec);
    app.metadata.namespace = Some("platform".to_owned());
    app.metadata.generation = Some(generation);
    app
}

pub(super) fn permission(name: &str, status: PermissionStatus) -> AppPermission {
    AppPermission { permission: name.to_owned(), status }
}

pub(super) fn approved() -> Vec<AppPermission> {
    let names = ["pages_show_list", "pages_manage_metadata", "pages_messaging"];
    names.map(|name| permission(name, PermissionStatus::Live)).to_vec()
}

pub(super) fn row(callback_url: &str, active: bool, fields: &[&str]) -> AppSubscription {
    let (object, callback_url) = ("page".to_owned(), callback_url.to_owned());
    AppSubscription { object, callback_url, active, fields: words(fields) }
}

/// An entry of the Secret with the app secret, and what its content is known by.
pub(super) fn entry(key: &str, fingerprint: &str) -> SecretInUse {
    SecretInUse { key: key.to_owned(), fingerprint: fingerprint.to_owned() }
}

/// The refusal that an error of Graph comes to when the application is read.
pub(super) fn fault(code: u32, subcode: impl Into<Option<u32>>, text: &str) -> Refusal {
    crate::testing::fault(Operation::ReadApp, code, subcode, text)
}

pub(super) fn no_answer() -> Refusal {
    crate::testing::no_answer(Operation::ReadApp)
}

pub(super) fn throttled() -> Refusal {
    fault(4, None, "(#4) Application request limit reached")
}

/// Everything a decision depends on.
pub(super) struct Scene {
    pub(super) app: MetaApp,
    pub(super) previous: MetaAppStatus,
    pub(super) seen: Observed,
    pub(super) now: Timestamp,
}

impl Scene {
    /// As declared.
    pub(super) fn healthy() -> Self {
        let node = AppNode { id: APP.to_owned(), name: Some("Acme Messaging".to_owned()) };
        let seen = Observed {
            secret: SecretSeen::Present,
            claim: ClaimSeen::Ours { uid: "c1".to_owned() },
            verify_token: VerifyTokenSeen::Ours,
            keyring: KeyringSeen::Current,
            callback_url: Some(CALLBACK.to_owned()),
            redirect_uri: Some("https://hooks.example.com/oauth/callback".to_owned()),
            graph_url: "https://graph.facebook.com".to_owned(),
            inputs: "inputs".to_owned(),
            look: true,
            requested: None,
            standing: DriftState::Known,
            stale: false,
            version: Version::DEFAULT,
            entries: vec![entry("app-secret", "new")],
            flaw: None,
            served: Some(Version::DEFAULT),
            verify_token_fingerprint: Some(TOKEN.to_owned()),
            suspicions: Default::default(),
            usage: None,
            channels: None,
            asked: Asked {
                node: Some(Ok(node)),
                version: Some(Version::DEFAULT),
                permissions: Some(Ok(approved())),
                subscriptions: Some(Ok(vec![row(CALLBACK, true, &FIELDS)])),
                secret_in_use: Some(entry("app-secret", "new")),
                ..Asked::default()
            },
        };
        Self { app: meta_app(1), previous: MetaAppStatus::default(), seen, now: now() }
    }

    /// Healthy but for one change.
    pub(super) fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut scene = Self::healthy();
        change(&mut scene);
        scene
    }

    /// The application's own node is refused, so that nothing else is asked.
    pub(super) fn refused(refusal: Refusal) -> Self {
        Self::with(|scene| scene.seen.asked = Asked { node: Some(Err(refusal)), ..Asked::default() })
    }

    /// The application's subscriptions are these.
    pub(super) fn rows(rows: Vec<AppSubscription>) -> Self {
        Self::with(|scene| scene.seen.asked.subscriptions = Some(Ok(rows)))
    }

    pub(super) fn webhook(&mut self) -> &mut Webhook {
        self.app.spec.webhook.as_mut().unwrap()
    }

    /// This scene an hour after the status of another one was written.
    pub(super) fn after(self, before: &Outcome) -> Self {
        self.later(before, SignedDuration::from_hours(1))
    }

    /// This scene so long after the status of another one was written; what was heard then is remembered.
    pub(super) fn later(mut self, before: &Outcome, time: SignedDuration) -> Self {
        self.previous = before.status().clone();
        self.seen.suspicions = before.plan.report.suspicions.clone();
        self.now = before.now + time;
        self
    }

    /// What comes of it when the same is seen again a minute later.
    pub(super) fn confirmed(self) -> Outcome {
        let once = self.decide();
        self.later(&once, SignedDuration::from_mins(1)).decide()
    }

    pub(super) fn decide(&self) -> Outcome {
        let plan = decide(&self.app, &self.previous, &self.seen, self.now).expect("there is something to look at");
        let generation = self.app.metadata.generation.unwrap();
        let status = &plan.report.status;
        invariants::check(
            &self.previous.conditions,
            &status.conditions,
            status.next_step.as_deref(),
            generation,
            self.now,
        );
        Outcome { plan, now: self.now }
    }
}

/// What was decided.
pub(super) struct Outcome {
    pub(super) plan: Plan,
    pub(super) now: Timestamp,
}

impl Decided for Outcome {
    type Status = MetaAppStatus;

    fn status(&self) -> &MetaAppStatus {
        &self.plan.report.status
    }
}

impl Outcome {
    /// When the application is checked again because of what was heard, in seconds from now.
    pub(super) fn asks_again_in(&self) -> Option<i64> {
        let next = self.plan.report.suspicions.next(self.now);
        next.map(|next| next.duration_since(self.now).as_secs())
    }

    pub(super) fn no_mutation(&self) {
        assert_eq!(self.plan.mutation, None);
    }
}
