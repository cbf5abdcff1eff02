//! The tokens that exist, found by text, alias, owner and parent.

use std::collections::{BTreeMap, BTreeSet, HashMap};

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
    /// The user or system-user token a page token was derived from.
    pub(crate) parent: Option<TokenId>,
    /// What it was issued with; `scopes` and `granular_scopes` are what the grant leaves of it.
    pub(crate) issued: Issued,
    pub(crate) scopes: Vec<String>,
    pub(crate) granular_scopes: Vec<GranularScope>,
    pub(crate) issued_at: Option<Timestamp>,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) data_access_expires_at: Option<Timestamp>,
    /// Whether page tokens derived from it outlive it, if it is a person's.
    pub(crate) long_lived: bool,
    pub(crate) invalid: Option<Invalidation>,
}

/// The scopes a token was issued with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Issued {
    pub(crate) scopes: Vec<String>,
    pub(crate) granular_scopes: Vec<GranularScope>,
}

/// Names a token for as long as it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TokenId(usize);

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

/// App → page, or none for tokens of the owner alone → rows.
type OwnRows = BTreeMap<Id, BTreeMap<Option<Id>, BTreeSet<usize>>>;

/// All tokens. Rows keep their place, since page tokens name their parent by it.
#[derive(Default)]
pub(crate) struct Tokens {
    rows: Vec<Option<Token>>,
    by_text: HashMap<String, usize>,
    by_alias: HashMap<String, usize>,
    by_user: HashMap<Id, OwnRows>,
}

/// A token cannot take the place of one that others were derived from.
#[derive(Debug, thiserror::Error)]
#[error("page tokens were derived from it: kind, app and user must stay")]
pub(crate) struct HasChildren;

impl Tokens {
    pub(crate) fn by_text(&self, text: &str) -> Option<&Token> {
        self.by_text.get(text).and_then(|index| self.row(*index))
    }

    pub(crate) fn get(&self, id: TokenId) -> Option<&Token> {
        self.row(id.0)
    }

    /// The token a page token was derived from.
    pub(crate) fn parent(&self, token: &Token) -> Option<&Token> {
        token.parent.and_then(|parent| self.get(parent))
    }

    fn row(&self, index: usize) -> Option<&Token> {
        self.rows.get(index).and_then(Option::as_ref)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Token> {
        self.rows.iter().flatten()
    }

    /// The token of this alias, or of this text.
    pub(crate) fn id_named(&self, key: &str) -> Option<TokenId> {
        self.by_alias.get(key).or_else(|| self.by_text.get(key)).copied().map(TokenId)
    }

    /// The token of this text, whatever aliases say.
    pub(crate) fn id_of_text(&self, text: &str) -> Option<TokenId> {
        self.by_text.get(text).copied().map(TokenId)
    }

    pub(crate) fn get_mut(&mut self, id: TokenId) -> Option<&mut Token> {
        self.rows.get_mut(id.0).and_then(Option::as_mut)
    }

    pub(crate) fn has_alias(&self, alias: &str) -> bool {
        self.by_alias.contains_key(alias)
    }

    /// The tokens of a person or system user for an app: with a page, its page tokens.
    pub(crate) fn of<'t>(&'t self, user: &Id, app: &Id, page: Option<&Id>) -> impl Iterator<Item = &'t Token> {
        let rows = self.by_user.get(user).and_then(|apps| apps.get(app)).and_then(|pages| pages.get(&page.cloned()));
        rows.into_iter().flatten().filter_map(|index| self.row(*index))
    }

    /// Changes every token of a person or system user, perhaps of one app only.
    pub(crate) fn change_all(&mut self, user: &Id, app: Option<&Id>, mut change: impl FnMut(&mut Token)) {
        for index in self.owned(user, app) {
            if let Some(token) = self.rows.get_mut(index).and_then(Option::as_mut) {
                change(token);
            }
        }
    }

    fn owned(&self, user: &Id, app: Option<&Id>) -> Vec<usize> {
        let apps = self.by_user.get(user).into_iter().flatten();
        apps.filter(|(found, _)| app.is_none_or(|app| app == *found))
            .flat_map(|(_, pages)| pages.values().flatten().copied())
            .collect()
    }

    fn children(&self, parent: usize) -> Vec<usize> {
        let Some(Token { user: Some(user), app, kind: TokenKind::User | TokenKind::SystemUser, .. }) = self.row(parent)
        else {
            return Vec::new();
        };
        let is_child = |index: &usize| self.row(*index).is_some_and(|token| token.parent == Some(TokenId(parent)));
        self.owned(user, Some(app)).into_iter().filter(is_child).collect()
    }

    /// Adds a token; one of the same text or alias gives way, and those derived from it stay with
    /// the new one.
    pub(crate) fn put(&mut self, token: Token) -> Result<TokenId, HasChildren> {
        let of_alias = token.alias.as_ref().and_then(|alias| self.by_alias.get(alias)).copied();
        let of_text = self.by_text.get(token.text.expose_secret()).copied();
        let children: Vec<usize> =
            [of_alias, of_text].into_iter().flatten().flat_map(|index| self.children(index)).collect();
        let fits = |index: &usize| {
            self.row(*index).is_some_and(|child| child.app == token.app && child.user == token.user)
                && matches!(token.kind, TokenKind::User | TokenKind::SystemUser)
        };
        let own_parent = [of_alias, of_text].contains(&token.parent.map(|parent| parent.0)) && token.parent.is_some();
        if own_parent || !children.iter().all(fits) {
            return Err(HasChildren);
        }
        for old in [of_alias, of_text].into_iter().flatten() {
            self.remove(old);
        }
        let index = of_alias.or(of_text).unwrap_or(self.rows.len());
        for child in children {
            if let Some(child) = self.get_mut(TokenId(child)) {
                child.parent = Some(TokenId(index));
            }
        }
        Ok(self.insert(index, token))
    }

    /// Adds a token known to be new.
    pub(crate) fn push_new(&mut self, token: Token) -> TokenId {
        self.insert(self.rows.len(), token)
    }

    fn insert(&mut self, index: usize, token: Token) -> TokenId {
        self.by_text.insert(token.text.expose_secret().to_owned(), index);
        if let Some(alias) = &token.alias {
            self.by_alias.insert(alias.clone(), index);
        }
        if let Some(user) = &token.user {
            let apps = self.by_user.entry(user.clone()).or_default();
            apps.entry(token.app.clone()).or_default().entry(token.page.clone()).or_default().insert(index);
        }
        match self.rows.get_mut(index) {
            Some(row) => *row = Some(token),
            None => self.rows.push(Some(token)),
        }
        TokenId(index)
    }

    fn remove(&mut self, index: usize) {
        let Some(old) = self.rows.get_mut(index).and_then(Option::take) else {
            return;
        };
        self.by_text.remove(old.text.expose_secret());
        if let Some(alias) = &old.alias {
            self.by_alias.remove(alias);
        }
        let pages = old.user.and_then(|user| self.by_user.get_mut(&user)).and_then(|apps| apps.get_mut(&old.app));
        if let Some(rows) = pages.and_then(|pages| pages.get_mut(&old.page)) {
            rows.remove(&index);
        }
    }
}

/// A text nobody can guess, of the shape Graph uses.
pub(crate) fn random_text(prefix: &str, length: usize) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let letter = |_| char::from(ALPHABET[rand::random_range(0..ALPHABET.len())]);
    prefix.chars().chain((0..length).map(letter)).collect()
}
