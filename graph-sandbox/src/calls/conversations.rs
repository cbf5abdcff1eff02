//! `GET /{page-id}/conversations` and `GET /{conversation-id}`.

use serde_json::{Value, json};

use super::call::Call;
use super::conversation::messaging_page;
use super::{date_format, paging, select};
use crate::id::Id;
use crate::messaging::Desk;
use crate::protocol::GraphError;
use crate::protocol::fields::Selected;
use crate::switches::AccountsPaging;
use crate::world::{Page, Thread, Token};

const ROW_FIELDS: &[&str] =
    &["id", "is_owner", "link", "message_count", "participants", "senders", "snippet", "unread_count", "updated_time"];
const DEFAULT: &[&str] = &["id", "link", "updated_time"];
/// How many rows a part has at most.
const MOST: usize = 500;
const PLATFORMS: &[&str] = &["messenger", "instagram"];

/// Lists the page's conversations, the latest first.
pub(super) fn get(call: &Call) -> Result<Value, GraphError> {
    let world = call.core.world.lock();
    let (page, token) = messaging_page(call, &world)?;
    let selection = selection(call)?;
    if is_instagram(call)? {
        check_instagram(page)?;
        return Ok(json!({"data": []}));
    }
    let desk = Desk::new(page, &world.switches, call.now);
    let person = call.params.get("user_id");
    let mut threads: Vec<&Thread> =
        page.messaging.threads.values().filter(|thread| person.is_none_or(|person| thread.psid == *person)).collect();
    threads.sort_by(|a, b| b.updated_at.cmp(&a.updated_at).then_with(|| a.psid.cmp(&b.psid)));
    paging::page(call, MOST, &world.switches, AccountsPaging::Cursors, &threads, |thread| {
        row(call, &desk, page, thread, token, &selection)
    })
}

/// Reads one conversation.
pub(super) fn one(call: &Call) -> Result<Value, GraphError> {
    let world = call.core.world.lock();
    let (page, token) = messaging_page(call, &world)?;
    let thread = call.node.id().and_then(|id| page.messaging.conversation(id)).ok_or_else(|| call.unsupported())?;
    let desk = Desk::new(page, &world.switches, call.now);
    row(call, &desk, page, thread, token, &selection(call)?)
}

fn selection(call: &Call) -> Result<Vec<Selected>, GraphError> {
    let selection = select::selection(call.fields(), DEFAULT)?;
    match selection.iter().find(|field| !ROW_FIELDS.contains(&field.name.as_str())) {
        Some(unknown) => Err(GraphError::nonexisting_field(&unknown.name, "UnifiedThread")),
        None => Ok(selection),
    }
}

fn row(
    call: &Call,
    desk: &Desk<'_>,
    page: &Page,
    thread: &Thread,
    token: &Token,
    selection: &[Selected],
) -> Result<Value, GraphError> {
    let owner = desk.default_app().is_some().then(|| thread.owner(call.now) == Some(&token.app));
    select::node(&thread.id(), selection, |name| match name {
        "updated_time" => date_format::stamp(call, thread.updated_at).map(Some),
        _ => Ok(row_field(page, thread, owner, name)),
    })
}

fn is_instagram(call: &Call) -> Result<bool, GraphError> {
    match call.params.get("platform") {
        None => Ok(false),
        Some(platform) if PLATFORMS.contains(&platform.to_ascii_lowercase().as_str()) => {
            Ok(platform.eq_ignore_ascii_case("instagram"))
        }
        Some(other) => Err(GraphError::not_one_of("platform", PLATFORMS, other)),
    }
}

fn check_instagram(page: &Page) -> Result<(), GraphError> {
    let linked = ["instagram_business_account", "connected_instagram_account"];
    if linked.iter().any(|name| page.fields.contains_key(*name)) {
        return Ok(());
    }
    Err(GraphError::parameter("The Page is not linked to an Instagram account").subcode(2_534_013))
}

/// A party to a conversation: a person or the page.
pub(super) fn party(name: &str, id: &Id) -> Value {
    json!({"name": name, "email": format!("{id}@facebook.com"), "id": id})
}

/// `is_owner` is there only while routing is on.
fn row_field(page: &Page, thread: &Thread, is_owner: Option<bool>, name: &str) -> Option<Value> {
    match name {
        "is_owner" => is_owner.map(Value::from),
        "link" => Some(format!("/{}/inbox/{}/", page.id, thread.psid).into()),
        "message_count" => Some(thread.message_count.into()),
        "participants" | "senders" => {
            Some(json!({"data": [party(&thread.name, &thread.psid), party(&page.name, &page.id)]}))
        }
        "snippet" => Some(thread.snippet.as_str().into()),
        "unread_count" => Some(thread.unread_count.into()),
        _ => None,
    }
}
