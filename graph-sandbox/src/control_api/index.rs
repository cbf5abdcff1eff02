//! `GET /_sandbox/`: the list of control calls, for people in lines, for programs in JSON.

use axum::Json;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

/// A control call.
#[derive(Clone, Copy, Serialize)]
pub(super) struct ControlCall {
    pub(super) method: &'static str,
    /// Below `/_sandbox/`.
    pub(super) path: &'static str,
    does: &'static str,
}

const fn call(method: &'static str, path: &'static str, does: &'static str) -> ControlCall {
    ControlCall { method, path, does }
}

/// Every control call. A test compares them with the router.
pub(super) const CALLS: &[ControlCall] = &[
    call("GET", "", "lists the control calls; as JSON with `Accept: application/json`"),
    call("GET", "ledger", "lists the Graph requests"),
    call("DELETE", "ledger", "forgets them; the numbers go on"),
    call("GET", "ledger/summary", "counts the Graph requests by what was asked and what came of it"),
    call("GET", "state", "tells the state, without secrets"),
    call("GET", "clock", "tells the time"),
    call("POST", "clock", "moves or sets the clock"),
    call("POST", "tokens", "adds or replaces a token"),
    call("POST", "tokens/invalidate", "ends a token"),
    call("POST", "tokens/restore", "makes an ended token good again"),
    call("POST", "apps/{id}", "changes an app: its secret, review, blocks, drift of its webhooks"),
    call("POST", "pages/{id}", "changes a page: whether it is visible, roles on it, drift of its subscriptions"),
    call("POST", "pages/{id}/message", "a person writes to the page"),
    call("POST", "pages/{id}/standby", "a person writes while another app owns the thread"),
    call("POST", "pages/{id}/reply", "staff answers"),
    call("POST", "pages/{id}/pass", "an app passes a thread"),
    call("POST", "pages/{id}/take", "an app takes a thread"),
    call("POST", "pages/{id}/release", "an app releases a thread"),
    call("POST", "pages/{id}/routing", "changes the page's routing"),
    call("POST", "pages/{id}/app_roles", "tells an app its role on the page"),
    call("POST", "pages/{id}/threads/{psid}", "changes a thread: whether messages reach the person, their profile"),
    call("POST", "people/{id}", "a person or system user does something: logs in, regrants, removes an app"),
    call("POST", "businesses/{id}", "changes a business"),
    call("GET", "grants", "lists who authorized which app to do what"),
    call("GET", "faults", "lists the faults in force"),
    call("POST", "faults", "puts faults in force"),
    call("DELETE", "faults", "lifts all faults"),
    call("DELETE", "faults/{id}", "lifts one fault"),
    call("GET", "presets", "lists the presets"),
    call("POST", "presets/{id}", "plays a preset"),
    call("GET", "deliveries", "lists the attempts to deliver webhook events, and what was dropped"),
    call("POST", "deliveries/send", "sends webhook events"),
    call("POST", "deliveries/signing", "signs the next deliveries wrong, or not at all"),
    call("POST", "deliveries/flush", "waits until nothing is left to deliver"),
    call("POST", "deliveries/deauthorize", "tells an app that a person has removed it"),
    call("GET", "alerts", "lists Meta's alerts to developers"),
    call("GET", "usage", "tells how many calls were made"),
    call("POST", "usage", "sets a usage without making the calls"),
    call("GET", "limits", "tells how many calls are allowed"),
    call("PUT", "limits", "changes how many calls are allowed"),
    call("GET", "resolve", "tells which base URLs stand in for callback hosts"),
    call("PUT", "resolve", "replaces that table"),
    call("GET", "switches", "tells the position of every switch"),
    call("PUT", "switches", "changes switches"),
];

/// Lists the control calls.
pub(super) async fn read(headers: HeaderMap) -> Response {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accepted.contains("application/json") {
        return Json(json!({"calls": CALLS})).into_response();
    }
    let line = |call: &ControlCall| format!("{:<6} {:<26} {}\n", call.method, call.path, call.does);
    CALLS.iter().map(line).collect::<String>().into_response()
}
