//! No answer is not an answer: what is kept, and for how long.

use super::scene::*;
use crate::api::conditions::ConditionType::{
    Authorized, Connected, Disconnected, Expired, PageUsable, Ready, Reconciling, Subscribed,
};
use crate::api::outcome::Class;
use crate::controller::dependency::Told;
use crate::facebook_channel::model::{Asked, TokenSeen};
use crate::graph::{GraphFault, Operation, PageNode, TokenInfo};
use crate::limits::answer::Refusal;
use crate::meta_app::facts::WebhookVerdict;

/// The ways in which Meta can leave everything open.
fn silences() -> Vec<(&'static str, Asked)> {
    let about_page = |page: Option<Refusal>, rows: Option<Refusal>| Asked {
        token: Some(Ok(token_info())),
        page: Some(page.map_or(Ok(page_node()), Err)),
        subscriptions: Some(rows.map_or(Ok(vec![row(APP, &FIELDS)]), Err)),
        ..Asked::default()
    };
    let about_token = |answer| Asked { token: Some(answer), ..Asked::default() };
    let unclear = TokenInfo { is_valid: false, error: Some(GraphFault::new(2, None, "down")), ..token_info() };
    let busy = TokenInfo { is_valid: false, error: Some(GraphFault::new(4, None, "limit")), ..token_info() };
    vec![
        ("debug_token timed out", about_token(Err(no_answer()))),
        ("debug_token was throttled", about_token(Err(fault(Operation::DebugToken, 4, None, "limit")))),
        ("debug_token left open why", about_token(Ok(unclear))),
        ("debug_token was too busy to say", about_token(Ok(busy))),
        ("the page timed out", about_page(Some(no_answer()), None)),
        ("the rows were throttled", about_page(None, Some(throttled()))),
        ("the rows were transient", about_page(None, Some(fault(Operation::ReadPage, 2, None, "Service down")))),
        ("an unknown code", about_page(Some(fault(Operation::ReadPage, 4242, None, "?")), None)),
        ("both timed out", about_page(Some(no_answer()), Some(no_answer()))),
    ]
}

#[test]
fn silence_rewrites_no_status() {
    let before = Scene::healthy().decide();
    for (name, asked) in silences() {
        let mut scene = Scene::healthy().after(&before);
        scene.seen.asked = asked;
        let outcome = scene.decide();
        assert_eq!(outcome.status(), before.status(), "{name}");
        assert!(!outcome.plan.report.answered, "{name}");
        // What was received and refused is refused again: it is asked for at the regular times.
        let again = matches!(outcome.plan.report.class, Class::Transient | Class::Throttled(_));
        assert_eq!(again, name != "an unknown code", "{name}");
        assert!(outcome.plan.report.notes.is_empty(), "{name}");
        outcome.no_mutation();
    }
}

#[test]
fn silence_rewrites_no_status_of_a_broken_channel_either() {
    let ended = TokenInfo { is_valid: false, error: Some(GraphFault::new(190, Some(460), "x")), ..token_info() };
    let unpublished = PageNode { is_published: Some(false), ..page_node() };
    let broken = [
        Scene::debugged(Ok(ended)),
        Scene::debugged(Ok(TokenInfo { scopes: Some(vec![]), ..token_info() })),
        Scene::debugged(Err(fault(Operation::DebugToken, 100, None, "did not match the Viewing App"))),
        Scene::with(|scene| scene.seen.asked.page = Some(Ok(unpublished))),
        Scene::with(|scene| scene.seen.asked.page = Some(Err(fault(Operation::ReadPage, 368, None, "x")))),
        Scene::with(|scene| {
            scene.seen.asked.page = Some(Err(fault(Operation::ReadPage, 200, None, "pages_messaging is needed")));
        }),
        Scene::with(|scene| {
            scene.seen.asked.subscriptions = Some(Ok(vec![]));
            scene.seen.asked.subscribed = Some(Err(fault(Operation::SubscribePage, 100, None, "Param is wrong")));
        }),
        Scene::with(|scene| {
            scene.seen.app = app(Ok(()), WebhookVerdict::NotSubscribed(Told::only("why")));
        }),
    ];
    for scene in broken {
        let before = scene.decide();
        assert_ne!(before.of(Ready), "True/ReconcileSucceeded");
        let mut after = scene.after(&before);
        after.seen.asked = Asked { token: Some(Err(no_answer())), ..Asked::default() };
        let outcome = after.decide();
        assert_eq!(outcome.status(), before.status());
        assert!(outcome.plan.report.notes.is_empty());
    }
}

#[test]
fn past_the_limit_nothing_is_known_any_more() {
    let before = Scene::healthy().decide();
    for (refusal, reason) in [(no_answer(), "GraphUnavailable"), (throttled(), "RateLimited")] {
        let mut scene = Scene::healthy().after(&before);
        scene.seen.asked = Asked { token: Some(Err(refusal)), ..Asked::default() };
        scene.seen.stale = true;
        let outcome = scene.decide();
        let unknown = format!("Unknown/{reason}");
        outcome.reconciling(&unknown);
        for type_ in [Authorized, Connected, Expired, Disconnected] {
            outcome.shows(&[(type_, &unknown)]);
        }
        assert!(outcome.of(PageUsable).starts_with("Unknown/") && outcome.of(Subscribed).starts_with("Unknown/"));
        assert_eq!(outcome.status().connection.as_str(), "Pending");
        assert_eq!(outcome.status().page_name.as_deref(), Some("Acme Shop"), "a name does not go bad");
    }
}

