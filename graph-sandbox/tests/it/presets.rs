//! Presets: what each makes of a request, and how it is played and taken back.

use std::collections::{BTreeMap, BTreeSet};

use graph_sandbox::{AppliedPreset, Options, Preset, Sandbox, Seed, presets};
use reqwest::redirect::Policy;
use reqwest::{Client, Method};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::*;

/// A row of the table: what is played, what is asked, and what comes back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    preset: String,
    #[serde(default)]
    with: BTreeMap<String, String>,
    ask: String,
    sees: Value,
    #[serde(default)]
    lacks: Vec<String>,
    #[serde(default)]
    after: Option<Value>,
    #[serde(default)]
    for_good: bool,
}

fn cases() -> Vec<Case> {
    // Words of the table that stand for the ids of the world.
    let table = include_str!("presets.yaml").replace(": PAGE_KIND", ": \"PAGE\"");
    let id = |text: String, word: &str, id: &str| {
        [",", "}", "]"]
            .iter()
            .fold(text, |text, end| text.replace(&format!(": {word}{end}"), &format!(": \"{id}\"{end}")))
    };
    let table =
        [("PAGE", PAGE_A), ("APP", APP), ("PERSON", PERSON)].into_iter().fold(table, |text, (w, v)| id(text, w, v));
    serde_yaml_ng::from_str(&table).unwrap()
}

/// Whether this is a part of what was seen: `~` before a text asks for a part of it, `=null` for null, null for nothing.
fn part_of(wanted: &Value, seen: Option<&Value>) -> bool {
    match (wanted, seen) {
        (Value::Null, None) => true,
        (Value::Null, Some(seen)) => seen.is_null(),
        (Value::Object(wanted), Some(seen)) => wanted.iter().all(|(name, wanted)| part_of(wanted, seen.get(name))),
        (Value::Array(wanted), Some(seen)) => {
            wanted.iter().enumerate().all(|(at, wanted)| part_of(wanted, seen.get(at)))
        }
        (Value::String(text), Some(seen)) if text == "=null" => seen.is_null(),
        (Value::String(text), Some(Value::String(seen))) => match text.strip_prefix('~') {
            Some(part) => seen.contains(part),
            None => seen == text,
        },
        (wanted, seen) => seen == Some(wanted),
    }
}

impl Case {
    fn is_seen(&self, seen: &Value) -> bool {
        part_of(&self.sees, Some(seen)) && self.lacks.iter().all(|gone| seen.pointer(gone).is_none())
    }

    fn play(&self, api: &Api) -> AppliedPreset {
        let with: Vec<(&str, &str)> = self.with.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        api.sandbox.preset(&self.preset, &with).unwrap()
    }
}

/// A world for one case; its callback takes every challenge.
async fn world(callback: &Callback) -> Api {
    let resolve = BTreeMap::from([("hooks.example.com".to_owned(), callback.base.clone())]);
    Api::of(Seed::from_yaml(PEOPLE).unwrap(), Options { resolve, ..Options::default() }).await
}

/// Makes one of the requests of the table.
async fn ask(api: &Api, what: &str) -> Value {
    let page = format!("/v25.0/{PAGE_A}");
    let app = format!("/v25.0/{APP}");
    let (own, long) = (person_token("page-a"), person_token("long"));
    let list = async |query: &[(&str, &str)]| api.get(&long, "/v25.0/me/accounts", query).await;
    let answer = match what {
        "page" => {
            api.get(&own, &page, &[("fields", "id,name,is_published,is_messenger_platform_bot,access_token")]).await
        }
        "subscribe" => {
            let fields = [("subscribed_fields", "messages,message_reads")];
            api.post(&own, &format!("{page}/subscribed_apps"), &fields).await
        }
        "save-webhook" => {
            let callback = ("callback_url", "https://hooks.example.com/meta");
            let order = [("object", "page"), callback, ("fields", "messages,message_reads"), ("verify_token", "x")];
            api.post(&app_token(), &format!("{app}/subscriptions"), &order).await
        }
        "list" => list(&[]).await,
        "list-first" => list(&[("limit", "1")]).await,
        "list-second" => {
            let first = list(&[("limit", "1")]).await.ok();
            list(&[("limit", "1"), ("after", first["paging"]["cursors"]["after"].as_str().unwrap())]).await
        }
        "debug" => api.get(&app_token(), "/v25.0/debug_token", &[("input_token", &own)]).await,
        "app" => api.get(&app_token(), &app, &[]).await,
        "app-by-new-secret" => api.get(&format!("{APP}|secret-after-the-reset-0000000000"), &app, &[]).await,
        "permissions" => api.get(&app_token(), &format!("{app}/permissions"), &[]).await,
        "dialog" => dialog(api).await,
        "code" => {
            let login = json!({"authorize": {"app": APP, "scopes": ["pages_show_list"], "redirect_uri": REDIRECT}});
            let code = api.person(login).await["code"].as_str().unwrap().to_owned();
            api.exchange(&[("code", &code), ("redirect_uri", REDIRECT)]).await
        }
        "exchange" => {
            let short = person_token("short");
            api.exchange(&[("grant_type", "fb_exchange_token"), ("fb_exchange_token", &short)]).await
        }
        other => panic!("the table asks for {other}"),
    };
    let header = |name: &str| answer.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let webhook = api.sandbox.state().apps[APP].subscriptions.get("page").map(|row| row.callback_url.clone());
    json!({"status": answer.status, "version": header("facebook-api-version"), "location": header("location"),
        "row": api.page_row(PAGE_A), "webhook": webhook, "body": answer.body})
}

