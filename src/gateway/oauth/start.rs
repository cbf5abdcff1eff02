//! The start page, and the click that starts the flow.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use reqwest::Url;
use subtle::ConstantTimeEq;

use super::app::LoginApp;
use super::cookie;
use super::flow::Flow;
use super::grants::Grant;
use super::http::{RequestOrigin, page, reject_cross_site, see_other};
use super::pages;
use super::pkce::CodeVerifier;
use super::seal::Sealer;
use super::state::OAuth;
use crate::base::key::Key;

/// The permission without which Meta does not list pages that belong to a business.
const BUSINESS_PAGES: &str = "business_management";

/// The grant that an address names, if it is the present one. Of a former one, or of one that was guessed, nothing is said,
/// and the comparison takes the same time for all.
pub(super) struct RequestedGrant(Arc<Grant>);

impl FromRequestParts<Arc<OAuth>> for RequestedGrant {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, oauth: &Arc<OAuth>) -> Result<Self, StatusCode> {
        // A path that cannot be decoded is unknown too.
        let path = Path::<(String, String, String)>::from_request_parts(parts, oauth).await;
        let Path((namespace, name, part)) = path.map_err(|_| StatusCode::NOT_FOUND)?;
        let is_known = oauth.grants.are_known(&namespace);
        let unknown = if is_known { StatusCode::NOT_FOUND } else { StatusCode::SERVICE_UNAVAILABLE };
        let grant = oauth.grants.get(&Key::new(namespace, name));
        let is_there =
            |grant: &Arc<Grant>| grant.address().is_some_and(|it| it.as_bytes().ct_eq(part.as_bytes()).into());
        grant.filter(is_there).map(Self).ok_or(unknown)
    }
}

/// Says what is asked for. Nothing begins here: whoever prefetches, previews or reloads it changes nothing.
pub(super) async fn show(State(oauth): State<Arc<OAuth>>, RequestedGrant(grant): RequestedGrant) -> Response {
    match oauth.app(&grant) {
        Some(app) => page(&oauth, StatusCode::OK, pages::start(&grant, &app.name, grant.address().unwrap_or_default())),
        None => not_possible(&oauth, &grant),
    }
}

fn not_possible(oauth: &OAuth, grant: &Grant) -> Response {
    if grant.is_of_system_user() && !oauth.has_configuration(grant) {
        return page(oauth, StatusCode::OK, pages::of_system_user(grant));
    }
    page(oauth, StatusCode::SERVICE_UNAVAILABLE, pages::not_possible(grant))
}

/// Mints a state and sends the person to Meta's login dialog.
pub(super) async fn begin(
    State(oauth): State<Arc<OAuth>>,
    RequestedGrant(grant): RequestedGrant,
    headers: HeaderMap,
    origin: RequestOrigin,
) -> Response {
    let Some(app) = oauth.app(&grant) else {
        oauth.record(None, "not_possible");
        return not_possible(&oauth, &grant);
    };
    if !origin.matches(&app.redirect_uri) {
        return reject_cross_site(&oauth, pages::cross_site());
    }
    oauth.record(Some(&grant.key()), "begun");
    // However often: nothing is stored, and Meta is not asked.
    redirect_to_login(&oauth, &headers, &grant, &app, (grant.address().unwrap_or_default(), true))
}

/// Leads to the login dialog from an address of the grant, with a challenge that goes with the code or without.
pub(super) fn redirect_to_login(
    oauth: &OAuth,
    headers: &HeaderMap,
    grant: &Grant,
    app: &LoginApp,
    (address, challenge): (&str, bool),
) -> Response {
    let (flow, state) = Flow::begin(app.credentials.app_id.as_str(), address, challenge, oauth.clock.now());
    let sealed = Sealer::new(&app.credentials.secret, grant.uid()).and_then(|sealer| sealer.seal(&flow));
    let cookies = sealed.map(|sealed| cookie::set(headers, &grant.key(), &flow, &sealed)).unwrap_or_default();
    see_other(&dialog(oauth, app, &state, challenge), cookies)
}

/// Where the login dialog is, for this state. A configuration says itself what is asked for, and people grant all of it or
/// nothing; without one, declined permissions are asked for again.
fn dialog(oauth: &OAuth, app: &LoginApp, state: &str, challenge: bool) -> String {
    let mut scopes: Vec<_> = app.required.iter().map(String::as_str).collect();
    if !scopes.contains(&BUSINESS_PAGES) {
        scopes.push(BUSINESS_PAGES);
    }
    let scopes = scopes.join(",");
    let asked_for = match &app.config_id {
        // One of a system user gives a code only if it is told so once more; for others that changes nothing.
        Some(config_id) => [("config_id", config_id.as_str()), ("override_default_response_type", "true")],
        None => [("scope", scopes.as_str()), ("auth_type", "rerequest")],
    };
    let query = [
        ("client_id", app.credentials.app_id.as_str()),
        ("redirect_uri", app.redirect_uri.as_str()),
        ("state", state),
        ("response_type", "code"),
    ];
    let proof = challenge.then(|| CodeVerifier::new(&app.credentials.secret, state).challenge());
    let proof = proof.iter().flat_map(|text| [("code_challenge", text.as_str()), ("code_challenge_method", "S256")]);
    let query: Vec<_> = query.into_iter().chain(asked_for).chain(proof).collect();
    with_query(&oauth.login_url, &[&app.version.to_string(), "dialog", "oauth"], &query).into()
}

/// The origin of Meta's login dialog and its path, with what is asked for.
fn with_query(base: &Url, path: &[&str], query: &[(&str, &str)]) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url.query_pairs_mut().extend_pairs(query);
    url
}
