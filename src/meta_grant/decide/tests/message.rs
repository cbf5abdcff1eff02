//! Whether a token that a person brought in the browser replaces the token in use.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::json;

use super::model::Model;
use super::scene::*;
use crate::api::MetaGrantStatus;
use crate::api::conditions::ConditionType::{Ready, SourceTokenAccepted, Valid};
use crate::graph::{Operation, TokenInfo};
use crate::meta_grant::model::Covered;
use crate::meta_grant::model::{Mutation, Which};
use crate::meta_grant::model::{SourceTokenSeen, TokenSecretSeen};

const BOTH: [&str; 2] = [PAGE_A, PAGE_B];

/// It is kept; the source token that was known stays the known one.
fn kept() -> Option<Mutation> {
    Some(Mutation::Keep { which: Which::Message, source_token: "seed".to_owned() })
}

/// It is thrown away, for a reason with these words in it.
fn refused(outcome: &Outcome, words: &str) {
    let Some(Mutation::Discard { refused: Some(text) }) = &outcome.plan.mutation else {
        panic!("{words}: {:?}", outcome.plan.mutation)
    };
    assert!(text.contains(words) && text.contains("The token in use stays."), "{text}");
    assert!(text.contains("must authorize again"), "{text}");
}

/// A person's token that Meta ended.
fn dead() -> TokenInfo {
    TokenInfo { user_id: Some(PERSON.to_owned()), ..ended(460) }
}

const STRANGER: &str = "6600000000000066";

fn of_stranger(age: i64) -> TokenInfo {
    TokenInfo { user_id: Some(STRANGER.to_owned()), ..long_user(age) }
}

#[test]
fn what_would_do_as_a_new_seed_is_kept() {
    let no_end = TokenInfo { issued_at: None, expires_at: None, ..long_user(0) };
    for info in [long_user(0), long_user(10), no_end] {
        Scene::mailed(info, &BOTH).decide().mutates(kept());
    }
    // Whatever serves is better than what does not, also if it covers less.
    let mut scene = Scene::mailed(long_user(30), &[PAGE_B]);
    scene.seen.asked.token = Some(Ok(dead()));
    scene.decide().mutates(kept());
}

#[test]
fn only_the_grants_people_are_taken_whatever_their_tokens_cover() {
    let declared = |mut scene: Scene, ids: &[&str]| {
        scene.grant.spec.grantors = words(ids);
        scene
    };
    let of_business = || TokenInfo { user_id: Some(STRANGER.to_owned()), ..system_user(9) };
    let unknown = || TokenInfo { user_id: None, ..long_user(0) };
    // Nobody is declared: whoever was the first.
    for (info, words) in [(of_stranger(0), "people"), (of_business(), "people"), (unknown(), "does not say whose")] {
        refused(&Scene::mailed(info, &BOTH).decide(), words);
    }
    // Those who are declared, and nobody else.
    declared(Scene::mailed(of_stranger(0), &BOTH), &[PERSON, STRANGER]).decide().mutates(kept());
    refused(&declared(Scene::mailed(long_user(0), &BOTH), &[STRANGER]).decide(), "people");
    refused(&declared(Scene::mailed(unknown(), &BOTH), &[STRANGER]).decide(), "does not say whose");
    // Whose a token was that ended is known from before, or from Meta.
    let before = Scene::of(long_user(10)).decide();
    for told in [Some(PERSON), None] {
        let mut scene = Scene::mailed(of_stranger(0), &BOTH);
        if told.is_none() {
            scene = scene.after(&before);
        }
        scene.seen.asked.token = Some(Ok(TokenInfo { user_id: told.map(str::to_owned), ..ended(460) }));
        refused(&scene.decide(), "people");
        declared(scene, &[STRANGER]).decide().mutates(kept());
    }
}

#[test]
fn a_token_that_works_gives_way_to_none_that_covers_less_though_no_channel_uses_a_page() {
    let unused = |pages: &[&str]| {
        let mut scene = Scene::mailed(long_user(0), pages);
        scene.seen.dependents = Default::default();
        scene
    };
    refused(&unused(&[PAGE_A]).judged(), PAGE_B);
    refused(&unused(&["2200000000000009"]).judged(), PAGE_A);
    unused(&[PAGE_A, PAGE_B, "2200000000000009"]).decide().mutates(kept());
    // What the token in use lost in the same moment is no reason: a person's choice at Meta counts for both.
    let mut narrowed = unused(&[PAGE_B]);
    narrowed.seen.asked.pages = Some(Ok(accounts(&[PAGE_B])));
    narrowed.decide().mutates(kept());
}

