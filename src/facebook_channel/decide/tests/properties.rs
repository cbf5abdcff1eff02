//! What holds for every decision, whatever was seen before and now.

use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::authorization::is_proven;
use super::scene::*;
use super::strategies::{claims, declarations, observations, publications, rows, statuses};
use crate::api::conditions::{ConditionType, Status, find, status_of};
use crate::api::{DeclaredConnection, FacebookChannelStatus, ManagementPolicy, PrimaryReceiver, ReceiverRequirement};
use crate::claims::{ClaimSeen, Record};
use crate::engine::answer::Answer;
use crate::engine::repairs::Standing;
use crate::facebook_channel::act::Mutation;
use crate::facebook_channel::observe::{AppSeen, Asked, Observed};
use crate::facebook_channel::publication::{Content, PublicationSeen};
use crate::graph::{PageSubscription, Thread, ThreadOwner, TokenInfo};
use crate::meta_app::WebhookVerdict;

fn unanswered<T>(answer: &Option<Answer<T>>) -> bool {
    answer.as_ref().is_none_or(|answer| matches!(answer, Err(refusal) if refusal.says_nothing()))
}

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
    fn a_decision_keeps_the_laws(channel in declarations(), seen in observations(), previous in statuses()) {
        let (policy, connection) = (channel.spec.management_policy, channel.spec.connection);
        let scene = Scene { channel, previous, seen, now: now() };
        // Checks the laws of Ready, of the three, of messages and of transition times.
        let outcome = scene.decide();
        let judged = outcome.of(ConditionType::Authorized);
        let proven = is_proven(&scene.channel, &scene.seen, scene.now)
            && ["True/TokenValid", "Unknown/DeclaredDisconnected"].contains(&judged.as_str());
        let managed = policy == ManagementPolicy::Manage;
        match &outcome.plan.mutation {
            Some(mutation) if policy == ManagementPolicy::Pause => {
                prop_assert_eq!(mutation, &Mutation::RecordClaim { proven: false });
            }
            Some(Mutation::AcquireClaim) => prop_assert!(proven && scene.seen.claim == ClaimSeen::Free),
            Some(Mutation::AdoptClaim { proven: said, .. }) => {
                let orphaned = matches!(scene.seen.claim, ClaimSeen::Orphaned { .. });
                prop_assert!(orphaned && (proven || !*said));
                prop_assert!(proven || connection == DeclaredConnection::Disconnected, "to end what was left");
            },
            Some(Mutation::RecordClaim { proven: said }) => {
                let ours = matches!(scene.seen.claim, ClaimSeen::Ours { .. });
                prop_assert!(ours && (proven || !*said) && !scene.seen.asked.claimed);
                prop_assert!(scene.seen.record == Record::Outdated || (scene.seen.record == Record::OtherApp && proven));
            }
            Some(Mutation::Subscribe { .. } | Mutation::Unsubscribe) if scene.seen.standing == Standing::Fought => {
                prop_assert!(false, "what is fought over is left alone");
            }
            Some(Mutation::Subscribe { fields }) => {
                let ours = matches!(scene.seen.claim, ClaimSeen::Ours { .. });
                prop_assert!(proven && ours && managed && connection == DeclaredConnection::Connected);
                prop_assert!(scene.seen.asked.subscribed.is_none() && *fields == words(&FIELDS));
            }
            Some(Mutation::Unsubscribe) => {
                let ours = matches!(scene.seen.claim, ClaimSeen::Ours { .. });
                prop_assert!(ours && managed && connection == DeclaredConnection::Disconnected);
                prop_assert!(scene.seen.asked.unsubscribed.is_none());
            }
            Some(Mutation::Publish) => {
                let ours = matches!(scene.seen.claim, ClaimSeen::Ours { .. });
                prop_assert!(scene.channel.spec.publish_token && judged.starts_with("True") && ours && managed);
                prop_assert!(connection == DeclaredConnection::Connected && !scene.seen.asked.published);
                prop_assert!(matches!(scene.seen.publication, PublicationSeen::Missing | PublicationSeen::Ours(_)));
            }
            Some(Mutation::Withdraw) => {
                let made = matches!(scene.seen.publication, PublicationSeen::Leftover | PublicationSeen::Ours(_));
                prop_assert!(made && managed && !scene.seen.asked.published);
            }
            None => {}
        }
        let tried = scene.seen.asked.claimed;
        let claims = matches!(outcome.plan.mutation, Some(Mutation::AcquireClaim | Mutation::AdoptClaim { .. }));
        prop_assert!(!(tried && claims));
    }

    #[test]
    fn no_answer_turns_no_condition_false(channel in declarations(), seen in observations(), previous in statuses()) {
        let scene = Scene { channel, previous, seen, now: now() };
        let outcome = scene.decide();
        for type_ in open_conditions(&scene.seen) {
            if status_of(&outcome.status().conditions, type_) == Some(Status::False) {
                let known_here = ["SecretNotReleased", "SecretMalformed"];
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
            find(&it.conditions, ConditionType::Subscribed).is_none_or(|it| it.reason != "DeclaredDisconnected")
        }),
        claim in claims().prop_filter("known to be ours or not", |claim| {
            matches!(claim, ClaimSeen::Ours { .. } | ClaimSeen::Free | ClaimSeen::Elsewhere { .. } | ClaimSeen::Duplicate { .. })
        }),
        rows in rows(),
    ) {
        let token = TokenInfo { is_valid: false, ..token_info() };
        let ours = matches!(claim, ClaimSeen::Ours { .. });
        let mut world = World { claim, rows, connection: DeclaredConnection::Disconnected, token, ..World::default() };
        let subscribed = world.is_subscribed();
        let first = world.pass(&previous, SignedDuration::ZERO);
        prop_assert_eq!(status_of(&first.conditions, ConditionType::Ready), Some(Status::True));
        prop_assert_eq!(world.is_subscribed(), subscribed && !ours, "what somebody else holds is left alone");
        prop_assert!(world.mutations <= 1);
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
    let claims = claims().prop_filter("not somebody else's", |claim| {
        matches!(claim, ClaimSeen::Ours { .. } | ClaimSeen::Free | ClaimSeen::Orphaned { .. })
    });
    let records = select(vec![Record::Current, Record::Outdated, Record::OtherApp]);
    let connections = select(vec![DeclaredConnection::Connected, DeclaredConnection::Disconnected]);
    let requirements = {
        use ReceiverRequirement::{Ignored, NotContradicted, Verified};
        select(vec![Ignored, NotContradicted, Verified])
    };
    let published = (any::<bool>(), publications()).prop_filter("not somebody else's, nor in the way", |(_, seen)| {
        !matches!(seen, PublicationSeen::Taken | PublicationSeen::Leftover)
    });
    let parts = (claims, records, rows(), connections, requirements, published);
    parts.prop_map(|(claim, record, rows, connection, requirement, (publishes, publication))| {
        let world = World { claim, record, rows, connection, requirement, ..World::default() };
        World { publishes, publication, ..world }
    })
}

