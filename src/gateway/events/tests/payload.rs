//! What is read of bodies, as Meta sends them and otherwise.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{minutes_ago, now};
use crate::gateway::events::evidence::Sign;
use crate::gateway::events::payload::{Item, MOST, each_item};

const APP: &str = "1111000011110000";
const OTHER_APP: &str = "9999000099990000";
const PAGE: &str = "2200000000000001";
const INBOX: &str = "263902037430900";
const PERSON: &str = "7700000000000001";

fn read(body: &str) -> Vec<(String, Item)> {
    let mut items = Vec::new();
    each_item(body.as_bytes(), APP, |sent, item| items.push((sent.map_or("", |sent| sent.page).to_owned(), item)));
    items
}

/// What is read of an item in a list of page A.
fn item(list: &str, item: Value) -> Item {
    let body = json!({"object": "page", "entry": [{"id": PAGE, "time": 1, list: [item]}]});
    let items = read(&body.to_string());
    assert_eq!(items.len(), 1, "{items:?}");
    assert_eq!(items[0].0, PAGE);
    items[0].1
}

fn with(kind: &str, content: Value) -> Value {
    let mut item = json!({"sender": {"id": PERSON}, "recipient": {"id": PAGE}, "timestamp": now().as_millisecond()});
    item[kind] = content;
    item
}

#[test]
fn each_kind_of_item_is_taken_for_what_it_is() {
    let sign = |sign| Item::Sign(sign, now());
    let echo = |app: Value| with("message", json!({"mid": "m", "is_echo": true, "app_id": app}));
    let of_page = |mut item: Value| {
        item["sender"]["id"] = PAGE.into();
        item
    };
    let handed = |app: Value| json!({"previous_owner_app_id": null, "new_owner_app_id": app, "metadata": "x"});
    let number = |id: &str| json!(id.parse::<u64>().unwrap());
    let roles =
        |roles: Value| json!({"recipient": {"id": PAGE}, "timestamp": now().as_millisecond(), "app_roles": roles});
    let hi = || with("message", json!({"mid": "m", "text": "hi"}));
    let rows = [
        ("messaging", hi(), sign(Sign::Message)),
        ("standby", hi(), sign(Sign::Standby)),
        ("messaging", with("message", json!({"is_echo": false})), sign(Sign::Message)),
        ("messaging", with("postback", json!({"payload": "x"})), sign(Sign::Message)),
        ("standby", with("postback", json!({"title": "x"})), sign(Sign::Standby)),
        ("messaging", of_page(echo(json!(APP))), Item::Other),
        ("standby", of_page(echo(number(OTHER_APP))), Item::Other),
        ("standby", of_page(echo(number(INBOX))), sign(Sign::Inbox)),
        ("messaging", of_page(echo(json!(INBOX))), sign(Sign::Inbox)),
        ("messaging", of_page(hi()), Item::Other),
        ("messaging", roles(json!({APP: ["primary_receiver"]})), sign(Sign::Primary)),
        (
            "messaging",
            roles(json!({OTHER_APP: ["primary_receiver"], APP: ["secondary_receiver"]})),
            sign(Sign::Secondary),
        ),
        ("messaging", roles(json!({OTHER_APP: ["primary_receiver"]})), Item::Other),
        ("messaging", roles(json!({APP: []})), Item::Unknown),
        ("messaging", roles(json!({APP: "primary_receiver"})), Item::Unknown),
        ("messaging", with("pass_thread_control", handed(number(INBOX))), sign(Sign::Inbox)),
        ("messaging", with("take_thread_control", handed(json!(INBOX))), sign(Sign::Inbox)),
        ("messaging", with("pass_thread_control", handed(json!(APP))), Item::Other),
        ("messaging", with("delivery", json!({"watermark": 1})), Item::Other),
        ("standby", with("read", json!({"watermark": 1})), Item::Other),
        ("messaging", json!({"text": "x"}), Item::Other),
        ("messaging", json!({"message": {"mid": "m"}, "timestamp": 1}), Item::Unknown),
        ("messaging", with("message", json!("hi")), Item::Unknown),
        ("messaging", with("message", json!(["x", true])), Item::Unknown),
        ("messaging", with("message", json!({"is_echo": {}})), Item::Unknown),
        ("messaging", json!([{"id": PERSON}, 1, {}]), Item::Unknown),
        ("standby", json!(null), Item::Unknown),
        ("standby", json!(7), Item::Unknown),
    ];
    for (list, value, expected) in rows {
        assert_eq!(item(list, value.clone()), expected, "{list} {value}");
    }
    for (time, expected) in [
        (json!(minutes_ago(1).as_millisecond().to_string()), Item::Sign(Sign::Message, minutes_ago(1))),
        (json!("soon"), Item::Unknown),
        (json!(1.5), Item::Unknown),
        (json!(u64::MAX), Item::Unknown),
        (json!(i64::MAX), Item::Unknown),
        (json!(null), Item::Unknown),
        (json!({"x": [0]}), Item::Unknown),
    ] {
        let mut item_of_time = hi();
        item_of_time["timestamp"] = time.clone();
        assert_eq!(item("messaging", item_of_time), expected, "{time}");
    }
}

