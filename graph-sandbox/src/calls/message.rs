//! `GET /{conversation-id}/messages` and `GET /{message-id}`.

use serde_json::{Value, json};

use super::call::Call;
use super::conversation::messaging_page;
use super::conversations::party;
use super::{date_format, paging, select};
use crate::protocol::GraphError;
use crate::protocol::fields::Selected;
use crate::switches::{AccountsPaging, OldMessages};
use crate::world::{Message, Page, Thread};

/// Those without a value here are never there.
const FIELDS: &[&str] = &[
    "attachments",
    "created_time",
    "from",
    "id",
    "is_unsupported",
    "message",
    "reactions",
    "reply_to",
    "shares",
    "sticker",
    "story",
    "tags",
    "thread_id",
    "to",
];
const DEFAULT: &[&str] = &["id", "created_time"];
/// How many rows a part has at most.
const MOST: usize = 500;
/// How many messages of a conversation can be read on their own.
const NEWEST: usize = 20;

/// Lists what was said in a conversation, the latest first.
pub(super) fn list(call: &Call) -> Result<Value, GraphError> {
    let world = call.core.world.lock();
    let (page, _) = messaging_page(call, &world)?;
    let thread = call.node.id().and_then(|id| page.messaging.conversation(id)).ok_or_else(|| call.unsupported())?;
    let selection = selection(call)?;
    let messages: Vec<&Message> = thread.messages.iter().rev().map(|message| &**message).collect();
    paging::page(call, MOST, &world.switches, AccountsPaging::Cursors, &messages, |message| {
        row(call, page, thread, message, &selection)
    })
}

/// Reads one message.
pub(super) fn get(call: &Call) -> Result<Value, GraphError> {
    let world = call.core.world.lock();
    let (page, _) = messaging_page(call, &world)?;
    let found = call.node.id().and_then(|id| page.messaging.message(id));
    let (thread, message) = found.ok_or_else(|| call.unsupported())?;
    let selection = selection(call)?;
    let is_new = thread.messages.iter().rev().take(NEWEST).any(|new| new.id == message.id);
    if !is_new && world.switches.old_messages == OldMessages::Refused {
        return Err(GraphError::parameter("This message has been deleted"));
    }
    row(call, page, thread, message, &selection)
}

fn selection(call: &Call) -> Result<Vec<Selected>, GraphError> {
    let selection = select::selection(call.fields(), DEFAULT)?;
    match selection.iter().find(|field| !FIELDS.contains(&field.name.as_str())) {
        Some(unknown) => Err(GraphError::nonexisting_field(&unknown.name, "Message")),
        None => Ok(selection),
    }
}

fn row(
    call: &Call,
    page: &Page,
    thread: &Thread,
    message: &Message,
    selection: &[Selected],
) -> Result<Value, GraphError> {
    let (own, person) = (party(&page.name, &page.id), party(&thread.name, &thread.psid));
    let (from, to) = if message.from_page { (own, person) } else { (person, own) };
    select::node(&message.id, selection, |name| {
        Ok(match name {
            "attachments" if !message.attachments.is_empty() => Some(json!({"data": message.attachments})),
            "created_time" => Some(date_format::stamp(call, message.at)?),
            "from" => Some(from.clone()),
            "message" => Some(message.text.as_str().into()),
            "thread_id" => Some(thread.id().into()),
            "to" => Some(json!({"data": [to]})),
            _ => None,
        })
    })
}
