//! Where Meta sends the person back. Whatever the result, the answer leads away from this address, which holds the code.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use secrecy::ExposeSecret;

use super::app::LoginApp;
use super::authorization_response::AuthorizationResponse;
use super::candidate::{candidate, turn};
use super::cookie;
use super::discard::redeem_and_discard;
use super::flow::{Flow, Offer, Refusal, Step};
use super::grants::Grant;
use super::http::{page, see_other};
use super::pages;
use super::paths::{OTHER_BROWSER, confirm};
use super::pkce::CodeVerifier;
use super::seal::Sealer;
use super::session::Session;
use super::start::redirect_to_login;
use super::state::OAuth;

pub(super) async fn callback(
    State(oauth): State<Arc<OAuth>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    answer: Result<Query<AuthorizationResponse>, QueryRejection>,
) -> Response {
    let Some(Query(answer)) = answer.ok() else { return elsewhere(&oauth, "malformed") };
    // Without the cookie it is a stranger's link, or a browser that was away for long.
    let id = Flow::id_of(answer.state.expose_secret());
    let session = oauth.session(&headers, &id);
    if session.is_none() && oauth.may_be_known_later(&headers, &id) {
        // The state is not used up: the person reloads.
        return page(&oauth, StatusCode::SERVICE_UNAVAILABLE, pages::not_yet());
    }
    let Some(session) = session.filter(|session| session.flow.began_with(answer.state.expose_secret())) else {
        redeem_and_discard(&oauth, address, &headers, answer);
        return elsewhere(&oauth, if cookie::has_any(&headers) { "forged" } else { "foreign_browser" });
    };
    let Session { grant, app, flow, secret } = session;
    let Step::Begun { challenge } = flow.step else {
        // Someone went back or reloaded. The code was exchanged, or never will be.
        return see_other(&confirm(&flow), Vec::new());
    };
    if challenge && answer.rejects_challenge() {
        // Once more without it, which this browser alone does: it may be the browser's word, and not Meta's.
        oauth.record_refused_proof();
        return redirect_to_login(&oauth, &headers, &grant, &app, (flow.address(), false));
    }
    if !oauth.returning.admits(address, &headers, oauth.clock.now()) {
        oauth.record(None, "too_many");
        return redirect_to_outcome(&headers, &grant, &app, &flow.ended(Step::Refused(Refusal::TooOften)));
    }
    let verifier = challenge.then(|| CodeVerifier::new(&secret, answer.state.expose_secret()));
    let step = match receive(&oauth, &grant, &app, &flow, (answer, verifier)).await {
        Ok(offer) => {
            oauth.record(Some(&grant.key()), "offered");
            flow.offered(offer, oauth.clock.now())
        }
        Err(refusal) => {
            oauth.record(Some(&grant.key()), refusal.as_str());
            flow.ended(Step::Refused(refusal))
        }
    };
    redirect_to_outcome(&headers, &grant, &app, &step)
}

/// A browser that did not begin this. Its cookies, if there are some, stay as they are: they belong to something else.
fn elsewhere(oauth: &OAuth, outcome: &'static str) -> Response {
    oauth.record(None, outcome);
    see_other(OTHER_BROWSER, Vec::new())
}

/// To the page that says what became of it.
pub(super) fn redirect_to_outcome(headers: &HeaderMap, grant: &Grant, app: &LoginApp, flow: &Flow) -> Response {
    let sealed = Sealer::new(&app.credentials.secret, grant.uid()).and_then(|sealer| sealer.seal(flow));
    let cookies = sealed.map(|sealed| cookie::set(headers, &grant.key(), flow, &sealed)).unwrap_or_default();
    see_other(&confirm(flow), cookies)
}

/// Uses the state up, then the code.
async fn receive(
    oauth: &OAuth,
    grant: &Grant,
    app: &LoginApp,
    flow: &Flow,
    (answer, verifier): (AuthorizationResponse, Option<CodeVerifier>),
) -> Result<Offer, Refusal> {
    if flow.is_over(oauth.clock.now()) {
        return Err(Refusal::Expired);
    }
    // Before the state: who has to come again can.
    let _turn = turn(oauth).await?;
    // Before the code: however often and on however many replicas a state comes back, one exchange follows.
    oauth.inbox.spend(grant, flow).await?;
    let result = match answer.code() {
        Ok(code) => candidate(oauth, grant, app, &code, verifier.as_ref()).await,
        Err(refusal) => Err(refusal),
    };
    if let Err(refusal) = &result {
        oauth.inbox.report(grant, flow, refusal).await;
    }
    result
}
