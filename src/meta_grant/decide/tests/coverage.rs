//! Which pages a grant covers: one list is no withdrawal.

use jiff::SignedDuration;

use super::passes::*;
use super::scene::*;
use crate::api::conditions::ConditionType::{Ready, Valid};
use crate::graph::{Account, GranularScope, Operation, PageToken};
use crate::limits::answer::Answer;
use crate::meta_grant::page_gap::Absence;
use crate::meta_grant::page_gap::Absence::{BusinessManagementMissing, NotInGrant, RoleLost};

/// A token that names these pages.
fn names(pages: &[&str]) -> Vec<GranularScope> {
    let row = |scope: &&str| GranularScope { scope: (*scope).to_owned(), target_ids: Some(words(pages)) };
    SCOPES.iter().map(row).collect()
}

#[test]
fn an_empty_list_for_an_hour_disturbs_nobody_while_the_pages_give_their_tokens() {
    for mut passes in [Passes::listed(), Passes::listed().restart()] {
        let before = passes.scene.previous.clone();
        for minute in 0..60 {
            let outcome = passes.pass(60, Ok(vec![]), gives);
            assert_eq!((outcome.notes(), passes.absence(PAGE_A)), (vec![], None), "in minute {minute}");
            assert!(passes.gives_token(PAGE_A) && passes.gives_token(PAGE_B));
            outcome.shows(&[(Ready, "True/ReconcileSucceeded"), (Valid, "True/TokenValid")]);
            assert_eq!(*outcome.status(), before, "nothing is written");
            assert_eq!(passes.asked.len(), if minute == 0 { 2 } else { 0 }, "who vouched is not asked again");
        }
    }
}

#[test]
fn what_list_and_page_deny_twice_a_minute_apart_is_lost_and_told_once() {
    let named = |passes: &mut Passes| passes.info.granular_scopes = names(&[PAGE_A, PAGE_B]);
    let nothing = |_: &mut Passes| ();
    type Row = (fn(&mut Passes), fn(&str) -> Answer<PageToken>, Absence);
    let rows: [Row; 4] = [
        (nothing, refuses, NotInGrant),
        (nothing, gives_none, NotInGrant),
        (named, gives_none, BusinessManagementMissing),
        (nothing, |_| Err(fault(Operation::ReadPageToken, 190, 492, "no role")), RoleLost),
    ];
    for (change, node, absence) in rows {
        let mut passes = Passes::listed();
        change(&mut passes);
        passes.pass(0, Ok(accounts(&[PAGE_A, PAGE_B])), silent);
        let before = passes.scene.previous.clone();
        let first = passes.pass(60, Passes::lacking(&[PAGE_A]), node);
        assert_eq!((first.status(), first.notes(), passes.absence(PAGE_A)), (&before, vec![], None));
        assert!(passes.gives_token(PAGE_A), "the former row stays in force");
        let later = jiff::SignedDuration::from_secs(60);
        assert_eq!(first.plan.report.until, Some(first.now + later), "it is checked again");
        let early = passes.pass(30, Passes::lacking(&[PAGE_A]), node);
        assert_eq!((early.notes(), passes.absence(PAGE_A), passes.asked.len()), (vec![], None, 0));
        let second = passes.pass(30, Passes::lacking(&[PAGE_A]), node);
        assert_eq!((second.notes(), passes.absence(PAGE_A)), (vec!["GrantShrunk!".to_owned()], Some(absence)));
        assert!(!passes.gives_token(PAGE_A) && passes.gives_token(PAGE_B));
        assert_eq!(second.status().missing_pages[0].id, PAGE_A);
        let third = passes.pass(3600, Passes::lacking(&[PAGE_A]), node);
        assert_eq!((third.notes(), passes.absence(PAGE_A)), (vec![], Some(absence)));
        let back = passes.pass(3600, Ok(accounts(&[PAGE_A, PAGE_B])), silent);
        assert_eq!((back.notes(), passes.absence(PAGE_A), back.status()), (vec![], None, &before));
    }
}

#[test]
fn the_second_denial_is_of_the_grants_own_token() {
    let mut passes = Passes::listed();
    passes.pass(60, Passes::lacking(&[PAGE_A]), refuses);
    assert_eq!(passes.asked, [(PAGE_A.into(), true)]);
    passes.pass(60, Passes::lacking(&[PAGE_A]), refuses);
    assert_eq!(passes.asked, [(PAGE_A.into(), false)]);
}

#[test]
fn a_page_that_vouches_or_is_listed_again_between_two_denials_is_not_lost() {
    for between in [Passes::lacking(&[PAGE_A]), Passes::lacking(&[])] {
        let mut passes = Passes::listed();
        passes.pass(60, Passes::lacking(&[PAGE_A]), refuses);
        passes.pass(60, between, gives);
        passes.pass(60, Passes::lacking(&[PAGE_A]), refuses);
        assert_eq!(passes.absence(PAGE_A), None);
    }
}

