//! The result of a reauthorization, and the click that puts it to use.

use std::sync::Arc;

use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;

use super::app::LoginApp;
use super::callback::redirect_to_outcome;
use super::candidate::long_lived;
use super::flow::{Flow, Offer, Refusal, Step};
use super::grants::Grant;
use super::http::{RequestOrigin, page, reject_cross_site, see_other};
use super::pages::{self, refusals};
use super::paths;
use super::session::Session;
use super::state::OAuth;

/// The person's decision.
#[derive(Deserialize)]
pub(super) struct Decision {
    /// Which reauthorization the page was about: the same browser may have others under way.
    flow: String,
    decision: String,
}

/// Which reauthorization is asked about.
#[derive(Deserialize)]
pub(super) struct Which {
    flow: String,
}

/// Shows what the browser knows of its reauthorization. The cluster is not asked, and neither is Meta.
pub(super) async fn show(
    State(oauth): State<Arc<OAuth>>,
    headers: HeaderMap,
    which: Result<Query<Which>, QueryRejection>,
) -> Response {
    let id = which.map(|Query(which)| which.flow).unwrap_or_default();
    let Some(Session { grant, app, flow, .. }) = oauth.session(&headers, &id) else {
        return no_session(&oauth, &headers, &id);
    };
    match &flow.step {
        Step::Offered(_) if flow.is_over(oauth.clock.now()) => {
            page(&oauth, StatusCode::FORBIDDEN, refusals::refused(&grant, &app.name, &flow, &Refusal::Expired))
        }
        Step::Begun { .. } => page(&oauth, StatusCode::OK, pages::start(&grant, &app.name, flow.address())),
        Step::Offered(offer) => page(&oauth, StatusCode::OK, pages::confirm(&grant, &app.name, &flow, offer)),
        Step::Refused(refusal) => {
            page(&oauth, StatusCode::FORBIDDEN, refusals::refused(&grant, &app.name, &flow, refusal))
        }
        Step::Done { waits } => page(&oauth, StatusCode::OK, pages::done(&grant, waits.as_deref())),
    }
}

/// Puts the authorization to use, or does not.
pub(super) async fn decide(
    State(oauth): State<Arc<OAuth>>,
    headers: HeaderMap,
    origin: RequestOrigin,
    decision: Result<Form<Decision>, FormRejection>,
) -> Response {
    let decision = decision.map(|Form(decision)| decision).ok();
    let id = decision.as_ref().map(|decision| decision.flow.as_str()).unwrap_or_default();
    let Some(Session { grant, app, flow, .. }) = oauth.session(&headers, id) else {
        oauth.record(None, "foreign_browser");
        return no_session(&oauth, &headers, id);
    };
    if !origin.matches(&app.redirect_uri) {
        return reject_cross_site(&oauth, pages::cross_site());
    }
    let Step::Offered(offer) = &flow.step else {
        // A second click: it was decided.
        return see_other(&paths::confirm(&flow), Vec::new());
    };
    let agrees = decision.is_some_and(|decision| decision.decision == "use");
    let waits = Some(&offer.grantor).filter(|grantor| !grant.admits(grantor)).cloned();
    // Whoever is none of its people brings one authorization for each address that they were given.
    let is_spent = waits.is_some() && grant.address() != Some(flow.address());
    let result = match (is_spent || flow.is_over(oauth.clock.now()), agrees) {
        (true, _) => Err(Refusal::Expired),
        (false, false) => Err(Refusal::Cancelled),
        (false, true) => hand_over(&oauth, &grant, &app, &flow, offer).await,
    };
    let confirmed = if waits.is_some() { "waiting" } else { "confirmed" };
    oauth.record(Some(&grant.key()), result.as_ref().err().map_or(confirmed, Refusal::as_str));
    match result {
        // The offer stands: the person may try again.
        Err(refusal) if refusal.may_pass() => {
            page(&oauth, StatusCode::SERVICE_UNAVAILABLE, refusals::try_again(&grant, &flow, &refusal))
        }
        Err(refusal) => redirect_to_outcome(&headers, &grant, &app, &flow.ended(Step::Refused(refusal))),
        Ok(()) => redirect_to_outcome(&headers, &grant, &app, &flow.ended(Step::Done { waits })),
    }
}

async fn hand_over(oauth: &OAuth, grant: &Grant, app: &LoginApp, flow: &Flow, offer: &Offer) -> Result<(), Refusal> {
    match long_lived(oauth, app, offer).await {
        Ok(token) => oauth.inbox.hand_over(grant, flow, &offer.grantor, &token).await,
        Err(refusal) => {
            oauth.inbox.report(grant, flow, &refusal).await;
            Err(refusal)
        }
    }
}

/// The page for a browser that brought nothing of ours: it may be too early to say so.
fn no_session(oauth: &OAuth, headers: &HeaderMap, id: &str) -> Response {
    if oauth.may_be_known_later(headers, id) {
        return page(oauth, StatusCode::SERVICE_UNAVAILABLE, pages::not_yet());
    }
    page(oauth, StatusCode::FORBIDDEN, pages::other_browser())
}

/// For a browser that brought what is not its own.
pub(super) async fn other_browser(State(oauth): State<Arc<OAuth>>) -> Response {
    page(&oauth, StatusCode::FORBIDDEN, pages::other_browser())
}
