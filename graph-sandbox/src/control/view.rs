//! The state as control calls show it, without secrets.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::auth::{Known, flaw};
use crate::core::Core;
use crate::seed::{Block, GranularScope, PermissionStatus, Reach, Task, TokenKind};
use crate::switches::Switches;
use crate::world::{App, Page, Thread, Token, World};

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
    /// Whether it was deleted.
    pub deleted: bool,
    /// When the secret before the last reset ends, if it is still good.
    pub previous_secret_until: Option<Timestamp>,
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
    /// Whether it was deleted.
    pub deleted: bool,
    /// Tasks by person; absent where everybody may do everything.
    pub tasks: Option<BTreeMap<String, Vec<Task>>>,
    /// Subscribed fields by app.
    pub subscriptions: BTreeMap<String, Vec<String>>,
    /// Conversation routing.
    pub routing: RoutingView,
    /// Threads by the person's id at this page.
    pub threads: BTreeMap<String, ThreadView>,
}

/// Conversation routing of a page.
#[derive(Clone, Debug, Serialize)]
pub struct RoutingView {
    /// The default app; without one routing is off.
    pub default_app: Option<String>,
    /// Apps with the switch "Take control of conversations".
    pub take_control: Vec<String>,
    /// Whether Meta bars the page from sending.
    pub barred_from_sending: bool,
}

/// A thread.
#[derive(Clone, Debug, Serialize)]
pub struct ThreadView {
    /// The person's name.
    pub name: String,
    /// The app that owns the thread at present.
    pub owner: Option<String>,
    /// When its ownership lapses.
    pub owner_until: Option<Timestamp>,
    /// When the person last wrote.
    pub last_message_at: Option<Timestamp>,
    /// How many messages it has.
    pub message_count: u64,
    /// Whether messages reach the person.
    pub reach: Reach,
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
    /// The token it was derived from, named as here.
    pub parent: Option<String>,
    /// Whether it is no short-lived one.
    pub long_lived: bool,
    /// Scopes.
    pub scopes: Vec<String>,
    /// Limits of single scopes.
    pub granular_scopes: Vec<GranularScope>,
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
        let (world, now) = self.world_now();
        StateView {
            now,
            switches: world.switches.clone(),
            apps: world.apps.iter().map(|(id, app)| (id.to_string(), view_app(app))).collect(),
            pages: world.pages.iter().map(|(id, page)| (id.to_string(), view_page(page, now))).collect(),
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
        deleted: app.deleted,
        previous_secret_until: app.previous_secret.as_ref().map(|(_, end)| *end),
        require_proof: app.require_proof,
        permissions: app.permissions.clone(),
        subscriptions: rows.collect(),
    }
}

fn view_thread(thread: &Thread, now: Timestamp) -> ThreadView {
    ThreadView {
        name: thread.name.clone(),
        owner: thread.owner(now).map(ToString::to_string),
        owner_until: thread.control(now).map(|control| control.until),
        last_message_at: thread.last_message_at,
        message_count: thread.message_count,
        reach: thread.reach,
    }
}

fn view_page(page: &Page, now: Timestamp) -> PageView {
    let messaging = &page.messaging;
    PageView {
        name: page.name.clone(),
        published: page.published,
        restricted: page.restricted,
        deleted: page.deleted,
        tasks: page.tasks.as_ref().map(|tasks| tasks.iter().map(|(id, held)| (id.to_string(), held.clone())).collect()),
        subscriptions: page.subscriptions.iter().map(|(app, row)| (app.to_string(), row.fields.clone())).collect(),
        routing: RoutingView {
            default_app: messaging.default_app.as_ref().map(ToString::to_string),
            take_control: messaging.take_control.iter().map(ToString::to_string).collect(),
            barred_from_sending: messaging.barred_from_sending,
        },
        threads: messaging.threads.iter().map(|(psid, thread)| (psid.to_string(), view_thread(thread, now))).collect(),
    }
}

fn view_token(world: &World, token: &Token, now: Timestamp) -> TokenView {
    let flaw = flaw(world, Known::Issued(token), now);
    TokenView {
        kind: token.kind,
        app: token.app.to_string(),
        user: token.user.as_ref().map(ToString::to_string),
        page: token.page.as_ref().map(ToString::to_string),
        parent: world.tokens.parent(token).map(Token::label),
        long_lived: token.long_lived,
        scopes: token.scopes.clone(),
        granular_scopes: token.granular_scopes.clone(),
        expires_at: token.expires_at,
        data_access_expires_at: token.data_access_expires_at,
        valid: flaw.is_none(),
        subcode: flaw.and_then(|flaw| flaw.subcode),
    }
}
