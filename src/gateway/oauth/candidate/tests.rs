#![allow(clippy::unwrap_used)]
use serde_json::{Value, json};

use super::*;
use crate::graph::{AppCredentials, AppSecret, GraphFault, Version};
use crate::testing::APP;

fn app() -> LoginApp {
    LoginApp {
        name: "Acme".to_owned(),
        credentials: AppCredentials::new(APP.into(), AppSecret::parse(&[b'a'; 32]).unwrap()),
        version: Version::DEFAULT,
        redirect_uri: "https://hooks.example.com/oauth/callback".parse().unwrap(),
        required: ["pages_show_list", "pages_messaging"].map(str::to_owned).to_vec(),
        config_id: None,
    }
}

/// What debug_token says of a token that does, but for one change.
fn info(name: &str, value: Value) -> TokenInfo {
    let mut info = json!({
        "app_id": APP, "type": "USER", "is_valid": true, "user_id": "66",
        "scopes": ["pages_messaging", "pages_show_list", "public_profile"],
    });
    info[name] = value;
    serde_json::from_value(info).unwrap()
}

/// The same without scopes, but with these that were granted for objects.
fn granular(names: Value) -> TokenInfo {
    let rows = names.as_array().unwrap().iter().map(|scope| json!({"scope": scope}));
    let granular_scopes = serde_json::from_value(rows.collect()).unwrap();
    TokenInfo { granular_scopes, ..info("scopes", json!(null)) }
}

#[test]
fn only_a_living_token_of_a_person_or_system_user_for_this_app_with_every_permission_does() {
    let missing = |scopes: &[&str]| Err(Refusal::ScopesMissing(scopes.iter().map(|it| (*it).to_owned()).collect()));
    let rows = [
        (info("user_id", json!("67")), Ok(())),
        (info("app_id", json!("9999000099990000")), Err(Refusal::WrongApp)),
        (info("app_id", json!(null)), Ok(())),
        (info("is_valid", json!(false)), Err(Refusal::NotAccepted)),
        (info("type", json!(null)), Ok(())),
        (info("type", json!("PAGE")), Err(Refusal::NotAccepted)),
        (info("type", json!("SYSTEM_USER")), Ok(())),
        (info("type", json!("APP")), Err(Refusal::NotAccepted)),
        (info("scopes", json!(["pages_show_list"])), missing(&["pages_messaging"])),
        (info("scopes", json!(null)), Ok(())),
        (granular(json!(["pages_show_list", "pages_messaging"])), Ok(())),
        (granular(json!(["pages_show_list"])), missing(&["pages_messaging"])),
        (info("scopes", json!([])), missing(&["pages_show_list", "pages_messaging"])),
    ];
    for (info, expected) in rows {
        assert_eq!(is_sufficient(&info, &app()), expected, "{info:?}");
    }
}

#[test]
fn what_a_configuration_lacks_is_no_fault_of_the_person() {
    let app = LoginApp { config_id: Some("8800000000000001".to_owned()), ..app() };
    assert_eq!(is_sufficient(&info("user_id", json!("67")), &app), Ok(()));
    let fact = "pages_messaging".to_owned();
    let failure = AppFailure { trouble: AppTrouble::ConfigurationNarrow, fact, words: String::new() };
    assert_eq!(is_sufficient(&info("scopes", json!(["pages_show_list"])), &app), Err(Refusal::App(failure)));
}

fn page(id: usize) -> Page {
    serde_json::from_value(json!({"id": id.to_string(), "name": "x", "inUse": true})).unwrap()
}

fn covered(ids: impl IntoIterator<Item = usize>) -> Vec<(String, Option<String>)> {
    ids.into_iter().map(|id| (id.to_string(), Some(format!("Page {id}")))).collect()
}

/// Nothing is known of pages that are not listed.
fn none() -> Covered {
    Covered::default()
}

#[test]
fn a_page_that_is_not_listed_must_give_a_token_or_leave_it_open() {
    let in_use: Vec<_> = (1..=3).map(page).collect();
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    let known = Covered { pages: ids(&["1"]), open: ids(&["2"]), named: ids(&["3"]) };
    assert_eq!(compared(in_use.iter(), &[], &[], &known), Ok((vec![], 0)));
    let denied = Covered { named: ids(&[]), ..known };
    assert_eq!(compared(in_use.iter(), &[], &[], &denied), Err(Refusal::PagesMissing(vec!["3".to_owned()], 0)));
}

