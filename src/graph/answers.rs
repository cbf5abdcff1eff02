//! What Graph answers, as far as we ask. Unknown fields are ignored; foreign text is redacted on the way in.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::decode::{lenient_flag, lenient_id, optional_flag, optional_id, optional_ids, optional_time};
use super::error::GraphFault;
use crate::base::ids::{AppId, PageId};
use crate::base::redact::{identifier, redact};

/// What kind of token it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Of a person.
    User,
    /// Of a page.
    Page,
    /// Of an application.
    App,
    /// Of a system user of a business.
    SystemUser,
    /// A kind we do not know.
    Other,
}

impl TokenKind {
    /// The kind as Graph spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "USER",
            Self::Page => "PAGE",
            Self::App => "APP",
            Self::SystemUser => "SYSTEM_USER",
            Self::Other => "OTHER",
        }
    }

    /// The kind that Graph spells so.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text.to_ascii_uppercase().as_str() {
            "USER" => Self::User,
            "PAGE" => Self::Page,
            "APP" => Self::App,
            "SYSTEM_USER" => Self::SystemUser,
            _ => Self::Other,
        }
    }
}

impl<'de> Deserialize<'de> for TokenKind {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        Ok(Self::parse(&String::deserialize(source)?))
    }
}

/// What `debug_token` says about a token. About a garbled one it says little more than `is_valid`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct TokenInfo {
    /// The app the token belongs to.
    #[serde(default, deserialize_with = "optional_id")]
    pub app_id: Option<AppId>,
    /// What kind of token it is; `None` = Graph does not tell.
    #[serde(rename = "type", default)]
    pub kind: Option<TokenKind>,
    /// Whether Graph accepts it.
    #[serde(deserialize_with = "lenient_flag")]
    pub is_valid: bool,
    /// When it was made; only known of long-lived tokens.
    #[serde(default, deserialize_with = "optional_time")]
    pub issued_at: Option<Timestamp>,
    /// When it ends; `None` = never.
    #[serde(default, deserialize_with = "optional_time")]
    pub expires_at: Option<Timestamp>,
    /// When access to the grantor's data ends; `None` = never.
    #[serde(default, deserialize_with = "optional_time")]
    pub data_access_expires_at: Option<Timestamp>,
    /// The page of a page token; `None` also if Graph does not tell.
    #[serde(default, deserialize_with = "optional_id")]
    pub profile_id: Option<PageId>,
    /// Who granted it.
    #[serde(default, deserialize_with = "optional_id")]
    pub user_id: Option<String>,
    /// What was granted; `None` if Graph does not tell. See [`Self::granted`].
    #[serde(default, deserialize_with = "optional_identifiers")]
    pub scopes: Option<Vec<String>>,
    /// What was granted for which objects.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub granular_scopes: Vec<GranularScope>,
    /// Why it is not valid.
    #[serde(skip)]
    pub error: Option<GraphFault>,
}

impl TokenInfo {
    /// What was granted, if Graph tells: where it leaves out the scopes, those that were granted for objects.
    #[must_use]
    pub fn granted(&self) -> Option<Vec<String>> {
        let granular = || self.granular_scopes.iter().map(|row| row.scope.clone()).collect::<Vec<_>>();
        self.scopes.clone().or_else(|| Some(granular()).filter(|names| !names.is_empty()))
    }

    /// The same, and where Graph does not tell what was granted these scopes that were known before, if any were.
    #[must_use]
    pub fn remembering(self, known: &[String]) -> Self {
        let known = || Some(known.to_vec()).filter(|names| !names.is_empty());
        Self { scopes: self.granted().or_else(known), ..self }
    }

    /// Whether the scope was granted, and not only for other objects than `target_id`. What Graph does not tell is not missing.
    #[must_use]
    pub fn grants(&self, scope: &str, target_id: &str) -> bool {
        let granted = self.granted().is_none_or(|names| names.iter().any(|name| name == scope));
        let granular = self.granular_scopes.iter().find(|row| row.scope == scope);
        match granular.and_then(|row| row.target_ids.as_ref()) {
            Some(targets) => targets.iter().any(|id| id == target_id),
            None => granted || granular.is_some(),
        }
    }
}

