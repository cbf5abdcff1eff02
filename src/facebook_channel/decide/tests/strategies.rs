//! Random observations and statuses.

use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::scene::*;
use crate::api::conditions::{ConditionType, Finding, Status, assemble};
use crate::api::{
    AuthorizationStatus, Connection, DeclaredConnection, FacebookChannel, FacebookChannelStatus, ManagementPolicy,
    PrimaryReceiverStatus, Reason, ReceiverEvidence,
};
use crate::controller::dependency::Told;
use crate::facebook_channel::model::{
    AppSeen, Asked, Content, Former, FormerEnd, GatewaySeen, Observed, PageGrant, SecretSeen, TokenSeen,
};
use crate::graph::{
    AppReason, ApprovalReason, CutReason, EndReason, GranularScope, GraphFault, PageNode, PageReason, PageSubscription,
    RoutingSign, Thread, ThreadOwner, ThrottleScope, TokenInfo, TokenKind, Verdict,
};
use crate::limits::answer::{Answer, Refusal};
use crate::limits::repair_limiter::DriftState;
use crate::meta_app::DependencyError;
use crate::meta_app::facts::WebhookVerdict;
use crate::meta_grant::page_gap::Absence;
use crate::ownership::blocked::BlockedBy;
use crate::ownership::{ClaimSeen, ClaimsBlocked, Record};

pub(super) fn verdicts() -> Vec<Verdict> {
    use EndReason::*;
    let ends = [
        TokenExpired,
        PasswordChanged,
        AppRemoved,
        SessionInvalidated,
        CheckpointRequired,
        UserInvalid,
        DataAccessExpired,
    ];
    let scope = |scope: Option<&str>| CutReason::ScopeMissing { scope: scope.map(str::to_owned) };
    let cuts = [CutReason::RoleLost, CutReason::NotInGrant, CutReason::WrongApp, scope(None), scope(Some("x_y"))];
    let apps = [AppReason::AppCredentialsRejected, AppReason::SecretMismatch, AppReason::AppBlocked];
    let pages = [PageReason::NotVisible, PageReason::SendBlocked, PageReason::Restricted];
    let mut all = vec![
        Verdict::NoAnswer,
        Verdict::Throttled { until_hint: None, scope: ThrottleScope::Page },
        Verdict::AppSuspect,
        Verdict::ApprovalMissing(ApprovalReason::RoleHoldersOnly),
        Verdict::Routing(RoutingSign::NotReceiver),
        Verdict::CallbackFailed { answered: false },
        Verdict::Refused,
        Verdict::VersionRetired,
        Verdict::FieldUnknown(None),
        Verdict::NotChannelHealth,
        Verdict::RequestRejected,
    ];
    all.extend(ends.map(Verdict::TokenEnded));
    all.extend(cuts.map(Verdict::AccessCut));
    all.extend(apps.map(Verdict::AppBroken));
    all.extend(pages.map(Verdict::PageFault));
    all
}

fn refusals() -> impl Strategy<Value = Refusal> {
    select(verdicts()).prop_map(refusal)
}

fn answers<T: std::fmt::Debug + Clone>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Option<Answer<T>>> {
    prop_oneof![
        1 => Just(None),
        4 => value.prop_map(|value| Some(Ok(value))),
        2 => refusals().prop_map(|refusal| Some(Err(refusal))),
    ]
}

fn times() -> impl Strategy<Value = Option<jiff::Timestamp>> {
    let hours = select(vec![-24, 0, 1, 24 * 13, 24 * 14, 24 * 60]);
    option::of(hours.prop_map(|hours| now() + jiff::SignedDuration::from_hours(hours)))
}

