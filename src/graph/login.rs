//! The calls that follow a login in the browser (graph-api §3.1, §3.2).

use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::answers::{PageNode, Person};
use super::call::Call;
use super::classes::Caller;
use super::client::{GraphClient, app_call, unusable};
use super::error::GraphError;
use super::token::{AppCredentials, Token};
use super::version::Version;

impl GraphClient {
    /// The token that a code of the login dialog stands for: `POST /oauth/access_token`. A code is good once.
    ///
    /// # Errors
    /// The caller is [`Caller::AppToken`].
    pub async fn exchange_code(
        &self,
        version: &Version,
        app: &AppCredentials,
        redirect_uri: &str,
        code: &SecretString,
    ) -> Result<Token, GraphError> {
        let path = ["oauth", "access_token"];
        let mut call = app_call(Method::POST, "POST /oauth/access_token", version, app, &path);
        call.parameters.extend([
            ("client_id", app.app_id.as_str()),
            ("client_secret", app.secret.expose()),
            ("redirect_uri", redirect_uri),
            ("code", code.expose_secret()),
        ]);
        call.secrets.push(code.expose_secret());
        let answer: Handed = self.transport.send(call).await?;
        answer.token()
    }

    /// A token of a person that lives for weeks, for one that lives for an hour: `POST /oauth/access_token`.
    ///
    /// # Errors
    /// The caller is [`Caller::PageToken`].
    pub async fn extend_token(
        &self,
        version: &Version,
        app: &AppCredentials,
        token: &Token,
    ) -> Result<Token, GraphError> {
        let path = ["oauth", "access_token"];
        let mut call = app_call(Method::POST, "POST /oauth/access_token", version, app, &path);
        call.caller = Caller::PageToken;
        call.parameters.extend([
            ("grant_type", "fb_exchange_token"),
            ("client_id", app.app_id.as_str()),
            ("client_secret", app.secret.expose()),
            ("fb_exchange_token", token.expose()),
        ]);
        let answer: Handed = self.transport.send(call).await?;
        answer.token()
    }

    /// The pages that a token covers: `GET /me/accounts`.
    ///
    /// # Errors
    /// The caller is [`Caller::PageToken`].
    pub async fn granted_pages(
        &self,
        version: &Version,
        app: &AppCredentials,
        token: &Token,
    ) -> Result<Vec<PageNode>, GraphError> {
        self.rows(|| {
            let call = app_call(Method::GET, "GET /me/accounts", version, app, &["me", "accounts"]);
            Call { caller: Caller::PageToken, token: Some(token), parameters: vec![("fields", "id,name")], ..call }
        })
        .await
    }

    /// Whose token it is: `GET /me`.
    ///
    /// # Errors
    /// The caller is [`Caller::PageToken`].
    pub async fn person(&self, version: &Version, app: &AppCredentials, token: &Token) -> Result<Person, GraphError> {
        let call = app_call(Method::GET, "GET /me", version, app, &["me"]);
        let parameters = vec![("fields", "id,name")];
        self.transport.send(Call { caller: Caller::PageToken, token: Some(token), parameters, ..call }).await
    }
}

/// A token that was handed out. Its life is not read: `debug_token` says it better.
#[derive(Deserialize)]
struct Handed {
    access_token: SecretString,
}

impl Handed {
    fn token(&self) -> Result<Token, GraphError> {
        Token::parse(self.access_token.expose_secret().as_bytes())
            .map_err(|_| unusable("the answer holds no usable token"))
    }
}
