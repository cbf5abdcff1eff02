//! From a seed to a world, with the checks the YAML shape cannot make.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use url::Url;

use super::grants::DATA_ACCESS;
use super::{
    Actor, ActorKind, App, AppField, AppSubscription, Business, Issued, Page, PageSubscription, Token, TokenId,
    Trouble, World,
};
use crate::id::Id;
use crate::protocol::{app_fields, page_fields};
use crate::seed::{
    Seed, SeedActor, SeedApp, SeedAppSubscription, SeedBusiness, SeedError, SeedLoginConfiguration, SeedPage,
    SeedSystemUser, SeedToken, TokenKind,
};

/// A token with more than this left of its life is a long-lived one.
const SHORT_AT_MOST: SignedDuration = SignedDuration::from_hours(24);

impl World {
    /// Builds the world a seed describes; relative times count from `now`.
    pub(crate) fn new(seed: Seed, now: Timestamp) -> Result<Self, SeedError> {
        let mut world = Self { switches: seed.switches, ..Self::default() };
        for (index, app) in seed.apps.into_iter().enumerate() {
            let place = format!("apps[{index}] ({})", app.id);
            let app = load_app(app, &place)?;
            world.check_new(&app.id, &place)?;
            world.apps.insert(app.id.clone(), app);
        }
        world.load_businesses(seed.businesses)?;
        world.load_actors(seed.people, seed.system_users)?;
        world.check_login_configurations()?;
        for (index, page) in seed.pages.into_iter().enumerate() {
            let place = format!("pages[{index}] ({})", page.id);
            world.add_page(page, now, &place)?;
        }
        for (index, token) in seed.tokens.into_iter().enumerate() {
            let alias = token.alias.as_deref().unwrap_or("without alias");
            let place = format!("tokens[{index}] ({alias})");
            world.add_token(token, now, &place)?;
        }
        if let Some(crowd) = seed.crowd {
            world.load_crowd(&crowd, now)?;
        }
        for (host, base) in seed.resolve {
            world.set_resolve(&host, &base)?;
        }
        Ok(world)
    }

    /// Adds a page of the seed.
    pub(super) fn add_page(&mut self, page: SeedPage, now: Timestamp, place: &str) -> Result<(), SeedError> {
        let page = self.load_page(page, now, place)?;
        self.check_new(&page.id, place)?;
        self.pages.insert(page.id.clone(), page);
        Ok(())
    }

    /// Refuses an id something else has already, of whatever kind: a path names its object by the id
    /// alone.
    fn check_new(&self, id: &Id, place: &str) -> Result<(), SeedError> {
        let kinds = [
            ("an app", self.apps.contains_key(id)),
            ("a business", self.businesses.contains_key(id)),
            ("a person or system user", self.actors.contains_key(id)),
            ("a page", self.pages.contains_key(id)),
        ];
        match kinds.iter().find(|(_, taken)| *taken) {
            None => Ok(()),
            Some((kind, _)) => Err(SeedError::content(place, format!("{id} is the id of {kind} already"))),
        }
    }

    /// Adds a token of the seed.
    pub(super) fn add_token(&mut self, token: SeedToken, now: Timestamp, place: &str) -> Result<(), SeedError> {
        let token = self.load_token(token, now, place)?;
        let alias_taken = token.alias.as_ref().is_some_and(|alias| self.tokens.has_alias(alias));
        if alias_taken || self.tokens.by_text(token.text.expose_secret()).is_some() {
            return Err(SeedError::content(place, "token or alias is listed twice"));
        }
        self.imply_grant(&token);
        self.tokens.push_new(token);
        Ok(())
    }

    fn load_businesses(&mut self, businesses: Vec<SeedBusiness>) -> Result<(), SeedError> {
        for (index, SeedBusiness { id, name, verification_status }) in businesses.into_iter().enumerate() {
            self.check_new(&id, &format!("businesses[{index}] ({id})"))?;
            self.businesses.insert(id.clone(), Business { id, name, verification_status });
        }
        Ok(())
    }

    fn load_actors(&mut self, people: Vec<SeedActor>, system_users: Vec<SeedSystemUser>) -> Result<(), SeedError> {
        for (index, SeedActor { id, name }) in people.into_iter().enumerate() {
            let place = format!("people[{index}] ({id})");
            self.add_actor(Actor { id, name, kind: ActorKind::Person, trouble: Trouble::default() }, &place)?;
        }
        for (index, SeedSystemUser { id, name, business }) in system_users.into_iter().enumerate() {
            let place = format!("system_users[{index}] ({id})");
            self.check_business(business.as_ref(), &place)?;
            let kind = ActorKind::SystemUser { business };
            self.add_actor(Actor { id, name, kind, trouble: Trouble::default() }, &place)?;
        }
        Ok(())
    }