fn token_infos() -> impl Strategy<Value = TokenInfo> {
    let kinds = prop_oneof![8 => Just(Some(TokenKind::Page)), 1 => select(vec![Some(TokenKind::User), Some(TokenKind::Other), None])];
    let ids = |good: &'static str, bad: &'static str| prop_oneof![8 => Just(Some(good.to_owned())), 1 => Just(Some(bad.to_owned())), 1 => Just(None)];
    let faults = option::of(
        select(vec![(190, Some(460)), (190, Some(492)), (190, None), (2, None), (4, None), (100, None)])
            .prop_map(|(code, subcode)| GraphFault::new(code, subcode, "text")),
    );
    let scopes = prop_oneof![8 => Just(words(&SCOPES)), 1 => subsequence(words(&SCOPES), 0..=3)];
    let scopes = prop_oneof![9 => scopes.prop_map(Some), 1 => Just(None)];
    let granular = prop_oneof![
        8 => Just(vec![]),
        1 => select(vec![PAGE, OTHER_PAGE]).prop_map(|page| vec![GranularScope {
            scope: "pages_messaging".to_owned(),
            target_ids: Some(vec![page.to_owned()]),
        }]),
    ];
    let parts = (kinds, ids(APP, OTHER_APP), ids(PAGE, OTHER_PAGE), prop::bool::weighted(0.8), times(), times());
    (parts, faults, scopes, granular).prop_map(|(parts, error, scopes, granular_scopes)| {
        let (kind, app_id, profile_id, is_valid, expires_at, data_access_expires_at) = parts;
        let error = error.filter(|_| !is_valid);
        let (app_id, profile_id) = (app_id.map(Into::into), profile_id.map(Into::into));
        let clocks = TokenInfo { expires_at, data_access_expires_at, ..token_info() };
        TokenInfo { kind, app_id, profile_id, is_valid, scopes, granular_scopes, error, ..clocks }
    })
}

fn pages() -> impl Strategy<Value = PageNode> {
    option::of(any::<bool>()).prop_map(|is_published| PageNode { is_published, ..page_node() })
}

pub(super) fn rows() -> impl Strategy<Value = Vec<PageSubscription>> {
    let fields = subsequence(vec!["messages", "messaging_postbacks", "feed"], 0..=3);
    let one = |app: &'static str| option::of(fields.clone().prop_map(move |fields| row(app, &fields)));
    (one(OTHER_APP), one(APP)).prop_map(|(other, ours)| other.into_iter().chain(ours).collect())
}

pub(super) fn claims() -> impl Strategy<Value = ClaimSeen> {
    let ours = ClaimSeen::Ours { uid: "c1".to_owned() };
    prop_oneof![
        5 => Just(ours),
        1 => Just(ClaimSeen::Free),
        1 => Just(ClaimSeen::Orphaned { of: "gone".to_owned() }),
        1 => Just(ClaimSeen::Duplicate { name: "other".to_owned() }),
        1 => Just(ClaimSeen::Elsewhere { namespace: "tenant-b".to_owned() }),
        1 => Just(ClaimSeen::Offered { namespace: "tenant-b".to_owned() }),
        1 => Just(ClaimSeen::Releasing),
        1 => Just(ClaimSeen::Unavailable(ClaimsBlocked { namespace: "claims".to_owned(), by: BlockedBy::Forbidden })),
    ]
}

fn apps() -> impl Strategy<Value = AppSeen> {
    let webhook = select(vec![
        WebhookVerdict::NotManaged,
        WebhookVerdict::Subscribed(words(&FIELDS)),
        WebhookVerdict::Subscribed(words(&["messages"])),
        WebhookVerdict::NotSubscribed(Told::only("why")),
        WebhookVerdict::Unknown(Told::only("why")),
    ]);
    prop_oneof![
        8 => webhook.prop_map(|webhook| app(Ok(()), webhook)),
        1 => Just(app(Err(DependencyError::Broken(Told::only("why"))), WebhookVerdict::NotManaged)),
        1 => Just(AppSeen::NotFound),
        1 => Just(AppSeen::Unjudged),
    ]
}

fn tokens() -> impl Strategy<Value = TokenSeen> {
    let present = |fingerprint: &str| TokenSeen::Present { fingerprint: fingerprint.to_owned() };
    prop_oneof![
        8 => Just(present("f1")),
        1 => Just(present("f2")),
        1 => Just(TokenSeen::NotReleased),
        1 => Just(TokenSeen::Malformed("it is empty".to_owned())),
        1 => Just(TokenSeen::GrantNotFound),
        1 => Just(TokenSeen::GrantTrouble { trouble: DependencyError::Broken(Told::only("why")), ended: Some(Reason::PasswordChanged) }),
        1 => Just(TokenSeen::GrantTrouble { trouble: DependencyError::Unknown(Told::only("why")), ended: None }),
        1 => Just(TokenSeen::NotListed),
        4 => page_grants().prop_map(|grant| TokenSeen::Granted(Box::new(grant))),
    ]
}

