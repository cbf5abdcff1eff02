//! What bots do beside answering: profiles of people, saved attachments, personas.

use reqwest::Method;
use serde_json::{Value, json};

use crate::desk::*;
use crate::support::*;

const FIELDS: [(&str, &str); 1] = [("fields", "id,name,first_name,last_name,profile_pic")];
const IMAGE: &str = "https://cdn.example.com/image.jpg";

impl Api {
    async fn upload(&self, alias: &str, attachment: Value) -> Answer {
        let message = json!({"attachment": attachment}).to_string();
        self.post(&bearer(alias), "/v25.0/me/message_attachments", &[("message", &message)]).await
    }

    async fn send_attachment(&self, alias: &str, payload: Value) -> Answer {
        self.send(alias, IDLE, json!({"message": {"attachment": {"type": "image", "payload": payload}}})).await
    }

    async fn persona(&self, alias: &str, name: &str) -> Answer {
        let query = [("name", name), ("profile_picture_url", IMAGE)];
        self.post(&bearer(alias), "/v25.0/me/personas", &query).await
    }
}

#[tokio::test]
async fn a_person_who_wrote_has_a_profile() {
    let api = start().await;
    let profile = api.get(&bearer("acme-a"), &format!("/v25.0/{OURS}"), &FIELDS).await.ok();
    assert_eq!(
        (&profile["id"], &profile["name"], &profile["first_name"], &profile["last_name"]),
        (&json!(OURS), &json!("Ada Acme"), &json!("Ada"), &json!("Acme"))
    );
    assert!(profile["profile_pic"].as_str().unwrap().starts_with("https://"));
    assert_eq!(api.last_entry().template.as_deref(), Some("/{version}/{psid}"));
    let plain = api.get(&bearer("acme-a"), &format!("/v25.0/{OURS}"), &[]).await.ok();
    assert_eq!(plain, profile);
    let one = api.get(&bearer("acme-a"), &format!("/v25.0/{LAPSED}"), &[("fields", "name,last_name")]).await.ok();
    assert_eq!(one, json!({"id": LAPSED, "name": "Lapsed"}));
}

#[tokio::test]
async fn profiles_are_refused_as_meta_refuses_them() {
    let api = start().await;
    let read = async |alias: &str, psid: &str, fields: &str| {
        api.get(&bearer(alias), &format!("/v25.0/{psid}"), &[("fields", fields)]).await.refusal()
    };
    let hidden = (400, 100, Some(33));
    // The last three people of page B are nobody's on page A.
    assert_eq!(read("acme-a", "7700000000000007", "name").await, hidden);
    assert_eq!(read("acme-a", "7799999999999999", "name").await, hidden);
    assert_eq!(read("user", OURS, "name").await, hidden);
    assert_eq!(api.get(&app_token(), &format!("/v25.0/{OURS}"), &[]).await.refusal(), hidden);
    assert_eq!(read("acme-a", OURS, "name,nope").await, (400, 100, None));
    assert_eq!(read("bare-a", OURS, "name").await, (403, 200, None));
    assert_eq!(read("analyst-a", OURS, "name").await, (403, 200, None));
    // Without review an app sees only people with a role on it.
    assert_eq!(read("third-b", IDLE, "name").await, hidden);
    api.get(&bearer("third-b"), "/v25.0/7700000000000007", &FIELDS).await.ok();
    for (value, expected) in [("code_230", (400, 230, None)), ("code_100", (400, 100, None))] {
        api.sandbox.set_switch("profile_without_scope", value).unwrap();
        assert_eq!(read("bare-a", OURS, "name").await, expected);
    }
    let thread = format!("pages/{PAGE_A}/threads/{OURS}");
    for (profile, expected) in [("absent", (400, 100, Some(2_018_218))), ("withheld", (400, 230, None))] {
        api.post_control(&thread, json!({"profile": profile})).await.ok();
        assert_eq!(read("acme-a", OURS, "name").await, expected, "{profile}");
    }
}

