//! The state as control calls show it, without secrets.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::core::Core;
use crate::graph::auth::{Known, flaw};
use crate::seed::{Block, PermissionStatus, TokenKind};
use crate::switches::Switches;
use crate::world::{App, Page, Token, World};

/// The state of a sandbox, without secrets.
#[derive(Clone, Debug, Serialize)]
pub struct StateView {
    /// The sandbox's clock.
    pub now: Timestamp,
    /// Positions of the switches.
    pub switches: Switches,
    /// Apps by id.
    pub apps: BTreeMap<String, AppView>,
    /// Pages by id.
    pub pages: BTreeMap<String, PageView>,
    /// Tokens by alias, or by a digest of their text.
    pub tokens: BTreeMap<String, TokenView>,
}

/// An app.
#[derive(Clone, Debug, Serialize)]
pub struct AppView {
    /// Name.
    pub name: String,
    /// Whether Meta has shut it out.
    pub blocked: Block,
    /// Whether every call needs a proof.
    pub require_proof: bool,
    /// Results of the login review.
    pub permissions: BTreeMap<String, PermissionStatus>,
    /// Webhook subscriptions by object.
    pub subscriptions: BTreeMap<String, AppSubscriptionView>,
}

/// A webhook subscription of an app.
#[derive(Clone, Debug, Serialize)]
pub struct AppSubscriptionView {
    /// Where events go.
    pub callback_url: String,
    /// Whether Meta delivers.
    pub active: bool,
    /// Subscribed fields.
    pub fields: Vec<String>,
}

/// A page.
#[derive(Clone, Debug, Serialize)]
pub struct PageView {
    /// Name.
    pub name: String,
    /// Whether the public sees it.
    pub published: bool,
    /// Whether Meta hides it.
    pub restricted: bool,
    /// Subscribed fields by app.
    pub subscriptions: BTreeMap<String, Vec<String>>,
}

/// A token.
#[derive(Clone, Debug, Serialize)]
pub struct TokenView {
    /// Kind.
    pub kind: TokenKind,
    /// App.
    pub app: String,
    /// Person or system user.
    pub user: Option<String>,
    /// Page.
    pub page: Option<String>,
    /// Scopes.
    pub scopes: Vec<String>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When data access ends.
    pub data_access_expires_at: Option<Timestamp>,
    /// Whether it is good at present.
    pub valid: bool,
    /// Subcode of the error it gives.
    pub subcode: Option<i64>,
}

impl Core {
    /// The state at present.
    pub(crate) fn view(&self) -> StateView {
        let now = self.clock.now();
        let mut world = self.world.lock();
        self.foreign.catch_up(&mut world, now);
        StateView {
            now,
            switches: world.switches.clone(),
            apps: world.apps.iter().map(|(id, app)| (id.to_string(), view_app(app))).collect(),
            pages: world.pages.iter().map(|(id, page)| (id.to_string(), view_page(page))).collect(),
            tokens: world.tokens.iter().map(|token| (token.label(), view_token(&world, token, now))).collect(),
        }
    }
}

fn view_app(app: &App) -> AppView {
    let rows = app.subscriptions.iter().map(|(object, row)| {
        let view = AppSubscriptionView {
            callback_url: row.callback_url.clone(),
            active: row.active,
            fields: row.fields.iter().map(|field| field.name.clone()).collect(),
        };
        (object.clone(), view)
    });
    AppView {
        name: app.name.clone(),
        blocked: app.blocked,
        require_proof: app.require_proof,
        permissions: app.permissions.clone(),
        subscriptions: rows.collect(),
    }
}

fn view_page(page: &Page) -> PageView {
    PageView {
        name: page.name.clone(),
        published: page.published,
        restricted: page.restricted,
        subscriptions: page.subscriptions.iter().map(|(app, row)| (app.to_string(), row.fields.clone())).collect(),
    }
}

fn view_token(world: &World, token: &Token, now: Timestamp) -> TokenView {
    let flaw = flaw(world, Known::Issued(token), now);
    TokenView {
        kind: token.kind,
        app: token.app.to_string(),
        user: token.user.as_ref().map(ToString::to_string),
        page: token.page.as_ref().map(ToString::to_string),
        scopes: token.scopes.clone(),
        expires_at: token.expires_at,
        data_access_expires_at: token.data_access_expires_at,
        valid: flaw.is_none(),
        subcode: flaw.and_then(|flaw| flaw.subcode),
    }
}
