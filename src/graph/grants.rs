//! Calls with the token of a person or system user: the pages it covers, a longer life for it, its end.

use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};

use super::answers::{identifiers, optional_text};
use super::classes::classify;
use super::client::{GraphClient, app_call, page_call, succeeded, unusable};
use super::decode::lenient_id;
use super::error::GraphError;
use super::operation::Operation;
use super::token::{AppCredentials, Token};
use super::usage::Charged;
use super::verdict::Verdict;
use super::version::Version;

/// Pages of the list that are read at most: 20,000 rows.
const LIST_PAGES: usize = 200;

/// A page that a person or system user may act for.
#[derive(Clone, Debug, Deserialize)]
pub struct Account {
    /// Its id.
    #[serde(deserialize_with = "lenient_id")]
    pub id: String,
    /// Its name, redacted.
    #[serde(default, deserialize_with = "optional_text")]
    pub name: Option<String>,
    /// What the person or system user may do on it.
    #[serde(default, deserialize_with = "identifiers")]
    pub tasks: Vec<String>,
    /// Its token, if it was asked for and Graph gives one.
    #[serde(default, rename = "access_token", deserialize_with = "optional_token")]
    pub token: Option<Token>,
}

/// Which token is exchanged, and with it for how long the new one lives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exchange {
    /// A person's token of some hours, for one of about 60 days.
    ShortUser,
    /// A system user's token that ends, for another one of 60 days.
    SystemUser,
}

/// A token that was handed out. How long it lives is not read: `debug_token` says it better.
#[derive(Deserialize)]
pub(super) struct Exchanged {
    access_token: SecretString,
}

impl Exchanged {
    /// The token. The very one that was sent is masked in the answer, so that it is none here.
    pub(super) fn token(&self) -> Result<Token, GraphError> {
        let text = self.access_token.expose_secret();
        Token::parse(text.as_bytes()).map_err(|_| unusable("the answer holds no other token"))
    }
}

impl GraphClient {
    /// The pages that a token covers: `GET /me/accounts`, with their tokens or without.
    ///
    /// # Errors
    /// If there is no usable answer.
    pub async fn accounts(
        &self,
        version: &Version,
        app: &AppCredentials,
        token: &Token,
        with_tokens: bool,
    ) -> Result<Vec<Account>, GraphError> {
        let fields = if with_tokens { "id,name,tasks,access_token" } else { "id,name,tasks" };
        self.rows_of(LIST_PAGES, || {
            let mut call = page_call(Method::GET, Operation::ListAccounts, version, app, token, &["me", "accounts"]);
            call.parameters.push(("fields", fields));
            call.charged = Charged::Unknown;
            call
        })
        .await
    }

    /// Another token that lives longer: `GET /oauth/access_token`. The old one lives on to its own end (graph-api §3.3, §3.6).
    ///
    /// # Errors
    /// If there is no usable answer.
    pub async fn exchange_token(
        &self,
        version: &Version,
        app: &AppCredentials,
        token: &Token,
        exchange: Exchange,
    ) -> Result<Token, GraphError> {
        let path = ["oauth", "access_token"];
        let mut call = app_call(Method::GET, Operation::ExchangeToken, version, app, &path);
        // Who asks is said by id and secret, which Meta demands as parameters. The URL is never logged.
        call.open = true;
        call.charged = Charged::Unknown;
        call.parameters.extend([
            ("grant_type", "fb_exchange_token"),
            ("client_id", &app.app_id),
            ("client_secret", app.secret.expose()),
            ("fb_exchange_token", token.expose()),
        ]);
        if exchange == Exchange::SystemUser {
            call.parameters.push(("set_token_expires_in_60_days", "true"));
        }
        call.secrets.push(token.expose());
        let answer: Exchanged = self.transport.send(call).await?;
        answer.token()
    }

    /// Ends one token: `GET /oauth/revoke`. That it has ended already is success too.
    ///
    /// # Errors
    /// If there is no usable answer.
    pub async fn revoke_token(&self, version: &Version, app: &AppCredentials, token: &Token) -> Result<(), GraphError> {
        let mut call = app_call(Method::GET, Operation::RevokeToken, version, app, &["oauth", "revoke"]);
        call.parameters.extend([
            ("client_id", app.app_id.as_str()),
            ("client_secret", app.secret.expose()),
            ("revoke_token", token.expose()),
        ]);
        call.secrets.push(token.expose());
        match self.transport.send(call).await {
            Err(error) if matches!(classify(&error, Operation::RevokeToken), Verdict::TokenEnded(_)) => Ok(()),
            answer => succeeded(&answer?),
        }
    }
}

fn optional_token<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Token>, D::Error> {
    let text = Option::<SecretString>::deserialize(source)?;
    // A token that cannot be one is as good as none: what it is instead is nobody's business.
    Ok(text.and_then(|text| Token::parse(text.expose_secret().as_bytes()).ok()))
}

#[cfg(test)]
#[path = "grants_tests.rs"]
mod tests;
