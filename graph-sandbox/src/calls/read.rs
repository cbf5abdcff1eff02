//! Reading: the call behind each node and edge.

use serde_json::Value;

use super::call::Call;
use super::{
    actor, actor_accounts, actor_permissions, app, app_permissions, app_roles, app_subscriptions, business,
    conversations, debug_token, message, messenger_profile, page, page_roles, page_subscribed_apps, personas, profile,
    secondary_receivers, thread_control,
};
use crate::protocol::{GraphError, Route};

/// Reads a node or an edge.
pub(super) fn read(route: Route, call: &Call) -> Result<Value, GraphError> {
    match route {
        Route::DebugToken => debug_token::get(call),
        Route::App => app::get(call),
        Route::AppPermissions => app_permissions::get(call),
        Route::AppSubscriptions => app_subscriptions::get(call),
        Route::AppRoles => app_roles::get(call),
        Route::Actor => actor::get(call),
        Route::ActorAccounts => actor_accounts::get(call),
        Route::ActorPermissions => actor_permissions::get(call),
        Route::Business => business::get(call),
        Route::PageRoles => page_roles::get(call),
        Route::Page => page::get(call),
        Route::PageSubscribedApps => page_subscribed_apps::get(call),
        Route::PageConversations => conversations::get(call),
        Route::PageMessengerProfile => messenger_profile::get(call),
        Route::PageSecondaryReceivers => secondary_receivers::get(call),
        Route::PageThreadOwner => thread_control::owner(call),
        Route::PagePersonas => personas::list(call),
        Route::Conversation => conversations::one(call),
        Route::ConversationMessages => message::list(call),
        Route::Message => message::get(call),
        Route::Profile => profile::get(call),
        Route::Persona => personas::get(call),
        _ => Err(call.unsupported()),
    }
}
