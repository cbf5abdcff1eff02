//! Whether a new source token replaces the token in use.

use std::sync::Arc;

use super::scene::*;
use crate::api::conditions::ConditionType::{Ready, SourceTokenAccepted, Valid};
use crate::graph::{Exchange, GranularScope, Operation, TokenInfo};
use crate::meta_grant::model::Covered;
use crate::meta_grant::model::SourceTokenSeen;
use crate::meta_grant::model::{Mutation, Which};
use crate::meta_grant::page_gap::{Absence, Gap};
use crate::meta_grant::page_tokens::GrantedPage;

fn adopt() -> Option<Mutation> {
    Some(Mutation::Keep { which: Which::SourceToken, source_token: "new-seed".to_owned() })
}

#[test]
fn a_newer_seed_that_covers_what_is_in_use_is_adopted() {
    let both = [PAGE_A, PAGE_B];
    let rows: [(TokenInfo, &[&str]); 4] = [
        (system_user(9), &both),
        (system_user(10), &both),
        (long_user(0), &both),
        (TokenInfo { issued_at: None, expires_at: None, ..system_user(0) }, &[PAGE_A, PAGE_B, "2200000000000009"]),
    ];
    for (info, pages) in rows {
        Scene::new_seed(info, pages).decide().mutates(adopt());
    }
    let exchange = Mutation::Exchange { of: Which::SourceToken, exchange: Exchange::ShortUser };
    Scene::new_seed(short_user(), &both).decide().mutates(Some(exchange));
}

#[test]
fn an_older_a_dead_a_foreign_and_a_narrower_seed_are_refused_and_the_token_in_use_stays() {
    let before = Scene::healthy().decide();
    let foreign = TokenInfo { app_id: Some("9999000099990000".into()), ..system_user(1) };
    let limited = |page: &str| {
        let target_ids = Some(vec![page.to_owned()]);
        let granular_scopes = vec![GranularScope { scope: "pages_messaging".into(), target_ids }];
        TokenInfo { granular_scopes, ..system_user(1) }
    };
    let rows: [(TokenInfo, &[&str], &str, &str); 6] = [
        (system_user(11), &[PAGE_A, PAGE_B], "SourceTokenOlder", "before the token in use"),
        (ended(458), &[PAGE_A, PAGE_B], "AppRemoved", "The source token ended"),
        (foreign, &[PAGE_A, PAGE_B], "WrongApp", "The source token belongs"),
        (
            TokenInfo { scopes: Some(vec![]), ..system_user(1) },
            &[PAGE_A, PAGE_B],
            "ScopeMissing",
            "The source token lacks",
        ),
        (system_user(1), &[PAGE_A], "SourceTokenNarrower", PAGE_B),
        (limited(PAGE_A), &[PAGE_A, PAGE_B], "SourceTokenNarrower", PAGE_B),
    ];
    for (info, pages, reason, words) in rows {
        let outcome = Scene::new_seed(info, pages).after(&before).judged();
        outcome.shows(&[(Ready, "True/ReconcileSucceeded"), (Valid, "True/TokenValid")]);
        outcome.shows(&[(SourceTokenAccepted, &format!("False/{reason}"))]);
        let message = outcome.message(SourceTokenAccepted);
        assert!(message.contains(words) && message.contains("The token in use stays."), "{message}");
        assert!(message.contains("tenant-a/acme-grant"), "{message}");
        assert_eq!(outcome.notes(), ["SourceTokenRefused!"], "{reason}");
        assert_eq!(outcome.status().token_fingerprint.as_deref(), Some("in-use"));
        outcome.mutates(None);
    }
}

#[test]
fn a_token_of_another_application_is_one_about_which_meta_says_nothing_else() {
    let text = "(#100) The App_id in the input_token did not match the Viewing App";
    let foreign = || Err(fault(Operation::DebugToken, 100, None, text));
    let mut scene = Scene::new_seed(system_user(1), &[]);
    scene.seen.asked.source_token = Some(foreign());
    let outcome = scene.decide();
    outcome.shows(&[(Ready, "True/ReconcileSucceeded"), (SourceTokenAccepted, "False/WrongApp")]);
    outcome.mutates(None);
    // And whatever serves takes the place of such a one.
    let mut scene = Scene::new_seed(system_user(1), &[PAGE_A]);
    scene.seen.asked.token = Some(foreign());
    scene.decide().mutates(adopt());
}

