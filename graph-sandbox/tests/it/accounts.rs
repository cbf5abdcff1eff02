//! `me/accounts`, section 3.5 of the contract.

use std::time::{Duration, Instant};

use graph_sandbox::{Options, PageChange, Seed};
use serde_json::{Value, json};

use crate::support::*;

const PATH: &str = "/v25.0/me/accounts";

fn ids(answer: &Value) -> Vec<&str> {
    answer["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn rows_hold_what_was_asked_for() {
    let api = Api::of_people().await;
    let fields = [("fields", "id,name,access_token,tasks,category"), ("limit", "100")];
    let answer = api.get(&person_token("long"), PATH, &fields).await.ok();
    let row = json!({"id": PAGE_A, "name": "Acme Shop", "access_token": person_token("page-a"), "category": "Brand",
        "tasks": ["MODERATE", "MESSAGING", "MANAGE"]});
    assert_eq!((&answer["data"][0], ids(&answer)), (&row, vec![PAGE_A, PAGE_B]));
    let paging = &answer["paging"];
    assert!(paging["cursors"]["after"].is_string() && paging.get("next").is_none() && paging.get("previous").is_none());
    assert_eq!(api.get(&person_token("long"), PATH, &[("fields", "nope")]).await.refusal(), (400, 100, None));
    for stranger in [person_token("page-a"), app_token()] {
        assert_ne!(api.get(&stranger, PATH, &[]).await.status, 200);
    }
    let other = format!("/v25.0/{PERSON}/accounts");
    assert_eq!(api.get(&person_token("robot"), &other, &[]).await.refusal(), (400, 100, Some(33)));
}

#[tokio::test]
async fn pages_of_businesses_take_business_management() {
    let api = Api::of_people().await;
    let list = async |alias: &str| api.get(&person_token(alias), PATH, &[("fields", "id")]).await.ok();
    assert_eq!(ids(&list("robot").await), [PAGE_A, PAGE_B]);
    assert_eq!(ids(&list("admin").await), [PAGE_A, PAGE_B, PAGE_C]);
    let node = format!("/v25.0/{PAGE_C}");
    let read = async |alias: &str| api.get(&person_token(alias), &node, &[("fields", "access_token")]).await.ok();
    assert_eq!(read("robot").await, json!({"id": PAGE_C}));
    assert!(read("admin").await["access_token"].is_string());
}

#[tokio::test]
async fn only_pages_with_a_role_and_in_the_grant_are_listed() {
    let api = Api::of_people().await;
    let list = async || api.get(&person_token("long"), PATH, &[("fields", "id")]).await.ok();
    api.person(json!({"regrant": {"app": APP, "pages": [PAGE_B, "2200000000000004"]}})).await;
    assert_eq!(ids(&list().await), [PAGE_B]);
    api.person(json!({"regrant": {"app": APP}})).await;
    let tasks = [(PERSON.parse().unwrap(), vec![])].into();
    api.sandbox.change_page(PAGE_A, PageChange { tasks, ..PageChange::default() }).unwrap();
    assert_eq!(ids(&list().await), [PAGE_B]);
    api.sandbox.change_page(PAGE_B, PageChange { restricted: Some(true), ..PageChange::default() }).unwrap();
    assert_eq!(list().await, json!({"data": []}));
}

#[tokio::test]
async fn without_pages_show_list() {
    let api = Api::of_people().await;
    assert_eq!(api.get(&person_token("bare"), PATH, &[]).await.refusal(), (403, 200, None));
    api.sandbox.set_switch("accounts_without_scope", "empty").unwrap();
    assert_eq!(api.get(&person_token("bare"), PATH, &[]).await.ok(), json!({"data": []}));
}

/// A person with many pages and long-lived token `many`.
fn many(count: usize) -> Seed {
    let mut yaml = format!(
        "apps: [{{id: {APP}, name: A, secret: s}}]\npeople: [{{id: {PERSON}, name: P}}]\n\
         tokens: [{{alias: many, token: EAAmany, kind: user, app: {APP}, user: {PERSON}, scopes: [pages_show_list]}}]\n\
         pages:\n"
    );
    for number in 0..count {
        yaml.push_str(&format!("  - {{id: {}, name: Page {number}}}\n", 3_300_000_000_000_000_usize + number));
    }
    Seed::from_yaml(&yaml).unwrap()
}

#[tokio::test]
async fn windows_lead_to_each_other() {
    let api = Api::of(many(7), Options::default()).await;
    let first = api.get("EAAmany", PATH, &[("limit", "3"), ("fields", "id")]).await.ok();
    let next = first["paging"]["next"].as_str().unwrap();
    assert!(next.starts_with(&api.sandbox.url()) && next.contains("access_token=EAAmany"), "{next}");
    let follow = async |url: &str| Answer::of(api.client.get(url).send().await.unwrap()).await.ok();
    let second = follow(next).await;
    let third = follow(second["paging"]["next"].as_str().unwrap()).await;
    assert!(third["paging"].get("next").is_none());
    let all: Vec<&str> = [&first, &second, &third].into_iter().flat_map(ids).collect();
    let expected: Vec<String> = (0..7).map(|number| (3_300_000_000_000_000_usize + number).to_string()).collect();
    assert_eq!(all, expected);
    assert_eq!(ids(&follow(third["paging"]["previous"].as_str().unwrap()).await), ids(&second));
    assert_eq!(ids(&follow(second["paging"]["previous"].as_str().unwrap()).await), ids(&first));
    assert!(first["paging"].get("previous").is_none());
    assert_eq!(api.get("EAAmany", PATH, &[("limit", "0")]).await.refusal(), (400, 100, None));
    assert_eq!(api.get("EAAmany", PATH, &[("after", "zz")]).await.refusal(), (400, 100, None));
}

#[tokio::test]
async fn ten_thousand_pages_are_listed_without_looking_at_every_token_for_each() {
    let api = Api::of(many(10_000), Options::default()).await;
    let began = Instant::now();
    for _ in 0..2 {
        let mut after = None::<String>;
        let mut seen = 0;
        loop {
            let mut query = vec![("limit", "100"), ("fields", "id,access_token")];
            query.extend(after.as_deref().map(|after| ("after", after)));
            let answer = api.get("EAAmany", PATH, &query).await.ok();
            seen += ids(&answer).len();
            if answer["paging"].get("next").is_none() {
                break;
            }
            after = Some(answer["paging"]["cursors"]["after"].as_str().unwrap().to_owned());
        }
        assert_eq!(seen, 10_000);
    }
    // A scan of all tokens for each row takes minutes; this takes less than a second when idle.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[tokio::test]
async fn parts_may_be_told_without_cursors() {
    let api = Api::of_people().await;
    api.sandbox.set_switch("accounts_paging", "offset").unwrap();
    let part = async |query: &[(&str, &str)]| api.get(&person_token("long"), "/v25.0/me/accounts", query).await.ok();
    let first = part(&[("limit", "1")]).await;
    assert_eq!((&first["data"][0]["id"], first["data"].as_array().unwrap().len()), (&PAGE_A.into(), 1));
    assert!(first["paging"].get("cursors").is_none() && first["paging"].get("previous").is_none(), "{first}");
    let follow = async |link: &serde_json::Value| {
        Answer::of(api.client.get(link.as_str().unwrap()).send().await.unwrap()).await.ok()
    };
    let second = follow(&first["paging"]["next"]).await;
    assert_eq!((&second["data"][0]["id"], second["data"].as_array().unwrap().len()), (&PAGE_B.into(), 1));
    assert!(second["paging"].get("next").is_none(), "{second}");
    assert_eq!(follow(&second["paging"]["previous"]).await["data"], first["data"]);
}