#[test]
fn a_part_alone_can_be_too_old() {
    let before = Scene::healthy().decide();
    let mut scene = Scene::healthy().after(&before);
    scene.seen.asked.page = Some(Err(no_answer()));
    scene.seen.stale = true;
    let outcome = scene.decide();
    outcome.shows(&[
        (Authorized, "True/TokenValid"),
        (PageUsable, "Unknown/GraphUnavailable"),
        (Subscribed, "True/FieldsMatch"),
        (Connected, "Unknown/GraphUnavailable"),
    ]);
    outcome.reconciling("Unknown/GraphUnavailable");
}

#[test]
fn a_first_look_without_an_answer_knows_nothing() {
    let outcome = Scene::debugged(Err(no_answer())).decide();
    outcome.reconciling("Unknown/GraphUnavailable");
    outcome.shows(&[(Authorized, "Unknown/GraphUnavailable")]);
    assert_eq!(outcome.status().inputs, None, "so that the next pass checks again");
}

#[test]
fn a_value_of_an_older_generation_is_kept_but_does_not_make_the_new_one_ready() {
    let before = Scene::healthy().decide();
    for (name, asked) in silences() {
        let mut scene = Scene::healthy().after(&before);
        scene.channel.metadata.generation = Some(2);
        scene.seen.asked = asked;
        let outcome = scene.decide();
        outcome.shows(&[
            (Ready, "Unknown/Pending"),
            (Reconciling, "True/Pending"),
            (Connected, "True/ConnectionVerified"),
        ]);
        assert!(outcome.message(Ready).starts_with("Generation 2 has not been verified"), "{name}");
        let kept = outcome.status().conditions.iter().filter(|it| it.observed_generation == Some(1)).count();
        assert!(kept >= 2, "{name}: the kept part, and what follows from it: {:#?}", outcome.status());
        assert_eq!(outcome.status().observed_generation, 2);
    }
}

#[test]
fn what_was_found_without_meta_is_found_anew_and_never_kept() {
    let secret_missing = Scene::with(|scene| {
        scene.seen.token = TokenSeen::NotReleased;
        scene.seen.asked = Asked::default();
    });
    let secret_malformed = Scene::with(|scene| {
        scene.seen.token = TokenSeen::Malformed("it is empty".to_owned());
        scene.seen.asked = Asked::default();
    });
    for scene in [secret_missing, secret_malformed] {
        let mut now_there = Scene::debugged(Err(no_answer())).after(&scene.decide());
        now_there.previous.authorization = None;
        now_there.decide().shows(&[(Authorized, "Unknown/GraphUnavailable")]);
    }

    let undelivered = Scene::with(|scene| scene.seen.app = app(Ok(()), WebhookVerdict::NotSubscribed(Told::only("x"))));
    let mut delivered = Scene::healthy().after(&undelivered.decide());
    delivered.seen.asked.subscriptions = Some(Err(no_answer()));
    delivered.decide().shows(&[(Subscribed, "Unknown/GraphUnavailable")]);
}

#[test]
fn a_value_about_another_token_is_not_kept() {
    let ended = TokenInfo { is_valid: false, error: Some(GraphFault::new(190, Some(460), "x")), ..token_info() };
    for before in [Scene::healthy(), Scene::debugged(Ok(ended))] {
        let before = before.decide();
        let mut scene = Scene::debugged(Err(no_answer())).after(&before);
        scene.seen.token = TokenSeen::Present { fingerprint: "f2".to_owned() };
        let outcome = scene.decide();
        outcome.shows(&[(Authorized, "Unknown/GraphUnavailable"), (Connected, "Unknown/GraphUnavailable")]);
        outcome.reconciling("Unknown/GraphUnavailable");
        assert_eq!(outcome.status().authorization, None);
    }
}

#[test]
fn who_is_held_back_says_why_and_until_when_and_says_the_same_when_it_is_tried_again() {
    use crate::limits::answer::Held;
    let until = at("2026-03-01T12:00:42Z");
    let later = jiff::SignedDuration::from_secs(5);
    let refusals = [
        Refusal::held(Held::Edits(until)),
        Refusal::held(Held::Limit(until + later)).because(format!("until {until}")),
        Refusal::held(Held::Outage(until + later)).because(format!("since {until}")),
    ];
    for refusal in refusals {
        // Never verified, and verified for the generation before.
        let known = Scene::healthy().decide();
        for before in [None, Some(&known)] {
            let held = || {
                let mut scene = Scene::debugged(Err(refusal.clone()));
                scene.channel.metadata.generation = Some(2);
                match before {
                    Some(before) => scene.after(before),
                    None => scene,
                }
            };
            let first = held().decide();
            let message = first.message(Ready);
            assert!(message.contains("2026-03-01T12:00:42Z"), "{message}");
            assert!(first.of(Ready).starts_with("Unknown/"));
            let again = held().again(&first, later);
            assert_eq!(again.status(), first.status());
        }
        // What is known of this very generation is not touched by it.
        let same = Scene::debugged(Err(refusal.clone())).after(&known).decide();
        assert_eq!(same.status().conditions, known.status().conditions);
    }
}