#[test]
fn a_refused_seed_is_told_once() {
    let first = Scene::new_seed(system_user(11), &[]).decide();
    let second = Scene::new_seed(system_user(11), &[]).after(&first).decide();
    assert_eq!((second.status(), second.notes()), (first.status(), vec![]));
    // Not judged again, since nothing changed: what was said of it stays.
    let mut recalled = Scene::new_seed(system_user(11), &[]).after(&second);
    (recalled.seen.asked.source_token, recalled.seen.asked.source_token_pages, recalled.seen.asked.pages) =
        (None, None, None);
    recalled.seen.recalled = true;
    let recalled = recalled.decide();
    assert_eq!((recalled.status(), recalled.notes()), (first.status(), vec![]));
}

#[test]
fn pages_that_nobody_uses_or_the_token_in_use_lost_too_are_no_reason_to_refuse() {
    let mut unused = Scene::new_seed(system_user(1), &[PAGE_A]);
    unused.seen.dependents.pages.remove(PAGE_B);
    unused.decide().mutates(adopt());
    let mut lost = Scene::new_seed(system_user(1), &[PAGE_A]);
    let mut given = granted(&[PAGE_A, PAGE_B]);
    let gap = Gap::definite(Absence::NotInGrant, now());
    given.pages.insert(PAGE_B.into(), GrantedPage { gap: Some(Box::new(gap)), ..GrantedPage::default() });
    (lost.seen.before, lost.seen.asked.pages) = (Some(Arc::new(given)), None);
    lost.decide().mutates(adopt());
}

#[test]
fn whatever_serves_is_better_than_a_token_that_ended() {
    for info in [system_user(11), system_user(1)] {
        let mut scene = Scene::new_seed(info, &[]);
        scene.seen.asked.token = Some(Ok(ended(460)));
        (scene.seen.asked.pages, scene.seen.asked.source_token_pages) = (None, None);
        scene.decide().mutates(adopt());
    }
    let mut dead = Scene::new_seed(ended(458), &[]);
    dead.seen.asked.token = Some(Ok(ended(460)));
    dead.decide().mutates(None);
}

#[test]
fn a_seed_is_not_judged_while_meta_is_silent_about_it_or_about_the_token_in_use() {
    let before = Scene::healthy().decide();
    let silent = |change: fn(&mut Scene)| {
        let mut scene = Scene::new_seed(system_user(1), &[PAGE_A, PAGE_B]).after(&before);
        change(&mut scene);
        let outcome = scene.decide();
        outcome.mutates(None);
        outcome.shows(&[(Ready, "True/ReconcileSucceeded"), (SourceTokenAccepted, "Unknown/Pending")]);
        assert!(!outcome.plan.report.answered && outcome.notes().is_empty());
    };
    silent(|scene| scene.seen.asked.source_token = Some(Err(no_answer())));
    silent(|scene| scene.seen.asked.source_token_pages = Some(Err(throttled())));
    silent(|scene| {
        scene.seen.asked.token = Some(Err(no_answer()));
        (scene.seen.asked.source_token, scene.seen.asked.source_token_pages, scene.seen.asked.pages) =
            (None, None, None);
    });
}

#[test]
fn a_seed_that_covers_less_is_refused_once_that_was_said_twice() {
    let before = Scene::healthy().decide();
    let named = Covered { pages: covered(&[PAGE_A]).pages, named: covered(&[PAGE_B]).pages, ..Covered::default() };
    for pages in [covered(&[PAGE_A]), named] {
        let mut scene = Scene::new_seed(system_user(1), &[]).after(&before);
        scene.seen.asked.source_token_pages = Some(Ok(pages));
        let first = scene.decide();
        first.shows(&[(SourceTokenAccepted, "Unknown/Pending")]);
        assert_eq!(first.notes(), [""; 0]);
        first.mutates(None);
        let second = scene.again(&first).decide();
        second.shows(&[(SourceTokenAccepted, "False/SourceTokenNarrower")]);
        assert_eq!(second.notes(), ["SourceTokenRefused!"]);
    }
    let mut open = Scene::new_seed(system_user(1), &[]).after(&before);
    let unheard = Covered { pages: covered(&[PAGE_A]).pages, open: covered(&[PAGE_B]).pages, ..Covered::default() };
    open.seen.asked.source_token_pages = Some(Ok(unheard));
    for _ in 0..3 {
        let outcome = open.decide();
        outcome.shows(&[(SourceTokenAccepted, "Unknown/Pending")]);
        outcome.mutates(None);
        open = open.again(&outcome);
    }
}

#[test]
fn a_seed_that_is_the_token_in_use_is_accepted_as_it_is() {
    let mut scene = Scene::healthy();
    scene.seen.source_token = SourceTokenSeen::Present { fingerprint: "in-use".to_owned() };
    let outcome = scene.decide();
    outcome.shows(&[(SourceTokenAccepted, "True/SourceTokenInUse")]);
    outcome.mutates(None);
}