#[tokio::test]
async fn an_uploaded_attachment_can_be_sent() {
    let api = start().await;
    let uploaded =
        api.upload("acme-b", json!({"type": "image", "payload": {"url": IMAGE, "is_reusable": true}})).await.ok();
    let id = uploaded["attachment_id"].as_str().unwrap();
    assert!(id.parse::<u64>().is_ok() && uploaded.as_object().unwrap().len() == 1, "{uploaded}");
    for _ in 0..2 {
        let sent = api.send_attachment("acme-b", json!({"attachment_id": id})).await.ok();
        let mid = sent["message_id"].as_str().unwrap();
        let query = [("fields", "message,attachments")];
        let message = api.get(&bearer("acme-b"), &format!("/v25.0/{mid}"), &query).await.ok();
        assert_eq!(message["attachments"]["data"][0]["image_data"]["url"], IMAGE);
        assert_eq!(message["message"], "");
    }
    // As a number too, as some clients write ids.
    let number = json!({"attachment_id": id.parse::<u64>().unwrap()});
    api.send_attachment("acme-b", number).await.ok();
}

#[tokio::test]
async fn an_attachment_id_is_good_for_its_page_and_ninety_days() {
    let api = start().await;
    let reusable = json!({"type": "image", "payload": {"url": IMAGE, "is_reusable": true}});
    let id = api.upload("acme-b", reusable).await.ok()["attachment_id"].as_str().unwrap().to_owned();
    let send = async |alias: &str, id: &str| api.send_attachment(alias, json!({"attachment_id": id})).await;
    let elsewhere = json!({"message": {"attachment": {"type": "image", "payload": {"attachment_id": id}}}});
    assert_eq!(api.send("acme-a", OURS, elsewhere).await.refusal(), (400, 100, None));
    assert_eq!(send("acme-b", "12345678").await.refusal(), (400, 100, None));
    api.sandbox.set_switch("unknown_attachment", "served").unwrap();
    send("acme-b", "12345678").await.ok();
    api.sandbox.set_switch("unknown_attachment", "code_100").unwrap();
    api.hours(24 * 91);
    let message = json!({"psid": IDLE, "text": "hi"});
    api.post_control(&format!("pages/{PAGE_B}/message"), message).await.ok();
    assert_eq!(send("acme-b", &id).await.refusal(), (400, 100, None));
}

#[tokio::test]
async fn an_attachment_that_is_not_reusable_is_sent_once() {
    let api = start().await;
    let once = json!({"type": "image", "payload": {"url": IMAGE}});
    let upload = async || api.upload("acme-b", once.clone()).await.ok()["attachment_id"].clone();
    let id = upload().await;
    api.send_attachment("acme-b", json!({"attachment_id": id})).await.ok();
    assert_eq!(api.send_attachment("acme-b", json!({"attachment_id": id})).await.refusal(), (400, 100, None));
    api.sandbox.set_switch("attachment_reuse", "any").unwrap();
    let id = upload().await;
    for _ in 0..2 {
        api.send_attachment("acme-b", json!({"attachment_id": id})).await.ok();
    }
}

#[tokio::test]
async fn a_send_saves_what_is_to_be_reused() {
    let api = start().await;
    let sent = api.send_attachment("acme-b", json!({"url": IMAGE, "is_reusable": true})).await.ok();
    assert!(sent["attachment_id"].is_string(), "{sent}");
    api.send_attachment("acme-b", json!({"attachment_id": sent["attachment_id"]})).await.ok();
    let once = api.send_attachment("acme-b", json!({"url": IMAGE})).await.ok();
    assert!(once.get("attachment_id").is_none(), "{once}");
}