#[test]
fn every_page_in_use_must_be_covered() {
    let in_use: Vec<_> = (1..=3).map(page).collect();
    assert_eq!(compared(in_use.iter(), &[], &covered([3, 1, 2]), &none()), Ok((vec![], 0)));
    assert_eq!(compared(in_use.iter(), &[], &covered(1..=4), &none()), Ok((vec!["Page 4".to_owned()], 0)));
    let missing =
        |ids: &[&str], more| Err(Refusal::PagesMissing(ids.iter().map(|it| (*it).to_owned()).collect(), more));
    assert_eq!(compared(in_use.iter(), &[], &covered([2, 4]), &none()), missing(&["1", "3"], 0));
    assert_eq!(compared([].iter(), &[], &covered([]), &none()), Ok((vec![], 0)));
    // One that was missing before may stay so, and is none of the others if it does not.
    assert_eq!(compared(in_use[..2].iter(), &["3"], &covered([1, 2]), &none()), Ok((vec![], 0)));
    assert_eq!(compared(in_use[..2].iter(), &["3"], &covered([1, 2, 3]), &none()), Ok((vec![], 0)));
    let many: Vec<_> = (1..=15).map(page).collect();
    let told: Vec<_> = (1..=10).map(|id: usize| id.to_string()).collect();
    assert_eq!(compared(many.iter(), &[], &[], &none()), Err(Refusal::PagesMissing(told, 5)));
}

#[test]
fn of_many_other_pages_the_first_are_told_and_the_rest_is_counted() {
    let (told, more) = compared([].iter(), &[], &covered(1..=1_000), &none()).unwrap();
    assert!(told.iter().map(String::len).sum::<usize>() <= TOLD_BYTES);
    assert_eq!((told[0].as_str(), told.len() + more), ("Page 1", 1_000));
    let unnamed = [("7".to_owned(), None), ("8".to_owned(), Some("x".repeat(TOLD_BYTES)))];
    assert_eq!(compared([].iter(), &[], &unnamed, &none()), Ok((vec!["7".to_owned()], 1)));
}

#[test]
fn what_meta_refuses_is_told_by_who_has_to_act() {
    use AppTrouble::{AppBlocked, CredentialsRejected, NotLive, RedirectUriRefused, RefusedByMeta};
    let fault = |code, subcode, message: &str| GraphError::from(GraphFault::new(code, subcode, message));
    let rows = [
        (GraphError::Timeout, Refusal::TimedOut),
        (GraphError::Transport("refused".to_owned()), Refusal::NoAnswer),
        (GraphError::BadAnswer { status: 200, what: "no JSON" }, Refusal::NoAnswer),
        (fault(2, None, "later"), Refusal::NoAnswer),
        (fault(4, None, "too many calls"), Refusal::Throttled),
        (fault(100, None, "Invalid verification code format."), Refusal::NotAccepted),
        (fault(100, Some(36009), "This authorization code has been used."), Refusal::NotAccepted),
        (fault(100, None, "The App_id in the input_token did not match the Viewing App"), Refusal::WrongApp),
        (fault(190, Some(458), "The user has not authorized application"), Refusal::NotAccepted),
        (fault(190, Some(459), "checkpoint"), Refusal::AccountTrouble),
        (fault(190, Some(464), "not a confirmed user"), Refusal::AccountTrouble),
    ];
    for (error, expected) in rows {
        assert_eq!(refusal(&error, Operation::RedeemCode), expected, "{error}");
    }
    let blamed = [
        (fault(191, None, "redirect_uri isn't an absolute URI"), RedirectUriRefused, "code 191"),
        (fault(100, Some(36008), "redirect_uri"), RedirectUriRefused, "code 100, subcode 36008"),
        (fault(1, None, "Error validating client secret."), CredentialsRejected, "code 1"),
        (fault(101, None, "Error validating application."), CredentialsRejected, "code 101"),
        (fault(200, None, "API access blocked."), AppBlocked, "code 200"),
        (fault(200, None, "only admins, developers and testers"), NotLive, "code 200"),
        (fault(3, None, "Application does not have the capability"), NotLive, "code 3"),
        (fault(5_555, None, "Nobody knows"), RefusedByMeta, "code 5555"),
    ];
    for (error, trouble, fact) in blamed {
        let Refusal::App(failure) = refusal(&error, Operation::RedeemCode) else { panic!("{error}") };
        assert_eq!((failure.trouble, failure.fact.as_str()), (trouble, fact), "{error}");
        assert!(!failure.words.is_empty(), "Meta's words go along: {error}");
    }
    let ended = fault(190, None, "Session has expired");
    assert_eq!(refusal(&ended, Operation::ListAccounts), Refusal::NotAccepted);
    let scope = fault(200, None, "requires the pages_show_list permission");
    assert_eq!(refusal(&scope, Operation::ListAccounts), Refusal::ScopesMissing(vec!["pages_show_list".to_owned()]));
}

#[test]
fn of_the_pages_that_are_wished_for_it_is_told_which_came_true() {
    let ids: Vec<_> = (1..=30).map(|id| id.to_string()).collect();
    let wished: Vec<_> = ids.iter().map(String::as_str).collect();
    // Some are listed, one gives a token when it is asked itself.
    let known = Covered { pages: [ids[29].clone()].into(), ..none() };
    let ((regained, more), uncovered) = came_true(&wished, &covered(1..=14), &known);
    assert_eq!((regained.as_slice(), more), (&ids[..10], 5));
    assert_eq!(uncovered, ids[14..24]);
    assert_eq!(came_true(&[], &covered(1..=14), &known), ((vec![], 0), vec![]));
}