fn page_grants() -> impl Strategy<Value = PageGrant> {
    let tasks = option::weighted(0.8, select(vec![words(&["MESSAGING", "MODERATE"]), words(&["ANALYZE"])]));
    let fingerprint = option::weighted(0.8, select(vec!["f1".to_owned(), "f2".to_owned()]));
    let absences = [Absence::NotInGrant, Absence::RoleLost, Absence::BusinessManagementMissing];
    let absence = option::weighted(0.3, select(absences.to_vec()));
    (absence, tasks, fingerprint, token_infos()).prop_map(|(absence, tasks, fingerprint, info)| PageGrant {
        of_system_user: false,
        info,
        absence: absence.or(fingerprint.is_none().then_some(Absence::BusinessManagementMissing)),
        tasks,
        fingerprint,
        at: now(),
    })
}

/// What can be declared of a page.
pub(super) fn declarations() -> impl Strategy<Value = FacebookChannel> {
    use DeclaredConnection::{Connected, Disconnected};
    use ManagementPolicy::{Manage, Observe, Pause};
    let policies = prop_oneof![3 => Just(Manage), 1 => Just(Observe), 1 => Just(Pause)];
    let connections = select(vec![Connected, Disconnected]);
    let by_grant = prop::bool::weighted(0.3);
    // Its own namespace too.
    let receivers = prop_oneof![3 => Just(None), 2 => select(vec!["tenant-a", "tenant-b"]).prop_map(Some)];
    (policies, connections, any::<bool>(), by_grant, receivers).prop_map(
        |(management_policy, connection, publish_token, by_grant, to)| {
            let mut channel = channel(3);
            if by_grant {
                channel.spec.credentials = Scene::granted(|_| ()).channel.spec.credentials;
            }
            channel.spec.publish_token = publish_token;
            channel.spec.management_policy = management_policy;
            channel.spec.connection = connection;
            channel.spec.transfer_to = to.map(str::to_owned);
            channel
        },
    )
}

fn threads() -> impl Strategy<Value = Vec<Thread>> {
    let owner = option::of(option::of(select(vec![APP, OTHER_APP, "263902037430900"])));
    let thread = (any::<bool>(), owner).prop_map(|(routed, owner)| Thread {
        updated_at: Some(now()),
        routed,
        owner: owner.map(|app_id| ThreadOwner { app_id: app_id.map(Into::into), expiration: Some(now()) }),
    });
    prop::collection::vec(thread, 0..4)
}

/// Observations, also such as cannot be: a decision has to be safe on its own.
pub(super) fn observations() -> impl Strategy<Value = Observed> {
    let writes = (answers(Just(())), answers(Just(())), any::<bool>(), any::<bool>(), any::<bool>());
    let asked = (answers(token_infos()), answers(pages()), answers(rows()), answers(threads()), writes);
    let records = select(vec![Record::Current, Record::Outdated, Record::GivenAway, Record::OtherApp]);
    let standing = select(vec![DriftState::New, DriftState::Known, DriftState::Known, DriftState::Fought]);
    let ends = prop_oneof![
        3 => Just(None),
        1 => answers(Just(())).prop_map(|answer| answer.map(FormerEnd::Asked)),
        1 => Just(Some(FormerEnd::Left("It stays.".to_owned()))),
    ];
    let gateways = select(vec![GatewaySeen::NotInstalled, GatewaySeen::WithoutForwarding, GatewaySeen::Forwarding]);
    let endpoints = (publications(), gateways, any::<bool>());
    let here = (records, standing, publications(), formers(), ends, endpoints);
    let around = (apps(), tokens(), claims(), here, prop::bool::weighted(0.2));
    (around, asked).prop_map(
        |((app, token, claim, (record, standing, publication, former, end, endpoint), stale), asked)| {
            let (token_answer, page, subscriptions, threads, (subscribed, unsubscribed, claimed, recorded, published)) =
                asked;
            let answers = Asked { token: token_answer, page, subscriptions, threads, ..Asked::default() };
            let asked = Asked { subscribed, unsubscribed, claimed, recorded, published, former: end, ..answers };
            // What was done about it is not seen again.
            let ours = matches!(claim, ClaimSeen::Ours { .. });
            let done = asked.former.as_ref().is_some_and(FormerEnd::is_final);
            let former = former.filter(|_| ours && !done);
            let (endpoint, gateway, endpoint_key) = (endpoint_seen(endpoint.0), endpoint.1, endpoint.2);
            let asked = Asked { endpoint_key, ..asked };
            let healthy = Scene::healthy().seen;
            Observed {
                app,
                token,
                claim,
                record,
                former,
                standing,
                publication,
                endpoint,
                gateway,
                stale,
                asked,
                ..healthy
            }
        },
    )
}

