//! What a bot hears of a conversation: from a person's message to the POST at its callback.

use graph_sandbox::{CustomerMessage, RoutingChange, ThreadAct};
use serde_json::json;

use crate::desk::INBOX;
use crate::receiver::*;
use crate::support::*;

fn message(psid: &str, text: &str) -> CustomerMessage {
    serde_json::from_value(json!({"psid": psid, "text": text})).unwrap()
}

#[tokio::test]
async fn a_bot_hears_its_threads_in_messaging_and_those_of_staff_in_standby() {
    const PSID: &str = "7700000000000009";
    let receiver = Receiver::start().await;
    let api = receiver.sandbox().await;
    let sandbox = &api.sandbox;
    let routing: RoutingChange = serde_json::from_value(json!({"default_app": APP})).unwrap();
    sandbox.change_routing(PAGE_A, routing).unwrap();
    sandbox.customer_writes(PAGE_A, message(PSID, "Grüße")).unwrap();
    sandbox.flush_webhooks().await;
    let act: ThreadAct = serde_json::from_value(json!({"psid": PSID, "app": INBOX})).unwrap();
    sandbox.take_thread(PAGE_A, &act).unwrap();
    sandbox.customer_writes(PAGE_A, message(PSID, "are you a person?")).unwrap();
    sandbox.flush_webhooks().await;

    let received = receiver.received();
    assert!(received.iter().all(|post| post.is_signed_with(SECRET)), "{received:?}");
    let entries: Vec<_> = received.iter().flat_map(|post| post.json()["entry"].as_array().unwrap().clone()).collect();
    let texts = |list: &str| -> Vec<_> {
        let items = entries.iter().filter_map(|entry| entry[list].as_array()).flatten();
        items.filter_map(|item| item["message"]["text"].as_str().map(str::to_owned)).collect()
    };
    assert_eq!(texts("messaging"), ["Grüße"], "{entries:?}");
    assert_eq!(texts("standby"), ["are you a person?"], "{entries:?}");
}
