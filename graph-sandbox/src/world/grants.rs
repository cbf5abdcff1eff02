//! What people and system users authorized apps to do.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};

use super::{ActorKind, Issued, Token, World};
use crate::id::{Id, Ids};
use crate::seed::{GranularScope, Invalidation};

/// How long access to a person's data lasts after an authorization.
pub(crate) const DATA_ACCESS: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Scopes of which Meta wants at least one for a page before an app may act as that page.
pub(crate) const PAGE_SCOPES: &[&str] = &[
    "pages_read_engagement",
    "pages_manage_metadata",
    "pages_read_user_content",
    "pages_manage_ads",
    "pages_show_list",
    "pages_messaging",
];

/// Assets a scope is limited to; nothing: not limited.
pub(crate) type Targets = Option<Ids>;

/// What one person or system user authorized one app to do.
///
/// A grant without scopes means that the app is installed, no more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grant {
    pub(crate) scopes: BTreeMap<String, Targets>,
    /// Scopes that were asked for and refused, or taken back.
    pub(crate) declined: BTreeSet<String>,
    /// When access to the person's data lapses; never for system users.
    pub(crate) data_access_expires_at: Option<Timestamp>,
}

impl Grant {
    /// Whether the app may act as this page.
    pub(crate) fn covers(&self, page: &Id) -> bool {
        let mut granted = PAGE_SCOPES.iter().filter_map(|scope| self.scopes.get(*scope));
        granted.any(|targets| targets.as_ref().is_none_or(|targets| targets.contains(page)))
    }

    /// Adds scopes with their limits; whether that made a difference.
    fn widen(&mut self, issued: &Issued) -> bool {
        let mut grown = false;
        for scope in &issued.scopes {
            let asked = targets(issued, scope);
            self.declined.remove(scope);
            match (self.scopes.get_mut(scope), asked) {
                (None, asked) => {
                    self.scopes.insert(scope.clone(), asked);
                    grown = true;
                }
                (Some(Some(held)), Some(asked)) => grown |= held.extend(&asked),
                (Some(held @ Some(_)), None) => {
                    *held = None;
                    grown = true;
                }
                (Some(None), _) => {}
            }
        }
        grown
    }

    /// What is left of a token's scopes. A page token's limits name its page alone, not the
    /// thousands beside it.
    pub(super) fn leave(&self, issued: &Issued, page: Option<&Id>) -> (Vec<String>, Vec<GranularScope>) {
        let scopes: Vec<String> =
            issued.scopes.iter().filter(|scope| self.scopes.contains_key(*scope)).cloned().collect();
        let mut granular = Vec::new();
        for scope in &scopes {
            let row = issued.granular_scopes.iter().find(|row| row.scope == *scope);
            let limit = self.scopes.get(scope).and_then(Option::as_ref);
            let target_ids = match (row.and_then(|row| row.target_ids.as_ref()), limit) {
                (None, None) => None,
                (Some(ids), None) | (None, Some(ids)) => Some(narrowed(ids, page)),
                (Some(ids), Some(limit)) => Some(narrowed(ids, page).both(limit)),
            };
            if row.is_some() || target_ids.is_some() {
                granular.push(GranularScope { scope: scope.clone(), target_ids });
            }
        }
        (scopes, granular)
    }
}

/// The limits of one scope of a token, over all its rows.
fn targets(issued: &Issued, scope: &str) -> Targets {
    let row = issued.granular_scopes.iter().find(|row| row.scope == scope)?;
    row.target_ids.clone()
}

/// Limits to many pages are of no use to the token of one of them.
pub(super) fn narrowed(ids: &Ids, page: Option<&Id>) -> Ids {
    match page {
        Some(page) if ids.contains(page) && ids.len() > 1 => Ids::from_iter([page.clone()]),
        _ => ids.clone(),
    }
}

/// All grants, by app and by who gave them.
#[derive(Default)]
pub(crate) struct Grants(HashMap<Id, HashMap<Id, Grant>>);

impl Grants {
    pub(crate) fn get(&self, app: &Id, actor: &Id) -> Option<&Grant> {
        self.0.get(app)?.get(actor)
    }

    /// The grant, made if there is none.
    pub(crate) fn entry(&mut self, app: &Id, actor: &Id) -> &mut Grant {
        self.0.entry(app.clone()).or_default().entry(actor.clone()).or_default()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Id, &Id, &Grant)> {
        self.0.iter().flat_map(|(app, actors)| actors.iter().map(move |(actor, grant)| (app, actor, grant)))
    }

    fn remove(&mut self, app: &Id, actor: &Id) {
        if let Some(actors) = self.0.get_mut(app) {
            actors.remove(actor);
        }
    }
}

impl World {
    /// Whether this is a person, and not a system user.
    pub(crate) fn is_person(&self, actor: &Id) -> bool {
        self.actors.get(actor).is_some_and(|actor| actor.kind == ActorKind::Person)
    }

