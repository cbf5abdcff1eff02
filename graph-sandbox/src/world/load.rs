//! From a seed to a world, with the checks the YAML shape cannot make.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use url::Url;

use super::{Actor, ActorKind, App, AppField, AppSubscription, Business, Page, PageSubscription, Token, World};
use crate::calls::{app_fields, page_fields};
use crate::id::Id;
use crate::seed::{
    Seed, SeedActor, SeedApp, SeedAppSubscription, SeedBusiness, SeedError, SeedPage, SeedSystemUser, SeedToken,
    TokenKind,
};

/// How long access to a person's data lasts after an authorisation.
const DATA_ACCESS: SignedDuration = SignedDuration::from_hours(90 * 24);

impl World {
    /// Builds the world a seed describes; relative times count from `now`.
    pub(crate) fn new(seed: Seed, now: Timestamp) -> Result<Self, SeedError> {
        let mut world = Self { switches: seed.switches, ..Self::default() };
        for (index, app) in seed.apps.into_iter().enumerate() {
            let place = format!("apps[{index}] ({})", app.id);
            let app = load_app(app, &place)?;
            if let Some(twice) = world.apps.insert(app.id.clone(), app) {
                return Err(SeedError::content(place, format!("app {} is listed twice", twice.id)));
            }
        }
        world.load_businesses(seed.businesses)?;
        world.load_actors(seed.people, seed.system_users)?;
        for (index, page) in seed.pages.into_iter().enumerate() {
            let place = format!("pages[{index}] ({})", page.id);
            let page = world.load_page(page, &place)?;
            if let Some(twice) = world.pages.insert(page.id.clone(), page) {
                return Err(SeedError::content(place, format!("page {} is listed twice", twice.id)));
            }
        }
        for (index, token) in seed.tokens.into_iter().enumerate() {
            let alias = token.alias.as_deref().unwrap_or("without alias");
            let place = format!("tokens[{index}] ({alias})");
            let token = world.load_token(token, now, &place)?;
            let alias_taken = token.alias.as_ref().is_some_and(|alias| world.tokens.has_alias(alias));
            if alias_taken || world.tokens.by_text(token.text.expose_secret()).is_some() {
                return Err(SeedError::content(place, "token or alias is listed twice"));
            }
            world.tokens.push_new(token);
        }
        for (host, base) in seed.resolve {
            world.set_resolve(&host, &base)?;
        }
        Ok(world)
    }

    fn load_businesses(&mut self, businesses: Vec<SeedBusiness>) -> Result<(), SeedError> {
        for (index, SeedBusiness { id, name, verification_status }) in businesses.into_iter().enumerate() {
            let business = Business { id: id.clone(), name, verification_status };
            if self.businesses.insert(id.clone(), business).is_some() {
                let place = format!("businesses[{index}] ({id})");
                return Err(SeedError::content(place, format!("business {id} is listed twice")));
            }
        }
        Ok(())
    }

    fn load_actors(&mut self, people: Vec<SeedActor>, system_users: Vec<SeedSystemUser>) -> Result<(), SeedError> {
        for (index, SeedActor { id, name }) in people.into_iter().enumerate() {
            let place = format!("people[{index}] ({id})");
            self.add_actor(Actor { id, name, kind: ActorKind::Person }, place)?;
        }
        for (index, SeedSystemUser { id, name, business }) in system_users.into_iter().enumerate() {
            let place = format!("system_users[{index}] ({id})");
            self.check_business(business.as_ref(), &place)?;
            self.add_actor(Actor { id, name, kind: ActorKind::SystemUser { business } }, place)?;
        }
        Ok(())
    }

    fn add_actor(&mut self, actor: Actor, place: String) -> Result<(), SeedError> {
        match self.actors.insert(actor.id.clone(), actor) {
            None => Ok(()),
            Some(twice) => Err(SeedError::content(place, format!("{} is listed twice", twice.id))),
        }
    }

    fn check_business(&self, business: Option<&Id>, place: &str) -> Result<(), SeedError> {
        match business.filter(|id| !self.businesses.contains_key(id)) {
            None => Ok(()),
            Some(stray) => Err(SeedError::content(place, format!("business {stray} is not in the seed"))),
        }
    }

    fn load_page(&self, seed: SeedPage, place: &str) -> Result<Page, SeedError> {
        if let Some(stray) = seed.fields.keys().find(|name| !page_fields::is_settable(name)) {
            return Err(SeedError::content(place, format!("a page has no settable field `{stray}`")));
        }
        self.check_business(seed.owner.as_ref(), place)?;
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
            owner: seed.owner,
            tasks: seed.tasks,
            fields: seed.fields,
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
            (None, TokenKind::SystemUser) => None,
            (None, _) => time(crate::when::When::Relative(DATA_ACCESS))?,
        };
        Ok(Token {
            issued_at: time(seed.issued_at)?,
            expires_at: time(seed.expires_at)?,
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
    Ok(App {
        id: seed.id,
        name: seed.name,
        secret: seed.secret,
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

/// Whether Meta would accept this as a callback URL.
pub(crate) fn check_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("callback_url: {error}"))?;
    if url.scheme() != "https" || url.host_str().is_none() {
        return Err("callback_url must be an https URL".to_owned());
    }
    Ok(url)
}
