//! What holds for every decision, whatever was seen before and now.

use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::sample::select;

use super::scene::*;
use super::strategies::{claims, declarations, formers, observations, publications, rows, statuses};
use super::world::World;
use crate::api::conditions::{ConditionType, Status, find, status_of};
use crate::api::{DeclaredConnection, FacebookChannelStatus, ManagementPolicy, Reason, ReceiverRequirement};
use crate::facebook_channel::model::{AppSeen, GatewaySeen, Mutation, Observed, SecretSeen};
use crate::facebook_channel::policy::token::is_proven;
use crate::graph::TokenInfo;
use crate::limits::repair_limiter::DriftState;
use crate::meta_app::by_id::AppState;
use crate::meta_app::facts::WebhookVerdict;
use crate::ownership::{ClaimSeen, Record};
use crate::testing::unanswered;

/// Conditions about which Meta said nothing in this pass.
fn open_conditions(seen: &Observed) -> Vec<ConditionType> {
    let asked = &seen.asked;
    let writes = unanswered(&asked.subscribed) && unanswered(&asked.unsubscribed);
    let calls = unanswered(&asked.page) && unanswered(&asked.subscriptions) && writes;
    let mut open = Vec::new();
    if matches!(&asked.token, Some(Err(refusal)) if refusal.says_nothing()) && calls {
        open.push(ConditionType::Authorized);
    }
    if calls {
        open.push(ConditionType::PageUsable);
    }
    if calls && !delivers_too_little(&seen.app) {
        open.push(ConditionType::Subscribed);
    }
    if unanswered(&asked.threads) {
        open.push(ConditionType::PrimaryReceiver);
    }
    open
}