async fn dialog(api: &Api) -> Answer {
    let browser = Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
    let request = browser.get(format!("{}/v25.0/dialog/oauth", api.sandbox.url()));
    let asked = [("client_id", APP), ("redirect_uri", REDIRECT), ("response_type", "code"), ("state", "s t")];
    Answer::of(request.query(&asked).send().await.unwrap()).await
}

#[tokio::test]
async fn every_preset_plays_what_the_table_says_and_nothing_else_does() {
    let callback = Callback::start(Behavior::Challenge).await;
    for case in cases() {
        let name = format!("{} {:?}, {}", case.preset, case.with, case.ask);
        let plain = ask(&world(&callback).await, &case.ask).await;
        assert!(!case.is_seen(&plain), "{name}: without it, too: {plain}");
        let api = world(&callback).await;
        let applied = case.play(&api);
        let seen = ask(&api, &case.ask).await;
        assert!(case.is_seen(&seen), "{name}: {seen}");
        if let Some(after) = &case.after {
            let seen = ask(&api, &case.ask).await;
            assert!(part_of(after, Some(&seen)), "{name}, afterwards: {seen}");
        }
        api.sandbox.take_back(&applied).unwrap();
        let seen = ask(&api, &case.ask).await;
        assert_eq!(case.is_seen(&seen), case.for_good, "{name}, taken back: {seen}");
        assert_eq!(seen["status"] == plain["status"], !case.for_good, "{name}, taken back: {seen}");
    }
}

#[test]
fn the_table_has_every_preset() {
    let played: BTreeSet<String> = cases().into_iter().map(|case| case.preset).collect();
    let known: Vec<&str> = presets().iter().map(|preset| preset.name.as_str()).collect();
    assert!(known.len() > 60, "{known:?}");
    assert_eq!(played.iter().map(String::as_str).collect::<BTreeSet<_>>(), known.iter().copied().collect());
    assert_eq!(played.len(), known.len(), "a name stands for one preset");
    let plain =
        |name: &&str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    assert!(known.iter().all(plain));
}

#[tokio::test]
async fn a_preset_strikes_only_whom_it_is_narrowed_to() {
    let api = Api::of_people().await;
    let reads =
        async |alias: &str, page: &str| api.get(&person_token(alias), &format!("/v25.0/{page}"), &[]).await.status;
    for narrowed in [("page", PAGE_A), ("token", "page-a")] {
        let applied = api.sandbox.preset("checkpoint-required", &[narrowed]).unwrap();
        assert_eq!((reads("page-a", PAGE_A).await, reads("page-b", PAGE_B).await), (400, 200), "{narrowed:?}");
        api.sandbox.take_back(&applied).unwrap();
    }
    for other in [("person", "6600000000000002"), ("app", OTHER_APP)] {
        let applied = api.sandbox.preset("checkpoint-required", &[other]).unwrap();
        assert_eq!(reads("page-a", PAGE_A).await, 200, "{other:?}");
        api.sandbox.take_back(&applied).unwrap();
    }
}

#[tokio::test]
async fn a_span_ends_by_the_clock_and_after_lets_calls_pass() {
    let api = Api::of_people().await;
    let status = async || api.get(&person_token("page-a"), &format!("/v25.0/{PAGE_A}"), &[]).await.status;
    api.sandbox.preset("page-token-refused-once", &[("lasts", "10m"), ("after", "1")]).unwrap();
    assert_eq!([status().await, status().await, status().await], [200, 400, 400]);
    api.sandbox.advance_clock(jiff::SignedDuration::from_mins(11)).unwrap();
    assert_eq!(status().await, 200);
}

