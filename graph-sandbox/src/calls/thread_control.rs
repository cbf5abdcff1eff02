//! `POST /{page-id}/*_thread_control` and `GET /{page-id}/thread_owner`.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::call::Call;
use super::conversation::{commit, messaging_page, recipient, refused, thread};
use crate::id::Id;
use crate::messaging::{Desk, Outcome, Refusal, Sight, number};
use crate::protocol::GraphError;
use crate::world::{Thread, WEEK};

/// Gives the thread to another app.
pub(super) fn pass(call: &Call) -> Result<Value, GraphError> {
    let target = call.params.get("target_app_id").map(str::to_owned);
    change(call, |desk, thread, app| {
        let target = target.map(|target| target.parse::<Id>().map_err(|_| Refusal::UnknownApp)).transpose()?;
        desk.pass(thread, app, target.as_ref(), call.params.get("metadata"))
    })
}

/// Takes the thread.
pub(super) fn take(call: &Call) -> Result<Value, GraphError> {
    change(call, |desk, thread, app| desk.take(thread, app, call.params.get("metadata")))
}

/// Lets go of the thread.
pub(super) fn release(call: &Call) -> Result<Value, GraphError> {
    change(call, |desk, thread, app| desk.release(thread, app))
}

/// Asks for the thread.
pub(super) fn request(call: &Call) -> Result<Value, GraphError> {
    change(call, |desk, thread, app| desk.request(thread, app, call.params.get("metadata")))
}

/// Keeps the thread for longer.
pub(super) fn extend(call: &Call) -> Result<Value, GraphError> {
    let longest = WEEK.as_secs();
    let seconds =
        call.params.required("duration")?.parse::<i64>().ok().filter(|seconds| (1..=longest).contains(seconds));
    let Some(seconds) = seconds else {
        return Err(GraphError::parameter(format_args!("Param duration must be a number from 1 to {longest}")));
    };
    change(call, |desk, thread, app| desk.extend(thread, app, SignedDuration::from_secs(seconds)))
}

fn change(
    call: &Call,
    act: impl FnOnce(&Desk<'_>, Thread, &Id) -> Result<Outcome, Refusal>,
) -> Result<Value, GraphError> {
    let mut world = call.core.world.lock();
    let (page, token) = messaging_page(call, &world)?;
    let psid = recipient(call)?;
    let desk = Desk::new(page, &world.switches, call.now);
    let thread = thread(&desk, &psid, &world.switches)?;
    let outcome = act(&desk, thread, &token.app).map_err(|refusal| refused(refusal, &world.switches))?;
    let page = page.id.clone();
    Ok(commit(call, &mut world, &page, outcome))
}

/// Tells who owns the thread, as far as the caller may know.
pub(super) fn owner(call: &Call) -> Result<Value, GraphError> {
    let world = call.core.world.lock();
    let (page, token) = messaging_page(call, &world)?;
    let text = call.params.required("recipient")?;
    let psid = if text.trim_start().starts_with('{') { recipient(call)? } else { text.to_owned() };
    let desk = Desk::new(page, &world.switches, call.now);
    let thread = thread(&desk, &psid, &world.switches)?;
    let owner = match desk.sight(&thread, &token.app) {
        Sight::Owner(app, until) => json!({"app_id": number(&app), "expiration": until.as_second()}),
        Sight::Expiration(until) => json!({"expiration": until.as_second()}),
        Sight::Nothing => return Ok(json!({"data": []})),
    };
    Ok(json!({"data": [{"thread_owner": owner}]}))
}