/// A scope and the objects it is limited to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct GranularScope {
    /// The scope.
    #[serde(deserialize_with = "one_identifier")]
    pub scope: String,
    /// The objects; `None` = not limited.
    #[serde(default, deserialize_with = "optional_ids")]
    pub target_ids: Option<Vec<String>>,
}

/// A Meta application.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct AppNode {
    /// Its id, the one asked for.
    #[serde(deserialize_with = "lenient_id")]
    pub id: String,
    /// Its name, redacted.
    #[serde(default, deserialize_with = "optional_text")]
    pub name: Option<String>,
}

/// A permission of an app and how far its review is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct AppPermission {
    /// The permission.
    #[serde(deserialize_with = "one_identifier")]
    pub permission: String,
    /// Its state.
    pub status: PermissionStatus,
}

/// The review state of a permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PermissionStatus {
    /// Approved.
    Live,
    /// Not approved.
    Unapproved,
    /// Another word, redacted.
    Other(String),
}

impl<'de> Deserialize<'de> for PermissionStatus {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let text = String::deserialize(source)?;
        Ok(match text.to_ascii_lowercase().as_str() {
            "live" => Self::Live,
            "unapproved" => Self::Unapproved,
            _ => Self::Other(identifier(text)),
        })
    }
}

/// What an app gets events about, and where.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct AppSubscription {
    /// The kind of object, such as `page`.
    #[serde(deserialize_with = "one_identifier")]
    pub object: String,
    /// The callback **as it is**, to be compared. It may be a stranger's: [`redact`] it before showing it.
    #[serde(default)]
    pub callback_url: String,
    /// Whether Meta delivers.
    #[serde(deserialize_with = "lenient_flag")]
    pub active: bool,
    /// The names of the subscribed fields.
    #[serde(default, deserialize_with = "field_names")]
    pub fields: Vec<String>,
}

impl fmt::Debug for AppSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppSubscription")
            .field("object", &self.object)
            .field("callback_url", &redact(&self.callback_url, &[]))
            .field("active", &self.active)
            .field("fields", &self.fields)
            .finish()
    }
}

/// A person, or another owner of a token.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Person {
    /// The id, as our application sees it.
    #[serde(deserialize_with = "lenient_id")]
    pub id: String,
    /// The name, redacted.
    #[serde(default, deserialize_with = "optional_text")]
    pub name: Option<String>,
}

/// A page.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PageNode {
    /// Its id, the one asked for.
    #[serde(deserialize_with = "lenient_id")]
    pub id: String,
    /// Its name, redacted.
    #[serde(default, deserialize_with = "optional_text")]
    pub name: Option<String>,
    /// Whether the public sees it; `None` if Graph does not tell.
    #[serde(default, deserialize_with = "optional_flag")]
    pub is_published: Option<bool>,
}

/// An app that is subscribed to a page.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PageSubscription {
    /// The app's id.
    #[serde(deserialize_with = "lenient_id")]
    pub id: AppId,
    /// The app's name, redacted.
    #[serde(default, deserialize_with = "optional_text")]
    pub name: Option<String>,
    /// The fields it gets.
    #[serde(default, deserialize_with = "identifiers")]
    pub subscribed_fields: Vec<String>,
}

fn null_is_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(source: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(source)?.unwrap_or_default())
}

fn one_identifier<'de, D: Deserializer<'de>>(source: D) -> Result<String, D::Error> {
    String::deserialize(source).map(identifier)
}

pub(super) fn identifiers<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<String>, D::Error> {
    let names: Vec<String> = null_is_empty(source)?;
    Ok(names.into_iter().map(identifier).collect())
}

pub(super) fn optional_identifiers<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Vec<String>>, D::Error> {
    let names = Option::<Vec<String>>::deserialize(source)?;
    Ok(names.map(|names| names.into_iter().map(identifier).collect()))
}

pub(super) fn optional_text<'de, D: Deserializer<'de>>(source: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(source)?.map(|text| redact(&text, &[])))
}

/// Rows of `{"name":…,"version":…}`, or plain names.
fn field_names<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<String>, D::Error> {
    let rows: Vec<Value> = null_is_empty(source)?;
    let name = |row: &Value| row.as_str().or_else(|| row.get("name")?.as_str()).map(str::to_owned);
    Ok(rows.iter().filter_map(name).map(identifier).collect())
}

#[cfg(test)]
mod tests;