#[tokio::test]
async fn the_control_api_lists_plays_and_tells_how_to_take_back() {
    let api = Api::of_people().await;
    let listed = api.control(Method::GET, "presets", Value::Null).await.ok();
    let rows = listed["presets"].as_array().unwrap();
    let row = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap().clone();
    assert_eq!(rows.len(), presets().len());
    let migrated = row("page-migrated");
    assert!(migrated["plays"].as_str().unwrap().contains("code 21") && migrated["known_from"].is_string());
    let parameters = migrated["parameters"].as_array().unwrap();
    assert!(parameters.contains(&json!({"name": "page", "needed": true})), "{migrated}");
    assert!(parameters.contains(&json!({"name": "new_id", "needed": false, "default": "2200000000009999"})));
    assert!(parameters.contains(&json!({"name": "times", "needed": false})));
    assert!(!row("page-restricted")["parameters"].to_string().contains("times"));

    let played =
        api.post_control("presets/page-migrated", json!({"page": 2_200_000_000_000_001_u64, "times": 3})).await.ok();
    let id = played["faults"][0].as_u64().unwrap();
    assert_eq!(played["undo"], json!([{"method": "DELETE", "path": format!("faults/{id}")}]));
    assert_eq!(api.sandbox.faults()[0].fault.times, Some(3));
    let played = api.post_control("presets/page-restricted", json!({"page": PAGE_A})).await.ok();
    assert!(api.sandbox.state().pages[PAGE_A].restricted);
    let undo = &played["undo"][0];
    api.post_control(undo["path"].as_str().unwrap(), undo["body"].clone()).await.ok();
    assert!(!api.sandbox.state().pages[PAGE_A].restricted);
    let played = api.post_control("presets/listing-next-with-offset", json!({})).await.ok();
    let back = json!({"method": "PUT", "path": "switches", "body": {"accounts_paging": "cursors"}});
    assert_eq!(played["undo"], json!([back]));
}

#[tokio::test]
async fn what_is_misspelled_is_refused_with_the_nearest_name_and_changes_nothing() {
    let api = Api::of_people().await;
    let before = json!(api.sandbox.state());
    let refused = async |name: &str, with: Value| {
        let answer = api.post_control(&format!("presets/{name}"), with).await;
        (answer.status, answer.body["error"].as_str().unwrap_or_default().to_owned())
    };
    let (status, text) = refused("listing-emtpy-once", json!({})).await;
    assert_eq!(
        (status, text.as_str()),
        (404, "there is no preset \"listing-emtpy-once\"; the nearest is \"listing-empty-once\"")
    );
    let (status, text) = refused("checkpoint-required", json!({"pgae": PAGE_A})).await;
    assert_eq!(status, 400);
    assert_eq!(text, "checkpoint-required: there is no parameter \"pgae\"; the nearest is \"page\"");
    let (status, text) = refused("page-restricted", json!({})).await;
    assert_eq!((status, text.as_str()), (400, "page-restricted: the parameter page is needed"));
    for with in
        [json!({"page": "x"}), json!({"times": "often"}), json!({"lasts": "soon"}), json!({"page": []}), json!(1)]
    {
        assert_eq!(refused("checkpoint-required", with.clone()).await.0, 400, "{with}");
    }
    assert_eq!(refused("page-restricted", json!({"page": "2200000000007777"})).await.0, 404);
    assert!(api.sandbox.faults().is_empty());
    let mut after = json!(api.sandbox.state());
    after["now"] = before["now"].clone();
    assert_eq!(after, before);
}

#[tokio::test]
async fn a_seed_may_play_presets() {
    let seed = |presets: &str| Seed::from_yaml(&format!("{PEOPLE}\npresets: [{presets}]\n")).unwrap();
    let start = async |presets: &str| Sandbox::start(seed(presets), Options::default()).await;
    let sandbox =
        start("{name: page-restricted, page: 2200000000000001}, {name: listing-empty-once, times: 2}").await.unwrap();
    assert!(sandbox.state().pages[PAGE_A].restricted);
    assert_eq!(sandbox.faults()[0].fault.times, Some(2));
    let error = start("{name: listing-empty}, {name: page-restrictd}").await.err().unwrap().to_string();
    assert_eq!(error, "presets[1]: there is no preset \"page-restrictd\"; the nearest is \"page-restricted\"");
}

/// The names of the docs' table of presets, with whether each row says what the table of the sandbox says.
#[test]
fn the_docs_list_exactly_the_presets_of_the_table() {
    let docs = include_str!("../../../docs/sandbox.md");
    let (_, section) = docs.split_once("## Presets").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let listed: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
    let row = |preset: &Preset| {
        let parameters =
            preset.parameters().into_iter().filter(|it| !["times", "after", "lasts"].contains(&it.name.as_str()));
        let parameters = parameters.map(|it| if it.needed { format!("**{}**", it.name) } else { it.name });
        let parameters = parameters.collect::<Vec<_>>().join(", ");
        format!("| `{}` | {} | {parameters} | {} |", preset.name, preset.plays, preset.known_from)
    };
    let known: Vec<String> = presets().iter().map(row).collect();
    assert_eq!(listed, known, "\n{}", known.join("\n"));
}