#[test]
fn every_entry_and_every_item_is_read_whatever_stands_beside_it() {
    let message = with("message", json!({"text": "hi"}));
    let body = json!({"object": "page", "entry": [
        {"id": PAGE, "messaging": [message, 1, message]},
        {"id": 2_200_000_000_000_002_u64, "standby": [message], "messaging": "x", "changes": [{"field": "feed"}]},
        "no entry",
        {"messaging": [message]},
        {"id": PAGE, "changes": [{"field": "feed", "value": {}}]},
    ]});
    let sign = |sign| Item::Sign(sign, now());
    let (second, none) = ("2200000000000002", "");
    let expected = [
        (PAGE, sign(Sign::Message)),
        (PAGE, Item::Unknown),
        (PAGE, sign(Sign::Message)),
        (none, Item::Unknown),
        (second, sign(Sign::Standby)),
        (second, Item::Other),
        (none, Item::Unknown),
        (none, Item::Unknown),
        (PAGE, Item::Other),
    ];
    assert_eq!(read(&body.to_string()), expected.map(|(page, item)| (page.to_owned(), item)));
}

#[test]
fn what_is_no_body_about_pages_is_one_unknown_item() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for body in [
        "",
        "{",
        "null",
        "[]",
        "{}",
        "\u{feff}{}",
        r#"{"object":"instagram","entry":[]}"#,
        r#"{"object":"page"}"#,
        r#"{"object":"page","entry":{}}"#,
        r#"{"object":"page","entry":[}"#,
        r#"["page",[]]"#,
        &deep,
    ] {
        assert_eq!(read(body), [(String::new(), Item::Unknown)], "{:.60}", body);
    }
    assert_eq!(read(r#"{"object":"page","entry":[]}"#), []);
}

#[test]
fn half_a_pair_of_surrogates_depth_and_huge_numbers_cost_only_what_they_stand_in() {
    let at = now().as_millisecond();
    let body = |message: &str, more: &str| {
        format!(
            r#" {{"object":"page","x":1e999999,"entry":[{{"id":"{PAGE}","messaging":[{{"sender":{{"id":"{PERSON}"}},"timestamp":{at},"message":{message}{more}}}]}}]}} "#
        )
    };
    let deep = format!(r#"{{"x":{}0{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let huge = format!(r#"{{"x":{}}}"#, "9".repeat(100_000));
    for (message, more) in
        [(r#"{"text":"\ud83d"}"#, ""), (&deep, ""), (&huge, ""), ("{}", r#","quick":{"\u0000":"\udc00"}"#)]
    {
        let found = read(&body(message, more));
        assert_eq!(found, [(PAGE.to_owned(), Item::Sign(Sign::Message, now()))], "{message:.60} {more}");
    }
    let found = read(&body(r#"{"\ud83d":1}"#, ""));
    assert_eq!(found, [(PAGE.to_owned(), Item::Unknown)], "a name that is no text");
}

#[test]
fn of_a_body_without_end_a_bounded_part_is_read() {
    for list in
        [format!("[{}]", vec!["0"; 2 * MOST].join(",")), format!("[{}]", vec!["{\"id\":\"1\"}"; 2 * MOST].join(","))]
    {
        let items = read(&format!(r#"{{"object":"page","entry":[{{"id":"{PAGE}","messaging":{list}}}]}}"#));
        assert!((MOST - 1..=MOST + 2).contains(&items.len()), "{}", items.len());
    }
}

/// JSON of any shape, often with names and values that mean something here.
fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        Just("page".to_owned()),
        Just(PAGE.to_owned()),
        Just(INBOX.to_owned()),
        Just("primary_receiver".to_owned()),
        "\\PC{0,8}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    let name = prop_oneof![
        prop::sample::select(
            &[
                "object",
                "entry",
                "id",
                "messaging",
                "standby",
                "changes",
                "sender",
                "timestamp",
                "message",
                "postback",
                "is_echo",
                "app_id",
                "app_roles",
                "pass_thread_control",
                "take_thread_control",
                "new_owner_app_id",
                APP,
            ][..]
        )
        .prop_map(str::to_owned),
        "\\PC{0,4}",
    ]
    .boxed();
    leaf.prop_recursive(8, 128, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(name.clone(), inner, 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Each item is shown, and nothing panics.
    #[test]
    fn any_items_are_read_one_by_one(messaging in prop::collection::vec(value(), 0..6), standby in prop::collection::vec(value(), 0..6)) {
        let body = json!({"object": "page", "entry": [{"id": PAGE, "messaging": messaging, "standby": standby}]});
        prop_assert_eq!(read(&body.to_string()).len(), messaging.len() + standby.len());
    }

    #[test]
    fn any_json_is_read_without_a_panic(body in value(), cut in 0_usize..200) {
        let text = body.to_string();
        read(&text);
        let whole = json!({"object": "page", "entry": body}).to_string();
        read(&whole);
        read(whole.get(..cut).unwrap_or(&whole));
        each_item(&whole.as_bytes()[..cut.min(whole.len())], APP, |_, _| ());
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        each_item(&body, APP, |_, _| ());
    }
}
