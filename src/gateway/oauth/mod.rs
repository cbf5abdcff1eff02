//! Reauthorizing in the browser: a long-lived user token cannot be renewed without its person.
//!
//! 1. `start`: a constant page without secrets shows what is requested. Only a click starts the flow: it mints a state, keeps
//!    it in the browser's cookie and sends the person to Meta's login dialog.
//! 2. `callback`: where Meta sends the person back. It checks the state, reads what Meta says (`authorization_response`),
//!    exchanges the code, checks what was granted (`candidate`), and leads away at once, so that neither code nor state stays
//!    in the address bar or history.
//! 3. `confirm`: shows the result. Only when the person agrees there is the token put into the inbox (`inbox`), from which the
//!    operator takes it. A result that is not sufficient ends in `pages::refusals`.
//!
//! The browser keeps the state between the steps, in a cookie for each flow (`cookie`) that is sealed with a key derived from
//! the app secret (`seal`). So any replica can continue where another one started, a click leaves nothing in a cluster that the
//! whole Internet could fill, and the gateway needs no right to read what it stored. A cookie cannot forget, so an object named
//! by the hash of a state makes sure that the state is used once: only one of many can create it.
//!
//! # Authorizing again in a browser
//!
//! `gateway/oauth`: `start.rs`, `callback.rs` and `confirm.rs` are the three steps; `pages/mod.rs` and `pages/refusals.rs` are
//! what people see; `authorization_response.rs` reads what the login dialog brings back. The browser keeps the state between
//! them, sealed and in a cookie for each flow (`seal.rs`, `flow.rs`, `cookie.rs`). The gateway may only create Secrets in the
//! release's namespace, and creating one under a given name is what limits a state to one use. How often a client comes back is
//! bounded for each client separately (`returning.rs`). A code that comes to another browser is discarded after the answer was
//! sent (`discard.rs`). What someone agreed to use becomes an inbox message (`api/inbox.rs`) for the operator. The operator
//! watches the inbox (`meta_grant/inbox.rs`), judges the token as a rival of the one in use, just like a new source token
//! (`meta_grant/decide/token.rs`: `is_accepted`), and then discards it. In `meta_grant/messages.rs`, refusals become Events,
//! and old messages are deleted. Problems of the application are reported on the MetaApp (`messages/trouble.rs`), and their
//! messages stay for an hour under their own name, so that each is reported once.

mod app;
mod authorization_response;
mod callback;
mod candidate;
mod confirm;
mod cookie;
mod discard;
mod flow;
mod grants;
mod http;
mod inbox;
mod pages;
mod paths;
mod pkce;
mod redeem;
mod returning;
mod seal;
mod session;
mod start;
mod state;
mod unsolicited_codes;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;

pub(super) use grants::Grants;
pub(super) use state::{OAuth, OAuthConfig};

/// The largest form that is read: ours has two short fields.
const LARGEST_FORM: usize = 1024;

/// The routes, for the public listener.
pub(super) fn routes(oauth: Arc<OAuth>) -> Router {
    Router::new()
        .route(paths::START, get(start::show).post(start::begin))
        .route(paths::CALLBACK, get(callback::callback))
        .route(paths::CONFIRM, get(confirm::show).post(confirm::decide).layer(DefaultBodyLimit::max(LARGEST_FORM)))
        .route(paths::OTHER_BROWSER, get(confirm::other_browser))
        .with_state(oauth)
}
