//! `GET /{psid}`: the profile of a person who writes to the page.

use serde_json::{Value, json};

use super::call::{Call, need_task};
use super::{messages, select};
use crate::protocol::GraphError;
use crate::seed::{ProfileAccess, Task};
use crate::switches::{ProfileWithoutScope, Switches};
use crate::world::Thread;

const FIELDS: &[&str] = &["first_name", "id", "last_name", "name", "profile_pic"];

/// Reads the profile.
pub(super) fn get(call: &Call) -> Result<Value, GraphError> {
    let world = call.core.world.lock();
    let (page, token) = call.own_page(&world)?;
    if !token.grants("pages_messaging", &page.id) {
        return Err(without_scope(&world.switches));
    }
    need_task(page, token, &[Task::Messaging])?;
    let psid = call.node.id().and_then(|id| id.parse().ok());
    let thread = psid.and_then(|psid| page.messaging.threads.get(&psid)).ok_or_else(|| call.unsupported())?;
    // As apps meet it that lack the feature "Business Asset User Profile Access".
    if !messages::is_reviewed(world.apps.get(&token.app), thread, &world.switches) {
        return Err(call.unsupported());
    }
    let selection = select::selection(call.params.get("fields"), FIELDS)?;
    if let Some(unknown) = selection.iter().find(|field| !FIELDS.contains(&field.name.as_str())) {
        return Err(GraphError::nonexisting_field(&unknown.name, "User"));
    }
    check_access(thread)?;
    select::node(thread.psid.as_str(), &selection, |name| Ok(value(thread, name)))
}

fn without_scope(switches: &Switches) -> GraphError {
    match switches.profile_without_scope {
        ProfileWithoutScope::Code200 => GraphError::missing_scope("pages_messaging"),
        ProfileWithoutScope::Code230 => {
            GraphError::new(230, "(#230) Requires pages_messaging permission to manage the object")
        }
        ProfileWithoutScope::Code100 => GraphError::parameter("Insufficient permission to access user profile"),
    }
}

fn check_access(thread: &Thread) -> Result<(), GraphError> {
    match thread.profile {
        ProfileAccess::Open => Ok(()),
        ProfileAccess::Absent => Err(GraphError::parameter("No profile available for this user.").subcode(2_018_218)),
        ProfileAccess::Withheld => Err(GraphError::new(230, "(#230) User consent is required to access user profile")),
    }
}

/// A name of one word has no last name.
fn value(thread: &Thread, name: &str) -> Option<Value> {
    let (first, last) = match thread.name.trim().split_once(char::is_whitespace) {
        Some((first, last)) => (first, Some(last.trim())),
        None => (thread.name.trim(), None),
    };
    match name {
        "first_name" => Some(first.into()),
        "last_name" => last.map(Value::from),
        "name" => Some(thread.name.as_str().into()),
        "profile_pic" => Some(json!(format!("https://scontent.example.com/{}.jpg", thread.psid))),
        _ => None,
    }
}
