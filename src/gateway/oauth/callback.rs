//! Where Meta sends the person back to. Whatever comes of it, the answer leads away from this address, which holds the code.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::candidate::candidate;
use super::flow::{Flow, Offer, Refusal, Step};
use super::grants::Grant;
use super::http::{CONFIRM, OTHER_BROWSER, see_other};
use super::seal::Sealer;
use super::{App, OAuth, Visit, cookie};

/// What Meta brings back (graph-api §3.1).
#[derive(Deserialize)]
pub(super) struct Answer {
    state: SecretString,
    code: Option<SecretString>,
    /// Present instead of a code; what it says matters to nobody.
    error: Option<SecretString>,
}

pub(super) async fn callback(
    State(oauth): State<Arc<OAuth>>,
    headers: HeaderMap,
    answer: Result<Query<Answer>, QueryRejection>,
) -> Response {
    let Some(Query(answer)) = answer.ok() else { return elsewhere(&oauth, "malformed") };
    // Without the cookie it is a stranger's link, or a browser that was away for long: nothing is done with the code.
    let Some(visit) = oauth.visit(&headers) else { return elsewhere(&oauth, "foreign_browser") };
    if !visit.flow.began_with(answer.state.expose_secret()) {
        return elsewhere(&oauth, "forged");
    }
    let Visit { grant, app, flow } = visit;
    if !matches!(flow.step, Step::Begun) {
        // Somebody went back or reloaded. The code was exchanged, or never will be.
        return see_other(CONFIRM, None);
    }
    let step = match receive(&oauth, &grant, &app, &flow, answer).await {
        Ok(offer) => {
            oauth.tell(Some(&grant.key()), "offered");
            flow.offered(offer, oauth.clock.now())
        }
        Err(refusal) => {
            oauth.tell(Some(&grant.key()), refusal.as_str());
            flow.ended(Step::Refused(refusal))
        }
    };
    lead_away(&grant, &app, &step)
}

/// A browser that did not begin this. Its cookie, if there is one, stays as it is: it belongs to something else.
fn elsewhere(oauth: &OAuth, outcome: &'static str) -> Response {
    oauth.tell(None, outcome);
    see_other(OTHER_BROWSER, None)
}

/// To the page that says what became of it.
pub(super) fn lead_away(grant: &Grant, app: &App, flow: &Flow) -> Response {
    let sealed = Sealer::new(&app.credentials.secret, grant.uid()).and_then(|sealer| sealer.seal(flow));
    see_other(CONFIRM, sealed.and_then(|sealed| cookie::set(&grant.key(), &sealed)))
}

/// Uses the state up, then the code.
async fn receive(oauth: &OAuth, grant: &Grant, app: &App, flow: &Flow, answer: Answer) -> Result<Offer, Refusal> {
    if flow.is_over(oauth.clock.now()) {
        return Err(Refusal::Expired);
    }
    // Before the code: however often and on however many replicas a state comes back, one exchange follows.
    oauth.mailbox.spend(grant, flow).await?;
    let code = answer.code.filter(|_| answer.error.is_none()).ok_or(Refusal::Declined)?;
    let result = candidate(oauth, grant, app, &code).await;
    if let Err(refusal) = &result {
        oauth.mailbox.report(grant, flow, refusal).await;
    }
    result
}
