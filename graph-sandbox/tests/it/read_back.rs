//! What was said can be read: conversations, messages, edges read with their node, and the format of times.

use graph_sandbox::CustomerMessage;
use serde_json::{Value, json};

use crate::desk::*;
use crate::support::*;

const PATH: &str = "/v25.0/me/conversations";

fn rows(list: &Value) -> &Vec<Value> {
    list["data"].as_array().unwrap()
}

impl Api {
    /// A read with the token of our app for page A.
    async fn read(&self, path: &str, query: &[(&str, &str)]) -> Value {
        self.get(&bearer("acme-a"), &format!("/v25.0/{path}"), query).await.ok()
    }

    fn hears(&self, psid: &str, text: &str) -> String {
        let message = CustomerMessage { psid: psid.parse().ok(), text: text.into(), ..CustomerMessage::default() };
        self.sandbox.customer_writes(PAGE_A, message).unwrap().mid
    }

    async fn says(&self, psid: &str, message: Value) -> String {
        let sent = self.send("acme-a", psid, json!({"message": message})).await.ok();
        sent["message_id"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn what_both_said_is_listed_the_latest_first() {
    let api = start().await;
    let question = api.hears(OURS, "open today?");
    let answer = api.says(OURS, json!({"text": "until six"})).await;
    let fields = [("fields", "id,message,from,to,created_time")];
    let list = api.read(&format!("t_{OURS}/messages"), &fields).await;
    let texts: Vec<(&Value, &Value, &Value, &Value)> = rows(&list)
        .iter()
        .map(|row| (&row["id"], &row["message"], &row["from"]["id"], &row["to"]["data"][0]["id"]))
        .collect();
    let row = |mid: &str, text: &str, from: &str, to: &str| [mid, text, from, to].map(Value::from);
    let [mid, text, from, to] = &row(&answer, "until six", PAGE_A, OURS);
    assert_eq!(texts[0], (mid, text, from, to));
    let [mid, text, from, to] = &row(&question, "open today?", OURS, PAGE_A);
    assert_eq!(texts[1], (mid, text, from, to));
    assert_eq!(texts.len(), 3, "and what the person wrote before the start");
    assert_eq!(rows(&list)[0]["to"]["data"][0]["name"], "Ada Acme");
    assert!(rows(&list)[0]["created_time"].as_str().unwrap().ends_with("+0000"));
    let plain = api.read(&format!("t_{OURS}/messages"), &[("limit", "1")]).await;
    assert_eq!(rows(&plain)[0].as_object().unwrap().keys().collect::<Vec<_>>(), ["created_time", "id"]);
    assert!(plain["paging"]["next"].as_str().unwrap().contains(&format!("/v25.0/t_{OURS}/messages?")));
}

#[tokio::test]
async fn a_message_and_a_conversation_are_nodes() {
    let api = start().await;
    let mid = api.says(OURS, json!({"text": "hello"})).await;
    let message = api.read(&mid, &[("fields", "message,from{name},shares")]).await;
    assert_eq!(message, json!({"id": mid, "message": "hello", "from": {"id": PAGE_A, "name": "Acme Shop"}}));
    assert_eq!(api.read(&mid, &[]).await.as_object().unwrap().keys().collect::<Vec<_>>(), ["created_time", "id"]);
    let conversation = api.read(&format!("t_{OURS}"), &[("fields", "snippet,messages.limit(1){message}")]).await;
    assert_eq!((&conversation["id"], &conversation["snippet"]), (&json!(format!("t_{OURS}")), &json!("hello")));
    assert_eq!(conversation["messages"]["data"], json!([{"id": mid, "message": "hello"}]));
    assert_eq!(api.last_entry().template.as_deref(), Some("/{version}/{conversation-id}"));
    assert_eq!(api.last_entry().node, Some(format!("t_{OURS}")));
    let both = api.read("", &[("ids", &format!("t_{OURS},{mid}")), ("fields", "id")]).await;
    assert_eq!(both[&mid]["id"], mid);
}

#[tokio::test]
async fn nobody_reads_what_another_page_was_told() {
    let api = start().await;
    let mid = api.says(OURS, json!({"text": "hello"})).await;
    for (alias, path, expected) in [
        ("acme-b", mid.as_str(), (400, 100, Some(33))),
        ("acme-a", "m_0", (400, 100, Some(33))),
        ("acme-a", "t_7799999999999999", (400, 100, Some(33))),
        ("acme-a", "t_x", (400, 100, Some(33))),
        ("user", mid.as_str(), (400, 100, Some(33))),
        ("bare-a", mid.as_str(), (403, 200, None)),
        ("analyst-a", mid.as_str(), (403, 200, None)),
        ("bare-a", "t_7700000000000002/messages", (403, 200, None)),
        ("acme-a", "t_7700000000000002/nothing", (400, 2500, None)),
    ] {
        assert_eq!(api.get(&bearer(alias), &format!("/v25.0/{path}"), &[]).await.refusal(), expected, "{alias} {path}");
    }
    for path in [mid, format!("t_{OURS}"), format!("t_{OURS}/messages")] {
        let path = format!("/v25.0/{path}");
        assert_eq!(api.get(&bearer("acme-a"), &path, &[("fields", "nope")]).await.refusal(), (400, 100, None));
        assert_eq!(api.post(&bearer("acme-a"), &path, &[]).await.refusal(), (400, 100, Some(33)), "{path}");
    }
}

#[tokio::test]
async fn what_staff_and_other_apps_said_is_there_too() {
    let api = start().await;
    api.post_control(&format!("pages/{PAGE_A}/reply"), json!({"psid": OURS, "text": "staff here"})).await.ok();
    let list = api.read(&format!("t_{OURS}/messages"), &[("fields", "message")]).await;
    assert_eq!(rows(&list)[0]["message"], "staff here");
}

#[tokio::test]
async fn a_refused_send_and_a_sign_leave_no_message() {
    let api = start().await;
    let count = async || rows(&api.read(&format!("t_{THEIRS}/messages"), &[]).await).len();
    let before = count().await;
    api.send("acme-a", THEIRS, json!({})).await.refusal();
    api.send("other-a", THEIRS, json!({"message": null, "sender_action": "typing_on"})).await.ok();
    assert_eq!(count().await, before);
    api.send("other-a", THEIRS, json!({})).await.ok();
    assert_eq!(count().await, before + 1);
}

#[tokio::test]
async fn only_the_newest_twenty_are_told_one_by_one_unless_the_switch_says_otherwise() {
    let api = start().await;
    let first = api.says(OURS, json!({"text": "first"})).await;
    for n in 0..19 {
        api.hears(OURS, &n.to_string());
    }
    api.read(&first, &[("fields", "message")]).await;
    api.hears(OURS, "one more");
    let (status, code, _, message) = api.get(&bearer("acme-a"), &format!("/v25.0/{first}"), &[]).await.refused();
    assert_eq!((status, code), (400, 100));
    assert!(message.contains("deleted"), "{message}");
    let ids = api.read(&format!("t_{OURS}/messages"), &[("limit", "50")]).await;
    assert!(rows(&ids).iter().any(|row| row["id"] == first));
    api.sandbox.set_switch("old_messages", "served").unwrap();
    assert_eq!(api.read(&first, &[("fields", "message")]).await["message"], "first");
}

#[tokio::test]
async fn edges_are_read_with_their_node_at_any_depth() {
    let api = start().await;
    for text in ["one", "two", "three"] {
        api.hears(OURS, text);
    }
    let fields = "id,participants{id},messages.limit(2){id,message,from,to,created_time}";
    let list = api.get(&bearer("acme-a"), PATH, &[("fields", fields), ("user_id", OURS)]).await.ok();
    let row = &rows(&list)[0];
    assert_eq!(row["participants"]["data"], json!([{"id": OURS}, {"id": PAGE_A}]));
    let texts: Vec<&str> = rows(&row["messages"]).iter().map(|row| row["message"].as_str().unwrap()).collect();
    assert_eq!(texts, ["three", "two"]);
    assert_eq!(row["messages"]["data"][0].as_object().unwrap().len(), 5);
    // The link of the inner list goes on where it ended.
    let next = row["messages"]["paging"]["next"].as_str().unwrap();
    let next = Answer::of(api.client.get(next).send().await.unwrap()).await.ok();
    assert_eq!(rows(&next)[0]["message"], "one");
    assert_eq!(rows(&next)[0].as_object().unwrap().len(), 5, "{next}");

    let deep = "name,conversations.limit(1){snippet,messages.limit(1).as(last){message}}";
    let page = api.read("me", &[("fields", deep)]).await;
    assert_eq!(page["name"], "Acme Shop");
    assert_eq!(page["conversations"]["data"][0]["last"]["data"][0]["message"], "three");
    assert!(page["conversations"]["paging"]["next"].is_string());
}

#[tokio::test]
async fn every_edge_that_can_be_read_can_be_read_with_its_node() {
    let api = Api::start().await;
    let page = api.get(&token("page-a"), "/v25.0/me", &[("fields", "subscribed_apps{id},name")]).await.ok();
    assert_eq!(rows(&page["subscribed_apps"])[0], json!({"id": APP}));
    let fields = [("fields", "name,permissions,roles,subscriptions")];
    let app = api.get(&app_token(), "/v25.0/app", &fields).await.ok();
    for (edge, path) in ["permissions", "roles", "subscriptions"].map(|edge| (edge, format!("/v25.0/app/{edge}"))) {
        assert_eq!(app[edge], api.get(&app_token(), &path, &[]).await.ok(), "{edge}");
    }
    let person = api.get(&token("user"), "/v25.0/me", &[("fields", "permissions,accounts.limit(1){name}")]).await.ok();
    assert_eq!(rows(&person["accounts"])[0], json!({"id": PAGE_A, "name": "Acme Shop"}));
    assert!(rows(&person["permissions"]).len() > 1);
    // Nothing is left out as Graph leaves it out.
    let empty = api.get(&token("page-a"), "/v25.0/me", &[("fields", "name,conversations")]).await.ok();
    assert_eq!(empty.as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "name"]);
}

#[tokio::test]
async fn links_of_a_list_keep_the_inner_edges() {
    let api = start().await;
    let query = [("fields", "id,messages{message}"), ("limit", "1")];
    let first = api.get(&bearer("acme-a"), PATH, &query).await.ok();
    let next = Answer::of(api.client.get(first["paging"]["next"].as_str().unwrap()).send().await.unwrap()).await.ok();
    assert!(rows(&next)[0]["messages"]["data"][0]["message"].is_string(), "{next}");
}

#[tokio::test]
async fn what_is_refused_inside_refuses_the_whole() {
    let api = start().await;
    for (alias, fields, expected) in [
        ("acme-a", "id,messages{nope}", (400, 100, None)),
        ("acme-a", "id,messages.limit(x){id}", (400, 100, None)),
        ("acme-a", "id,messages.limit(2{id}", (400, 2500, None)),
        ("acme-a", "id,thread_owner", (400, 100, None)),
    ] {
        assert_eq!(api.get(&bearer(alias), PATH, &[("fields", fields)]).await.refusal(), expected, "{fields}");
    }
    // Reading the page takes less than reading its conversations.
    let me = async |fields| api.get(&bearer("bare-a"), "/v25.0/me", &[("fields", fields)]).await;
    me("name").await.ok();
    assert_eq!(me("name,conversations").await.refusal(), (403, 200, None));
    // An edge that is only written to is no field.
    assert_eq!(api.get(&bearer("acme-a"), "/v25.0/me", &[("fields", "messages")]).await.refusal(), (400, 100, None));
}

#[tokio::test]
async fn times_come_in_the_format_that_was_asked_for() {
    let api = start().await;
    api.post_control("clock", json!({"set": "2027-03-02T14:05:09Z"})).await.ok();
    let mid = api.hears(OURS, "hi");
    let at = async |format: &str| {
        api.read(&mid, &[("fields", "created_time"), ("date_format", format)]).await["created_time"].clone()
    };
    let unix = at("U").await.as_i64().unwrap();
    assert!((1_803_996_309..1_803_996_309 + 60).contains(&unix), "{unix}");
    assert_eq!(at("D, d M y").await, "Tue, 02 Mar 27");
    assert_eq!(at("jS F Y \\a\\t G\\h").await, "2nd March 2027 at 14h");
    assert_eq!(at("Y-m-d\\TH:iO").await, "2027-03-02T14:05+0000");
    let list = [("fields", "updated_time,messages.limit(1){created_time}"), ("user_id", OURS), ("date_format", "U")];
    let list = api.get(&bearer("acme-a"), PATH, &list).await.ok();
    assert!(rows(&list)[0]["updated_time"].is_i64(), "{list}");
    assert!(rows(&list)[0]["messages"]["data"][0]["created_time"].is_i64(), "{list}");
}
