//! Reauthorizing in the browser: a long user token cannot be renewed without its person.
//!
//! 1. `start`: a constant page without secrets says what is asked for. Only a click begins: it mints a state, keeps it
//!    in the browser's cookie and sends the person to Meta's login dialog.
//! 2. `callback`: where Meta sends the person back to. It checks the state, reads what Meta says (`authorization_response`), exchanges the
//!    code, looks at what was granted (`candidate`), and leads away at once, so that neither code nor state stays in address
//!    bar or history.
//! 3. `confirm`: says what became of it. Only when the person agrees there, the token is put into the inbox (`inbox`),
//!    from which the operator takes it. What does not do ends in `pages::refusals`.
//!
//! What lies between the steps is kept by the browser, in a cookie for each flow (`cookie`) that is sealed with a key derived from the app secret
//! (`seal`). So any replica can go on where another one began, a click leaves nothing in a cluster that the whole Internet
//! could fill, and the gateway needs no right to read what it stored. What a cookie cannot do is to forget: that a state
//! is used once is ensured by creating an object named by its hash, since only one of many can create it.
//!
//! # Authorizing again in a browser
//!
//! `gateway/oauth`: `start.rs`, `callback.rs` and `confirm.rs` are the three steps, `pages.rs` and `pages/refusals.rs` what people see; `authorization_response.rs` reads
//! what the login dialog brings back. The browser keeps what lies between them, sealed and in a cookie for each flow (`seal.rs`, `flow.rs`, `cookie.rs`); the gateway may only create Secrets in the release's namespace, and creating one of a name is what makes a
//! state good for once. How often a client comes back is bounded for each apart (`returning.rs`). A code that comes to another browser is thrown away behind the answer (`discard.rs`). What someone agreed to use is mail (`api/inbox.rs`) for the operator, which watches the inbox (`meta_grant/inbox.rs`),
//! judges a token as a rival of the one in use, as it judges a new source token (`meta_grant/decide/token.rs`: `is_accepted`), and throws it away
//! then. Refusals become Events, and old messages go, in `meta_grant/messages.rs`; what is wrong with the application is told on the MetaApp (`messages/trouble.rs`), and its
//! mail stays for an hour under a name of its own, so that it is told once.

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