/// One pass is enough, in which every thing is written once at most; and whenever it is looked at again nothing is written.
fn reaches_ready_and_rests(previous: FacebookChannelStatus, mut world: World) -> Result<(), TestCaseError> {
    let first = world.pass(&previous, SignedDuration::ZERO);
    prop_assert_eq!(status_of(&first.conditions, ConditionType::Ready), Some(Status::True), "{:#?}", first);
    prop_assert!(world.mutations <= 3, "a claim, a subscription or its end, and the published Secret or its end");
    let connected = world.connection == DeclaredConnection::Connected;
    prop_assert_eq!(world.is_subscribed(), connected);
    prop_assert_eq!(world.publication != PublicationSeen::Missing, world.publishes && connected);
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

/// Meta and the cluster, as far as a pass can change them.
#[derive(Debug)]
struct World {
    claim: ClaimSeen,
    record: Record,
    rows: Vec<PageSubscription>,
    connection: DeclaredConnection,
    policy: ManagementPolicy,
    requirement: ReceiverRequirement,
    publishes: bool,
    publication: PublicationSeen,
    token: TokenInfo,
    mutations: usize,
}

impl Default for World {
    fn default() -> Self {
        let (record, connection, policy, requirement) = Default::default();
        let (claim, rows, token) = (ClaimSeen::Free, vec![], token_info());
        let (publishes, publication, mutations) = (false, PublicationSeen::Missing, 0);
        Self { claim, record, rows, connection, policy, requirement, publishes, publication, token, mutations }
    }
}

impl World {
    fn is_subscribed(&self) -> bool {
        self.rows.iter().any(|row| row.id == APP)
    }

    /// One pass: observes, decides and acts until there is something to report.
    fn pass(&mut self, previous: &FacebookChannelStatus, later: SignedDuration) -> FacebookChannelStatus {
        let mut scene = Scene::healthy();
        scene.channel = channel(3);
        scene.channel.spec.connection = self.connection;
        scene.channel.spec.management_policy = self.policy;
        scene.channel.spec.primary_receiver = Some(PrimaryReceiver { requirement: self.requirement, attested: None });
        scene.channel.spec.publish_token = self.publishes;
        scene.previous = previous.clone();
        scene.now = now() + later;
        scene.seen.asked = Asked::default();
        for _ in 0..5 {
            self.observe(&mut scene);
            let outcome = scene.decide();
            let Some(mutation) = outcome.plan.mutation else { return outcome.plan.report.status };
            self.act(mutation, &mut scene.seen.asked);
        }
        panic!("the pass does not end");
    }

    fn observe(&self, scene: &mut Scene) {
        let ours = matches!(self.claim, ClaimSeen::Ours { .. });
        scene.seen.claim = self.claim.clone();
        scene.seen.record = if ours { self.record } else { Record::Current };
        scene.seen.publication = self.publication;
        scene.seen.asked.token.get_or_insert(Ok(self.token.clone()));
        if is_proven(&scene.channel, &scene.seen, scene.now) && ours {
            let owner = Some(ThreadOwner { app_id: Some(APP.to_owned()), expiration: None });
            let thread = Thread { updated_at: Some(scene.now), routed: true, owner };
            scene.seen.asked.threads.get_or_insert(Ok(vec![thread]));
            scene.seen.asked.page.get_or_insert(Ok(page_node()));
            scene.seen.asked.subscriptions.get_or_insert(Ok(self.rows.clone()));
        }
    }

    fn act(&mut self, mutation: Mutation, asked: &mut Asked) {
        self.mutations += 1;
        match mutation {
            Mutation::AcquireClaim | Mutation::AdoptClaim { .. } => {
                self.claim = ClaimSeen::Ours { uid: "c1".to_owned() };
                self.record = Record::Current;
                asked.claimed = true;
            }
            Mutation::RecordClaim { proven } => {
                asked.claimed = true;
                if proven || self.record == Record::Outdated {
                    self.record = Record::Current;
                }
            }
            Mutation::Publish => {
                self.publication = PublicationSeen::Ours(Content::Current);
                asked.published = true;
            }
            Mutation::Withdraw => {
                self.publication = PublicationSeen::Missing;
                asked.published = true;
            }
            Mutation::Unsubscribe => {
                self.rows.retain(|row| row.id != APP);
                asked.unsubscribed = Some(Ok(()));
                if asked.subscriptions.is_some() {
                    asked.subscriptions = Some(Ok(self.rows.clone()));
                }
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
