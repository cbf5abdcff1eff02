//! Codes of the login dialog.

use secrecy::SecretString;

use super::app::LoginApp;
use super::pkce::CodeVerifier;
use super::state::OAuth;
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
    app: &LoginApp,
    code: &SecretString,
    verifier: Option<&CodeVerifier>,
) -> Result<Token, GraphError> {
    let LoginApp { credentials, version, redirect_uri, .. } = app;
    let redeem = async |verifier: Option<&CodeVerifier>| {
        let verifier = verifier.map(CodeVerifier::secret);
        oauth.graph.exchange_code(version, credentials, redirect_uri.as_str(), code, verifier).await
    };
    match redeem(verifier).await {
        Err(GraphError::Fault(fault)) if verifier.is_some() && fault.words().contains(PARAMETER) => {
            oauth.record_refused_proof();
            redeem(None).await
        }
        redeemed => redeemed,
    }
}
