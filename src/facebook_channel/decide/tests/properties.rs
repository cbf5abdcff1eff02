//! What holds for every decision, whatever was seen before and now.

use jiff::SignedDuration;
use proptest::prelude::*;

use super::super::authorization::is_proven;
use super::scene::*;
use super::strategies::{claims, observations, rows, statuses};
use crate::api::FacebookChannelStatus;
use crate::api::conditions::{ConditionType, Status, status_of};
use crate::claims::ClaimSeen;
use crate::engine::answer::Answer;
use crate::engine::repairs::Standing;
use crate::facebook_channel::act::Mutation;
use crate::facebook_channel::observe::{AppSeen, Asked, Observed};
use crate::graph::PageSubscription;
use crate::meta_app::WebhookVerdict;

fn unanswered<T>(answer: &Option<Answer<T>>) -> bool {
    answer.as_ref().is_none_or(|answer| matches!(answer, Err(refusal) if refusal.says_nothing()))
}

/// Conditions about which Meta said nothing in this pass.
fn open_conditions(seen: &Observed) -> Vec<ConditionType> {
    let asked = &seen.asked;
    let calls = unanswered(&asked.page) && unanswered(&asked.subscriptions) && unanswered(&asked.subscribed);
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
    fn a_decision_keeps_the_laws(seen in observations(), previous in statuses()) {
        let scene = Scene { channel: channel(3), previous, seen, now: now() };
        // Checks the laws of Ready, of the three, of messages and of transition times.
        let outcome = scene.decide();
        let proven = is_proven(&scene.channel, &scene.seen, scene.now)
            && outcome.of(ConditionType::Authorized) == "True/TokenValid";
        match &outcome.plan.mutation {
            Some(Mutation::AcquireClaim) => prop_assert!(proven && scene.seen.claim == ClaimSeen::Free),
            Some(Mutation::AdoptClaim { .. }) => {
                let orphaned = matches!(scene.seen.claim, ClaimSeen::Orphaned { .. });
                prop_assert!(proven && orphaned);
            },
            Some(Mutation::Subscribe { fields }) => {
                let ours = matches!(scene.seen.claim, ClaimSeen::Ours { .. });
                prop_assert!(proven && ours && scene.seen.standing != Standing::Fought);
                prop_assert!(scene.seen.asked.subscribed.is_none() && *fields == words(&FIELDS));
            }
            None => {}
        }
        let tried = scene.seen.asked.claimed;
        let claims = matches!(outcome.plan.mutation, Some(Mutation::AcquireClaim | Mutation::AdoptClaim { .. }));
        prop_assert!(!(tried && claims));
    }

    #[test]
    fn no_answer_turns_no_condition_false(seen in observations(), previous in statuses()) {
        let scene = Scene { channel: channel(3), previous, seen, now: now() };
        let outcome = scene.decide();
        for type_ in open_conditions(&scene.seen) {
            if status_of(&outcome.status().conditions, type_) == Some(Status::False) {
                let known_here = ["SecretNotReleased", "SecretMalformed", "AppNotAllowed"];
                let reason = outcome.of(type_).replace("False/", "");
                let before = status_of(&scene.previous.conditions, type_);
                prop_assert!(before == Some(Status::False) || known_here.contains(&reason.as_str()), "{type_:?} {reason}");
            }
        }
    }

    #[test]
    fn from_any_status_a_healthy_channel_becomes_ready_and_rests(
        previous in statuses(),
        claim in claims().prop_filter("not somebody else's", |claim| {
            matches!(claim, ClaimSeen::Ours { .. } | ClaimSeen::Free | ClaimSeen::Orphaned { .. })
        }),
        rows in rows(),
    ) {
        let mut world = World { claim, rows, mutations: 0 };
        let first = world.pass(&previous, SignedDuration::ZERO);
        prop_assert_eq!(status_of(&first.conditions, ConditionType::Ready), Some(Status::True));
        prop_assert!(world.mutations <= 2, "a claim and a subscription");
        world.mutations = 0;
        for later in [SignedDuration::ZERO, SignedDuration::from_mins(15), SignedDuration::from_hours(23)] {
            let again = world.pass(&first, later);
            prop_assert_eq!(&again, &first);
            prop_assert_eq!(world.mutations, 0);
        }
    }
}

/// Meta and the cluster, as far as a pass can change them.
struct World {
    claim: ClaimSeen,
    rows: Vec<PageSubscription>,
    mutations: usize,
}

impl World {
    /// One pass: observes, decides and acts until there is something to report.
    fn pass(&mut self, previous: &FacebookChannelStatus, later: SignedDuration) -> FacebookChannelStatus {
        let mut scene = Scene::healthy();
        scene.channel = channel(3);
        scene.previous = previous.clone();
        scene.now = now() + later;
        scene.seen.asked = Asked::default();
        for _ in 0..4 {
            self.observe(&mut scene);
            let outcome = scene.decide();
            let Some(mutation) = outcome.plan.mutation else { return outcome.plan.report.status };
            self.act(mutation, &mut scene.seen.asked);
        }
        panic!("the pass does not end");
    }

    fn observe(&self, scene: &mut Scene) {
        scene.seen.claim = self.claim.clone();
        scene.seen.asked.token.get_or_insert(Ok(token_info()));
        if is_proven(&scene.channel, &scene.seen, scene.now) && matches!(self.claim, ClaimSeen::Ours { .. }) {
            scene.seen.asked.page.get_or_insert(Ok(page_node()));
            scene.seen.asked.subscriptions.get_or_insert(Ok(self.rows.clone()));
        }
    }

    fn act(&mut self, mutation: Mutation, asked: &mut Asked) {
        self.mutations += 1;
        match mutation {
            Mutation::AcquireClaim | Mutation::AdoptClaim { .. } => {
                self.claim = ClaimSeen::Ours { uid: "c1".to_owned() };
                asked.claimed = true;
            }
            Mutation::Subscribe { fields } => {
                self.rows.retain(|row| row.id != APP);
                self.rows.push(PageSubscription { id: APP.to_owned(), name: None, subscribed_fields: fields });
                asked.subscribed = Some(Ok(()));
                asked.subscriptions = Some(Ok(self.rows.clone()));
            }
        }
    }
}