#[tokio::test]
async fn malformed_uploads_are_refused() {
    let api = start().await;
    for bad in [
        json!("x"),
        json!({}),
        json!({"type": "image"}),
        json!({"type": "template", "payload": {"url": IMAGE}}),
        json!({"type": "image", "payload": {}}),
        json!({"type": "image", "payload": {"url": "image.jpg"}}),
        json!({"type": "image", "payload": {"url": "ftp://cdn.example.com/image.jpg"}}),
    ] {
        assert_eq!(api.upload("acme-a", bad.clone()).await.refusal(), (400, 100, None), "{bad}");
    }
    assert_eq!(api.post(&bearer("acme-a"), "/v25.0/me/message_attachments", &[]).await.refusal(), (400, 100, None));
    let image = json!({"type": "image", "payload": {"url": IMAGE}});
    assert_eq!(api.upload("bare-a", image.clone()).await.refusal(), (403, 200, None));
    assert_eq!(api.upload("user", image).await.refusal(), (400, 2500, None));
    // A file instead of a URL.
    let form = reqwest::multipart::Form::new()
        .text("message", json!({"attachment": {"type": "image", "payload": {"is_reusable": true}}}).to_string())
        .part("filedata", reqwest::multipart::Part::bytes(b"png".to_vec()).file_name("a.png"));
    let url = format!("{}/v25.0/me/message_attachments", api.sandbox.url());
    let request = api.client.request(Method::POST, url).multipart(form).bearer_auth(bearer("acme-a"));
    assert!(Answer::of(request.send().await.unwrap()).await.ok()["attachment_id"].is_string());
}

#[tokio::test]
async fn personas_are_made_listed_read_and_deleted() {
    let api = start().await;
    let mut ids = Vec::new();
    for name in ["Ava A.", "Ben B.", "Cy C."] {
        ids.push(api.persona("acme-a", name).await.ok()["id"].as_str().unwrap().to_owned());
    }
    let path = format!("/v25.0/{}", ids[1]);
    let ben = json!({"id": ids[1], "name": "Ben B.", "profile_picture_url": IMAGE});
    assert_eq!(api.get(&bearer("acme-a"), &path, &[]).await.ok(), ben);
    let list = api.get(&bearer("acme-a"), "/v25.0/me/personas", &[("limit", "2")]).await.ok();
    assert_eq!(list["data"].as_array().unwrap().len(), 2);
    let next = api.client.get(list["paging"]["next"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(Answer::of(next).await.ok()["data"].as_array().unwrap().len(), 1);
    let names = api.get(&bearer("acme-a"), "/v25.0/me", &[("fields", "personas{name}")]).await.ok();
    assert_eq!(names["personas"]["data"].as_array().unwrap().len(), 3);
    for alias in ["acme-b", "user"] {
        assert_eq!(api.delete(&bearer(alias), &path, &[]).await.refusal(), (400, 100, Some(33)), "{alias}");
    }
    assert_eq!(api.delete(&bearer("acme-a"), &path, &[]).await.ok(), json!({"success": true}));
    assert_eq!(api.get(&bearer("acme-a"), &path, &[]).await.refusal(), (400, 100, Some(33)));
    assert_eq!(api.get(&bearer("acme-b"), "/v25.0/me/personas", &[]).await.ok(), json!({"data": []}));
}

#[tokio::test]
async fn a_persona_speaks_while_it_exists() {
    let api = start().await;
    let id = api.persona("acme-a", "Ava A.").await.ok()["id"].as_str().unwrap().to_owned();
    let send = async |id: &str| api.send("acme-a", OURS, json!({"persona_id": id})).await;
    send(&id).await.ok();
    let typing = json!({"persona_id": id, "message": null, "sender_action": "typing_on"});
    api.send("acme-a", OURS, typing).await.ok();
    api.delete(&bearer("acme-a"), &format!("/v25.0/{id}"), &[]).await.ok();
    assert_eq!(send(&id).await.refusal(), (400, 100, None));
    api.sandbox.set_switch("unknown_persona", "page").unwrap();
    send(&id).await.ok();
}

#[tokio::test]
async fn malformed_personas_are_refused() {
    let api = start().await;
    for bad in [
        &[("name", "Ava")][..],
        &[("profile_picture_url", IMAGE)],
        &[("name", "Ava"), ("profile_picture_url", "image.jpg")],
        &[("name", &"x".repeat(51)), ("profile_picture_url", IMAGE)],
    ] {
        assert_eq!(api.post(&bearer("acme-a"), "/v25.0/me/personas", bad).await.refusal(), (400, 100, None), "{bad:?}");
    }
    assert_eq!(api.persona("bare-a", "Ava").await.refusal(), (403, 200, None));
    api.persona("acme-a", &"é".repeat(50)).await.ok();
}
