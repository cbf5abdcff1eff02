//! New tokens, and how page tokens follow from the tokens of people and system users.

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use super::tokens::random_text;
use super::{Issued, Token, TokenId, World};
use crate::id::Id;
use crate::seed::{GranularScope, TokenKind};
use crate::switches::{PageTokenOfSystemUser, PageTokenReread};

/// Life of a token straight from the login dialog.
const SHORT_LIFE: SignedDuration = SignedDuration::from_secs(5100);
/// Life of a long-lived token.
const LONG_LIFE: SignedDuration = SignedDuration::from_hours(60 * 24);

/// A new token's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// Some hours.
    Short,
    /// Sixty days.
    Long,
    /// Without end.
    Endless,
}

impl World {
    /// A new token of a person or system user. It is not yet among the tokens.
    pub(crate) fn mint(
        &self,
        kind: TokenKind,
        app: &Id,
        actor: &Id,
        issued: Issued,
        life: Life,
        now: Timestamp,
    ) -> Token {
        let until = |span| Timestamp::from_second(now.as_second()).and_then(|now| now.checked_add(span)).ok();
        let grant = self.grants.get(app, actor);
        Token {
            text: SecretString::from(random_text("EAA", 96)),
            alias: None,
            kind,
            app: app.clone(),
            user: Some(actor.clone()),
            page: None,
            parent: None,
            scopes: issued.scopes.clone(),
            granular_scopes: issued.granular_scopes.clone(),
            issued,
            issued_at: (life != Life::Short).then_some(now),
            expires_at: match life {
                Life::Short => until(SHORT_LIFE),
                Life::Long => until(LONG_LIFE),
                Life::Endless => None,
            },
            data_access_expires_at: grant.and_then(|grant| grant.data_access_expires_at),
            long_lived: life != Life::Short,
            invalid: None,
        }
    }

    /// Adds a new token, cut down to what its grant allows.
    pub(crate) fn add_minted(&mut self, token: Token) -> TokenId {
        let pair = token.user.clone().map(|user| (token.app.clone(), user));
        let id = self.tokens.push_new(token);
        if let Some((app, user)) = pair {
            self.refit_one(id, &app, &user);
        }
        id
    }

    /// Whether tokens derived from this one end when it expires.
    pub(crate) fn takes_children_along(&self, parent: &Token) -> bool {
        match parent.kind {
            TokenKind::SystemUser => self.switches.page_token_of_system_user == PageTokenOfSystemUser::EndsWithParent,
            _ => !parent.long_lived,
        }
    }

    /// The page token this user or system-user token gives: an old one, or a new one to be added.
    pub(crate) fn page_token(&self, parent: &Token, page: &Id, now: Timestamp) -> PageToken {
        let parent_id = self.tokens.id_of_text(parent.text.expose_secret());
        let user = parent.user.as_ref();
        if self.switches.page_token_reread == PageTokenReread::Same
            && let Some(user) = user
        {
            let bound = parent.expires_at.filter(|_| self.takes_children_along(parent));
            // Tokens of a seed that names no parent belong to whichever asks and may have one that
            // lives as long.
            let stray = |token: &Token| {
                let fits = bound.is_none_or(|bound| token.expires_at.is_some_and(|end| end <= bound));
                token.parent.is_none() && fits
            };
            let own = |token: &&Token| token.invalid.is_none() && (stray(token) || token.parent == parent_id);
            let living = |token: &&Token| token.expires_at.is_none_or(|end| end > now);
            if let Some(token) = self.tokens.of(user, &parent.app, Some(page)).filter(own).find(living) {
                return PageToken::Known(token.text.expose_secret().to_owned());
            }
        }
        PageToken::New(Box::new(Token {
            text: SecretString::from(random_text("EAA", 96)),
            alias: None,
            kind: TokenKind::Page,
            page: Some(page.clone()),
            parent: parent_id,
            issued: narrowed(&parent.issued, page),
            expires_at: parent.expires_at.filter(|_| self.takes_children_along(parent)),
            issued_at: parent.long_lived.then_some(now),
            ..parent.clone()
        }))
    }

    fn refit_one(&mut self, id: TokenId, app: &Id, user: &Id) {
        let Some(grant) = self.grants.get(app, user) else {
            return;
        };
        if let Some(token) = self.tokens.get_mut(id) {
            (token.scopes, token.granular_scopes) = grant.leave(&token.issued, token.page.as_ref());
        }
    }
}

/// A page token that was asked for.
pub(crate) enum PageToken {
    Known(String),
    New(Box<Token>),
}

impl PageToken {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Known(text) => text,
            Self::New(token) => token.text.expose_secret(),
        }
    }
}

/// The scopes of a page token from those of its parent.
fn narrowed(issued: &Issued, page: &Id) -> Issued {
    let row = |row: &GranularScope| {
        let target_ids = row.target_ids.as_ref().map(|ids| super::grants::narrowed(ids, Some(page)));
        GranularScope { scope: row.scope.clone(), target_ids }
    };
    Issued { scopes: issued.scopes.clone(), granular_scopes: issued.granular_scopes.iter().map(row).collect() }
}
