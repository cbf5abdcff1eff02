//! What became of a reauthorisation, and the click that puts it to use.

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;

use super::callback::lead_away;
use super::candidate::long_lived;
use super::flow::{Flow, Offer, Refusal, Step};
use super::grants::Grant;
use super::http::{CONFIRM, Clicked, page, see_other};

use super::{App, OAuth, Visit, pages};

/// The person's decision.
#[derive(Deserialize)]
pub(super) struct Decision {
    /// Which reauthorisation the page was about: another one may have been begun in the same browser since.
    flow: String,
    decision: String,
}

/// Shows what the browser knows of its reauthorisation. The cluster is not asked, and neither is Meta.
pub(super) async fn show(State(oauth): State<Arc<OAuth>>, headers: HeaderMap) -> Response {
    let Some(Visit { grant, app, flow }) = oauth.visit(&headers) else {
        return page(&oauth, StatusCode::FORBIDDEN, pages::other_browser());
    };
    match &flow.step {
        Step::Offered(_) if flow.is_over(oauth.clock.now()) => {
            page(&oauth, StatusCode::FORBIDDEN, pages::refused(&grant, &app.name, &Refusal::Expired))
        }
        Step::Begun => page(&oauth, StatusCode::OK, pages::start(&grant, &app.name)),
        Step::Offered(offer) => page(&oauth, StatusCode::OK, pages::confirm(&grant, &app.name, &flow, offer)),
        Step::Refused(refusal) => page(&oauth, StatusCode::FORBIDDEN, pages::refused(&grant, &app.name, refusal)),
        Step::Done => page(&oauth, StatusCode::OK, pages::done(&grant)),
    }
}

/// Puts the authorisation to use, or does not.
pub(super) async fn decide(
    State(oauth): State<Arc<OAuth>>,
    headers: HeaderMap,
    _: Clicked,
    decision: Result<Form<Decision>, FormRejection>,
) -> Response {
    let decision = decision.map(|Form(decision)| decision).ok();
    let visit = oauth.visit(&headers);
    let of_this = |visit: &Visit| decision.as_ref().is_some_and(|decision| decision.flow == visit.flow.id());
    let Some(Visit { grant, app, flow }) = visit.filter(of_this) else {
        oauth.tell(None, "foreign_browser");
        return page(&oauth, StatusCode::FORBIDDEN, pages::other_browser());
    };
    let Step::Offered(offer) = &flow.step else {
        // A second click: it was decided.
        return see_other(CONFIRM, None);
    };
    let agrees = decision.is_some_and(|decision| decision.decision == "use");
    let result = match (flow.is_over(oauth.clock.now()), agrees) {
        (true, _) => Err(Refusal::Expired),
        (false, false) => Err(Refusal::Cancelled),
        (false, true) => hand_over(&oauth, &grant, &app, &flow, offer).await,
    };
    oauth.tell(Some(&grant.key()), result.as_ref().err().map_or("confirmed", Refusal::as_str));
    match result {
        // The offer stands: the person may try again.
        Err(Refusal::Unreachable) => page(&oauth, StatusCode::SERVICE_UNAVAILABLE, pages::try_again()),
        Err(refusal) => lead_away(&grant, &app, &flow.ended(Step::Refused(refusal))),
        Ok(()) => lead_away(&grant, &app, &flow.ended(Step::Done)),
    }
}

async fn hand_over(oauth: &OAuth, grant: &Grant, app: &App, flow: &Flow, offer: &Offer) -> Result<(), Refusal> {
    let token = long_lived(oauth, app, offer).await?;
    oauth.mailbox.hand_over(grant, flow, &token).await
}

/// For a browser that brought what is not its own.
pub(super) async fn other_browser(State(oauth): State<Arc<OAuth>>) -> Response {
    page(&oauth, StatusCode::FORBIDDEN, pages::other_browser())
}
