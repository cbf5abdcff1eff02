//! The part of a seed that is about tokens.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::id::{Id, Ids};
use crate::when::When;

/// A token that is not an app token.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedToken {
    /// The token itself.
    pub token: SecretString,
    /// A name for control calls and the ledger, which never show the token.
    #[serde(default)]
    pub alias: Option<String>,
    /// What kind of token it is.
    pub kind: TokenKind,
    /// The app it was issued to.
    pub app: Id,
    /// The person or system user behind it; required unless it is a page token.
    #[serde(default)]
    pub user: Option<Id>,
    /// The page of a page token.
    #[serde(default)]
    pub page: Option<Id>,
    /// Alias of the token a page token was derived from, with which it ends.
    #[serde(default)]
    pub parent: Option<String>,
    /// Granted scopes.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Limits of single scopes to certain assets.
    #[serde(default)]
    pub granular_scopes: Vec<GranularScope>,
    /// When it was issued; Graph tells it only for long-lived tokens.
    #[serde(default)]
    pub issued_at: When,
    /// When it ends.
    #[serde(default)]
    pub expires_at: When,
    /// When access to the person's data ends; 90 days from the start by default, never for
    /// system users.
    #[serde(default)]
    pub data_access_expires_at: Option<When>,
    /// Set when Meta has ended the token before its time.
    #[serde(default)]
    pub invalid: Option<Invalidation>,
}

/// Kind of an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// `<app id>|<app secret>`; never listed in a seed.
    App,
    /// Of a person.
    User,
    /// Of a page, through a person or system user.
    Page,
    /// Of a system user.
    SystemUser,
}

/// A scope, perhaps limited to certain assets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GranularScope {
    /// The scope.
    pub scope: String,
    /// The assets it is limited to; without it, it is not limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_ids: Option<Ids>,
}

/// Why Meta ended a token before its time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Invalidation {
    /// Error subcode, for example 460 for a changed password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subcode: Option<i64>,
    /// The text; Meta's own for the known subcodes by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
