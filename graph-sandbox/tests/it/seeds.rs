//! Seeds: what is accepted, and how errors point at their cause.

use graph_sandbox::{Options, Sandbox, Seed};
use serde_json::Value;

use crate::support::*;

async fn problem(yaml: &str) -> String {
    match Seed::from_yaml(yaml) {
        Err(error) => error.to_string(),
        Ok(seed) => match Sandbox::start(seed, Options::default()).await {
            Ok(_) => panic!("accepted: {yaml}"),
            Err(error) => error.to_string(),
        },
    }
}

#[tokio::test]
async fn the_demo_seed_is_as_documented() {
    let api = Api::of(Seed::demo().unwrap(), Options::default()).await;
    let secret = "sandbox-app-secret-0000000000000000";
    let app = format!("{APP}|{secret}");
    let debug = async |input: &str| -> Value {
        let query = [("input_token", input), ("appsecret_proof", &proof(secret, &app))];
        api.get(&app, "/v25.0/debug_token", &query).await.ok()["data"].clone()
    };
    for (input, page, subcode) in [
        ("EAAsandbox-page-a-000000000000000000", PAGE_A, None),
        ("EAAsandbox-page-b-000000000000000000", PAGE_B, None),
        ("EAAsandbox-page-c-000000000000000000", PAGE_C, Some(460)),
        ("EAAsandbox-page-a-expired-0000000000", PAGE_A, Some(463)),
    ] {
        let data = debug(input).await;
        assert_eq!((&data["type"], &data["profile_id"]), (&"PAGE".into(), &page.into()), "{input}");
        assert_eq!(data["is_valid"], subcode.is_none(), "{input}");
        assert_eq!(data["error"]["subcode"].as_i64(), subcode, "{input}");
        let scopes: Vec<_> = data["scopes"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(scopes, ["pages_show_list", "pages_manage_metadata", "pages_messaging"]);
    }
    assert_eq!(debug("EAAsandbox-user-00000000000000000000").await["type"], "USER");
    let page = "EAAsandbox-page-a-000000000000000000";
    let query = [("appsecret_proof", proof(secret, page)), ("subscribed_fields", "messages,standby".to_owned())];
    let query: Vec<_> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
    api.post(page, &format!("/v25.0/{PAGE_A}/subscribed_apps"), &query).await.ok();
    let other = "EAAsandbox-other-app-page-a-00000000";
    api.get(other, &format!("/v25.0/{PAGE_A}"), &[]).await.ok();
}

#[tokio::test]
async fn shape_errors_name_the_line() {
    for (yaml, expected) in [
        ("apps:\n  - id: 1111000011110000\n    name: A\n    secret: s\n    secrets: t\n", "line 5"),
        ("apps:\n  - id: 1111000011110000\n    name: A\n", "missing field `secret`"),
        ("tokens:\n  - token: t\n    kind: pages\n", "unknown variant `pages`"),
        ("pages:\n  - id: 22x\n    name: A\n", "5 to 20 digits"),
        ("switches:\n  dead_version: perhaps\n", "unknown variant `perhaps`"),
        ("faults:\n  - do: explode\n", "unknown variant `explode`"),
        (
            "tokens:\n  - token: t\n    kind: user\n    app: 1111000011110000\n    expires_at: soon\n",
            "expected an RFC 3339 time",
        ),
        ("apps: [", "line"),
    ] {
        let problem = problem(yaml).await;
        assert!(problem.contains(expected), "{problem}");
        assert!(problem.contains("line") || problem.contains("variant"), "{problem}");
    }
}

#[tokio::test]
async fn contradictions_name_the_entry() {
    const APPS: &str = "apps: [{id: 1111000011110000, name: A, secret: s}]\npeople: [{id: 6600000000000001, name: P}]\n\
                        pages: [{id: 2200000000000001, name: S}]\n";
    let token = |rest: &str| format!("{APPS}tokens: [{{alias: x, token: t, {rest}}}]");
    for (yaml, expected) in [
        (
            token("kind: user, app: 9999000099990000, user: 6600000000000001"),
            "tokens[0] (x): app 9999000099990000 is not in the seed",
        ),
        (token("kind: user, app: 1111000011110000, user: 6600000000000002"), "neither in people nor in system_users"),
        (token("kind: user, app: 1111000011110000"), "needs `user`"),
        (token("kind: page, app: 1111000011110000"), "needs `page`"),
        (
            token("kind: page, app: 1111000011110000, page: 2200000000000009"),
            "page 2200000000000009 is not in the seed",
        ),
        (
            token("kind: user, app: 1111000011110000, user: 6600000000000001, page: 2200000000000001"),
            "`page` belongs to page tokens only",
        ),
        (token("kind: app, app: 1111000011110000"), "app tokens need no entry"),
        (
            token("kind: user, app: 1111000011110000, user: 6600000000000001, granular_scopes: [{scope: y}]"),
            "granular scope y is not among the scopes",
        ),
        (token("kind: user, app: 1111000011110000, user: 6600000000000001, expires_at: +300000000h"), "tokens[0] (x)"),
        (
            format!(
                "{APPS}tokens:\n  - &t {{alias: x, token: t, kind: page, app: 1111000011110000, \
            page: 2200000000000001}}\n  - *t\n"
            ),
            "tokens[1] (x): token or alias is listed twice",
        ),
        ("apps: [{id: 11110, name: A, secret: s}, {id: 11110, name: B, secret: s}]".into(), "apps[1] (11110)"),
        ("pages: [{id: 22000, name: A}, {id: 22000, name: B}]".into(), "pages[1] (22000)"),
        (
            "apps: [{id: 11110, name: A, secret: s}]\npages: [{id: 11110, name: B}]".into(),
            "pages[0] (11110): 11110 is the id of an app already",
        ),
        (
            "people: [{id: 66000, name: A}]\nbusinesses: [{id: 66000, name: B}]".into(),
            "people[0] (66000): 66000 is the id of a business already",
        ),
        ("pages: [{id: 22000, name: A, fields: {name: B}}]".into(), "a page has no settable field `name`"),
        ("apps: [{id: 11110, name: A, secret: s, fields: {mode: live}}]".into(), "an app has no settable field `mode`"),
        ("apps: [{id: 11110, name: A, secret: ''}]".into(), "the secret is empty"),
        (
            "apps: [{id: 11110, name: A, secret: s, subscriptions: [{callback_url: 'http://x.example/', fields: []}]}]"
                .into(),
            "https URL",
        ),
        (
            "apps: [{id: 11110, name: A, secret: s, deauthorize_url: 'http://x.example/'}]".into(),
            "deauthorize_url must be an https URL",
        ),
        (
            "pages: [{id: 22000, name: A, routing: {default_app: 11110}}]".into(),
            "pages[0] (22000): app 11110 is not in the seed",
        ),
        ("pages: [{id: 22000, name: A, conversations: [{psid: 77000, owner: 11110}]}]".into(), "app 11110 is not"),
        (
            "pages: [{id: 22000, name: A, conversations: [{psid: 77000}, {psid: 77000}]}]".into(),
            "pages[0] (22000).conversations[1] (77000): the conversation is listed twice",
        ),
        (
            "pages: [{id: 22000, name: A, conversations: [{psid: 77000, owner_until: +1d}]}]".into(),
            "`owner_until` needs `owner`",
        ),
        (
            "pages: [{id: 22000, name: A, conversations: [{psid: 77000, owner: 263902037430900, owner_until: never}]}]"
                .into(),
            "`owner_until` needs a time",
        ),
        (
            "pages: [{id: 22000, name: A, conversations: [{psid: 77000, person: 66000}]}]".into(),
            "person 66000 is not in people",
        ),
        ("resolve: {a.example: 'https://127.0.0.1:1'}".into(), "resolve (a.example)"),
        ("resolve: {a.example: nonsense}".into(), "resolve (a.example)"),
    ] {
        let problem = problem(&yaml).await;
        assert!(problem.contains(expected), "{problem}");
    }
}

#[tokio::test]
async fn a_seed_may_bring_faults_switches_and_stand_ins() {
    let yaml = "switches: {no_version: refused}\nresolve: {Hooks.example.com: 'http://127.0.0.1:9'}\n\
                faults: [{match: {method: GET}, do: {status: {code: 418}}}]\n";
    let api = Api::of(Seed::from_yaml(yaml).unwrap(), Options::default()).await;
    assert_eq!(api.get("x", "/v25.0/me", &[]).await.status, 418);
    assert_eq!(api.post("x", "/me", &[]).await.refusal(), (400, 2500, None));
    assert_eq!(api.sandbox.resolve()["hooks.example.com"], "http://127.0.0.1:9");
}
