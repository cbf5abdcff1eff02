//! Where Meta sends the person back to. Whatever comes of it, the answer leads away from this address, which holds the code.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use secrecy::ExposeSecret;

use super::app::App;
use super::authorization_response::Answer;
use super::candidate::{candidate, turn};
use super::cookie;
use super::discard::throw_away;
use super::flow::{Flow, Offer, Refusal, Step};
use super::grants::Grant;
use super::http::{page, see_other};
use super::pages;
use super::paths::{OTHER_BROWSER, confirm};
use super::pkce::Verifier;
use super::seal::Sealer;
use super::session::Visit;
use super::start::send_to_meta;
use super::state::OAuth;

pub(super) async fn callback(
    State(oauth): State<Arc<OAuth>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    answer: Result<Query<Answer>, QueryRejection>,
) -> Response {
    let Some(Query(answer)) = answer.ok() else { return elsewhere(&oauth, "malformed") };
    // Without the cookie it is a stranger's link, or a browser that was away for long.
    let id = Flow::id_of(answer.state.expose_secret());
    let visit = oauth.visit(&headers, &id);
    if visit.is_none() && oauth.may_know_later(&headers, &id) {
        // The state is not used up: the person reloads.
        return page(&oauth, StatusCode::SERVICE_UNAVAILABLE, pages::not_yet());
    }
    let Some(visit) = visit.filter(|visit| visit.flow.began_with(answer.state.expose_secret())) else {
        throw_away(&oauth, address, &headers, answer);
        return elsewhere(&oauth, if cookie::has_any(&headers) { "forged" } else { "foreign_browser" });
    };
    let Visit { grant, app, flow, secret } = visit;
    let Step::Begun { challenge } = flow.step else {
        // Somebody went back or reloaded. The code was exchanged, or never will be.
        return see_other(&confirm(&flow), Vec::new());
    };
    if challenge && answer.refuses_the_challenge() {
        // Once more without it, which this browser alone does: it may be the browser's word, and not Meta's.
        oauth.tell_of_refused_proof();
        return send_to_meta(&oauth, &headers, &grant, &app, (flow.address(), false));
    }
    if !oauth.returning.admits(address, &headers, oauth.clock.now()) {
        oauth.tell(None, "too_many");
        return lead_away(&headers, &grant, &app, &flow.ended(Step::Refused(Refusal::TooOften)));
    }
    let verifier = challenge.then(|| Verifier::new(&secret, answer.state.expose_secret()));
    let step = match receive(&oauth, &grant, &app, &flow, (answer, verifier)).await {
        Ok(offer) => {
            oauth.tell(Some(&grant.key()), "offered");
            flow.offered(offer, oauth.clock.now())
        }
        Err(refusal) => {
            oauth.tell(Some(&grant.key()), refusal.as_str());
            flow.ended(Step::Refused(refusal))
        }
    };
    lead_away(&headers, &grant, &app, &step)
}

/// A browser that did not begin this. Its cookies, if there are some, stay as they are: they belong to something else.
fn elsewhere(oauth: &OAuth, outcome: &'static str) -> Response {
    oauth.tell(None, outcome);
    see_other(OTHER_BROWSER, Vec::new())
}

/// To the page that says what became of it.
pub(super) fn lead_away(headers: &HeaderMap, grant: &Grant, app: &App, flow: &Flow) -> Response {
    let sealed = Sealer::new(&app.credentials.secret, grant.uid()).and_then(|sealer| sealer.seal(flow));
    let cookies = sealed.map(|sealed| cookie::set(headers, &grant.key(), flow, &sealed)).unwrap_or_default();
    see_other(&confirm(flow), cookies)
}

/// Uses the state up, then the code.
async fn receive(
    oauth: &OAuth,
    grant: &Grant,
    app: &App,
    flow: &Flow,
    (answer, verifier): (Answer, Option<Verifier>),
) -> Result<Offer, Refusal> {
    if flow.is_over(oauth.clock.now()) {
        return Err(Refusal::Expired);
    }
    // Before the state: who has to come again can.
    let _turn = turn(oauth).await?;
    // Before the code: however often and on however many replicas a state comes back, one exchange follows.
    oauth.mailbox.spend(grant, flow).await?;
    let result = match answer.code() {
        Ok(code) => candidate(oauth, grant, app, &code, verifier.as_ref()).await,
        Err(refusal) => Err(refusal),
    };
    if let Err(refusal) = &result {
        oauth.mailbox.report(grant, flow, refusal).await;
    }
    result
}
