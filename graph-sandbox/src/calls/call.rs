//! What a call has at hand, and what many calls check.

use std::sync::Arc;

use axum::http::Method;
use jiff::Timestamp;

use crate::auth::Caller;
use crate::core::Core;
use crate::faults::CallbackAnswer;
use crate::id::Id;
use crate::protocol::{GraphError, Node, Params, Version};
use crate::seed::{Task, TokenKind};
use crate::switches::AppEdgeWrongToken;
use crate::world::{Actor, App, Page, Token, World};

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
    /// The `fields` without the edges among them, if there are any.
    pub(crate) own_fields: Option<String>,
    pub(crate) proof: Option<String>,
    /// Scheme, host and path of the request.
    pub(crate) url: String,
    /// The path behind the version.
    pub(crate) segments: Vec<String>,
    /// A fault wants it to succeed without changing anything.
    pub(crate) without_effect: bool,
    /// A fault answers in place of the callback.
    pub(crate) callback_answer: Option<CallbackAnswer>,
}

impl Call {
    /// The refusal Graph uses when it does not want to say whether the object exists.
    pub(crate) fn unsupported(&self) -> GraphError {
        GraphError::unsupported(self.method.as_str(), self.node.id().unwrap_or("debug_token"))
    }

    /// Changes the world, unless a fault wants the call to have no effect.
    pub(crate) fn commit(&self, world: &mut World, change: impl FnOnce(&mut World)) {
        if !self.without_effect {
            change(world);
        }
    }

    /// The app in the path, if it is the app of the token.
    pub(crate) fn visible_app<'w>(&self, world: &'w World) -> Result<&'w App, GraphError> {
        match &self.node {
            Node::App(id) if id == self.caller.app() => world.apps.get(id).ok_or_else(|| self.unsupported()),
            _ => Err(self.unsupported()),
        }
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

    /// The person or system user in the path, for a call with a token of their own.
    pub(crate) fn own_actor<'w>(&self, world: &'w World) -> Result<(&'w Actor, &Token), GraphError> {
        match (&self.node, &self.caller) {
            (Node::Actor(id), Caller::Issued(token))
                if token.kind != TokenKind::Page && token.user.as_ref() == Some(id) =>
            {
                let actor = world.actors.get(id).ok_or_else(|| self.unsupported())?;
                Ok((actor, token))
            }
            _ => Err(self.unsupported()),
        }
    }

    /// The page in the path, if it is visible at all.
    pub(crate) fn visible_page<'w>(&self, world: &'w World) -> Result<&'w Page, GraphError> {
        let page = self.node.page().and_then(|id| world.pages.get(id));
        page.filter(|page| page.is_visible()).ok_or_else(|| self.unsupported())
    }

    /// The selected fields, other than edges.
    pub(crate) fn fields(&self) -> Option<&str> {
        self.own_fields.as_deref().or(self.params.get("fields"))
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
    Err(GraphError::missing_scope(scope))
}

/// Refuses a token whose person holds none of these tasks on the page.
pub(crate) fn need_task(page: &Page, token: &Token, tasks: &[Task]) -> Result<(), GraphError> {
    if page.has_task(token.user.as_ref(), tasks) {
        return Ok(());
    }
    Err(GraphError::permission(
        "User does not have sufficient administrative permission for this action on this page. If the page \
         business requires Two Factor Authentication, the user also needs to enable Two Factor Authentication.",
    ))
}
