//! Control of threads, section 6 of the contract.

use serde_json::{Value, json};

use crate::desk::*;
use crate::support::*;

#[tokio::test]
async fn a_pass_gives_control_for_a_day() {
    let api = start().await;
    let target = [("target_app_id", OTHER_APP), ("metadata", "why")];
    assert_eq!(api.thread("acme-a", "pass", OURS, &target).await.ok(), json!({"success": true}));
    assert_eq!(api.owner_of(PAGE_A, OURS).as_deref(), Some(OTHER_APP));
    api.hours(23);
    assert_eq!(api.owner_of(PAGE_A, OURS).as_deref(), Some(OTHER_APP));
    api.hours(1);
    assert_eq!(api.owner_of(PAGE_A, OURS), None);
}

#[tokio::test]
async fn a_pass_needs_ownership_or_an_idle_thread() {
    let api = start().await;
    let (status, code, subcode, message) = api.thread("acme-a", "pass", THEIRS, &[]).await.refused();
    assert_eq!((status, code, subcode), (400, 100, None));
    assert!(message.ends_with("calling app is not the thread owner"), "{message}");
    for idle in [IDLE, LAPSED] {
        api.thread("other-a", "pass", idle, &[("target_app_id", INBOX)]).await.ok();
        assert_eq!(api.owner_of(PAGE_A, idle).as_deref(), Some(INBOX));
    }
    // Without a target the default app gets it.
    api.thread("other-a", "pass", THEIRS, &[]).await.ok();
    assert_eq!(api.owner_of(PAGE_A, THEIRS).as_deref(), Some(APP));
}

#[tokio::test]
async fn without_a_default_app_a_pass_names_its_target() {
    let api = start().await;
    assert_eq!(api.thread("acme-b", "pass", IDLE, &[]).await.refusal(), (400, 100, None));
    api.thread("acme-b", "pass", IDLE, &[("target_app_id", OTHER_APP)]).await.ok();
    assert_eq!(api.owner_of(PAGE_B, IDLE).as_deref(), Some(OTHER_APP));
}

#[tokio::test]
async fn only_the_owner_releases() {
    let api = start().await;
    for foreign in [THEIRS, IDLE, LAPSED] {
        let (_, code, _, message) = api.thread("acme-a", "release", foreign, &[]).await.refused();
        assert_eq!(code, 100);
        assert!(message.ends_with("Only the current thread owner can release"), "{message}");
    }
    api.thread("acme-a", "release", OURS, &[]).await.ok();
    assert_eq!(api.owner_of(PAGE_A, OURS), None);
}

#[tokio::test]
async fn taking_needs_routing_and_the_switch_in_the_settings() {
    let api = start().await;
    assert_eq!(api.thread("acme-b", "take", IDLE, &[]).await.refusal(), (400, 27, None));
    assert_eq!(api.thread("other-a", "take", OURS, &[]).await.refusal(), (400, 10, None));
    assert_eq!(api.owner_of(PAGE_A, OURS).as_deref(), Some(APP));
    api.thread("acme-a", "take", THEIRS, &[]).await.ok();
    assert_eq!(api.owner_of(PAGE_A, THEIRS).as_deref(), Some(APP));
}

#[tokio::test]
async fn requests_are_for_pages_without_a_default_app() {
    let api = start().await;
    api.thread("acme-b", "request", IDLE, &[]).await.ok();
    assert_eq!(api.owner_of(PAGE_B, IDLE), None, "asked is not granted");
    assert_eq!(api.thread("other-a", "request", OURS, &[]).await.refusal(), (400, 100, None));
}

#[tokio::test]
async fn the_owner_extends_up_to_a_week() {
    let api = start().await;
    let extend = async |psid: &'static str, duration: &'static str| {
        api.thread("acme-a", "extend", psid, &[("duration", duration)]).await
    };
    assert_eq!(extend(THEIRS, "600").await.refusal(), (400, 100, None));
    for bad in ["0", "-1", "604801", "soon", "99999999999999999999"] {
        assert_eq!(extend(OURS, bad).await.refusal(), (400, 100, None), "{bad}");
    }
    extend(OURS, "604800").await.ok();
    api.hours(6 * 24);
    assert_eq!(api.owner_of(PAGE_A, OURS).as_deref(), Some(APP));
    // The messaging window is another matter.
    assert_eq!(api.send("acme-a", OURS, json!({})).await.refusal(), (400, 10, Some(2_018_278)));
}

#[tokio::test]
async fn the_owner_and_the_default_app_see_the_owner_others_when_it_ends() {
    let api = start().await;
    let seen = api.owner("acme-a", THEIRS).await;
    assert_eq!(seen["app_id"].to_string(), OTHER_APP);
    assert!(seen["expiration"].as_i64().unwrap() > api.sandbox.now().as_second());
    assert_eq!(api.owner("other-a", THEIRS).await, seen);
    assert_eq!(api.owner("third-a", THEIRS).await, json!({"expiration": seen["expiration"]}));
    for idle in [IDLE, LAPSED] {
        let answer = api.get(&bearer("acme-a"), "/v25.0/me/thread_owner", &[("recipient", idle)]).await.ok();
        assert_eq!(answer, json!({"data": []}));
    }
}

