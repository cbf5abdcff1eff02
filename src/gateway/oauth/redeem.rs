//! Codes of the login dialog, and what becomes of those that came to the wrong browser.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use axum::http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};

use super::answer::Answer;
use super::candidate::in_time;
use super::flow::{Flow, Refusal};
use super::verifier::Verifier;
use super::{App, OAuth};
use crate::graph::{GraphError, Token};

/// The parameter of Meta that some of its answers name when they refuse it.
const PARAMETER: &str = "code_verifier";

/// The token that a code stands for. Meta documents the proof for logins that ask for an identity token only, so that it may be
/// refused with others; the code alone is tried then. That weakens nothing: where Meta checks the proof, a code that was
/// asked for with a challenge is refused without it.
///
/// What was learned of one code is not kept for the next: anybody could have it learned, and others' codes would lose their proof.
pub(super) async fn redeem(
    oauth: &OAuth,
    app: &App,
    code: &SecretString,
    verifier: Option<&Verifier>,
) -> Result<Token, GraphError> {
    let App { credentials, version, redirect_uri, .. } = app;
    let redeem = async |verifier: Option<&Verifier>| {
        let verifier = verifier.map(Verifier::secret);
        oauth.graph.exchange_code(version, credentials, redirect_uri.as_str(), code, verifier).await
    };
    match redeem(verifier).await {
        Err(GraphError::Fault(fault)) if verifier.is_some() && fault.words().contains(PARAMETER) => {
            oauth.tell_of_refused_proof();
            redeem(None).await
        }
        redeemed => redeemed,
    }
}

/// Redeems a code that came to a browser which did not ask for it, and keeps nothing of it: whoever sees it afterwards, in a log
/// say, cannot use it any more.
pub(super) async fn throw_away(oauth: &OAuth, address: SocketAddr, headers: &HeaderMap, answer: Answer) {
    let state = answer.state.clone();
    let app = Flow::app_of(state.expose_secret()).and_then(|id| App::of(&oauth.keyring.app_of_id(id)?));
    let (Some(app), Ok(code)) = (app, answer.code()) else { return };
    // Anybody can bring something that looks like one: that takes no turn from those who began.
    let Ok(_turn) = oauth.strays.try_acquire() else { return };
    if !oauth.straying.admits(address, headers, oauth.clock.now()) {
        return;
    }
    let verifier = Verifier::new(&app.credentials.secret, state.expose_secret());
    // What Meta says of it is nobody's business here.
    let _ =
        in_time(async { redeem(oauth, &app, &code, Some(&verifier)).await.map_err(|_| Refusal::NotAccepted) }).await;
}

impl OAuth {
    /// Says that Meta does not take the proof: in the log once.
    pub(super) fn tell_of_refused_proof(&self) {
        self.metrics.reauthorisation("proof_refused");
        if !self.proof_was_refused.swap(true, Ordering::Relaxed) {
            tracing::warn!("Meta refuses the proof that goes with a code (PKCE); codes are redeemed without it");
        }
    }
}
