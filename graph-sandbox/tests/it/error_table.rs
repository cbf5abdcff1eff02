//! The error table of section 1.6 of the contract, row by row.
//!
//! A row is what somebody does, the call that meets it, and code and subcode of the answer.

use graph_sandbox::{AppChange, Block, Invalidation, PageChange, Sandbox};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::*;

struct Row {
    name: &'static str,
    code: i64,
    subcode: Option<i64>,
    prepare: fn(&Sandbox),
    call: Call,
}

/// A GET, with the token of this alias.
enum Call {
    As(&'static str, &'static str),
    /// With our app token.
    App(&'static str),
    /// Without any token, with these parameters.
    Open(&'static str, &'static [(&'static str, &'static str)]),
}

fn nothing(_: &Sandbox) {}

fn person(sandbox: &Sandbox, change: Value) {
    sandbox.change_person(PERSON, serde_json::from_value(change).unwrap()).unwrap();
}

fn app(sandbox: &Sandbox, change: AppChange) {
    sandbox.change_app(APP, change).unwrap();
}

fn ended(sandbox: &Sandbox, subcode: i64) {
    sandbox.invalidate_token("long", Invalidation { subcode: Some(subcode), message: None }).unwrap();
}

const ME: Call = Call::As("page-a", "/v25.0/me");
const TOKEN: &str = "/v25.0/oauth/access_token";

const fn row(name: &'static str, code: i64, subcode: Option<i64>, prepare: fn(&Sandbox), call: Call) -> Row {
    Row { name, code, subcode, prepare, call }
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    row("1 on oauth/access_token: bad secret", 1, None, nothing,
        Call::Open(TOKEN, &[("client_id", APP), ("client_secret", "wrong"), ("grant_type", "client_credentials")])),
    row("10 permission denied", 10, None, nothing, Call::As("page-a", "/v25.0/me?fields=unread_message_count")),
    row("15 needs an app access token", 15, None, nothing, Call::As("long", "/v25.0/app/roles")),
    row("100 bad parameter", 100, None, nothing, Call::As("long", "/v25.0/me?fields=nope")),
    row("100/33 object missing", 100, Some(33), nothing, Call::As("long", "/v25.0/2299999999999999")),
    row("100/33 page deleted", 100, Some(33),
        |sandbox| sandbox.change_page(PAGE_A, PageChange { deleted: Some(true), ..PageChange::default() }).unwrap(), ME),
    row("101 invalid application id", 101, None, nothing,
        Call::Open(TOKEN, &[("client_id", "8888000088880000"), ("client_secret", "x")])),
    row("190 secret reset", 190, None,
        |sandbox| app(sandbox, AppChange { secret: Some("new".into()), ..AppChange::default() }), Call::App("/v25.0/app")),
    row("190 application deleted", 190, None,
        |sandbox| app(sandbox, AppChange { deleted: Some(true), ..AppChange::default() }), ME),
    row("190 app-level edge with a person's token", 190, None,
        |sandbox| sandbox.set_switch("app_edge_wrong_token", "code_190").unwrap(), Call::As("long", "/v25.0/app/roles")),
    row("190 not in grant", 190, None, |sandbox| person(sandbox, json!({"regrant": {"app": APP, "pages": [PAGE_B]}})), ME),
    row("190/458 app removed", 190, Some(458), |sandbox| person(sandbox, json!({"removed_app": APP})), ME),
    row("190/459 checkpoint", 190, Some(459), |sandbox| person(sandbox, json!({"checkpoint": true})), ME),
    row("190/460 password changed", 190, Some(460), |sandbox| person(sandbox, json!({"password_changed": true})), ME),
    row("190/461 reinstalled", 190, Some(461), |sandbox| ended(sandbox, 461), ME),
    row("190/462 stale", 190, Some(462), |sandbox| ended(sandbox, 462), ME),
    row("190/463 expired", 190, Some(463), |sandbox| { sandbox.advance_clock(SignedDuration::from_hours(3)).unwrap(); },
        Call::As("page-a-short", "/v25.0/me")),
    row("190/464 unconfirmed", 190, Some(464), |sandbox| person(sandbox, json!({"unconfirmed": true})), ME),
    row("190/465 invalid session user", 190, Some(465), |sandbox| ended(sandbox, 465), ME),
    row("190/466 ended by a call", 190, Some(466), |sandbox| ended(sandbox, 466), ME),
    row("190/467 logged out", 190, Some(467), |sandbox| person(sandbox, json!({"logged_out": true})), ME),
    row("190/468 long unused", 190, Some(468), |sandbox| ended(sandbox, 468), ME),
    row("190/492 role lost", 190, Some(492), |sandbox| {
        let tasks = [(PERSON.parse().unwrap(), vec![])].into();
        sandbox.change_page(PAGE_A, PageChange { tasks, ..PageChange::default() }).unwrap();
    }, ME),
    row("190/493 data access over", 190, Some(493), |sandbox| {
        sandbox.set_switch("data_access_over", "refused").unwrap();
        sandbox.advance_clock(SignedDuration::from_hours(24 * 91)).unwrap();
    }, ME),
    row("200 permission missing", 200, None, nothing, Call::As("bare", "/v25.0/me/accounts")),
    row("200 API access blocked", 200, None,
        |sandbox| app(sandbox, AppChange { blocked: Some(Block::Blocked), ..AppChange::default() }), ME),
    row("200 API access deactivated", 200, None,
        |sandbox| app(sandbox, AppChange { blocked: Some(Block::Deactivated), ..AppChange::default() }), ME),
    row("210 needs a page access token", 210, None, nothing, Call::As("long", "/v25.0/2200000000000001/roles")),
    row("803 unknown alias", 803, None, nothing, Call::As("long", "/v25.0/acme")),
    row("2500 unknown path", 2500, None, nothing, Call::As("long", "/v25.0/me/nothing")),
    row("2500 no active token", 2500, None, nothing, Call::Open("/v25.0/me", &[])),
];

#[tokio::test]
async fn every_row_is_produced() {
    for Row { name, code, subcode, prepare, call } in ROWS {
        let api = Api::of_people().await;
        prepare(&api.sandbox);
        let answer = match call {
            Call::As(alias, path) => api.get(&person_token(alias), path, &[]).await,
            Call::App(path) => api.get(&app_token(), path, &[]).await,
            Call::Open(path, query) => api.get("", path, query).await,
        };
        let (status, got, got_subcode) = answer.refusal();
        assert_eq!((got, got_subcode), (*code, *subcode), "{name}");
        assert!(status == 400 || status == 403, "{name}");
    }
}
