//! The simulated calls, one file each.

pub(crate) mod app;
pub(crate) mod app_fields;
mod app_permissions;
mod app_subscriptions;
pub(crate) mod debug_token;
mod page;
pub(crate) mod page_fields;
mod page_subscribed_apps;
mod select;
mod webhook_fields;

use std::sync::Arc;

use axum::http::Method;
use jiff::Timestamp;
use serde_json::Value;

use crate::core::Core;
use crate::graph::auth::Caller;
use crate::graph::version::Version;
use crate::graph::{GraphError, Node, Params, Route};
use crate::id::Id;
use crate::seed::TokenKind;
use crate::switches::AppEdgeWrongToken;
use crate::world::{App, Page, Token, World};

/// A call whose token and proof were accepted.
pub(crate) struct Call {
    pub(crate) core: Arc<Core>,
    pub(crate) now: Timestamp,
    /// Its number in the ledger.
    pub(crate) seq: u64,
    pub(crate) caller: Caller,
    pub(crate) node: Node,
    pub(crate) version: Version,
    pub(crate) method: Method,
    pub(crate) params: Params,
    /// A fault wants it to succeed without changing anything.
    pub(crate) without_effect: bool,
}

/// Carries a call out.
pub(crate) async fn dispatch(route: Route, call: Call) -> Result<Value, GraphError> {
    match (route, call.method.as_str()) {
        (Route::DebugToken, "GET") => debug_token::get(&call),
        (Route::App, "GET") => app::get(&call),
        (Route::AppPermissions, "GET") => app_permissions::get(&call),
        (Route::AppSubscriptions, "GET") => app_subscriptions::get(&call),
        (Route::AppSubscriptions, "POST") => app_subscriptions::post(&call).await,
        (Route::AppSubscriptions, "DELETE") => app_subscriptions::delete(&call),
        (Route::Page, "GET") => page::get(&call),
        (Route::PageSubscribedApps, "GET") => page_subscribed_apps::get(&call),
        (Route::PageSubscribedApps, "POST") => page_subscribed_apps::post(&call),
        (Route::PageSubscribedApps, "DELETE") => page_subscribed_apps::delete(&call),
        _ => Err(call.unsupported()),
    }
}

impl Call {
    /// The refusal Graph uses when it does not want to say whether the object exists.
    pub(crate) fn unsupported(&self) -> GraphError {
        GraphError::unsupported(self.method.as_str(), self.node.id().map_or("debug_token", Id::as_str))
    }

    /// Changes the world, unless a fault wants the call to have no effect.
    pub(crate) fn commit(&self, world: &mut World, change: impl FnOnce(&mut World)) {
        if !self.without_effect {
            change(world);
        }
    }

    /// The app in the path, if it is the app of the token.
    pub(crate) fn visible_app<'w>(&self, world: &'w World) -> Result<&'w App, GraphError> {
        let own = self.node.id().filter(|id| *id == self.caller.app());
        own.and_then(|id| world.apps.get(id)).ok_or_else(|| self.unsupported())
    }

    /// The app in the path, for a call that needs that app's own token.
    pub(crate) fn own_app<'w>(&self, world: &'w World) -> Result<&'w App, GraphError> {
        let app = self.visible_app(world)?;
        match &self.caller {
            Caller::App(_) => Ok(app),
            Caller::Issued(_) => Err(match world.switches.app_edge_wrong_token {
                AppEdgeWrongToken::Code15 => GraphError::needs_app_token(),
                AppEdgeWrongToken::Code190 => GraphError::new(190, "(#190) Application Secret required"),
            }),
        }
    }

    /// The page in the path, if it is visible at all.
    pub(crate) fn visible_page<'w>(&self, world: &'w World) -> Result<&'w Page, GraphError> {
        let Node::Page(id) = &self.node else {
            return Err(self.unsupported());
        };
        world.pages.get(id).filter(|page| !page.restricted).ok_or_else(|| self.unsupported())
    }

    /// The page in the path and the token, for a call that needs that page's own token.
    pub(crate) fn own_page<'w>(&self, world: &'w World) -> Result<(&'w Page, &Token), GraphError> {
        let page = self.visible_page(world)?;
        match &self.caller {
            Caller::Issued(token) if token.kind == TokenKind::Page => {
                if token.page.as_ref() == Some(&page.id) {
                    Ok((page, token))
                } else {
                    Err(self.unsupported())
                }
            }
            _ => Err(GraphError::needs_page_token()),
        }
    }
}

/// Refuses a token without this scope for this page.
pub(crate) fn need_scope(token: &Token, scope: &str, page: &Id) -> Result<(), GraphError> {
    if token.grants(scope, page) {
        return Ok(());
    }
    Err(GraphError::permission(format_args!("Requires {scope} permission to manage the object.")))
}
