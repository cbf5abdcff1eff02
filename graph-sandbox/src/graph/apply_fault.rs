//! What faults do to a call.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;

use super::asked::Asked;
use super::{charge, serve};
use crate::calls::login_dialog;
use crate::core::Core;
use crate::faults::{Edit, FaultEffect, FaultError, ForeignWrite, OneOrMore, Throttling, UsageReport};
use crate::foreign::Target;
use crate::id::Id;
use crate::protocol::{Effect, GraphError, GraphRequest, Node, Params, Reply, Route};

/// How long a batch waits for an operation before it gives it up.
const OPERATION_LIMIT: Duration = Duration::from_secs(20);

/// Answers a call as the fault that strikes it wants.
pub(super) async fn answer(core: &Arc<Core>, mut asked: Asked, fault: Option<FaultEffect>) -> Effect {
    let Some(fault) = fault else {
        return Effect::Reply(serve(core, asked).await);
    };
    let batched = asked.request.batch.is_some();
    match &fault {
        FaultEffect::Null => return Effect::Unfinished,
        FaultEffect::Hang | FaultEffect::Reset if batched => return Effect::Unfinished,
        FaultEffect::Hang => {
            core.stopping.cancelled().await;
            return Effect::Reset;
        }
        FaultEffect::Reset => return Effect::Reset,
        FaultEffect::Slow { ms } => {
            if let Some(instead) = wait(core, Duration::from_millis(*ms), batched).await {
                return instead;
            }
        }
        FaultEffect::Status { code, body, echo_token } => {
            let body = if *echo_token { with_token(body, &asked.request) } else { body.clone() };
            return Effect::Reply(Reply::verbatim(*code, &body));
        }
        FaultEffect::Html => return Effect::Reply(Reply::html()),
        FaultEffect::GraphError(error) => {
            return Effect::Reply(Reply::error(injected(error, &asked.request), None));
        }
        FaultEffect::Throttle(throttling) => return Effect::Reply(throttled(core, &asked, throttling)),
        FaultEffect::SendBack(parameters) => {
            return Effect::Reply(login_dialog::send_back(core, &asked.request, parameters));
        }
        FaultEffect::SuccessWithoutEffect => asked.without_effect = true,
        FaultEffect::Callback(answer) => asked.callback_answer = Some(answer.clone()),
        FaultEffect::Truncated
        | FaultEffect::Headers(_)
        | FaultEffect::Usage(_)
        | FaultEffect::Overwrite(_)
        | FaultEffect::Edit(_) => {}
    }
    let after = After::of(core, &asked, fault);
    let mut reply = serve(core, asked).await;
    after.apply(core, &mut reply);
    Effect::Reply(reply)
}

/// Waits; gives what becomes of the call if it is not carried out after that.
async fn wait(core: &Core, span: Duration, batched: bool) -> Option<Effect> {
    let given_up = batched && span > OPERATION_LIMIT;
    tokio::select! {
        () = tokio::time::sleep(if given_up { OPERATION_LIMIT } else { span }) => given_up.then_some(Effect::Unfinished),
        () = core.stopping.cancelled() => Some(Effect::Reset),
    }
}

/// What remains to be done once there is an answer.
enum After {
    Nothing,
    Truncate,
    AddHeaders(HeaderMap),
    Overwrite(ForeignWrite, Target),
    Edit(OneOrMore<Edit>, Params),
}

impl After {
    fn of(core: &Core, asked: &Asked, fault: FaultEffect) -> Self {
        match fault {
            FaultEffect::Truncated => Self::Truncate,
            FaultEffect::Headers(headers) => Self::AddHeaders(read_headers(&headers)),
            FaultEffect::Usage(report) => Self::AddHeaders(reported(core, asked, &report)),
            FaultEffect::Overwrite(write) => match target(core, asked) {
                Some(target) => Self::Overwrite(write, target),
                None => Self::Nothing,
            },
            FaultEffect::Edit(edits) => Self::Edit(edits, asked.request.params.clone()),
            _ => Self::Nothing,
        }
    }

    fn apply(self, core: &Core, reply: &mut Reply) {
        match self {
            Self::Nothing => {}
            Self::Truncate => reply.truncate(),
            Self::AddHeaders(headers) => reply.headers.extend(headers),
            Self::Overwrite(write, target) => {
                if reply.error.is_none() {
                    core.foreign.add(core.clock.now(), write, target);
                    drop(core.world_now());
                }
            }
            Self::Edit(edits, params) => {
                if reply.error.is_none() {
                    reply.edit(|answer| {
                        let parameter = |name: &str| params.get(name).map(str::to_owned);
                        edits.as_slice().iter().for_each(|edit| edit.apply(answer, &parameter));
                    });
                }
            }
        }
    }
}

fn read_headers(headers: &BTreeMap<String, String>) -> HeaderMap {
    let read = |(name, value): (&String, &String)| {
        Some((HeaderName::try_from(name.as_str()).ok()?, HeaderValue::try_from(value.as_str()).ok()?))
    };
    headers.iter().filter_map(read).collect()
}

fn injected(fault: &FaultError, request: &GraphRequest) -> GraphError {
    let message = if fault.echo_token { with_token(&fault.message, request) } else { fault.message.clone() };
    let mut error = GraphError::new(fault.code, message).status(fault.status);
    error.subcode = fault.subcode;
    error.is_transient = fault.is_transient;
    error.user = fault.user.clone().map(Box::new);
    error
}

fn with_token(text: &str, request: &GraphRequest) -> String {
    match &request.token {
        Some((token, _)) => format!("{text} {}", token.expose_secret()),
        None => text.to_owned(),
    }
}

fn throttled(core: &Core, asked: &Asked, throttling: &Throttling) -> Reply {
    let report = UsageReport { percent: throttling.percent, minutes: throttling.minutes, kind: None };
    let bill = charge::bill_of_request(&core.world.lock(), asked);
    let code = throttling.code.or_else(|| bill.as_ref().map(charge::Bill::code)).unwrap_or(4);
    let mut reply = Reply::error(GraphError::throttled(code), None);
    reply.headers.extend(bill.map(|bill| bill.reported(&report)));
    reply
}

fn reported(core: &Core, asked: &Asked, report: &UsageReport) -> HeaderMap {
    let bill = charge::bill_of_request(&core.world.lock(), asked);
    bill.map(|bill| bill.reported(report)).into_iter().collect()
}

/// The subscription a call writes.
fn target(core: &Core, asked: &Asked) -> Option<Target> {
    match asked.destination.as_ref().ok()? {
        (Route::AppSubscriptions, Node::App(app)) => {
            let object = asked.request.params.get("object").unwrap_or("page");
            Some(Target::App { app: app.clone(), object: object.to_owned() })
        }
        (Route::PageSubscribedApps, Node::Page(page)) => {
            let app: Id = charge::app_of_request(&core.world.lock(), asked)?;
            Some(Target::Page { page: page.clone(), app })
        }
        _ => None,
    }
}
