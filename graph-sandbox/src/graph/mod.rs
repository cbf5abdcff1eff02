//! The Graph API: from an HTTP request to an answer, in the order Graph takes things.

mod apply_fault;
mod asked;
mod batch;
mod charge;
mod ids;
mod note;
mod results;
mod route;

use std::sync::Arc;

use axum::http::{HeaderMap, Method};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::Value;

use self::asked::Asked;
use crate::auth;
use crate::calls::{self, Call, OpenCall};
use crate::core::Core;
use crate::protocol::{Effect, GraphError, GraphRequest, Reply, Route, Version, read_as_get};
use crate::switches::{BatchDebugToken, BatchToken, VersionHeader};

/// Answers one request, or one operation of a batch, and enters it into the ledger.
pub(crate) async fn handle(core: &Arc<Core>, request: GraphRequest) -> Effect {
    let (now, destination, entry, subject) = {
        let (world, now) = core.world_now();
        let destination = route::find(&world, &request);
        let (entry, subject) = note::note(&world, now, &request, destination.as_ref().ok());
        (now, destination, entry, subject)
    };
    let seq = core.ledger.open(entry);
    let fault = core.faults.strike(&subject);
    if let Some(fault) = &fault {
        core.ledger.amend(seq, |entry| entry.fault = Some(fault.name().to_owned()));
    }
    let asked = Asked { request, destination, seq, now, without_effect: false, callback_answer: None };
    let effect = apply_fault::answer(core, asked, fault).await;
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

async fn serve(core: &Arc<Core>, asked: Asked) -> Reply {
    if asked.request.method == Method::OPTIONS {
        return Reply::preflight();
    }
    let (version, version_header, token_error_status) = {
        let switches = &core.world.lock().switches;
        let version = Version::effective(asked.request.version, &asked.request.rest(), switches, asked.now);
        (version, switches.version_header, switches.token_error_status)
    };
    let version = match version {
        Ok(version) => version,
        Err(error) => return Reply::error(error, None),
    };
    if matches!(asked.destination, Ok((Route::LoginDialog, _))) {
        return calls::login_dialog::serve(core, asked.request, version, asked.without_effect, asked.now);
    }
    let always_200 = asked.request.params.flag("suppress_http_code") == Some(true);
    let mut usage = HeaderMap::new();
    let mut reply = match carry_out(core, asked, version, &mut usage).await {
        Ok(body) => Reply::json(body, version),
        Err(error) if error.code == 190 => Reply::error(auth::as_token_error(error, token_error_status), Some(version)),
        Err(error) => Reply::error(error, Some(version)),
    };
    reply.headers.extend(usage);
    if version_header == VersionHeader::Absent {
        reply.hide_version();
    }
    if always_200 {
        reply.status = 200;
    }
    reply
}

async fn carry_out(
    core: &Arc<Core>,
    asked: Asked,
    version: Version,
    usage: &mut HeaderMap,
) -> Result<Value, GraphError> {
    let Asked { request, destination, seq, now, without_effect, callback_answer } = asked;
    if let Some(error) = request.unreadable {
        return Err(error);
    }
    let route = destination.as_ref().ok().map(|(route, _)| *route);
    if let Some(route) = route.filter(|route| route.is_open()) {
        let call = OpenCall {
            core: Arc::clone(core),
            now,
            method: read_as_get(request.method),
            params: request.params,
            token: request.token.map(|(text, _)| text),
            proof: request.proof,
            without_effect,
        };
        return calls::dispatch_open(route, &call);
    }
    if route == Some(Route::Batch) {
        check_batch_token(core, &request, now)?;
        return batch::run(core, &request, seq).await;
    }
    if request.token.is_none() && route == Some(Route::DebugToken) {
        return Err(calls::debug_token::bad_caller());
    }
    let token = request.token.as_ref().map(|(text, _)| text.expose_secret());
    let caller = {
        let world = core.world.lock();
        auth::authenticate(&world, now, token, request.proof.as_deref())?
    };
    let (route, node) = destination?;
    if route == Route::Ids {
        let reading = ids::Reading { core, request: &request, caller: &caller, version, seq, now };
        return reading.run(usage).await;
    }
    charge::charge(core, charge::Billed { caller: &caller, route, node: &node }, now, usage)?;
    if route == Route::DebugToken && request.batch.is_some() {
        check_batched_debug_token(core, &request)?;
    }
    let call = Call {
        core: Arc::clone(core),
        now,
        seq,
        caller,
        node,
        version,
        method: read_as_get(request.method),
        url: request.url,
        params: request.params,
        own_fields: None,
        proof: request.proof,
        segments: request.segments,
        without_effect,
        callback_answer,
    };
    calls::dispatch(route, call).await
}

fn check_batch_token(core: &Core, request: &GraphRequest, now: Timestamp) -> Result<(), GraphError> {
    let world = core.world.lock();
    if world.switches.batch_token == BatchToken::Fallback {
        return Ok(());
    }
    let token = request.token.as_ref().map(|(text, _)| text.expose_secret());
    auth::authenticate(&world, now, token, request.proof.as_deref()).map(|_| ())
}

fn check_batched_debug_token(core: &Core, request: &GraphRequest) -> Result<(), GraphError> {
    match core.world.lock().switches.batch_debug_token {
        BatchDebugToken::Served => Ok(()),
        BatchDebugToken::Refused => Err(GraphError::unsupported(request.method.as_str(), "debug_token")),
    }
}