/// Another application that the page may be subscribed to still.
pub(super) fn formers() -> impl Strategy<Value = Option<Former>> {
    use crate::meta_app::by_id::AppState::{Missing, NotReady, OtherApp, Ready, SecretGone};
    let apps = vec![Ready, Missing, SecretGone, OtherApp(APP.to_owned()), NotReady("why".to_owned())];
    prop_oneof![3 => Just(None), 2 => select(apps).prop_map(|app| Some(former(app)))]
}

pub(super) fn publications() -> impl Strategy<Value = SecretSeen> {
    use SecretSeen::{Leftover, Missing, Ours, Taken};
    let ours = [Ours(Content::Current), Ours(Content::Outdated), Ours(Content::Touched)];
    select([&[Missing, Leftover, Taken], &ours[..]].concat())
}

const TYPES: [ConditionType; 11] = [
    ConditionType::Ready,
    ConditionType::Connected,
    ConditionType::Expired,
    ConditionType::Disconnected,
    ConditionType::Claimed,
    ConditionType::Authorized,
    ConditionType::PageUsable,
    ConditionType::Subscribed,
    ConditionType::PrimaryReceiver,
    ConditionType::EndpointReady,
    ConditionType::TokenPublished,
];

fn evidence() -> impl Strategy<Value = Option<PrimaryReceiverStatus>> {
    use ReceiverEvidence::{ForeignOwnerVisible, InboxOwnsThreads, OwnersHidden, RoutingOff, ThreadsOwned};
    let seen = select(vec![ForeignOwnerVisible, InboxOwnsThreads, OwnersHidden, RoutingOff, ThreadsOwned]);
    let status = (seen, select(vec![1, 30, 24 * 8])).prop_map(|(evidence, hours)| PrimaryReceiverStatus {
        evidence,
        observed_at: now() - jiff::SignedDuration::from_hours(hours),
    });
    option::of(status)
}

/// Statuses of earlier generations and versions, also such as were never written.
pub(super) fn statuses() -> impl Strategy<Value = FacebookChannelStatus> {
    let value = (select(vec![Status::True, Status::False, Status::Unknown]), select(Reason::ALL), 1_i64..=3);
    let findings = proptest::collection::vec(option::of(value), TYPES.len()).prop_map(|values| {
        let finding = |(status, reason, observed_generation)| {
            let (seen, next_step) = ("It was seen.".to_owned(), "Do something.".to_owned());
            Finding { status, reason, seen, next_step, words: None, observed_generation }
        };
        let found = TYPES.into_iter().zip(values);
        found.filter_map(|(type_, value)| Some((type_, finding(value?)))).collect::<Vec<_>>()
    });
    let fingerprints = option::of(select(vec!["f1", "f2"]));
    let remembered = (fingerprints, option::of(Just("inputs")), evidence(), times());
    (findings, remembered, option::of(Just("Do something."))).prop_map(
        |(findings, (fingerprint, inputs, primary_receiver, restricted_since), step)| FacebookChannelStatus {
            observed_generation: 3,
            conditions: assemble(&[], &findings, at("2026-02-01T00:00:00Z")),
            connection: Connection::Connected,
            authorization: fingerprint.map(|fingerprint| AuthorizationStatus {
                fingerprint: Some(fingerprint.to_owned()),
                ..AuthorizationStatus::default()
            }),
            primary_receiver,
            restricted_since,
            inputs: inputs.map(str::to_owned),
            next_step: step.map(str::to_owned),
            ..FacebookChannelStatus::default()
        },
    )
}
