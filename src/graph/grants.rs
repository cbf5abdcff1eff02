//! Calls with the token of a person or system user: the pages it covers, a longer life for it, its end.

use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};

use super::answers::{optional_identifiers, optional_text};
use super::batch::{Ask, PageRead};
use super::client::{GraphClient, app_call, page_call, same_object, succeeded, unusable};
use super::decode::lenient_id;
use super::error::GraphError;
use super::error_codes::classify;
use super::operation::Operation;
use super::token::{AppCredentials, Token};
use super::usage_headers::Charged;
use super::verdict::Verdict;
use super::version::Version;
use crate::base::redact::is_masked;

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
    /// What the person or system user may do on it; `None` = Graph does not tell.
    #[serde(default, deserialize_with = "optional_identifiers")]
    pub tasks: Option<Vec<String>>,
    /// Its token, if it was asked for and Graph gives one.
    #[serde(default, rename = "access_token", deserialize_with = "optional_token")]
    pub token: Option<Token>,
}

/// What a page says when it is asked for the token that someone has for it.
#[derive(Clone, Debug)]
pub struct PageToken {
    /// Its name, redacted.
    pub name: Option<String>,
    /// The token, if there is one.
    pub token: Option<Token>,
}

/// The answer of a page that is asked for a token.
#[derive(Deserialize)]
struct TokenNode {
    #[serde(deserialize_with = "lenient_id")]
    id: String,
    #[serde(default, deserialize_with = "optional_text")]
    name: Option<String>,
    access_token: Option<SecretString>,
}

/// The tasks without which a page cannot be connected.
const TASKS: [&str; 2] = ["MESSAGING", "MODERATE"];

/// The needed tasks that are not among these. Those of pages of the new kind have longer names, and full control covers all.
#[must_use]
pub fn missing_tasks(tasks: &[String]) -> Vec<&'static str> {
    let plain = |task: &String| {
        let task = task.to_ascii_uppercase();
        task.strip_prefix("PROFILE_PLUS_").map(str::to_owned).unwrap_or(task)
    };
    let tasks: Vec<_> = tasks.iter().map(plain).collect();
    let covers = |needed: &&str| tasks.iter().any(|task| task == *needed || task == "FULL_CONTROL");
    TASKS.into_iter().filter(|needed| !covers(needed)).collect()
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
    /// The token, for whoever sent none.
    pub(super) fn token(&self) -> Result<Token, GraphError> {
        let text = self.access_token.expose_secret();
        Token::parse(text.as_bytes()).map_err(|_| unusable("the answer holds no token"))
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

    /// The tokens that someone has for pages: `GET /{page}`, each with a token of its own, in the order of `reads` and in as
    /// few requests as Graph allows. It may be the page's own token: what gives it again still stands.
    pub async fn page_tokens(
        &self,
        version: &Version,
        app: &AppCredentials,
        reads: &[PageRead<'_>],
    ) -> Vec<Result<PageToken, GraphError>> {
        let asks = reads.iter().map(|read| Ask {
            operation: Operation::ReadPageToken,
            token: read.token,
            path: vec![read.page_id.as_str()],
            parameters: vec![("fields", "id,name,access_token")],
        });
        let asks: Vec<_> = asks.collect();
        let answers = self.each::<TokenNode>(version, app, &asks).await;
        let told = |(answer, read): (Result<TokenNode, GraphError>, &PageRead<'_>)| {
            let node = answer?;
            same_object(&node.id, read.page_id.as_str())?;
            Ok(PageToken { name: node.name, token: node.access_token.and_then(|text| given(&text, read.token)) })
        };
        answers.into_iter().zip(reads).map(told).collect()
    }

    /// A token that lives longer: `GET /oauth/access_token`. The old one lives on to its own end. Graph
    /// may answer with the very token that was sent, which is then as good as it gets.
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
            ("client_id", app.app_id.as_str()),
            ("client_secret", app.secret.expose()),
            ("fb_exchange_token", token.expose()),
        ]);
        if exchange == Exchange::SystemUser {
            call.parameters.push(("set_token_expires_in_60_days", "true"));
        }
        call.secrets.push(token.expose());
        let answer: Exchanged = self.transport.send(call).await?;
        given(&answer.access_token, token).ok_or_else(|| unusable("the answer holds no token"))
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

/// The token in an answer. The very one that was sent is masked in the answer.
fn given(text: &SecretString, sent: &Token) -> Option<Token> {
    let text = text.expose_secret();
    if is_masked(text) { Some(sent.clone()) } else { Token::parse(text.as_bytes()).ok() }
}

fn optional_token<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Token>, D::Error> {
    let text = Option::<SecretString>::deserialize(source)?;
    // A token that cannot be one is as good as none: what it is instead is nobody's business.
    Ok(text.and_then(|text| Token::parse(text.expose_secret().as_bytes()).ok()))
}

#[cfg(test)]
mod tests;