#[test]
fn who_waits_is_told_once_with_the_step_that_accepts_and_changes_nothing_else() {
    let healthy = || Scene::of(long_user(10));
    let before = healthy().decide();
    let mut scene = healthy().after(&before);
    scene.seen.waiting = words(&[STRANGER]);
    let outcome = scene.decide();
    outcome.mutates(None);
    assert_eq!(outcome.notes(), ["AuthorizationWaits!"]);
    let step = outcome.status().next_step.as_deref().unwrap();
    let ids = format!("\"grantors\":[\"{PERSON}\",\"{STRANGER}\"]");
    assert!(step.contains(&ids) && step.contains("verb accept"), "{step}");
    let told = MetaGrantStatus { next_step: None, waiting_grantors: vec![], ..outcome.status().clone() };
    assert_eq!(told, MetaGrantStatus { next_step: None, ..before.status().clone() });
    let mut again = scene.after(&outcome);
    assert_eq!((again.decide().status(), again.decide().notes()), (outcome.status(), vec![]));
    // One more is told alone; whoever waits no more is not told of.
    again.seen.waiting = words(&[STRANGER, "6600000000000067"]);
    let more = again.decide();
    assert_eq!(more.notes(), ["AuthorizationWaits!"]);
    let event = &more.plan.report.notes[0].text;
    assert!(event.starts_with("6600000000000067 authorized"), "{event}");
    let mut fewer = again.after(&more);
    fewer.seen.waiting.clear();
    assert_eq!((fewer.decide().status().next_step.clone(), fewer.decide().notes()), (None, vec![]));
}

#[test]
fn whose_a_grant_is_stays_known_when_its_token_ends_or_meta_does_not_tell() {
    let before = Scene::of(long_user(10)).decide();
    for info in [ended(460), TokenInfo { user_id: None, ..long_user(10) }] {
        let outcome = Scene::of(TokenInfo { user_id: None, ..info }).after(&before).decide();
        assert_eq!(outcome.status().grantor_id.as_deref(), Some(PERSON));
    }
    assert_eq!(Scene::of(dead()).decide().status().grantor_id.as_deref(), Some(PERSON), "of a grant that is made anew");
}

#[test]
fn what_would_not_do_as_a_new_seed_is_refused() {
    let before = Scene::of(long_user(10)).decide();
    let foreign = TokenInfo { app_id: Some("9999000099990000".into()), ..long_user(0) };
    let rows: [(TokenInfo, &[&str], &str); 5] = [
        (long_user(11), &BOTH, "issued before"),
        (long_user(0), &[PAGE_A], PAGE_B),
        (foreign, &BOTH, "another application"),
        (ended(460), &BOTH, "changed the password"),
        (TokenInfo { scopes: Some(vec![]), ..long_user(0) }, &BOTH, "lacks pages_manage_metadata"),
    ];
    for (info, pages, words) in rows {
        let outcome = Scene::mailed(info, pages).after(&before).judged();
        refused(&outcome, words);
        outcome.shows(&[
            (Ready, "True/ReconcileSucceeded"),
            (Valid, "True/TokenValid"),
            (SourceTokenAccepted, "True/SourceTokenInUse"),
        ]);
    }
    let mut of_a_business = Scene::mailed(long_user(0), &BOTH);
    of_a_business.seen.asked.token = Some(Ok(system_user(10)));
    of_a_business.grant.spec.grantors = words(&[PERSON]);
    refused(&of_a_business.decide(), "a person's token may not replace it");
    let mut of_other_app = Scene::mailed(long_user(0), &BOTH);
    let text = "(#100) The App_id in the input_token did not match the Viewing App";
    of_other_app.seen.asked.message = Some(Err(fault(Operation::DebugToken, 100, None, text)));
    refused(&of_other_app.decide(), "another application");
    let mut unreadable = Scene::healthy();
    unreadable.seen.tokens.envelopes = vec![Arc::default()];
    refused(&unreadable.decide(), "holds no usable token");
}

#[test]
fn what_covers_less_or_is_not_listed_is_refused_once_that_was_said_twice() {
    let mut unlisted = Scene::mailed(long_user(0), &BOTH);
    unlisted.seen.asked.message_pages = Some(Err(fault(Operation::ListAccounts, 10, None, "(#10) no permission")));
    for (scene, words) in [(Scene::mailed(long_user(0), &[PAGE_A]), PAGE_B), (unlisted, "does not list its pages")] {
        let first = scene.decide();
        first.mutates(None);
        refused(&scene.again(&first).decide(), words);
    }
}

#[test]
fn a_debug_token_that_is_refused_throws_nothing_away_before_it_was_refused_again() {
    for (code, text) in [(100, "(#100) Invalid parameter"), (101, "Error validating application.")] {
        let scene = || {
            let mut scene = Scene::mailed(long_user(0), &BOTH);
            scene.seen.asked.message = Some(Err(fault(Operation::DebugToken, code, None, text)));
            scene.seen.asked.message_pages = None;
            scene
        };
        let first = scene().decide();
        first.mutates(None);
        assert_eq!(first.plan.report.suspicions.next(first.now), Some(first.now + SignedDuration::from_secs(60)));
        Scene::mailed(long_user(0), &BOTH).again(&first).decide().mutates(kept());
        refused(&scene().again(&first).decide(), "does not say what the token is");
    }
}