    /// Lets a token's own scopes be granted: whoever puts a token there says that it is so. Tells
    /// whether the grant grew by that.
    pub(crate) fn imply_grant(&mut self, token: &Token) -> bool {
        let Some(user) = &token.user else {
            return false;
        };
        let grant = self.grants.entry(&token.app, user);
        let grown = grant.widen(&token.issued);
        grant.data_access_expires_at = grant.data_access_expires_at.max(token.data_access_expires_at);
        grown
    }

    /// The same, beside tokens that may have been cut down: they get back what they were issued with.
    pub(crate) fn widen_grant(&mut self, token: &Token) {
        if self.imply_grant(token)
            && let Some(user) = &token.user
        {
            self.refit(&token.app, user);
        }
    }

    /// Authorizes an app anew: these scopes take the place of the old ones.
    pub(crate) fn authorize(&mut self, app: &Id, actor: &Id, scopes: BTreeMap<String, Targets>, now: Timestamp) {
        // Near the end of the calendar there is no such moment, and so no end.
        let data_access = self.is_person(actor).then(|| now.checked_add(DATA_ACCESS).ok()).flatten();
        let grant = self.grants.entry(app, actor);
        let lost = std::mem::replace(&mut grant.scopes, scopes);
        grant.declined.extend(lost.into_keys());
        grant.declined.retain(|scope| !grant.scopes.contains_key(scope));
        grant.data_access_expires_at = data_access;
        self.tokens.change_all(actor, Some(app), |token| token.data_access_expires_at = data_access);
        self.refit(app, actor);
    }

    /// What the login dialog does: adds the asked scopes, and limits all that concern pages to
    /// the chosen ones. Returns what a token of this login holds.
    pub(crate) fn consent(
        &mut self,
        app: &Id,
        person: &Id,
        asked: &[String],
        pages: Targets,
        now: Timestamp,
    ) -> Issued {
        let held = self.grants.entry(app, person).scopes.clone();
        let asked = asked.iter().map(|scope| (scope.clone(), None));
        let all: BTreeMap<String, Targets> = asked.chain(held).collect();
        let limit = |(scope, held): (String, Targets)| {
            let targets = if scope.starts_with("pages_") { pages.clone() } else { held };
            (scope, targets)
        };
        let scopes: BTreeMap<String, Targets> = all.into_iter().map(limit).collect();
        let rows = scopes.iter().filter_map(|(scope, targets)| {
            targets.as_ref().map(|ids| GranularScope { scope: scope.clone(), target_ids: Some(ids.clone()) })
        });
        let issued = Issued { scopes: scopes.keys().cloned().collect(), granular_scopes: rows.collect() };
        self.authorize(app, person, scopes, now);
        issued
    }

    /// Takes one scope back.
    pub(crate) fn withdraw_scope(&mut self, app: &Id, actor: &Id, scope: &str) {
        let grant = self.grants.entry(app, actor);
        if grant.scopes.remove(scope).is_some() {
            grant.declined.insert(scope.to_owned());
            self.refit(app, actor);
        }
    }

    /// Removes the app for this person: the grant and every token of the pair end.
    pub(crate) fn remove_app(&mut self, app: &Id, actor: &Id) {
        self.grants.remove(app, actor);
        self.end_tokens(actor, Some(app), 458);
    }

    /// Cuts the tokens of a pair down to what the grant leaves of them.
    pub(crate) fn refit(&mut self, app: &Id, actor: &Id) {
        let Some(grant) = self.grants.get(app, actor) else {
            return;
        };
        self.tokens.change_all(actor, Some(app), |token| {
            (token.scopes, token.granular_scopes) = grant.leave(&token.issued, token.page.as_ref());
        });
    }

    /// Ends the living tokens of a person or system user, perhaps of one app only.
    pub(crate) fn end_tokens(&mut self, actor: &Id, app: Option<&Id>, subcode: i64) {
        self.tokens.change_all(actor, app, |token| {
            token.invalid.get_or_insert(Invalidation { subcode: Some(subcode), message: None });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_share_the_pages_of_their_grant_and_page_tokens_name_their_own() {
        let pages: Ids = (20_000..30_000).filter_map(|id| id.to_string().parse().ok()).collect();
        let grant = Grant { scopes: [("pages_messaging".to_owned(), Some(pages.clone()))].into(), ..Grant::default() };
        let issued = Issued { scopes: vec!["pages_messaging".to_owned()], granular_scopes: Vec::new() };
        let left = |page: Option<&Id>| grant.leave(&issued, page).1[0].target_ids.clone().unwrap();
        assert!(left(None).shares(&pages));
        let own: Id = "20007".parse().unwrap();
        assert_eq!(left(Some(&own)), Ids::from_iter([own]));
        let lost: Id = "19999".parse().unwrap();
        assert!(!left(Some(&lost)).contains(&lost));
    }
}
