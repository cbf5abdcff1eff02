//! What holds for every decision, whatever was seen before and now.

use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::sample::select;

use super::scene::*;
use super::strategies::{claims, declarations, observations, rows, statuses, verify_tokens};
use crate::api::conditions::{ConditionType, Status, status_of};
use crate::api::{ManagementPolicy, MetaAppStatus};
use crate::graph::AppSubscription;
use crate::meta_app::model::{Asked, Mutation, SecretSeen, VerifyTokenSeen};
use crate::ownership::ClaimSeen;
use crate::testing::unanswered;

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_decision_keeps_the_invariants(app in declarations(), seen in observations(), previous in statuses()) {
        let managed = app.spec.management_policy == ManagementPolicy::Manage;
        let scene = Scene { app, previous, seen, now: now() };
        // Checks the invariants of Ready, of messages and of transition times.
        let outcome = scene.decide();
        let Some(mutation) = outcome.plan.mutation else { return Ok(()) };
        prop_assert!(managed, "{mutation:?} by someone who only looks on, or does not even that");
        let asked = &scene.seen.asked;
        let proven = scene.seen.secret == SecretSeen::Present && matches!(asked.node, Some(Ok(_)));
        prop_assert!(proven, "{mutation:?} without a call with the app token that worked");
        let ours = matches!(scene.seen.claim, ClaimSeen::Ours { .. });
        match mutation {
            Mutation::AcquireClaim => prop_assert!(scene.seen.claim == ClaimSeen::Free && !asked.claimed),
            Mutation::AdoptClaim { .. } => {
                let orphaned = matches!(scene.seen.claim, ClaimSeen::Orphaned { .. });
                prop_assert!(orphaned && !asked.claimed);
            },
            Mutation::CreateVerifyToken => {
                prop_assert!(ours && scene.seen.verify_token == VerifyTokenSeen::Missing && !asked.verify_token_made);
            }
            Mutation::AdoptVerifyToken => {
                prop_assert!(ours && scene.seen.verify_token == VerifyTokenSeen::LeftOver && !asked.verify_token_made);
            }
            Mutation::TellGateway => prop_assert!(false, "that comes before everything else"),
            Mutation::Subscribe { callback_url, fields } | Mutation::Introduce { callback_url, fields } => {
                prop_assert!(ours && scene.seen.verify_token == VerifyTokenSeen::Ours && asked.subscribed.is_none());
                prop_assert!(callback_url == CALLBACK && fields == words(&FIELDS));
                let foreign = matches!(&asked.subscriptions, Some(Ok(rows)) if rows.iter().any(|row| row.callback_url == FOREIGN));
                let ours_before = scene.previous.subscription.as_ref().is_some_and(|it| it.callback_url.is_some());
                prop_assert!(ours_before || !foreign, "a callback that was never ours is not overwritten");
            }
        }
    }

    #[test]
    fn no_answer_turns_no_condition_false(app in declarations(), seen in observations(), previous in statuses()) {
        let scene = Scene { app, previous, seen, now: now() };
        let outcome = scene.decide();
        let asked = &scene.seen.asked;
        let open = [
            (ConditionType::CredentialsValid, unanswered(&asked.node)),
            (ConditionType::PermissionsApproved, unanswered(&asked.permissions)),
            (ConditionType::VersionSupported, unanswered(&asked.node)),
            (ConditionType::WebhookSubscribed, unanswered(&asked.subscriptions) && unanswered(&asked.subscribed)),
        ];
        for (type_, open) in open {
            let is_false = |conditions| status_of(conditions, type_) == Some(Status::False);
            let found_here = [
                "SecretUnavailable", "SecretMalformed", "SecretNameTaken", "CallbackNotConfigured", "ClaimedElsewhere",
                "DuplicateInNamespace",
            ];
            let reason = outcome.of(type_).replace("False/", "");
            if open && is_false(&outcome.status().conditions) && !found_here.contains(&reason.as_str()) {
                prop_assert!(is_false(&scene.previous.conditions), "{type_:?} {reason}");
            }
        }
    }

    #[test]
    fn from_any_status_a_healthy_app_becomes_ready_and_rests(previous in statuses(), world in healthy_worlds()) {
        // Once our callback stood there, another one is drift.
        let ours_before = previous.subscription.as_ref().is_some_and(|it| it.callback_url.is_some());
        prop_assume!(ours_before || world.rows.iter().all(|row| row.callback_url == CALLBACK));
        reaches_ready_and_rests(previous, world)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_any_history_a_healthy_app_becomes_ready_and_rests(
        history in prop::collection::vec((declarations(), observations()), 0..6),
        world in healthy_worlds(),
    ) {
        let mut previous = MetaAppStatus::default();
        for (past, (app, seen)) in (-100..).zip(history) {
            let scene = Scene { app, previous, seen, now: now() + SignedDuration::from_hours(past) };
            previous = scene.decide().plan.report.status;
        }
        let ours_before = previous.subscription.as_ref().is_some_and(|it| it.callback_url.is_some());
        prop_assume!(ours_before || world.rows.iter().all(|row| row.callback_url == CALLBACK));
        reaches_ready_and_rests(previous, world)?;
    }
}