/// The application's webhook alone is enough to say that the page's subscription does not work.
fn delivers_too_little(app: &AppSeen) -> bool {
    let AppSeen::Found { verdict, .. } = app else { return false };
    !matches!(&verdict.webhook, WebhookVerdict::NotManaged | WebhookVerdict::Unknown(_))
        && verdict.webhook != WebhookVerdict::Subscribed(words(&FIELDS))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_decision_keeps_the_invariants(channel in declarations(), seen in observations(), previous in statuses()) {
        let (policy, parts) = (channel.spec.management_policy, channel.spec.parts());
        let scene = Scene { channel, previous, seen, now: now() };
        // Checks the invariants of Ready, of the three, of messages and of transition times.
        let outcome = scene.decide();
        let judged = outcome.of(ConditionType::Authorized);
        let proven = is_proven(&scene.channel, &scene.seen, scene.now)
            && ["True/TokenValid", "Unknown/DeclaredDisconnected", "Unknown/TransferOffered"].contains(&judged.as_str());
        let managed = policy == ManagementPolicy::Manage;
        match &outcome.plan.mutation {
            Some(mutation) if policy == ManagementPolicy::Pause => {
                prop_assert_eq!(mutation, &Mutation::RecordClaim { proven: false });
            }
            Some(Mutation::AcquireClaim) => prop_assert!(proven && scene.seen.claim == ClaimSeen::Free),
            Some(Mutation::AdoptClaim { proven: said, .. }) => {
                let orphaned = matches!(scene.seen.claim, ClaimSeen::Orphaned { .. });
                prop_assert!(orphaned && (proven || !*said));
                prop_assert!(proven || parts, "to end what was left");
            },
            Some(Mutation::TakeClaim { from }) => {
                let offered = ClaimSeen::Offered { namespace: from.clone() };
                prop_assert!(proven && scene.seen.claim == offered && scene.channel.spec.transfer_to.is_none());
            }
            Some(Mutation::UnsubscribeFormer | Mutation::LeaveFormer { .. }) => {
                let ours = matches!(scene.seen.claim, ClaimSeen::Ours { .. });
                prop_assert!(ours && managed && scene.seen.former.is_some() && (proven || parts));
            }
            Some(Mutation::RecordClaim { proven: said }) => {
                let ours = matches!(scene.seen.claim, ClaimSeen::Ours { .. });
                prop_assert!(ours && (proven || !*said) && !scene.seen.asked.recorded);
                prop_assert!(matches!(scene.seen.record, Record::Outdated | Record::GivenAway) || (scene.seen.record == Record::OtherApp && proven));
            }
            Some(Mutation::Subscribe { .. } | Mutation::Unsubscribe) if scene.seen.standing == DriftState::Fought => {
                prop_assert!(false, "what is fought over is left alone");
            }
            Some(Mutation::Subscribe { fields }) => {
                let ours = matches!(scene.seen.claim, ClaimSeen::Ours { .. });
                prop_assert!(proven && ours && managed && !parts && scene.seen.former.is_none());
                prop_assert!(scene.seen.asked.subscribed.is_none() && *fields == words(&FIELDS));
            }
            Some(Mutation::Unsubscribe) => {
                let ours = matches!(scene.seen.claim, ClaimSeen::Ours { .. });
                prop_assert!(ours && managed && parts && scene.seen.former.is_none());
                prop_assert!(scene.seen.asked.unsubscribed.is_none());
            }
            Some(Mutation::Publish) => {
                let ours = matches!(scene.seen.claim, ClaimSeen::Ours { .. });
                prop_assert!(scene.channel.spec.publish_token && judged.starts_with("True") && ours && managed);
                prop_assert!(!parts && !scene.seen.asked.published);
                prop_assert!(matches!(scene.seen.publication, SecretSeen::Missing | SecretSeen::Leftover | SecretSeen::Ours(_)));
            }
            Some(Mutation::WriteEndpointKey) => {
                let forwarded = scene.channel.spec.endpoint.kind().is_some_and(crate::api::EndpointKind::is_forwarded);
                prop_assert!(forwarded && scene.seen.gateway == GatewaySeen::Forwarding && managed && !scene.seen.asked.endpoint_key);
                prop_assert!(scene.seen.endpoint.key.secret != SecretSeen::Taken);
            }
            Some(Mutation::DeleteEndpointKey) => {
                let made = matches!(scene.seen.endpoint.key.secret, SecretSeen::Leftover | SecretSeen::Ours(_));
                prop_assert!(made && managed && !scene.seen.asked.endpoint_key);
            }
            Some(Mutation::Withdraw) => {
                let made = matches!(scene.seen.publication, SecretSeen::Leftover | SecretSeen::Ours(_));
                prop_assert!(made && managed && !scene.seen.asked.published);
            }
            None => {}
        }
        let tried = scene.seen.asked.claimed;
        let mutation = &outcome.plan.mutation;
        let claims = matches!(
            mutation,
            Some(Mutation::AcquireClaim | Mutation::AdoptClaim { .. } | Mutation::TakeClaim { .. })
        );
        prop_assert!(!(tried && claims));
    }

    #[test]
    fn no_answer_turns_no_condition_false(channel in declarations(), seen in observations(), previous in statuses()) {
        let scene = Scene { channel, previous, seen, now: now() };
        let outcome = scene.decide();
        for type_ in open_conditions(&scene.seen) {
            if status_of(&outcome.status().conditions, type_) == Some(Status::False) {
                let known_here = ["SecretUnavailable", "SecretMalformed"];
                let reason = outcome.of(type_).replace("False/", "");
                let was_false = status_of(&scene.previous.conditions, type_) == Some(Status::False);
                let paused = scene.channel.spec.management_policy == ManagementPolicy::Pause;
                // What was seen of the threads counts for a week.
                let before = match type_ {
                    ConditionType::PrimaryReceiver if !paused => scene.previous.primary_receiver.is_some(),
                    _ => was_false,
                };
                prop_assert!(before || known_here.contains(&reason.as_str()), "{type_:?} {reason}");
            }
        }
    }

    #[test]
    fn from_any_status_a_healthy_channel_becomes_ready_and_rests(previous in statuses(), world in healthy_worlds()) {
        reaches_ready_and_rests(previous, world)?;
    }

    #[test]
    fn from_any_status_a_dead_token_does_not_keep_a_channel_from_being_disconnected(
        // What an earlier pass remembers of this very declaration is true: it is not made up here.
        previous in statuses().prop_filter("nothing remembered", |it| {
            let subscribed = find(&it.conditions, ConditionType::Subscribed);
            subscribed.is_none_or(|it| !Reason::parse(&it.reason).is_some_and(Reason::is_parting))
        }),
        to in receivers(),
        claim in claims().prop_filter("known to be ours or not", |claim| {
            !matches!(claim, ClaimSeen::Orphaned { .. } | ClaimSeen::Releasing | ClaimSeen::Unavailable(_))
        }),
        rows in rows(),
    ) {
        let token = TokenInfo { is_valid: false, ..token_info() };
        let ours = matches!(claim, ClaimSeen::Ours { .. });
        let connection = DeclaredConnection::Disconnected;
        let mut world = World { claim, rows, connection, to, token, ..World::default() };
        let subscribed = world.is_subscribed();
        let first = world.pass(&previous, SignedDuration::ZERO);
        prop_assert_eq!(status_of(&first.conditions, ConditionType::Ready), Some(Status::True));
        prop_assert_eq!(world.is_subscribed(), subscribed && !ours, "what someone else holds is left alone");
        prop_assert!(world.mutations <= 1 + usize::from(world.to.is_some()), "the end, and the offer");
        prop_assert_eq!(&world.offered, if ours { &world.to } else { &None });
        world.mutations = 0;
        for later in [SignedDuration::ZERO, SignedDuration::from_hours(100)] {
            let again = world.pass(&first, later);
            prop_assert_eq!(&again, &first);
            prop_assert_eq!(world.mutations, 0, "Meta's word is remembered");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn who_only_looks_on_changes_nothing_at_meta_and_who_is_paused_nothing_at_all(
        previous in statuses(),
        claim in claims(),
        rows in rows(),
        connection in select(vec![DeclaredConnection::Connected, DeclaredConnection::Disconnected]),
        policy in select(vec![ManagementPolicy::Observe, ManagementPolicy::Pause]),
        is_valid in any::<bool>(),
        publishes in any::<bool>(),
        publication in publications(),
    ) {
        let (before, held) = (rows.clone(), claim.clone());
        let token = TokenInfo { is_valid, ..token_info() };
        let mut world =
            World { claim, rows, connection, policy, publishes, publication, token, ..World::default() };
        let first = world.pass(&previous, SignedDuration::ZERO);
        prop_assert_eq!(&world.rows, &before);
        prop_assert_eq!(world.publication, publication, "nor any Secret");
        prop_assert!(policy == ManagementPolicy::Observe || world.claim == held);
        let again = world.pass(&first, SignedDuration::from_hours(5));
        prop_assert_eq!(&again, &first);
        prop_assert_eq!(&world.rows, &before);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_any_history_a_healthy_channel_becomes_ready_and_rests(
        history in prop::collection::vec((declarations(), observations()), 0..6),
        world in healthy_worlds(),
    ) {
        let mut previous = FacebookChannelStatus::default();
        for (past, (channel, seen)) in (-100..).zip(history) {
            let scene = Scene { channel, previous, seen, now: now() + SignedDuration::from_hours(past) };
            previous = scene.decide().plan.report.status;
        }
        reaches_ready_and_rests(previous, world)?;
    }
}

/// Worlds in which nothing is wrong that the operator could not put right.
fn healthy_worlds() -> impl Strategy<Value = World> {
    let claims = claims().prop_filter("not someone else's", |claim| {
        matches!(
            claim,
            ClaimSeen::Ours { .. } | ClaimSeen::Free | ClaimSeen::Orphaned { .. } | ClaimSeen::Offered { .. }
        )
    });
    let records = select(vec![Record::Current, Record::Outdated, Record::GivenAway, Record::OtherApp]);
    let connections = select(vec![DeclaredConnection::Connected, DeclaredConnection::Disconnected]);
    let requirements = {
        use ReceiverRequirement::{Ignored, NotContradicted, Verified};
        select(vec![Ignored, NotContradicted, Verified])
    };
    let published = (any::<bool>(), publications()).prop_filter("not someone else's, nor in the way", |(_, seen)| {
        !matches!(seen, SecretSeen::Taken | SecretSeen::Leftover)
    });
    let link = (connections, receivers(), receivers(), formers());
    let parts = (claims, records, rows(), link, requirements, published);
    parts.prop_map(|(claim, record, rows, link, requirement, (publishes, publication))| {
        let (connection, to, offered, former) = link;
        let ours = matches!(claim, ClaimSeen::Ours { .. });
        let (offered, former) = (offered.filter(|_| ours), former.filter(|it| ours && is_ended(&it.app)));
        let world = World { claim, record, rows, connection, requirement, to, offered, former, ..World::default() };
        World { publishes, publication, ..world }
    })
}

/// Whether nobody has to do anything before the subscription to an application is ended or left.
fn is_ended(former: &AppState) -> bool {
    !matches!(former, AppState::NotReady(_) | AppState::SecretGone)
}

/// The namespace that a page is given to, if it is.
fn receivers() -> impl Strategy<Value = Option<String>> {
    prop_oneof![2 => Just(None), 1 => select(vec!["tenant-b", "tenant-c"]).prop_map(|it| Some(it.to_owned()))]
}

/// One pass is enough, in which every thing is written once at most; and whenever it is checked again nothing is written.
fn reaches_ready_and_rests(previous: FacebookChannelStatus, mut world: World) -> Result<(), TestCaseError> {
    let subscribed = world.is_subscribed();
    let first = world.pass(&previous, SignedDuration::ZERO);
    prop_assert_eq!(status_of(&first.conditions, ConditionType::Ready), Some(Status::True), "{:#?}", first);
    // A claim, a subscription or its end, and the published Secret or its end; then an offer withdrawn and made again, and
    // the end of another app's subscription with what the claim says of it.
    prop_assert!(world.mutations <= 7, "{} mutations", world.mutations);
    let connected = world.connection == DeclaredConnection::Connected && world.to.is_none();
    let holds = matches!(world.claim, ClaimSeen::Ours { .. });
    prop_assert!(holds || world.to.is_some());
    prop_assert_eq!(&world.offered, if holds { &world.to } else { &None });
    prop_assert!(world.former.is_none());
    prop_assert_eq!(world.is_subscribed(), connected || !holds && subscribed);
    prop_assert_eq!(world.publication != SecretSeen::Missing, world.publishes && connected);
    prop_assert_eq!(first.published_secret_name.is_some(), world.publishes && connected);
    world.mutations = 0;
    for later in [SignedDuration::ZERO, SignedDuration::from_mins(15), SignedDuration::from_hours(23)] {
        let mut again = world.pass(&first, later);
        // The time of evidence that stays the same is refreshed once a day.
        again.primary_receiver.clone_from(&first.primary_receiver);
        prop_assert_eq!(&again, &first);
        prop_assert_eq!(world.mutations, 0);
    }
    Ok(())
}
