//! What the calls about conversations share.

use serde_json::{Value, json};

use super::call::{Call, need_scope, need_task};
use crate::id::Id;
use crate::messaging::{Desk, Outcome, Refusal};
use crate::protocol::GraphError;
use crate::seed::Task;
use crate::switches::{RequestWithRouting, Switches, TakeWithoutSwitch};
use crate::world::{Page, Thread, Token, World};

/// The page in the path, for a call that takes what messaging takes.
pub(super) fn messaging_page<'w>(call: &'w Call, world: &'w World) -> Result<(&'w Page, &'w Token), GraphError> {
    let (page, token) = call.own_page(world)?;
    need_scope(token, "pages_messaging", &page.id)?;
    need_task(page, token, &[Task::Messaging])?;
    Ok((page, token))
}

/// The id in the parameter `recipient`: `{"id": "…"}`.
pub(super) fn recipient(call: &Call) -> Result<String, GraphError> {
    let text = call.params.required("recipient")?;
    let parsed: Option<Value> = serde_json::from_str(text).ok();
    match parsed.as_ref().and_then(|recipient| recipient.get("id")) {
        Some(Value::String(id)) => Ok(id.clone()),
        Some(Value::Number(id)) => Ok(id.to_string()),
        _ => Err(GraphError::parameter("Param recipient must be an object with an id")),
    }
}

/// The thread with this person.
pub(super) fn thread(desk: &Desk<'_>, psid: &str, switches: &Switches) -> Result<Thread, GraphError> {
    let found = psid.parse::<Id>().map_err(|_| Refusal::UnknownRecipient).and_then(|psid| desk.thread(&psid));
    found.map_err(|refusal| refused(refusal, switches))
}

/// Meta's error for a refused act.
pub(super) fn refused(refusal: Refusal, switches: &Switches) -> GraphError {
    let (code, subcode) = match refusal {
        Refusal::UnknownRecipient => (100, Some(2_018_001)),
        Refusal::UnknownApp => (100, Some(2_018_164)),
        Refusal::SendByStranger => (10, Some(2_018_300)),
        Refusal::RoutingOff => (27, None),
        Refusal::NoTakeSwitch => match switches.take_without_switch {
            TakeWithoutSwitch::Code10 => (10, None),
            TakeWithoutSwitch::Code100 => (100, None),
            TakeWithoutSwitch::Code200 => (200, None),
        },
        Refusal::RoutingOn if switches.request_with_routing == RequestWithRouting::Code10 => (10, None),
        Refusal::RoutingOn
        | Refusal::PassByStranger
        | Refusal::ReleaseByStranger
        | Refusal::ExtendByStranger
        | Refusal::NoTarget => (100, None),
    };
    let mut error = GraphError::new(code, format!("(#{code}) {refusal}"));
    error.subcode = subcode;
    if code == 200 { error.status(403) } else { error }
}

/// Makes an act so, unless a fault wants the call to have no effect.
pub(super) fn commit(call: &Call, world: &mut World, page: &Id, outcome: Outcome) -> Value {
    call.commit(world, |world| outcome.apply(&call.core.outbox, world, page));
    json!({"success": true})
}
