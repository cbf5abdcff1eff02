//! The Messenger rows of the error table, section 1.6 of the contract.

use graph_sandbox::PageChange;
use serde_json::{Value, json};

use crate::desk::*;
use crate::support::*;

const OLD: &str = "7700000000000002";
const VERY_OLD: &str = "7700000000000003";
const UNAVAILABLE: &str = "7700000000000004";
const NOT_RECEIVING: &str = "7700000000000005";
const AUTOMATED: &str = "7700000000000006";
const TESTER: &str = "7700000000000007";
const NOBODY: &str = "7799999999999999";

/// A row: its name, the sending token, the person, further parameters, and the error.
type SendRow = (&'static str, &'static str, &'static str, Value, (u16, i64, Option<i64>));

#[tokio::test]
async fn refused_sends() {
    let api = start().await;
    let human = json!({"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"});
    let tag = |tag: &str| json!({"messaging_type": "MESSAGE_TAG", "tag": tag});
    let window = (400, 10, Some(2_018_278));
    let rows: Vec<SendRow> = vec![
        ("10/2018278 outside the window", "acme-b", OLD, json!({}), window),
        ("10/2018278 outside the human agent's window", "acme-b", VERY_OLD, human.clone(), window),
        ("10/2018278 the idle thread of the default app", "acme-a", IDLE, json!({}), window),
        ("10/2018300 another app owns the thread", "acme-a", THEIRS, json!({}), (400, 10, Some(2_018_300))),
        ("10/2018300 idle, not the default app", "other-a", IDLE, json!({}), (400, 10, Some(2_018_300))),
        ("10/2018300 control has lapsed", "other-a", LAPSED, json!({}), (400, 10, Some(2_018_300))),
        ("2018321 automated flow", "acme-b", AUTOMATED, json!({}), (400, 10, Some(2_018_321))),
        ("10/2018108 cannot receive now", "acme-b", NOT_RECEIVING, json!({}), (400, 10, Some(2_018_108))),
        ("551/1545041 unreachable", "acme-b", UNAVAILABLE, json!({}), (400, 551, Some(1_545_041))),
        ("100/2018001 unknown recipient", "acme-a", NOBODY, json!({}), (400, 100, Some(2_018_001))),
        ("100/2018001 no id at all", "acme-a", "nobody", json!({}), (400, 100, Some(2_018_001))),
        ("200/2018028 not reviewed", "third-b", IDLE, json!({}), (403, 200, Some(2_018_028))),
        ("100 removed tag", "acme-b", IDLE, tag("CONFIRMED_EVENT_UPDATE"), (400, 100, None)),
        ("100 removed tag", "acme-b", IDLE, tag("ACCOUNT_UPDATE"), (400, 100, None)),
        ("100 removed tag", "acme-b", IDLE, tag("POST_PURCHASE_UPDATE"), (400, 100, None)),
    ];
    for (name, alias, psid, more, expected) in rows {
        assert_eq!(api.send(alias, psid, more).await.refusal(), expected, "{name}");
    }
    // The same, a step to the right side.
    api.send("acme-b", IDLE, json!({})).await.ok();
    api.send("acme-b", OLD, human.clone()).await.ok();
    api.send("acme-a", IDLE, human).await.ok();
    api.send("third-b", TESTER, json!({})).await.ok();
    api.send("other-b", IDLE, json!({})).await.ok();
}

#[tokio::test]
async fn a_page_barred_from_sending() {
    let api = start().await;
    let bar = |barred| PageChange { barred_from_sending: Some(barred), ..PageChange::default() };
    api.sandbox.change_page(PAGE_A, bar(true)).unwrap();
    assert_eq!(api.send("acme-a", OURS, json!({})).await.refusal(), (400, 10, Some(1_893_063)), "10/1893063");
    api.sandbox.change_page(PAGE_A, bar(false)).unwrap();
    api.send("acme-a", OURS, json!({})).await.ok();
}

#[tokio::test]
async fn texts_of_thread_control_as_seen() {
    let api = start().await;
    for (act, text) in
        [("release", "Only the current thread owner can release"), ("pass", "calling app is not the thread owner")]
    {
        assert_eq!(api.thread("acme-a", act, THEIRS, &[]).await.refused().3, format!("(#100) {text}"));
    }
    let (_, code, _, message) = api.send("acme-a", THEIRS, json!({})).await.refused();
    assert_eq!((code, message.as_str()), (10, "(#10) another app is controlling this thread"));
}

#[tokio::test]
async fn refused_thread_control() {
    let api = start().await;
    type Row = (&'static str, &'static str, &'static str, &'static str, (u16, i64, Option<i64>));
    let rows: [Row; 6] = [
        ("27 routing is off", "acme-b", "take", IDLE, (400, 27, None)),
        ("100/2018001 unknown recipient", "acme-a", "take", NOBODY, (400, 100, Some(2_018_001))),
        ("100/2018001 unknown recipient", "acme-a", "release", NOBODY, (400, 100, Some(2_018_001))),
        ("100 not the owner", "acme-a", "release", THEIRS, (400, 100, None)),
        ("100 not the owner", "acme-a", "pass", THEIRS, (400, 100, None)),
        ("100 not the owner", "acme-a", "extend", THEIRS, (400, 100, None)),
    ];
    for (name, alias, act, psid, expected) in rows {
        assert_eq!(api.thread(alias, act, psid, &[("duration", "60")]).await.refusal(), expected, "{name}: {act}");
    }
    for target in ["5555500000", "nobody", "8888000088880000"] {
        let answer = api.thread("acme-a", "pass", OURS, &[("target_app_id", target)]).await;
        assert_eq!(answer.refusal(), (400, 100, Some(2_018_164)), "100/2018164 {target}");
    }
    let owner = api.get(&bearer("acme-a"), "/v25.0/me/thread_owner", &[("recipient", NOBODY)]).await;
    assert_eq!(owner.refusal(), (400, 100, Some(2_018_001)), "100/2018001 thread_owner");
}

#[tokio::test]
async fn refused_leftovers_of_the_handover_protocol() {
    let api = start().await;
    for (name, alias, expected) in [
        ("2018234 a secondary sees no others", "other-a", (400, 100, Some(2_018_234))),
        ("2018171 neither primary nor secondary", "third-a", (400, 100, Some(2_018_171))),
        ("2018171 no primary at all", "acme-b", (400, 100, Some(2_018_171))),
    ] {
        let answer = api.get(&bearer(alias), "/v25.0/me/secondary_receivers", &[]).await;
        assert_eq!(answer.refusal(), expected, "{name}");
    }
}
