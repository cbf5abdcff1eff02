//! Redeems codes only to discard them.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::HeaderMap;
use secrecy::ExposeSecret;

use super::app::LoginApp;
use super::authorization_response::AuthorizationResponse;
use super::candidate::in_time;
use super::flow::{Flow, Refusal};
use super::pkce::CodeVerifier;
use super::redeem::redeem;
use super::state::OAuth;

/// Has a code redeemed, and keeps nothing of it. Nobody waits for that.
pub(super) fn redeem_and_discard(
    oauth: &Arc<OAuth>,
    address: SocketAddr,
    headers: &HeaderMap,
    answer: AuthorizationResponse,
) {
    let state = answer.state.clone();
    let app = Flow::app_of(state.expose_secret()).and_then(|id| LoginApp::of(&oauth.keyring.app_of_id(id)?));
    let (Some(app), Ok(code)) = (app, answer.code()) else { return };
    let (id, now) = (&app.credentials.app_id, oauth.clock.now());
    let Some(turn) = oauth.unsolicited.admit(address, headers, id, now) else { return };
    let oauth = Arc::clone(oauth);
    tokio::spawn(async move {
        let _turn = turn;
        let verifier = CodeVerifier::new(&app.credentials.secret, state.expose_secret());
        // What Meta says of it is nobody's business here.
        let redeemed = async { redeem(&oauth, &app, &code, Some(&verifier)).await.map_err(|_| Refusal::NotAccepted) };
        let _ = in_time(redeemed).await;
    });
}
