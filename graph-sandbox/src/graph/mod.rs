//! The Graph API: from an HTTP request to an answer, in the order Graph takes things.

pub(crate) mod auth;
pub(crate) mod error;
pub(crate) mod fields;
mod params;
mod reply;
mod request;
mod route;
pub(crate) mod version;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::Value;

pub(crate) use error::GraphError;
pub(crate) use params::Params;
pub(crate) use reply::{Effect, Reply};
pub(crate) use request::GraphRequest;
pub use request::TokenPlace;
pub(crate) use route::{Node, Route};

use crate::calls::{self, Call, OpenCall};
use crate::core::Core;
use crate::faults::{FaultEffect, FaultError};
use crate::ledger::note;
use version::Version;

/// Answers one request and enters it into the ledger.
pub(crate) async fn handle(core: &Arc<Core>, request: GraphRequest) -> Effect {
    let now = core.clock.now();
    let (destination, entry, subject) = {
        let mut world = core.world.lock();
        world.end_grace(now);
        let destination = route::find(&world, &request);
        let (entry, subject) = note(&world, now, &request, destination.as_ref().ok());
        (destination, entry, subject)
    };
    let seq = core.ledger.open(entry);
    let fault = core.faults.strike(&subject);
    if let Some(fault) = &fault {
        core.ledger.amend(seq, |entry| entry.fault = Some(fault.name().to_owned()));
    }
    let effect = answer(core, request, destination, fault, Entry { seq, now }).await;
    if let Effect::Reply(reply) = &effect {
        core.ledger.amend(seq, |entry| {
            entry.status = Some(reply.status);
            entry.code = reply.error.as_ref().map(|error| error.code);
            entry.subcode = reply.error.as_ref().and_then(|error| error.subcode);
        });
        let code = reply.error.as_ref().map(|error| error.code);
        tracing::debug!(seq, template = subject.template, status = reply.status, code, "answered");
    }
    effect
}

/// The ledger entry of a request, and the moment it arrived.
#[derive(Clone, Copy)]
struct Entry {
    seq: u64,
    now: Timestamp,
}

async fn answer(
    core: &Arc<Core>,
    request: GraphRequest,
    destination: Result<(Route, Node), GraphError>,
    fault: Option<FaultEffect>,
    entry: Entry,
) -> Effect {
    let mut without_effect = false;
    match &fault {
        Some(FaultEffect::Hang) => {
            core.stopping.cancelled().await;
            return Effect::Reset;
        }
        Some(FaultEffect::Reset) => return Effect::Reset,
        Some(FaultEffect::Slow { ms }) => {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(*ms)) => {}
                () = core.stopping.cancelled() => return Effect::Reset,
            }
        }
        Some(FaultEffect::Status { code, body }) => {
            return Effect::Reply(Reply::verbatim(*code, body));
        }
        Some(FaultEffect::Html) => return Effect::Reply(Reply::html()),
        Some(FaultEffect::GraphError(error)) => {
            return Effect::Reply(Reply::error(injected(error, &request), None));
        }
        Some(FaultEffect::SuccessWithoutEffect) => without_effect = true,
        Some(FaultEffect::Truncated) | None => {}
    }
    let mut reply = serve(core, request, destination, without_effect, entry).await;
    if fault == Some(FaultEffect::Truncated) {
        reply.truncate();
    }
    Effect::Reply(reply)
}

fn injected(fault: &FaultError, request: &GraphRequest) -> GraphError {
    let mut message = fault.message.clone();
    if let Some((token, _)) = request.token.as_ref().filter(|_| fault.echo_token) {
        message = format!("{message} {}", token.expose_secret());
    }
    let mut error = GraphError::new(fault.code, message).status(fault.status);
    error.subcode = fault.subcode;
    error.is_transient = fault.is_transient;
    error
}

async fn serve(
    core: &Arc<Core>,
    request: GraphRequest,
    destination: Result<(Route, Node), GraphError>,
    without_effect: bool,
    entry: Entry,
) -> Reply {
    let version = {
        let world = core.world.lock();
        Version::effective(request.version, &request.rest(), &world.switches, entry.now)
    };
    let version = match version {
        Ok(version) => version,
        Err(error) => return Reply::error(error, None),
    };
    if matches!(destination, Ok((Route::LoginDialog, _))) {
        return calls::login_dialog::serve(core, request, version, without_effect, entry.now);
    }
    match carry_out(core, request, destination, version, without_effect, entry).await {
        Ok(body) => Reply::json(body, version),
        Err(error) => Reply::error(error, Some(version)),
    }
}

async fn carry_out(
    core: &Arc<Core>,
    request: GraphRequest,
    destination: Result<(Route, Node), GraphError>,
    version: Version,
    without_effect: bool,
    entry: Entry,
) -> Result<Value, GraphError> {
    if let Some(error) = request.unreadable {
        return Err(error);
    }
    let route = destination.as_ref().ok().map(|(route, _)| *route);
    if let Some(route) = route.filter(|route| route.is_open()) {
        let call = OpenCall {
            core: Arc::clone(core),
            now: entry.now,
            method: request.method,
            params: request.params,
            token: request.token.map(|(text, _)| text),
            proof: request.proof,
            without_effect,
        };
        return calls::dispatch_open(route, &call);
    }
    if request.token.is_none() && route == Some(Route::DebugToken) {
        return Err(calls::debug_token::bad_caller());
    }
    let token = request.token.as_ref().map(|(text, _)| text.expose_secret());
    let caller = {
        let world = core.world.lock();
        auth::authenticate(&world, entry.now, token, request.proof.as_deref())?
    };
    let (route, node) = destination?;
    let call = Call {
        core: Arc::clone(core),
        now: entry.now,
        seq: entry.seq,
        caller,
        node,
        version,
        method: request.method,
        url: request.url,
        params: request.params,
        segments: request.segments,
        without_effect,
    };
    calls::dispatch(route, call).await
}
