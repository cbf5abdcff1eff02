//! Conversations and sends, sections 6 and 9 of the contract.

use graph_sandbox::{CustomerMessage, PageChange, RoutingChange, ThreadAct, ThreadChange};
use serde_json::{Value, json};

use crate::desk::*;
use crate::support::*;

const PATH: &str = "/v25.0/me/conversations";

fn ids(answer: &Value) -> Vec<&str> {
    answer["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect()
}

fn message(psid: &str, text: &str) -> CustomerMessage {
    CustomerMessage { psid: Some(psid.parse().unwrap()), text: text.into(), ..CustomerMessage::default() }
}

fn act(psid: &str, app: &str) -> ThreadAct {
    ThreadAct {
        psid: psid.parse().unwrap(),
        app: Some(app.parse().unwrap()),
        to: None,
        metadata: None,
        text: Some("yes?".into()),
    }
}

#[tokio::test]
async fn rows_tell_the_parties_and_the_latest_comes_first() {
    let api = start().await;
    api.hours(1);
    api.sandbox.customer_writes(PAGE_A, message(IDLE, "hello?")).unwrap();
    let fields = "id,participants,updated_time,link,message_count,unread_count,senders,snippet,is_owner";
    let rows = api.get(&bearer("acme-a"), PATH, &[("platform", "MESSENGER"), ("fields", fields)]).await.ok();
    let row = &rows["data"][0];
    assert_eq!(row["id"], format!("t_{IDLE}"));
    assert_eq!(row["participants"]["data"][0]["id"], IDLE);
    assert_eq!(row["participants"]["data"][0]["name"], "Ida Idle");
    assert_eq!(row["participants"]["data"][1]["id"], PAGE_A);
    assert_eq!(
        (&row["snippet"], &row["unread_count"], &row["message_count"]),
        (&json!("hello?"), &json!(1), &json!(2))
    );
    assert!(row["updated_time"].as_str().unwrap().ends_with("+0000"));
    let plain = api.get(&bearer("acme-a"), PATH, &[]).await.ok();
    let names: Vec<&String> = plain["data"][0].as_object().unwrap().keys().collect();
    assert_eq!(names, ["id", "link", "updated_time"]);
    assert_eq!(api.get(&bearer("acme-a"), PATH, &[("fields", "id,nope")]).await.refusal(), (400, 100, None));
    let one = api.get(&bearer("acme-a"), PATH, &[("user_id", OURS)]).await.ok();
    assert_eq!(ids(&one), [format!("t_{OURS}")]);
}

#[tokio::test]
async fn is_owner_is_there_only_while_routing_is_on() {
    let api = start().await;
    let owners = async |alias: &str| -> Vec<Value> {
        let rows = api.get(&bearer(alias), PATH, &[("fields", "id,is_owner")]).await.ok();
        let mut rows = rows["data"].as_array().unwrap().clone();
        rows.sort_by_key(|row| row["id"].to_string());
        rows.iter().map(|row| row.get("is_owner").cloned().unwrap_or_default()).collect()
    };
    assert_eq!(owners("acme-a").await, [json!(false), json!(true), json!(false), json!(false)]);
    assert_eq!(owners("other-a").await, [json!(false), json!(false), json!(true), json!(false)]);
    assert!(owners("acme-b").await.iter().all(Value::is_null));
}

#[tokio::test]
async fn pages_of_a_list_lead_to_each_other() {
    let api = start().await;
    let fields = [("fields", "id"), ("limit", "3")];
    let mut answer = api.get(&bearer("acme-b"), PATH, &fields).await.ok();
    let mut seen: Vec<String> = ids(&answer).iter().map(|id| (*id).to_owned()).collect();
    let mut backwards = None;
    while let Some(next) = answer["paging"]["next"].as_str() {
        // The link works as it stands, as Graph's do.
        answer = Answer::of(api.client.get(next).send().await.unwrap()).await.ok();
        seen.extend(ids(&answer).iter().map(|id| (*id).to_owned()));
        backwards = answer["paging"]["previous"].as_str().map(str::to_owned);
    }
    assert_eq!(seen.len(), 7);
    let all = api.get(&bearer("acme-b"), PATH, &[("fields", "id")]).await.ok();
    assert_eq!(ids(&all), seen);
    assert!(all["paging"].get("next").is_none() && all["paging"]["cursors"]["after"].is_string());
    let previous = Answer::of(api.client.get(backwards.unwrap()).send().await.unwrap()).await.ok();
    assert_eq!(ids(&previous), seen[3..6]);
    for bad in [("after", "zz"), ("before", "é"), ("limit", "-1")] {
        assert_eq!(api.get(&bearer("acme-b"), PATH, &[bad]).await.refusal(), (400, 100, None), "{bad:?}");
    }
}

#[tokio::test]
async fn instagram_needs_a_linked_account() {
    let api = start().await;
    let answer = api.get(&bearer("acme-a"), PATH, &[("platform", "instagram")]).await;
    assert_eq!(answer.refusal(), (400, 100, Some(2_534_013)));
    assert_eq!(api.get(&bearer("acme-a"), PATH, &[("platform", "sms")]).await.refusal(), (400, 100, None));
}

#[tokio::test]
async fn a_send_answers_with_recipient_and_message() {
    let api = start().await;
    let sent = api.send("acme-a", OURS, json!({"messaging_type": "RESPONSE"})).await.ok();
    assert_eq!(sent["recipient_id"], OURS);
    assert!(sent["message_id"].as_str().unwrap().starts_with("m_"));
    let typing = [("recipient", recipient(OURS)), ("sender_action", "typing_on".to_owned())];
    let typing: Vec<_> = typing.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let sign = api.post(&bearer("acme-a"), "/v25.0/me/messages", &typing).await.ok();
    assert_eq!(sign, json!({"recipient_id": OURS}));
    assert_eq!(api.sandbox.state().pages[PAGE_A].threads[OURS].message_count, 2);
}

#[tokio::test]
async fn malformed_messages_are_refused() {
    let api = start().await;
    for bad in [
        json!({"message": {}}),
        json!({"message": "hi"}),
        json!({"message": {"text": ""}}),
        json!({"message": {"text": 5}}),
        json!({"message": {"attachment": "x"}}),
        json!({"message": null}),
        json!({"message": {"text": "x".repeat(2001)}}),
        json!({"message": {"text": "x", "quick_replies": vec![json!({}); 14]}}),
        json!({"messaging_type": "OTHER"}),
        json!({"messaging_type": "MESSAGE_TAG"}),
        json!({"message": null, "sender_action": "wave"}),
        json!({"thread_control": {"control_type": "keep"}}),
        json!({"thread_control": "x"}),
    ] {
        let (status, code, subcode) = api.send("acme-a", OURS, bad.clone()).await.refusal();
        assert_eq!((status, code, subcode), (400, 100, None), "{bad}");
    }
    api.send("acme-a", OURS, json!({"message": {"text": "é".repeat(2000)}})).await.ok();
    api.send("acme-a", OURS, json!({"message": {"attachment": {"type": "image", "payload": {}}}})).await.ok();
}

#[tokio::test]
async fn a_send_may_pass_or_release_the_thread() {
    let api = start().await;
    let release = json!({"thread_control": {"control_type": "release"}});
    let pass = json!({"thread_control": {"control_type": "pass", "app_id": 9_999_000_099_990_000_u64}});
    assert_eq!(api.send("acme-b", IDLE, release.clone()).await.refusal(), (400, 27, None));
    api.send("acme-a", OURS, pass).await.ok();
    assert_eq!(api.owner_of(PAGE_A, OURS).as_deref(), Some(OTHER_APP));
    api.send("other-a", OURS, release).await.ok();
    assert_eq!(api.owner_of(PAGE_A, OURS), None);
    // A refused part refuses the whole.
    let count = || api.sandbox.state().pages[PAGE_A].threads[OURS].message_count;
    let before = count();
    let nowhere = json!({"thread_control": {"control_type": "pass", "app_id": "5555"}});
    assert_eq!(api.send("acme-a", OURS, nowhere).await.refusal(), (400, 100, Some(2_018_164)));
    assert_eq!(count(), before);
}

#[tokio::test]
async fn a_customer_wakes_a_thread_and_keeps_its_owner() {
    let api = start().await;
    api.sandbox.customer_writes(PAGE_A, message(IDLE, "hi")).unwrap();
    assert_eq!(api.owner_of(PAGE_A, IDLE).as_deref(), Some(APP));
    api.sandbox.customer_writes(PAGE_A, message(THEIRS, "hi")).unwrap();
    assert_eq!(api.owner_of(PAGE_A, THEIRS).as_deref(), Some(OTHER_APP));
    api.sandbox.customer_writes(PAGE_B, message(IDLE, "hi")).unwrap();
    assert_eq!(api.owner_of(PAGE_B, IDLE), None);
    let unpublished = PageChange { published: Some(false), ..PageChange::default() };
    api.sandbox.change_page(PAGE_B, unpublished).unwrap();
    assert!(api.sandbox.customer_writes(PAGE_B, CustomerMessage { text: "hi".into(), ..Default::default() }).is_err());
    api.sandbox.customer_writes(PAGE_B, message(IDLE, "still here")).unwrap();
}

#[tokio::test]
async fn staff_and_other_systems_act_from_outside() {
    let api = start().await;
    api.sandbox.staff_writes(PAGE_A, &act(OURS, INBOX)).unwrap();
    assert_eq!(api.owner_of(PAGE_A, OURS).as_deref(), Some(INBOX));
    assert_eq!(api.send("acme-a", OURS, json!({})).await.refusal(), (400, 10, Some(2_018_300)));
    api.sandbox.release_thread(PAGE_A, &act(OURS, INBOX)).unwrap();
    api.send("acme-a", OURS, json!({})).await.ok();
    api.sandbox.take_thread(PAGE_A, &act(OURS, INBOX)).unwrap();
    api.sandbox.pass_thread(PAGE_A, &act(OURS, INBOX)).unwrap();
    assert_eq!(api.owner_of(PAGE_A, OURS).as_deref(), Some(APP));
    api.sandbox.staff_writes(PAGE_A, &act(OURS, OTHER_APP)).unwrap_err();
    for refused in [
        api.sandbox.take_thread(PAGE_A, &act(OURS, OTHER_APP)),
        api.sandbox.release_thread(PAGE_A, &act(OURS, INBOX)),
        api.sandbox.take_thread(PAGE_B, &act(IDLE, INBOX)),
        api.sandbox.take_thread(PAGE_A, &act("7799999999999999", INBOX)),
        api.sandbox.take_thread(PAGE_A, &act(OURS, "5555500000")),
    ] {
        refused.unwrap_err();
    }
}

#[tokio::test]
async fn the_control_api_offers_the_same() {
    let api = start().await;
    let written =
        api.post_control(&format!("pages/{PAGE_A}/message"), json!({"text": "hi", "name": "Neo New"})).await.ok();
    let psid = written["psid"].as_str().unwrap().to_owned();
    assert!(written["mid"].as_str().unwrap().starts_with("m_"));
    let thread = api.sandbox.state().pages[PAGE_A].threads[&psid].clone();
    assert_eq!((thread.name.as_str(), thread.owner.as_deref()), ("Neo New", Some(APP)));
    let beside = json!({"psid": psid, "text": "hi", "owner": OTHER_APP});
    api.post_control(&format!("pages/{PAGE_A}/standby"), beside).await.ok();
    assert_eq!(api.owner_of(PAGE_A, &psid).as_deref(), Some(OTHER_APP));
    for (call, body, owner) in [
        ("take", json!({"psid": psid}), Some(INBOX)),
        ("pass", json!({"psid": psid, "to": OTHER_APP, "metadata": "x"}), Some(OTHER_APP)),
        ("release", json!({"psid": psid, "app": OTHER_APP}), None),
        ("reply", json!({"psid": psid, "text": "yes?"}), Some(INBOX)),
    ] {
        api.post_control(&format!("pages/{PAGE_A}/{call}"), body).await.ok();
        assert_eq!(api.owner_of(PAGE_A, &psid).as_deref(), owner, "{call}");
    }
    api.post_control(&format!("pages/{PAGE_A}/threads/{psid}"), json!({"reach": "not_receiving"})).await.ok();
    assert_eq!(api.send("acme-a", OURS, json!({})).await.status, 200);
    let roles = json!({"app": APP, "role": "secondary_receiver"});
    api.post_control(&format!("pages/{PAGE_A}/app_roles"), roles).await.ok();
    api.post_control(&format!("pages/{PAGE_A}/routing"), json!({"default_app": null})).await.ok();
    assert_eq!(api.sandbox.state().pages[PAGE_A].routing.default_app, None);
    api.post_control(&format!("pages/{PAGE_A}/routing"), json!({"take_control": [OTHER_APP]})).await.ok();
    assert_eq!(api.sandbox.state().pages[PAGE_A].routing.take_control, [OTHER_APP]);
    api.post_control(&format!("pages/{PAGE_A}"), json!({"barred_from_sending": true})).await.ok();
    assert!(api.sandbox.state().pages[PAGE_A].routing.barred_from_sending);
    for (call, body, status) in [
        ("pages/2200000000000009/message", json!({"text": "hi"}), 404),
        ("pages/x/routing", json!({}), 404),
        ("pages/2200000000000001/message", json!({}), 400),
        ("pages/2200000000000001/message", json!({"text": "hi", "owner": OTHER_APP}), 400),
        ("pages/2200000000000001/standby", json!({"text": "hi"}), 400),
        ("pages/2200000000000001/reply", json!({"psid": OURS}), 400),
        ("pages/2200000000000001/routing", json!({"default_app": "5555500000"}), 404),
        ("pages/2200000000000001/routing", json!({"default_app": "soon"}), 400),
        ("pages/2200000000000001/threads/1", json!({}), 404),
        ("pages/2200000000000001/app_roles", json!({"app": "5555500000", "role": "primary_receiver"}), 404),
        ("pages/2200000000000001/app_roles", json!({"app": APP, "role": "owner"}), 400),
    ] {
        assert_eq!(api.post_control(call, body.clone()).await.status, status, "{call} {body}");
    }
}

#[tokio::test]
async fn the_feature_status_follows_routing_unless_the_seed_says_otherwise() {
    let api = start().await;
    let status = async |alias: &str| {
        let answer = api.get(&bearer(alias), "/v25.0/me", &[("fields", "messaging_feature_status")]).await.ok();
        answer["messaging_feature_status"].clone()
    };
    let all = |hop_v2: bool, msgr_multi_app: bool| json!({"hop_v2": hop_v2, "msgr_multi_app": msgr_multi_app, "ig_multi_app": false});
    assert_eq!(status("acme-a").await, all(true, true));
    assert_eq!(status("acme-b").await, all(false, true));
    api.sandbox.set_switch("routing_feature_flag", "msgr_multi_app").unwrap();
    assert_eq!(status("acme-a").await, all(false, true));
    assert_eq!(status("acme-b").await, all(false, false));
}

#[tokio::test]
async fn a_changed_default_app_counts_at_once() {
    let api = start().await;
    let change = RoutingChange { default_app: Some(Some(OTHER_APP.parse().unwrap())), take_control: None };
    api.sandbox.change_routing(PAGE_A, change).unwrap();
    api.sandbox
        .change_thread(PAGE_A, IDLE, &ThreadChange { last_message_at: "-1h".parse().ok(), ..ThreadChange::default() })
        .unwrap();
    assert_eq!(api.send("acme-a", IDLE, json!({})).await.refusal(), (400, 10, Some(2_018_300)));
    api.send("other-a", IDLE, json!({})).await.ok();
    // Control given before lasts.
    api.send("acme-a", OURS, json!({})).await.ok();
}

#[tokio::test]
async fn nobody_writes_to_a_page_that_is_gone() {
    let api = Api::of_people().await;
    let psid = "7700000000000001";
    for change in [json!({"deleted": true}), json!({"deleted": false, "restricted": true})] {
        api.post_control(&format!("pages/{PAGE_A}"), change).await.ok();
        for (call, body) in [
            ("message", json!({"psid": psid, "text": "hi"})),
            ("message", json!({"text": "hi"})),
            ("reply", json!({"psid": psid, "text": "hi"})),
        ] {
            let refused = api.post_control(&format!("pages/{PAGE_A}/{call}"), body).await;
            assert_eq!(refused.status, 400, "{call}");
            assert!(refused.text.contains("deleted or restricted"), "{}", refused.text);
        }
    }
}