    fn check_login_configurations(&self) -> Result<(), SeedError> {
        let is_known = |id: &Id| self.actors.get(id).is_some_and(|actor| actor.kind != ActorKind::Person);
        for (app, id, configuration) in
            self.apps.values().flat_map(|app| app.login_configurations.iter().map(move |(id, it)| (app, id, it)))
        {
            if let SeedLoginConfiguration::SystemUser { system_user, .. } = configuration
                && !is_known(system_user)
            {
                let place = format!("apps ({}): login_configurations ({id})", app.id);
                return Err(SeedError::content(place, format!("system user {system_user} is not in the seed")));
            }
        }
        Ok(())
    }

    fn add_actor(&mut self, actor: Actor, place: &str) -> Result<(), SeedError> {
        self.check_new(&actor.id, place)?;
        self.actors.insert(actor.id.clone(), actor);
        Ok(())
    }

    fn check_business(&self, business: Option<&Id>, place: &str) -> Result<(), SeedError> {
        match business.filter(|id| !self.businesses.contains_key(id)) {
            None => Ok(()),
            Some(stray) => Err(SeedError::content(place, format!("business {stray} is not in the seed"))),
        }
    }

    fn load_page(&self, mut seed: SeedPage, now: Timestamp, place: &str) -> Result<Page, SeedError> {
        if let Some(stray) = seed.fields.keys().find(|name| !page_fields::is_settable(name)) {
            return Err(SeedError::content(place, format!("a page has no settable field `{stray}`")));
        }
        self.check_business(seed.owner.as_ref(), place)?;
        let messaging = self.load_messaging(&mut seed, now, place)?;
        let row = |name, fields| PageSubscription { name, fields };
        Ok(Page {
            subscriptions: seed
                .subscriptions
                .into_iter()
                .map(|subscription| (subscription.app, row(subscription.name, subscription.fields)))
                .collect(),
            id: seed.id,
            name: seed.name,
            published: seed.published,
            restricted: seed.restricted,
            deleted: seed.deleted,
            owner: seed.owner,
            tasks: seed.tasks,
            fields: seed.fields,
            messaging,
        })
    }

    /// Checks a token against the world and fixes its clocks.
    pub(crate) fn load_token(&self, seed: SeedToken, now: Timestamp, place: &str) -> Result<Token, SeedError> {
        let refuse = |problem: String| Err(SeedError::content(place, problem));
        if seed.token.expose_secret().is_empty() {
            return refuse("the token is empty".into());
        }
        if !self.apps.contains_key(&seed.app) {
            return refuse(format!("app {} is not in the seed", seed.app));
        }
        if let Some(user) = seed.user.as_ref().filter(|user| !self.actors.contains_key(user)) {
            return refuse(format!("user {user} is neither in people nor in system_users"));
        }
        match (seed.kind, &seed.page, &seed.user) {
            (TokenKind::App, ..) => {
                return refuse("app tokens need no entry: they are `<id>|<secret>`".into());
            }
            (TokenKind::Page, None, _) => return refuse("a page token needs `page`".into()),
            (TokenKind::Page, Some(page), _) if !self.pages.contains_key(page) => {
                return refuse(format!("page {page} is not in the seed"));
            }
            (TokenKind::User | TokenKind::SystemUser, Some(_), _) => {
                return refuse("`page` belongs to page tokens only".into());
            }
            (TokenKind::User | TokenKind::SystemUser, _, None) => {
                return refuse("the token needs `user`".into());
            }
            _ => {}
        }
        if let Some(stray) = seed.granular_scopes.iter().find(|g| !seed.scopes.contains(&g.scope)) {
            return refuse(format!("granular scope {} is not among the scopes", stray.scope));
        }
        let time =
            |when: crate::when::When| when.resolve(now).map_err(|error| SeedError::content(place, error.to_string()));
        let data_access_expires_at = match (seed.data_access_expires_at, seed.kind) {
            (Some(when), _) => time(when)?,
            (None, _) if seed.user.as_ref().is_some_and(|user| !self.is_person(user)) => None,
            (None, _) => time(crate::when::When::Relative(DATA_ACCESS))?,
        };
        let parent = match &seed.parent {
            None => None,
            Some(alias) => Some(self.parent_named(alias, &seed).map_err(|problem| SeedError::content(place, problem))?),
        };
        let (issued_at, mut expires_at) = (time(seed.issued_at)?, time(seed.expires_at)?);
        let long_lived = issued_at.is_some() || expires_at.is_none_or(|end| end.duration_since(now) > SHORT_AT_MOST);
        if let Some(parent) = parent.and_then(|parent| self.tokens.get(parent)) {
            expires_at = expires_at.or(parent.expires_at.filter(|_| self.takes_children_along(parent)));
        }
        Ok(Token {
            issued: Issued { scopes: seed.scopes.clone(), granular_scopes: seed.granular_scopes.clone() },
            parent,
            long_lived,
            issued_at,
            expires_at,
            data_access_expires_at,
            text: seed.token,
            alias: seed.alias,
            kind: seed.kind,
            app: seed.app,
            user: seed.user,
            page: seed.page,
            scopes: seed.scopes,
            granular_scopes: seed.granular_scopes,
            invalid: seed.invalid,
        })
    }

