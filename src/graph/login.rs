//! The calls that follow a login in the browser.

use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::answers::Person;
use super::client::{GraphClient, app_call, page_call};
use super::decode::lenient_id;
use super::error::GraphError;
use super::grants::Exchanged;
use super::operation::Operation;
use super::token::{AppCredentials, Token};
use super::version::Version;

impl GraphClient {
    /// The token that a code of the login dialog stands for: `POST /oauth/access_token`. A code is good once. The verifier is that
    /// of the challenge which the dialog was given, if it was.
    ///
    /// # Errors
    /// If there is no usable answer.
    pub async fn exchange_code(
        &self,
        version: &Version,
        app: &AppCredentials,
        redirect_uri: &str,
        code: &SecretString,
        verifier: Option<&SecretString>,
    ) -> Result<Token, GraphError> {
        let path = ["oauth", "access_token"];
        let mut call = app_call(Method::POST, Operation::RedeemCode, version, app, &path);
        // Who asks is said by id and secret, in the body.
        call.open = true;
        call.parameters.extend([
            ("client_id", app.app_id.as_str()),
            ("client_secret", app.secret.expose()),
            ("redirect_uri", redirect_uri),
            ("code", code.expose_secret()),
        ]);
        call.secrets.push(code.expose_secret());
        if let Some(verifier) = verifier {
            call.parameters.push(("code_verifier", verifier.expose_secret()));
            call.secrets.push(verifier.expose_secret());
        }
        let answer: Exchanged = self.transport.send(call).await?;
        answer.token()
    }

    /// Id of the person or page that a token speaks for: `GET /me`.
    ///
    /// # Errors
    /// If there is no usable answer.
    pub async fn token_owner(
        &self,
        version: &Version,
        app: &AppCredentials,
        token: &Token,
    ) -> Result<String, GraphError> {
        let mut call = page_call(Method::GET, Operation::ReadMe, version, app, token, &["me"]);
        call.parameters.push(("fields", "id"));
        let owner: Owner = self.transport.send(call).await?;
        Ok(owner.id)
    }

    /// Whose token it is: `GET /me`.
    ///
    /// # Errors
    /// If there is no usable answer.
    pub async fn person(&self, version: &Version, app: &AppCredentials, token: &Token) -> Result<Person, GraphError> {
        let mut call = page_call(Method::GET, Operation::ReadMe, version, app, token, &["me"]);
        call.parameters.push(("fields", "id,name"));
        self.transport.send(call).await
    }
}

#[derive(Deserialize)]
struct Owner {
    #[serde(deserialize_with = "lenient_id")]
    id: String,
}

#[cfg(test)]
mod tests;
