//! The simulated calls, one file each.

mod actor;
mod actor_accounts;
mod actor_permissions;
pub(crate) mod app;
mod app_permissions;
mod app_roles;
mod app_subscriptions;
mod attachments;
mod business;
mod call;
mod conversation;
mod conversations;
mod date_format;
pub(crate) mod debug_token;
mod expand;
pub(crate) mod login_dialog;
mod message;
mod messages;
mod messenger_profile;
mod oauth;
mod oauth_access_token;
mod page;
mod page_roles;
mod page_subscribed_apps;
mod page_values;
mod paging;
mod personas;
mod profile;
mod read;
mod secondary_receivers;
mod select;
mod system_user;
mod thread_control;

use serde_json::Value;

pub(crate) use call::Call;
pub(crate) use oauth::OpenCall;
pub(crate) use paging::USUAL_ROWS;

use crate::protocol::{GraphError, Route};

/// Carries a call out.
pub(crate) async fn dispatch(route: Route, call: Call) -> Result<Value, GraphError> {
    match (route, call.method.as_str()) {
        (_, "GET") => expand::read(route, call),
        (Route::AppSubscriptions, "POST") => app_subscriptions::post(&call).await,
        (Route::AppSubscriptions, "DELETE") => app_subscriptions::delete(&call),
        (Route::ActorPermissions, "DELETE") => actor_permissions::delete_all(&call),
        (Route::ActorPermission, "DELETE") => actor_permissions::delete_one(&call),
        (Route::SystemUserAccessTokens, "POST") => system_user::new_token(&call),
        (Route::SystemUserAccessTokens, "DELETE") => system_user::delete_tokens(&call),
        (Route::SystemUserApplications, "POST") => system_user::install_app(&call),
        (Route::BusinessSystemUserAccessTokens, "POST") => system_user::new_token_through_business(&call),
        (Route::PageSubscribedApps, "POST") => page_subscribed_apps::post(&call),
        (Route::PageSubscribedApps, "DELETE") => page_subscribed_apps::delete(&call),
        (Route::PageMessages, "POST") => messages::post(&call),
        (Route::PageMessageAttachments, "POST") => attachments::post(&call),
        (Route::PagePersonas, "POST") => personas::post(&call),
        (Route::Persona, "DELETE") => personas::delete(&call),
        (Route::PageMessengerProfile, "POST") => messenger_profile::post(&call),
        (Route::PageMessengerProfile, "DELETE") => messenger_profile::delete(&call),
        (Route::PassThreadControl, "POST") => thread_control::pass(&call),
        (Route::TakeThreadControl, "POST") => thread_control::take(&call),
        (Route::ReleaseThreadControl, "POST") => thread_control::release(&call),
        (Route::RequestThreadControl, "POST") => thread_control::request(&call),
        (Route::ExtendThreadControl, "POST") => thread_control::extend(&call),
        _ => Err(call.unsupported()),
    }
}

/// Carries out a call without an accepted token.
pub(crate) fn dispatch_open(route: Route, call: &OpenCall) -> Result<Value, GraphError> {
    match (route, call.method.as_str()) {
        (Route::OauthAccessToken, "GET" | "POST") => oauth_access_token::exchange(call),
        (Route::OauthRevoke, "GET") => oauth::revoke(call),
        _ => Err(GraphError::unsupported(call.method.as_str(), "oauth")),
    }
}
