//! Crowds: seeds of thousands of pages in a few words.

use graph_sandbox::{Options, Sandbox, Seed};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::*;

const CROWD: &str = "
crowd:
  pages: 1000
  first_page: 2300000000000001
  app: 1111000011110000
  user: 6600000000000001
  token_prefix: EAAmany
  scopes: [pages_show_list, pages_manage_metadata]
  subscribed_fields: [messages]
";

fn seed() -> Seed {
    Seed::from_yaml(&format!("{}\n{CROWD}", include_str!("seed.yaml"))).unwrap()
}

#[tokio::test]
async fn every_page_of_a_crowd_has_a_token_that_can_be_derived() {
    let api = Api::of(seed(), Options::default()).await;
    for page in ["2300000000000001", "2300000000000500", "2300000000001000"] {
        let row = api.get(&format!("EAAmany{page}"), &format!("/v25.0/{page}/subscribed_apps"), &[]).await.ok();
        assert_eq!(row["data"][0]["subscribed_fields"], json!(["messages"]));
        assert_eq!(api.last_entry().token.unwrap().alias.unwrap(), format!("crowd-{page}"));
        let node = api.get(&format!("EAAmany{page}"), "/v25.0/me", &[("fields", "name")]).await.ok();
        assert_eq!(node["name"], format!("Crowd {page}"));
    }
    assert_eq!(api.get("EAAmany2300000000001001", "/v25.0/me", &[]).await.refusal(), (400, 190, None));
    assert_eq!(api.sandbox.state().pages.len(), 1003);
}

#[tokio::test]
async fn crowds_that_cannot_be_are_refused() {
    for (what, with) in [
        ("first_page: 2300000000000001", "first_page: 2200000000000001"),
        ("first_page: 2300000000000001", "first_page: 18446744073709551000"),
        ("app: 1111000011110000", "app: 1111000011110009"),
        ("user: 6600000000000001", "user: 6600000000000077"),
        ("pages: 1000", "pages: 1000000000"),
    ] {
        let crowd = CROWD.replace(what, with);
        let seed = Seed::from_yaml(&format!("{}\n{crowd}", include_str!("seed.yaml"))).unwrap();
        let error = Sandbox::start(seed, Options::default()).await.err().map(|error| error.to_string());
        assert!(error.as_ref().is_some_and(|error| error.starts_with("crowd: ")), "{with}: {error:?}");
    }
}

#[tokio::test]
async fn the_ledger_can_be_filtered_and_summed_up() {
    let api = Api::start().await;
    let page = format!("/v25.0/{PAGE_A}");
    for _ in 0..3 {
        api.get(&token("page-a"), &page, &[]).await.ok();
    }
    api.get(&token("expired"), &page, &[]).await;
    let operations = json!([{"method": "GET", "relative_url": "app"}, {"method": "GET", "relative_url": "app"}]);
    api.post(&app_token(), "/v25.0/", &[("batch", &operations.to_string())]).await.ok();

    let read = async |query: &str| api.control(Method::GET, &format!("ledger{query}"), Value::Null).await.ok();
    let count = |ledger: Value| ledger["entries"].as_array().unwrap().len();
    assert_eq!(count(read("").await), 7);
    assert_eq!(count(read("?template=/{version}/{page-id}").await), 4);
    assert_eq!(count(read("?template=/{version}/{page-id}&status=400").await), 1);
    assert_eq!(count(read("?method=post&since=2").await), 1);
    assert_eq!(count(read("?batch=5").await), 2);
    assert_eq!(count(read("?node=2200000000000001&limit=2").await), 2);
    let summary = read("/summary").await;
    assert_eq!((&summary["requests"], &summary["operations"]), (&json!(5), &json!(2)));
    let row = |template: &str, status: u16, code: Option<i64>| {
        let rows = summary["calls"].as_array().unwrap().iter();
        let wanted =
            |row: &&Value| row["template"] == template && row["status"] == status && row["code"] == json!(code);
        rows.filter(wanted).map(|row| row["count"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!((row("/{version}/{page-id}", 200, None), row("/{version}/{page-id}", 400, Some(190))), (3, 1));
    assert_eq!(read("/summary?since=4").await["requests"], 1);
    assert_eq!(api.sandbox.ledger_summary(0).operations, 2);
    for bad in ["ledger?since=x", "ledger?nonsense=1", "ledger/summary?since=-1"] {
        assert_eq!(api.control(Method::GET, bad, Value::Null).await.status, 400, "{bad}");
    }
}
