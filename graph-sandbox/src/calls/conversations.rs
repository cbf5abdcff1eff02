//! `GET /{page-id}/conversations`.

use serde_json::{Value, json};

use super::conversation::messaging_page;
use super::{Call, paging, select};
use crate::graph::GraphError;
use crate::id::Id;
use crate::messaging::Desk;
use crate::switches::AccountsPaging;
use crate::world::{Page, Thread};

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
    let selection = select::selection(call.params.get("fields"), DEFAULT)?;
    if let Some(unknown) = selection.iter().find(|field| !ROW_FIELDS.contains(&field.name.as_str())) {
        return Err(GraphError::nonexisting_field(&unknown.name, "UnifiedThread"));
    }
    if is_instagram(call)? {
        check_instagram(page)?;
        return Ok(json!({"data": []}));
    }
    let desk = Desk::new(page, &world.switches, call.now);
    let person = call.params.get("user_id");
    let mut threads: Vec<&Thread> =
        page.messaging.threads.values().filter(|thread| person.is_none_or(|person| thread.psid == *person)).collect();
    threads.sort_by(|a, b| b.updated_at.cmp(&a.updated_at).then_with(|| a.psid.cmp(&b.psid)));
    paging::page(call, MOST, AccountsPaging::Cursors, &threads, |thread| {
        let owner = desk.default_app().is_some().then(|| thread.owner(call.now) == Some(&token.app));
        select::node(&conversation_id(&thread.psid), &selection, |name| Ok(row_field(page, thread, owner, name)))
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

fn conversation_id(psid: &Id) -> String {
    format!("t_{psid}")
}

/// `is_owner` is there only while routing is on.
fn row_field(page: &Page, thread: &Thread, is_owner: Option<bool>, name: &str) -> Option<Value> {
    let party = |name: &str, id: &Id| json!({"name": name, "email": format!("{id}@facebook.com"), "id": id});
    match name {
        "is_owner" => is_owner.map(Value::from),
        "link" => Some(format!("/{}/inbox/{}/", page.id, thread.psid).into()),
        "message_count" => Some(thread.message_count.into()),
        "participants" | "senders" => {
            Some(json!({"data": [party(&thread.name, &thread.psid), party(&page.name, &page.id)]}))
        }
        "snippet" => Some(thread.snippet.as_str().into()),
        "unread_count" => Some(thread.unread_count.into()),
        "updated_time" => Some(thread.updated_at.strftime("%Y-%m-%dT%H:%M:%S+0000").to_string().into()),
        _ => None,
    }
}