#[test]
fn what_is_left_open_is_asked_again_after_a_minute_and_then_every_five() {
    let open = || Covered { open: covered(&[PAGE_B]).pages, ..covered(&[PAGE_A]) };
    let message = || {
        let mut scene = Scene::mailed(long_user(0), &BOTH);
        scene.seen.asked.message_pages = Some(Ok(open()));
        scene
    };
    let source_token = || {
        let mut scene = Scene::new_seed(system_user(1), &BOTH);
        scene.seen.asked.source_token_pages = Some(Ok(open()));
        scene
    };
    let rows: [&dyn Fn() -> Scene; 2] = [&message, &source_token];
    for scene in rows {
        let again = |outcome: &Outcome| {
            let report = &outcome.plan.report;
            let confirmed = report.suspicions.next(outcome.now);
            let at = report.until.into_iter().chain(confirmed).min().expect("it checks again");
            at.duration_since(outcome.now).as_secs()
        };
        let mut outcome = scene().decide();
        outcome.mutates(None);
        assert_eq!(again(&outcome), 60);
        for _ in 0..3 {
            outcome = scene().again(&outcome).decide();
            outcome.mutates(None);
            assert_eq!(again(&outcome), 300);
        }
        assert!(!outcome.plan.report.suspicions.is_empty(), "so that it is asked again then");
    }
}

#[test]
fn a_refusal_is_told_once_it_is_thrown_away() {
    let before = Scene::healthy().decide();
    let mut scene = Scene::healthy();
    scene.seen.asked.message_refused = Some("why".to_owned());
    assert_eq!(scene.after(&before).decide().notes(), ["AuthorizationRefused!"]);
}

#[test]
fn without_an_answer_it_is_neither_kept_nor_refused() {
    let silent = |change: fn(&mut Scene)| {
        let mut scene = Scene::mailed(long_user(0), &BOTH);
        change(&mut scene);
        scene.decide().mutates(None);
    };
    silent(|scene| scene.seen.asked.message = Some(Err(no_answer())));
    silent(|scene| scene.seen.asked.message = None);
    silent(|scene| scene.seen.asked.message_pages = Some(Err(throttled())));
    silent(|scene| scene.seen.asked.message_pages = None);
    silent(|scene| scene.seen.asked.token = Some(Err(no_answer())));
    // A token that does not serve any more needs no list of pages to be compared with.
    let mut dead = Scene::mailed(long_user(0), &BOTH);
    (dead.seen.asked.token, dead.seen.asked.message_pages) = (Some(Ok(self::dead())), None);
    dead.decide().mutates(kept());
}

#[test]
fn what_was_kept_is_thrown_away() {
    let mut scene = Scene::mailed(long_user(0), &BOTH);
    scene.seen.in_use = Some("mail".to_owned());
    (scene.seen.asked.message, scene.seen.asked.message_pages) = (None, None);
    scene.decide().mutates(Some(Mutation::Discard { refused: None }));
}

#[test]
fn a_grant_without_a_seed_begins_with_it() {
    let mut scene = Scene::mailed(long_user(0), &BOTH);
    scene.seen.source_token = SourceTokenSeen::NotReleased;
    scene.seen.token_secret = TokenSecretSeen::Missing;
    scene.seen.in_use = Some("mail".to_owned());
    scene.seen.asked.token = Some(Ok(long_user(0)));
    scene.decide().mutates(Some(Mutation::Keep { which: Which::Message, source_token: String::new() }));
    scene.seen.asked.token = Some(Ok(ended(460)));
    refused(&scene.decide(), "changed the password");
    scene.seen.asked.token = Some(Err(no_answer()));
    scene.decide().mutates(None);
}

/// A person authorizes again shortly before the end; wherever the operator is killed, the new token is in use after the
/// next pass and the mail is gone.
#[test]
fn mail_outlives_an_operator_that_is_killed() {
    for killed_before in [None, Some(0), Some(1)] {
        let mut model = Model::new(json!({}), long_user(50));
        model.pass(None);
        assert!(model.told().starts_with("ExpiresSoon"), "{}", model.told());
        model.tokens.insert("mail".to_owned(), long_user(0));
        model.message = Some("mail".to_owned());
        model.pass(killed_before);
        assert!(model.lives(model.in_use()));
        model.pass(None);
        assert_eq!((model.in_use(), &model.message), ("mail", &None), "{killed_before:?}");
        assert!(model.told().starts_with("ReconcileSucceeded"), "{}", model.told());
        assert_eq!(model.kept.as_ref().map(|kept| kept.token.as_str()), Some("mail"));
    }
}
