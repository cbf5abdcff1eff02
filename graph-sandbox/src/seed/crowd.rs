//! A crowd: thousands of pages with a token each, for measurements.

use secrecy::SecretString;
use serde::Deserialize;

use super::tokens::{SeedToken, TokenKind};
use super::{SeedPage, SeedPageSubscription};
use crate::id::Id;
use crate::when::When;

/// Pages with consecutive ids, each with one page token.
///
/// The page `N` is called `Crowd N`; its token is `<token_prefix>N`, with the alias `crowd-N`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedCrowd {
    /// How many pages.
    pub pages: u64,
    /// Id of the first page.
    pub first_page: Id,
    /// The app the tokens were issued to.
    pub app: Id,
    /// The person or system user behind the tokens.
    #[serde(default)]
    pub user: Option<Id>,
    /// What the tokens begin with.
    #[serde(default = "default_prefix")]
    pub token_prefix: String,
    /// Granted scopes.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Fields the app is subscribed to on each page; without it, it is not subscribed.
    #[serde(default)]
    pub subscribed_fields: Option<Vec<String>>,
}

fn default_prefix() -> String {
    "EAAcrowd".to_owned()
}

impl SeedCrowd {
    /// The page of this id.
    pub(crate) fn page(&self, id: &Id) -> SeedPage {
        let row =
            |fields: &Vec<String>| SeedPageSubscription { app: self.app.clone(), name: None, fields: fields.clone() };
        SeedPage {
            id: id.clone(),
            name: format!("Crowd {id}"),
            published: true,
            restricted: false,
            deleted: false,
            owner: None,
            tasks: None,
            fields: Default::default(),
            subscriptions: self.subscribed_fields.iter().map(row).collect(),
            routing: Default::default(),
            conversations: Vec::new(),
            barred_from_sending: false,
        }
    }

    /// The token of this page.
    pub(crate) fn token(&self, page: Id) -> SeedToken {
        SeedToken {
            token: SecretString::from(format!("{}{page}", self.token_prefix)),
            alias: Some(format!("crowd-{page}")),
            kind: TokenKind::Page,
            app: self.app.clone(),
            user: self.user.clone(),
            page: Some(page),
            parent: None,
            scopes: self.scopes.clone(),
            granular_scopes: Vec::new(),
            issued_at: When::Never,
            expires_at: When::Never,
            data_access_expires_at: None,
            invalid: None,
        }
    }
}
