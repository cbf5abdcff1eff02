use serde_json::json;

use super::*;

fn read<T: serde::de::DeserializeOwned>(answer: Value) -> T {
    serde_json::from_value(answer).expect("readable")
}

fn seconds(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_second)
}

#[test]
fn a_page_token_is_described() {
    let info: TokenInfo = read(json!({
        "app_id": "1111000011110000", "type": "PAGE", "application": "Acme", "is_valid": true,
        "issued_at": 1_790_000_000, "expires_at": 0, "data_access_expires_at": 1_797_776_000,
        "profile_id": 2_200_000_000_000_001_u64, "user_id": "6600000000000001", "unknown": {"a": 1},
        "scopes": ["pages_show_list", "pages_messaging"],
        "granular_scopes": [{"scope": "pages_show_list", "target_ids": ["2200000000000001"]}, {"scope": "pages_messaging"}]}));
    assert_eq!(info.app_id, Some("1111000011110000".into()));
    assert_eq!(info.kind, Some(TokenKind::Page));
    assert!(info.is_valid);
    assert_eq!(seconds(info.issued_at), Some(1_790_000_000));
    assert_eq!(info.expires_at, None);
    assert_eq!(seconds(info.data_access_expires_at), Some(1_797_776_000));
    assert_eq!(info.profile_id, Some("2200000000000001".into()));
    assert_eq!(info.user_id.as_deref(), Some("6600000000000001"));
    assert_eq!(info.granted().unwrap_or_default(), ["pages_show_list", "pages_messaging"]);
    assert_eq!(info.granular_scopes[1].target_ids, None);
}

#[test]
fn about_a_garbled_token_little_is_said() {
    let info: TokenInfo = read(json!({"is_valid": "false", "scopes": []}));
    assert!(!info.is_valid);
    assert_eq!((info.app_id, info.kind, info.expires_at), (None, None, None));
}

#[test]
fn without_a_word_about_validity_there_is_no_answer() {
    for answer in [json!({}), json!({"is_valid": null}), json!({"is_valid": 1}), json!({"app_id": "1"})] {
        assert!(serde_json::from_value::<TokenInfo>(answer.clone()).is_err(), "{answer}");
    }
}

#[test]
fn kinds_of_tokens() {
    for (text, kind) in [
        ("USER", TokenKind::User),
        ("PAGE", TokenKind::Page),
        ("APP", TokenKind::App),
        ("SYSTEM_USER", TokenKind::SystemUser),
        ("system_user", TokenKind::SystemUser),
        ("ROBOT", TokenKind::Other),
    ] {
        assert_eq!(read::<TokenKind>(json!(text)), kind, "{text}");
    }
    for untold in [json!({"is_valid": true}), json!({"is_valid": true, "type": null, "profile_id": null})] {
        let info: TokenInfo = read(untold);
        assert_eq!((info.kind, info.profile_id), (None, None), "not told");
    }
}

#[test]
fn a_scope_without_targets_is_not_limited() {
    let info: TokenInfo = read(json!({"is_valid": true, "scopes": ["a", "b", "c"], "granular_scopes": [
        {"scope": "a", "target_ids": ["1", 2]}, {"scope": "b"}, {"scope": "e", "target_ids": []}]}));
    for (scope, target, granted) in [
        ("a", "1", true),
        ("a", "2", true),
        ("a", "3", false),
        ("b", "3", true),
        ("c", "3", true),
        ("d", "1", false),
        ("e", "1", false),
    ] {
        assert_eq!(info.grants(scope, target), granted, "{scope} on {target}");
    }
}

#[test]
fn rows_of_an_app() {
    let permissions: Vec<AppPermission> = read(json!([
        {"permission": "pages_messaging", "status": "live"}, {"permission": "a", "status": "unapproved"},
        {"permission": "b", "status": "paused"}]));
    let statuses: Vec<_> = permissions.into_iter().map(|row| row.status).collect();
    assert_eq!(
        statuses,
        [PermissionStatus::Live, PermissionStatus::Unapproved, PermissionStatus::Other("paused".into())]
    );

    let subscription: AppSubscription =
        read(json!({"object": "page", "callback_url": "https://h.example/x?token=abc", "active": "true",
        "fields": [{"name": "messages", "version": "v25.0"}, "standby"]}));
    assert_eq!(subscription.callback_url, "https://h.example/x?token=abc");
    assert!(subscription.active);
    assert_eq!(subscription.fields, ["messages", "standby"]);
    let shown = format!("{subscription:?}");
    assert!(shown.contains("https://h.example/x") && !shown.contains("abc"), "{shown}");
}

#[test]
fn a_page_and_its_subscriptions() {
    let page: PageNode =
        read(json!({"id": 2_200_000_000_000_001_u64, "name": "Shop \u{202e}\n& Co", "is_published": "false"}));
    assert_eq!(
        (page.id.as_str(), page.name.as_deref(), page.is_published),
        ("2200000000000001", Some("Shop & Co"), Some(false))
    );
    let page: PageNode = read(json!({"id": "1", "is_published": null}));
    assert_eq!((page.name, page.is_published), (None, None));

    let row: PageSubscription = read(json!({"id": 1_111_000_011_110_000_u64, "link": "x", "subscribed_fields": null}));
    assert_eq!((row.id.as_str(), row.subscribed_fields.len()), ("1111000011110000", 0));
}

#[test]
fn scopes_that_are_not_told_are_none_and_what_was_granted_for_objects_or_known_before_tells_them() {
    let (scopes, none) = (|names: &[&str]| Some(names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()), None);
    let known = ["a", "b"].map(str::to_owned);
    for untold in [json!({"is_valid": true}), json!({"is_valid": true, "scopes": null, "granular_scopes": null})] {
        let info: TokenInfo = read(untold);
        assert_eq!((&info.scopes, info.granted()), (&none, none.clone()));
        assert!(info.grants("a", "1"), "what is not told is not missing");
        assert_eq!(info.clone().remembering(&[]).granted(), none);
        assert_eq!(info.remembering(&known).granted(), scopes(&["a", "b"]));
    }
    let info: TokenInfo = read(json!({"is_valid": true, "granular_scopes": [{"scope": "a", "target_ids": ["1"]}]}));
    assert_eq!(info.granted(), scopes(&["a"]));
    assert!(info.grants("a", "1") && !info.grants("a", "2") && !info.grants("b", "1"));
    assert_eq!(info.remembering(&known).granted(), scopes(&["a"]));
    let told: TokenInfo = read(json!({"is_valid": true, "scopes": []}));
    assert_eq!(told.remembering(&known).granted(), scopes(&[]), "an empty list is told");
}