#[tokio::test]
async fn conversation_calls_take_scope_task_and_the_pages_own_token() {
    let api = start().await;
    for (alias, expected) in [
        ("bare-a", (403, 200, None)),
        ("analyst-a", (403, 200, None)),
        ("acme-b", (400, 100, Some(33))),
        ("user", (400, 210, None)),
    ] {
        let to = recipient(OURS);
        for act in ["pass", "take", "release", "request", "extend"] {
            let path = format!("/v25.0/{PAGE_A}/{act}_thread_control");
            let query = [("recipient", to.as_str()), ("duration", "60")];
            assert_eq!(api.post(&bearer(alias), &path, &query).await.refusal(), expected, "{alias} {act}");
        }
        let path = format!("/v25.0/{PAGE_A}/messages");
        let query = [("recipient", to.as_str()), ("message", "{\"text\":\"hi\"}")];
        assert_eq!(api.post(&bearer(alias), &path, &query).await.refusal(), expected, "{alias}");
        for edge in ["thread_owner", "conversations", "messenger_profile", "secondary_receivers"] {
            let path = format!("/v25.0/{PAGE_A}/{edge}");
            assert_eq!(api.get(&bearer(alias), &path, &[("recipient", OURS)]).await.refusal(), expected, "{edge}");
        }
    }
    assert_eq!(api.owner_of(PAGE_A, OURS).as_deref(), Some(APP));
}

#[tokio::test]
async fn a_fault_may_keep_an_act_from_having_effect() {
    let api = start().await;
    api.fault(json!({"match": {"method": "POST"}, "do": "success_without_effect"}));
    api.thread("acme-a", "release", OURS, &[]).await.ok();
    assert_eq!(api.owner_of(PAGE_A, OURS).as_deref(), Some(APP));
    assert_eq!(api.thread("acme-a", "release", THEIRS, &[]).await.refusal(), (400, 100, None));
}

#[tokio::test]
async fn malformed_recipients_are_refused() {
    let api = start().await;
    for bad in ["", "{}", "{", "[]", "7", "{\"id\":{}}", "{\"id\":null}", "{\"phone_number\":\"+1\"}", "\"x\""] {
        for path in ["/v25.0/me/take_thread_control", "/v25.0/me/messages"] {
            let query = [("recipient", bad), ("message", "{\"text\":\"hi\"}")];
            let (status, code, _) = api.post(&bearer("acme-a"), path, &query).await.refusal();
            assert_eq!((status, code), (400, 100), "{bad} {path}");
        }
    }
    // As a number, as some clients write it.
    let query = [("recipient", "{\"id\":7700000000000002}")];
    api.post(&bearer("acme-a"), "/v25.0/me/release_thread_control", &query).await.ok();
}

#[tokio::test]
async fn secondary_receivers_are_a_leftover() {
    let api = start().await;
    let path = "/v25.0/me/secondary_receivers";
    let rows = api.get(&bearer("acme-a"), path, &[("fields", "id,name"), ("platform", "messenger")]).await.ok();
    assert_eq!(rows, json!({"data": [{"id": INBOX, "name": "Page Inbox"}, {"id": OTHER_APP, "name": "Another App"}]}));
    let nope = api.get(&bearer("acme-a"), path, &[("fields", "id,nope")]).await;
    assert_eq!(nope.refusal(), (400, 100, None));
    let gone = api.get(&bearer("acme-a"), "/v26.0/me/secondary_receivers", &[]).await;
    assert_eq!(gone.refused().3, "(#100) Tried accessing nonexisting field (secondary_receivers) on node type (Page)");
}

#[tokio::test]
async fn profiles_belong_to_the_app_and_name_no_receiver() {
    let api = start().await;
    let path = "/v25.0/me/messenger_profile";
    let (ours, theirs) = (bearer("acme-a"), bearer("other-a"));
    let fields = "get_started,whitelisted_domains,account_linking_url";
    let read = async |token: &str| -> Value { api.get(token, path, &[("fields", fields)]).await.ok() };
    let set = [
        ("get_started", "{\"payload\":\"START\"}"),
        ("whitelisted_domains", "[\"https://example.com\"]"),
        ("account_linking_url", "https://example.com/link"),
    ];
    assert_eq!(read(&ours).await, json!({"data": []}));
    assert_eq!(api.post(&ours, path, &set).await.ok(), json!({"result": "success"}));
    let row = json!({"get_started": {"payload": "START"}, "whitelisted_domains": ["https://example.com"],
        "account_linking_url": "https://example.com/link"});
    assert_eq!(read(&ours).await, json!({"data": [row]}));
    assert_eq!(read(&theirs).await, json!({"data": []}));
    api.delete(&ours, path, &[("fields", "[\"whitelisted_domains\",\"account_linking_url\"]")]).await.ok();
    assert_eq!(read(&ours).await, json!({"data": [{"get_started": {"payload": "START"}}]}));
    for field in ["primary_receiver", "secondary_receivers"] {
        assert_eq!(api.get(&ours, path, &[("fields", field)]).await.refusal(), (400, 100, None), "{field}");
        assert_eq!(api.post(&ours, path, &[(field, "1")]).await.refusal(), (400, 100, None), "{field}");
        assert_eq!(api.delete(&ours, path, &[("fields", field)]).await.refusal(), (400, 100, None), "{field}");
    }
}
