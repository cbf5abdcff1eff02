//! The error table of section 1.6 of the contract, row by row.
//!
//! A row is what someone does, the call that meets it, and code and subcode of the answer.

use graph_sandbox::{AppChange, Block, Id, Invalidation, Meter, PageChange, Sandbox, UsageKind};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::*;

/// What Meta does on its own, and a fault does here: code, subcode, meaning.
const MISHAPS: &[(i64, Option<i64>, &str)] = &[
    (1, None, "unknown, maybe an outage"),
    (1, Some(99), "permission or verification missing"),
    (2, None, "service down"),
    (2, Some(2_018_344), "label terms"),
    (3, None, "capability missing"),
    (4, None, "app-wide limit"),
    (9, None, "too many actions"),
    (10, Some(2_018_065), "outside the window"),
    (10, Some(2_534_022), "outside the window"),
    (10, Some(2_534_077), "Instagram account not verifiable"),
    (17, None, "user limit"),
    (32, None, "pages limit"),
    (100, Some(2_018_109), "attachment too large"),
    (100, Some(2_534_013), "no linked Instagram account"),
    (100, Some(2_534_014), "unknown recipient"),
    (100, Some(2_534_029), "Instagram business blocked"),
    (100, Some(2_534_037), "not the owner"),
    (102, Some(463), "session"),
    (200, Some(1_545_041), "unreachable"),
    (200, Some(2_534_041), "message access switched off"),
    (230, None, "no profile consent"),
    (341, None, "application limit"),
    (368, None, "blocked for policy reasons"),
    (506, None, "duplicate post"),
    (551, None, "unreachable"),
    (613, None, "custom limit"),
    (613, Some(1996), "odd pattern of calls"),
    (613, Some(2_534_040), "Instagram limit"),
    (1705, None, "person instead of page"),
    (2022, None, "commerce messages disabled"),
    (36_103, None, "Instagram account not eligible"),
    (80_001, None, "pages limit"),
    (80_002, None, "Instagram limit"),
    (80_006, None, "Messenger limit"),
    (80_008, None, "WhatsApp limit"),
];

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
    /// With this token.
    With(&'static str, &'static str),
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

fn used_up(sandbox: &Sandbox, meter: fn(Id) -> Meter) {
    sandbox.set_usage(meter(APP.parse().unwrap()), 100, None);
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
    row("190 cannot be parsed", 190, None, nothing, Call::With("garbage", "/v25.0/me")),
    row("190 malformed", 190, None, nothing, Call::With("EAAunknown", "/v25.0/me")),
    row("190 wrong signature", 190, None, nothing, Call::With("1111000011110000|wrong", "/v25.0/app")),
    row("101 invalid application id of a token", 101, None, nothing, Call::With("8888000088880000|x", "/v25.0/app")),
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
    row("4 the app's calls are used up", 4, None, |sandbox| used_up(sandbox, Meter::App), Call::App("/v25.0/app")),
    row("17 the person's calls are used up", 17, None, |sandbox| {
        sandbox.set_usage(Meter::User(PERSON.parse().unwrap()), 100, None);
    }, Call::As("long", "/v25.0/me")),
    row("32 the app's calls about pages are used up", 32, None, |sandbox| used_up(sandbox, Meter::App),
        Call::As("long", "/v25.0/2200000000000001")),
    row("80001 the page's calls are used up", 80_001, None, |sandbox| {
        sandbox.set_usage(Meter::Page(PAGE_A.parse().unwrap(), UsageKind::Pages), 100, None);
    }, ME),
    row("80006 the page's messaging calls are used up", 80_006, None, |sandbox| {
        sandbox.set_usage(Meter::Page(PAGE_A.parse().unwrap(), UsageKind::Messenger), 100, None);
    }, Call::As("page-a", "/v25.0/me/conversations")),
    row("100 wrong proof", 100, None, nothing, Call::As("long", "/v25.0/me?appsecret_proof=0")),
    row("100 no proof", 100, None,
        |sandbox| app(sandbox, AppChange { require_proof: Some(true), ..AppChange::default() }), ME),
    row("2500 no active token", 2500, None, nothing, Call::Open("/v25.0/me", &[])),
];

#[tokio::test]
async fn every_row_is_produced() {
    for Row { name, code, subcode, prepare, call } in ROWS {
        let api = Api::of_people().await;
        prepare(&api.sandbox);
        let answer = match call {
            Call::As(alias, path) => api.get(&person_token(alias), path, &[]).await,
            Call::With(token, path) => api.get(token, path, &[]).await,
            Call::App(path) => api.get(&app_token(), path, &[]).await,
            Call::Open(path, query) => api.get("", path, query).await,
        };
        let (status, got, got_subcode) = answer.refusal();
        assert_eq!((got, got_subcode), (*code, *subcode), "{name}");
        assert!(status == 400 || status == 403, "{name}");
    }
}

#[tokio::test]
async fn what_meta_does_by_itself_is_produced_by_a_fault() {
    let api = Api::of_people().await;
    for (code, subcode, meaning) in MISHAPS {
        api.fault(json!({"times": 1, "do": {"graph_error": {"code": code, "subcode": subcode, "message": meaning}}}));
        let (status, got, got_subcode, message) = api.get(&person_token("page-a"), "/v25.0/me", &[]).await.refused();
        assert_eq!((status, got, got_subcode, message.as_str()), (400, *code, *subcode, *meaning));
    }
    api.get(&person_token("page-a"), "/v25.0/me", &[]).await.ok();
}
