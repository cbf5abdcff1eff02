//! The tokens that exist.

use std::collections::HashMap;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::id::Id;
use crate::seed::{GranularScope, Invalidation, TokenKind};

/// A user, page or system-user token.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) text: SecretString,
    pub(crate) alias: Option<String>,
    pub(crate) kind: TokenKind,
    pub(crate) app: Id,
    pub(crate) user: Option<Id>,
    pub(crate) page: Option<Id>,
    pub(crate) scopes: Vec<String>,
    pub(crate) granular_scopes: Vec<GranularScope>,
    pub(crate) issued_at: Option<Timestamp>,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) data_access_expires_at: Option<Timestamp>,
    pub(crate) invalid: Option<Invalidation>,
}

impl Token {
    /// A name for the token that does not give it away: its alias, else a short digest.
    pub(crate) fn label(&self) -> String {
        self.alias.clone().unwrap_or_else(|| {
            let digest = Sha256::digest(self.text.expose_secret());
            format!("sha256:{}", &hex::encode(digest)[..12])
        })
    }

    /// Whether the token was granted this scope for this asset.
    pub(crate) fn grants(&self, scope: &str, asset: &Id) -> bool {
        self.scopes.iter().any(|granted| granted == scope)
            && self
                .granular_scopes
                .iter()
                .filter(|granular| granular.scope == scope)
                .all(|granular| granular.target_ids.as_ref().is_none_or(|ids| ids.contains(asset)))
    }
}

/// All tokens, found by text or alias.
#[derive(Default)]
pub(crate) struct Tokens {
    rows: Vec<Token>,
    by_text: HashMap<String, usize>,
    by_alias: HashMap<String, usize>,
}

impl Tokens {
    pub(crate) fn by_text(&self, text: &str) -> Option<&Token> {
        self.by_text.get(text).and_then(|index| self.rows.get(*index))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Token> {
        self.rows.iter()
    }

    /// The token of this alias, or of this text.
    pub(crate) fn named_mut(&mut self, key: &str) -> Option<&mut Token> {
        let index = self.by_alias.get(key).or_else(|| self.by_text.get(key))?;
        self.rows.get_mut(*index)
    }

    pub(crate) fn has_alias(&self, alias: &str) -> bool {
        self.by_alias.contains_key(alias)
    }

    /// Adds a token; one of the same text or alias is replaced.
    pub(crate) fn put(&mut self, token: Token) {
        self.rows.retain(|old| {
            let same_alias = token.alias.is_some() && old.alias == token.alias;
            !same_alias && old.text.expose_secret() != token.text.expose_secret()
        });
        self.rows.push(token);
        self.reindex();
    }

    /// Adds a token known to be new; used where thousands are loaded at once.
    pub(crate) fn push_new(&mut self, token: Token) {
        let index = self.rows.len();
        self.by_text.insert(token.text.expose_secret().to_owned(), index);
        if let Some(alias) = &token.alias {
            self.by_alias.insert(alias.clone(), index);
        }
        self.rows.push(token);
    }

    fn reindex(&mut self) {
        let rows = std::mem::take(self).rows;
        for token in rows {
            self.push_new(token);
        }
    }
}