#[test]
fn what_says_nothing_of_the_page_confirms_nothing() {
    let rows: [fn(&str) -> Answer<PageToken>; 5] = [
        silent,
        |_| Err(fault(Operation::ReadPageToken, 1, None, "An unknown error occurred")),
        |_| Err(fault(Operation::ReadPageToken, 4242, None, "?")),
        |_| Err(fault(Operation::ReadPageToken, 190, None, "Error validating application. System error")),
        |_| Err(fault(Operation::ReadPageToken, 101, None, "Error validating application")),
    ];
    for node in rows {
        let mut passes = Passes::listed();
        let before = passes.scene.previous.clone();
        for _ in 0..120 {
            let outcome = passes.pass(60, Passes::lacking(&[PAGE_A]), node);
            assert_eq!((outcome.status(), outcome.notes(), passes.absence(PAGE_A)), (&before, vec![], None));
            assert!(passes.gives_token(PAGE_A));
        }
        let outcome = passes.pass(60, Passes::lacking(&[PAGE_A]), node);
        let calm = outcome.plan.report.until.unwrap().duration_since(outcome.now);
        assert_eq!(calm, jiff::SignedDuration::from_mins(5), "it is not asked once a minute for ever");
    }
}

#[test]
fn scopes_that_exclude_a_page_are_a_definite_statement() {
    let mut passes = Passes::listed();
    passes.info.granular_scopes = names(&[PAGE_B]);
    let outcome = passes.pass(60, Passes::lacking(&[PAGE_A]), gives);
    assert_eq!((passes.absence(PAGE_A), passes.asked.len()), (Some(NotInGrant), 0));
    assert_eq!(outcome.notes(), ["GrantShrunk!"]);
}

#[test]
fn tasks_that_are_not_told_are_not_missing_and_those_of_new_pages_are_the_same() {
    let told = |tasks: Option<&[&str]>| Passes::with(|row| row.tasks = tasks.map(words));
    let rows: [Option<&[&str]>; 5] = [
        None,
        Some(&["PROFILE_PLUS_MESSAGING", "PROFILE_PLUS_MODERATE"]),
        Some(&["PROFILE_PLUS_FULL_CONTROL"]),
        Some(&["FULL_CONTROL"]),
        Some(&["MODERATE", "ANALYZE", "profile_plus_messaging"]),
    ];
    for tasks in rows {
        let mut passes = Passes::listed();
        for _ in 0..3 {
            let outcome = passes.pass(60, told(tasks), refuses);
            assert_eq!((outcome.notes(), passes.absence(PAGE_A), passes.asked.len()), (vec![], None, 0), "{tasks:?}");
        }
        assert_eq!(passes.tasks(PAGE_A), tasks.map(words));
    }
}

#[test]
fn a_lost_role_counts_once_it_was_listed_twice_and_a_page_says_nothing_of_it() {
    for tasks in [&[][..], &["ANALYZE", "MODERATE"]] {
        let lost = || Passes::with(|row| row.tasks = Some(words(tasks)));
        let mut passes = Passes::listed();
        let before = passes.scene.previous.clone();
        let first = passes.pass(60, lost(), gives);
        assert_eq!((first.status(), passes.absence(PAGE_A)), (&before, None));
        assert_eq!(passes.tasks(PAGE_A), Some(words(&["MODERATE", "MESSAGING"])), "what was known stays in force");
        let second = passes.pass(60, lost(), gives);
        assert_eq!((second.notes(), passes.absence(PAGE_A)), (vec![], Some(RoleLost)));
        assert_eq!(passes.tasks(PAGE_A), Some(words(tasks)));
        passes.pass(60, Ok(vec![]), gives);
        assert_eq!(passes.absence(PAGE_A), Some(RoleLost), "a token says nothing of tasks");
        passes.pass(60, Passes::lacking(&[]), silent);
        assert_eq!(passes.absence(PAGE_A), None, "a role that is given back heals it");
        passes.pass(60, lost(), gives);
        assert_eq!(passes.absence(PAGE_A), None, "and it begins anew");
    }
}

#[test]
fn a_page_that_is_listed_without_a_token_is_asked_for_it() {
    let without = || Passes::with(|row: &mut Account| row.token = None);
    let mut passes = Passes::restarted();
    passes.pass(60, without(), gives);
    assert_eq!((passes.absence(PAGE_A), passes.gives_token(PAGE_A)), (None, true));
    let mut passes = Passes::restarted();
    passes.pass(60, without(), gives_none);
    assert_eq!((passes.absence(PAGE_A), passes.gives_token(PAGE_A)), (None, false));
    passes.pass(60, without(), gives_none);
    assert_eq!(passes.absence(PAGE_A), Some(BusinessManagementMissing));
}