    /// The token of this alias, if a page token of the seed can be derived from it.
    fn parent_named(&self, alias: &str, child: &SeedToken) -> Result<TokenId, String> {
        let found = self.tokens.id_named(alias).filter(|_| self.tokens.has_alias(alias));
        let Some((id, parent)) = found.and_then(|id| self.tokens.get(id).map(|parent| (id, parent))) else {
            return Err(format!("parent {alias} is no alias of a token before this one"));
        };
        if child.kind != TokenKind::Page || parent.kind == TokenKind::Page {
            return Err("a page token is derived from a user or system-user token".to_owned());
        }
        if parent.app != child.app || parent.user != child.user {
            return Err(format!("parent {alias} has another app or person"));
        }
        Ok(id)
    }

    /// Lets a base URL stand in for a public callback host.
    pub(crate) fn set_resolve(&mut self, host: &str, base: &str) -> Result<(), SeedError> {
        let place = format!("resolve ({host})");
        let url = Url::parse(base).map_err(|error| SeedError::content(&place, error.to_string()))?;
        // Plain HTTP on purpose: the stand-in is a local address without a public certificate.
        if url.scheme() != "http" || url.host().is_none() || url.query().is_some() {
            return Err(SeedError::content(place, "the base must look like `http://127.0.0.1:8080`"));
        }
        self.resolve.insert(host.to_ascii_lowercase(), base.trim_end_matches('/').to_owned());
        Ok(())
    }
}

fn load_app(seed: SeedApp, place: &str) -> Result<App, SeedError> {
    if seed.secret.expose_secret().is_empty() {
        return Err(SeedError::content(place, "the secret is empty"));
    }
    if let Some(stray) = seed.fields.keys().find(|name| !app_fields::is_settable(name)) {
        return Err(SeedError::content(place, format!("an app has no settable field `{stray}`")));
    }
    let mut subscriptions = BTreeMap::new();
    for row in seed.subscriptions {
        let (object, row) = load_app_subscription(row, place)?;
        subscriptions.insert(object, row);
    }
    let deauthorize_url = seed.deauthorize_url.as_deref().map(|url| check_https("deauthorize_url", url)).transpose();
    if let Some(bad) = seed.redirect_uris.iter().find(|uri| check_redirect_uri(uri).is_err()) {
        return Err(SeedError::content(place, format!("redirect_uris: {bad} is no https URL without fragment")));
    }
    Ok(App {
        deauthorize_url: deauthorize_url.map_err(|problem| SeedError::content(place, problem))?,
        id: seed.id,
        name: seed.name,
        secret: seed.secret,
        previous_secret: None,
        deleted: seed.deleted,
        redirect_uris: seed.redirect_uris.into_iter().collect(),
        login_configurations: seed.login_configurations,
        category: seed.category,
        fields: seed.fields,
        require_proof: seed.require_proof,
        blocked: seed.blocked,
        permissions: seed.permissions,
        roles: seed.roles,
        subscriptions,
    })
}

fn load_app_subscription(seed: SeedAppSubscription, place: &str) -> Result<(String, AppSubscription), SeedError> {
    check_url(&seed.callback_url).map_err(|problem| SeedError::content(place, problem))?;
    let field = |name| AppField { name, version: seed.version.clone() };
    let row = AppSubscription {
        fields: seed.fields.into_iter().map(field).collect(),
        callback_url: seed.callback_url,
        active: seed.active,
    };
    Ok((seed.object, row))
}

/// Whether Meta would accept this as a redirect URI of an app.
pub(crate) fn check_redirect_uri(text: &str) -> Result<Url, ()> {
    let url = Url::parse(text).map_err(|_| ())?;
    if url.scheme() == "https" && url.has_host() && url.fragment().is_none() { Ok(url) } else { Err(()) }
}

/// Whether Meta would accept this as a callback URL.
pub(crate) fn check_url(text: &str) -> Result<Url, String> {
    check_https("callback_url", text)
}

fn check_https(name: &str, text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{name}: {error}"))?;
    if url.scheme() != "https" || url.host_str().is_none() {
        return Err(format!("{name} must be an https URL"));
    }
    Ok(url)
}
