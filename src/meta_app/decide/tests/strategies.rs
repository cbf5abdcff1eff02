//! Random observations and statuses.

use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::scene::*;
use crate::api::conditions::{ConditionType, Finding, Status, assemble};
use crate::api::{AppSubscriptionStatus, ManagementPolicy, MetaApp, MetaAppStatus, Reason};
use crate::graph::{
    AppNode, AppPermission, AppReason, AppSubscription, ApprovalReason, CutReason, EndReason, PageReason,
    PermissionStatus, ThrottleScope, Verdict,
};
use crate::limits::answer::Refusal;
use crate::limits::repair_limiter::DriftState;
use crate::meta_app::model::{Asked, Observed, SecretSeen, VerifyTokenSeen};
use crate::ownership::blocked::BlockedBy;
use crate::ownership::{ClaimSeen, ClaimsBlocked};

fn refusals() -> impl Strategy<Value = Refusal> {
    let verdicts = vec![
        Verdict::NoAnswer,
        Verdict::Throttled { until_hint: None, scope: ThrottleScope::App },
        Verdict::AppBroken(AppReason::AppBlocked),
        Verdict::AppBroken(AppReason::SecretMismatch),
        Verdict::TokenEnded(EndReason::SessionInvalidated),
        Verdict::AccessCut(CutReason::NotInGrant),
        Verdict::ApprovalMissing(ApprovalReason::CapabilityMissing),
        Verdict::PageFault(PageReason::NotVisible),
        Verdict::CallbackFailed { answered: false },
        Verdict::Refused,
        Verdict::VersionRetired,
        Verdict::FieldUnknown(None),
        Verdict::NotChannelHealth,
        Verdict::RequestRejected,
    ];
    select(verdicts).prop_map(|verdict| Refusal::new(verdict, "code 1"))
}

fn answers<T: std::fmt::Debug + Clone>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Option<Result<T, Refusal>>> {
    prop_oneof![
        1 => Just(None),
        4 => value.prop_map(|value| Some(Ok(value))),
        2 => refusals().prop_map(|refusal| Some(Err(refusal))),
    ]
}

fn permissions() -> impl Strategy<Value = Vec<AppPermission>> {
    let waiting = permission("pages_messaging", PermissionStatus::Unapproved);
    prop_oneof![3 => Just(approved()), 1 => Just(vec![waiting]), 1 => subsequence(approved(), 0..=3)]
}

pub(super) fn rows() -> impl Strategy<Value = Vec<AppSubscription>> {
    let fields = subsequence(vec!["messages", "messaging_postbacks", "feed"], 0..=3);
    let ours = (any::<bool>(), fields).prop_map(|(active, fields)| vec![row(CALLBACK, active, &fields)]);
    prop_oneof![4 => ours, 1 => Just(vec![]), 1 => Just(vec![row(FOREIGN, true, &FIELDS)])]
}

pub(super) fn claims() -> impl Strategy<Value = ClaimSeen> {
    let ours = ClaimSeen::Ours { uid: "c1".to_owned() };
    prop_oneof![
        5 => Just(ours),
        1 => Just(ClaimSeen::Free),
        1 => Just(ClaimSeen::Orphaned { of: "gone".to_owned() }),
        1 => Just(ClaimSeen::Duplicate { name: "other".to_owned() }),
        1 => Just(ClaimSeen::Elsewhere { namespace: "tenant-b".to_owned() }),
        1 => Just(ClaimSeen::Releasing),
        1 => Just(ClaimSeen::Unavailable(ClaimsBlocked { namespace: "claims".to_owned(), by: BlockedBy::Forbidden })),
    ]
}

pub(super) fn verify_tokens() -> impl Strategy<Value = VerifyTokenSeen> {
    select(vec![VerifyTokenSeen::Ours, VerifyTokenSeen::Missing, VerifyTokenSeen::LeftOver, VerifyTokenSeen::Taken])
}

/// What can be declared of an application.
pub(super) fn declarations() -> impl Strategy<Value = MetaApp> {
    use ManagementPolicy::{Manage, Observe, Pause};
    prop_oneof![3 => Just(Manage), 1 => Just(Observe), 1 => Just(Pause)].prop_map(|management_policy| {
        let mut app = meta_app(3);
        app.spec.management_policy = management_policy;
        app
    })
}

/// Observations, also such as cannot be: a decision has to be safe on its own.
pub(super) fn observations() -> impl Strategy<Value = Observed> {
    let secrets = prop_oneof![
        8 => Just(SecretSeen::Present),
        1 => Just(SecretSeen::NotReleased),
        1 => Just(SecretSeen::Malformed("it is empty".to_owned())),
    ];
    let nodes = answers(Just(AppNode { id: APP.to_owned(), name: None }));
    let asked = (nodes, answers(permissions()), answers(rows()), answers(Just(())), any::<[bool; 2]>());
    let callbacks = prop::bool::weighted(0.9);
    let standings = select(vec![DriftState::New, DriftState::Known, DriftState::Known, DriftState::Fought]);
    let around = (secrets, claims(), verify_tokens(), callbacks, prop::bool::weighted(0.2), standings);
    (around, asked).prop_map(|((secret, claim, verify_token, callback, stale, standing), asked)| {
        let (node, permissions, subscriptions, subscribed, [claimed, verify_token_made]) = asked;
        let claims_unavailable = None;
        let asked = Asked {
            node,
            permissions,
            subscriptions,
            subscribed,
            claimed,
            claims_unavailable,
            verify_token_made,
            ..Asked::default()
        };
        let callback_url = callback.then(|| CALLBACK.to_owned());
        Observed { secret, claim, verify_token, callback_url, standing, stale, asked, ..Scene::healthy().seen }
    })
}

const TYPES: [ConditionType; 5] = [
    ConditionType::Ready,
    ConditionType::CredentialsValid,
    ConditionType::WebhookSubscribed,
    ConditionType::PermissionsApproved,
    ConditionType::VersionSupported,
];

/// Statuses of earlier generations and versions, also such as were never written.
pub(super) fn statuses() -> impl Strategy<Value = MetaAppStatus> {
    let value = (select(vec![Status::True, Status::False, Status::Unknown]), select(Reason::ALL), 1_i64..=3);
    let findings = proptest::collection::vec(option::of(value), TYPES.len()).prop_map(|values| {
        let finding = |(status, reason, observed_generation)| {
            let (seen, next_step) = ("It was seen.".to_owned(), "Do something.".to_owned());
            Finding { status, reason, seen, next_step, words: None, observed_generation }
        };
        let found = TYPES.into_iter().zip(values);
        found.filter_map(|(type_, value)| Some((type_, finding(value?)))).collect::<Vec<_>>()
    });
    (findings, option::of(any::<bool>()), option::of(Just("Do something."))).prop_map(|(findings, recorded, step)| {
        MetaAppStatus {
            observed_generation: 3,
            conditions: assemble(&[], &findings, "2026-02-01T00:00:00Z".parse().unwrap()),
            subscription: recorded.map(|active| AppSubscriptionStatus {
                active,
                callback_url: Some(CALLBACK.to_owned()),
                fields: words(&FIELDS),
                ..AppSubscriptionStatus::default()
            }),
            next_step: step.map(str::to_owned),
            ..MetaAppStatus::default()
        }
    })
}