#[test]
fn after_a_restart_the_first_list_confirms_nothing() {
    let mut passes = Passes::listed();
    let before = passes.scene.previous.clone();
    passes = passes.restart();
    let first = passes.pass(3600, Passes::lacking(&[PAGE_A]), refuses);
    assert_eq!((first.status(), first.notes(), passes.absence(PAGE_A)), (&before, vec![], None));
    let second = passes.pass(60, Passes::lacking(&[PAGE_A]), refuses);
    assert_eq!((second.notes(), passes.absence(PAGE_A)), (vec!["GrantShrunk!".to_owned()], Some(NotInGrant)));
    // What was told before a restart is not told again.
    passes = passes.restart();
    let told = second.status().clone();
    for _ in 0..3 {
        let again = passes.pass(60, Passes::lacking(&[PAGE_A]), refuses);
        assert_eq!((again.status(), again.notes()), (&told, vec![]));
    }
    assert_eq!(passes.absence(PAGE_A), Some(NotInGrant));
}

#[test]
fn of_a_thousand_pages_that_a_list_lacks_fifty_are_asked_a_minute_and_all_in_their_turn() {
    let ids: Vec<String> = (0..1_000).map(|number| format!("3300000000{number:06}")).collect();
    let mut passes = Passes::listed();
    passes.scene.seen.dependents.pages = ids.iter().map(|id| id.as_str().into()).collect();
    let all: Vec<&str> = ids.iter().map(String::as_str).collect();
    passes.pass(60, Ok(accounts(&all)), silent);
    let mut asked = std::collections::BTreeSet::new();
    for minute in 0..5 {
        passes.pass(20, Ok(vec![]), gives);
        let now: Vec<_> = passes.asked.iter().map(|(page, _)| page.clone()).collect();
        let more = [passes.pass(20, Ok(vec![]), gives), passes.pass(20, Ok(vec![]), gives)];
        assert!(now.len() <= 50 && more.iter().all(|it| it.notes().is_empty()), "minute {minute}: {}", now.len());
        assert_eq!(passes.asked, [], "not more than fifty a minute");
        asked.extend(now);
    }
    assert_eq!(asked.len(), 250, "another fifty each time");
    assert!(ids.iter().all(|id| passes.absence(id).is_none() && passes.gives_token(id)));
}

#[test]
fn a_doubted_token_is_no_witness_for_its_page() {
    let mut passes = Passes::listed();
    passes.pass(60, Passes::lacking(&[PAGE_A]), gives);
    passes.doubt(PAGE_A);
    passes.pass(60, Passes::lacking(&[PAGE_A]), gives);
    assert_eq!(passes.asked, [(PAGE_A.into(), false)], "the page is asked again, with the grant's own token");
}

#[test]
fn a_page_that_nobody_uses_is_not_asked_and_goes_with_the_list() {
    let mut passes = Passes::listed();
    passes.scene.seen.dependents.pages.remove(PAGE_A);
    let outcome = passes.pass(60, Passes::lacking(&[PAGE_A]), gives);
    assert_eq!((passes.asked.len(), outcome.status().page_count), (0, Some(1)));
}

#[test]
fn a_page_that_never_answers_is_asked_alone_and_its_list_waits_for_its_slot() {
    let silent_for = |minutes: i64| {
        let mut passes = Passes::listed();
        for _ in 0..minutes {
            passes.pass(60, Passes::lacking(&[PAGE_A]), silent);
        }
        passes
    };
    assert!(silent_for(5).needs_list(60), "at first both are asked");
    let mut passes = silent_for(11);
    for _ in 0..20 {
        let outcome = passes.pass_alone(300, silent);
        assert_eq!(passes.asked, [(PAGE_A.into(), false)]);
        let next = outcome.plan.report.until.unwrap().duration_since(outcome.now);
        assert_eq!((next.as_secs(), outcome.notes()), (300, vec![]));
        assert!(passes.gives_token(PAGE_A) && passes.absence(PAGE_A).is_none());
    }
    let early = passes.pass_alone(30, silent);
    assert_eq!(passes.asked, []);
    assert!(early.plan.report.until.is_some(), "it is still to be asked");

    passes.pass_alone(300, gives);
    assert!(!passes.needs_list(300) && passes.gives_token(PAGE_A));
    passes.pass_alone(300, silent);
    assert_eq!(passes.asked, [], "it gave its token");

    let mut denied = silent_for(11);
    let outcome = denied.pass_alone(300, refuses);
    assert_eq!(outcome.plan.report.until, Some(outcome.now + SignedDuration::from_secs(60)));
    assert!(denied.needs_list(60) && denied.absence(PAGE_A).is_none());
    denied.pass(60, Passes::lacking(&[PAGE_A]), refuses);
    assert_eq!(denied.absence(PAGE_A), Some(Absence::NotInGrant));
}