/// Worlds in which nothing is wrong that the operator could not put right, but for a callback that never was ours.
fn healthy_worlds() -> impl Strategy<Value = World> {
    let claims = claims().prop_filter("not someone else's", |claim| {
        matches!(claim, ClaimSeen::Ours { .. } | ClaimSeen::Free | ClaimSeen::Orphaned { .. })
    });
    let tokens = verify_tokens().prop_filter("not someone else's", |it| *it != VerifyTokenSeen::Taken);
    (claims, tokens, rows()).prop_map(|(claim, verify_token, rows)| {
        let (policy, mutations) = Default::default();
        World { claim, verify_token, rows, policy, mutations }
    })
}

/// One pass is enough, in which every thing is written once at most; and whenever it is checked again nothing is written.
fn reaches_ready_and_rests(previous: MetaAppStatus, mut world: World) -> Result<(), TestCaseError> {
    let first = world.pass(&previous, SignedDuration::ZERO);
    prop_assert_eq!(status_of(&first.conditions, ConditionType::Ready), Some(Status::True), "{:#?}", first);
    prop_assert!(world.mutations <= 3, "a claim, a verify token and a subscription");
    prop_assert!(world.rows.iter().all(|row| row.callback_url == CALLBACK));
    world.mutations = 0;
    for later in [SignedDuration::ZERO, SignedDuration::from_hours(1), SignedDuration::from_hours(100)] {
        let again = world.pass(&first, later);
        prop_assert_eq!(&again, &first);
        prop_assert_eq!(world.mutations, 0);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn who_only_looks_on_or_is_paused_changes_nothing_at_all(
        previous in statuses(),
        claim in claims(),
        verify_token in verify_tokens(),
        rows in rows(),
        policy in select(vec![ManagementPolicy::Observe, ManagementPolicy::Pause]),
    ) {
        let mut world = World { claim, verify_token, rows, policy, mutations: 0 };
        let first = world.pass(&previous, SignedDuration::ZERO);
        let again = world.pass(&first, SignedDuration::from_hours(100));
        prop_assert_eq!(&again, &first);
        prop_assert_eq!(world.mutations, 0);
    }
}

/// Meta and the cluster, as far as a pass can change them.
#[derive(Debug)]
struct World {
    claim: ClaimSeen,
    verify_token: VerifyTokenSeen,
    rows: Vec<AppSubscription>,
    policy: ManagementPolicy,
    mutations: usize,
}

impl World {
    /// One pass: observes, decides and acts until there is something to report.
    fn pass(&mut self, previous: &MetaAppStatus, later: SignedDuration) -> MetaAppStatus {
        let mut scene = Scene::rows(self.rows.clone());
        scene.app = meta_app(3);
        scene.app.spec.management_policy = self.policy;
        scene.previous = previous.clone();
        scene.now = now() + later;
        for _ in 0..5 {
            scene.seen.claim = self.claim.clone();
            scene.seen.verify_token = self.verify_token;
            let outcome = scene.decide();
            let Some(mutation) = outcome.plan.mutation else { return outcome.plan.report.status };
            self.act(mutation, &mut scene.seen.asked);
        }
        panic!("the pass does not end");
    }

    fn act(&mut self, mutation: Mutation, asked: &mut Asked) {
        self.mutations += 1;
        match mutation {
            Mutation::AcquireClaim | Mutation::AdoptClaim { .. } => {
                self.claim = ClaimSeen::Ours { uid: "c1".to_owned() };
                asked.claimed = true;
            }
            Mutation::CreateVerifyToken | Mutation::AdoptVerifyToken => {
                self.verify_token = VerifyTokenSeen::Ours;
                asked.verify_token_made = true;
            }
            Mutation::TellGateway => panic!("that comes before everything else"),
            Mutation::Subscribe { callback_url, fields } | Mutation::Introduce { callback_url, fields } => {
                self.rows = vec![AppSubscription { object: "page".to_owned(), callback_url, active: true, fields }];
                asked.subscribed = Some(Ok(()));
                asked.subscriptions = Some(Ok(self.rows.clone()));
            }
        }
    }
}
