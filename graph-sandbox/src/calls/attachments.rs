//! `POST /{page-id}/message_attachments`, and attachments that sends save or name by their ids.

use jiff::SignedDuration;
use serde_json::{Value, json};
use url::Url;

use super::call::Call;
use super::conversation::messaging_page;
use crate::id::Id;
use crate::protocol::GraphError;
use crate::switches::{AttachmentReuse, Switches, UnknownAttachment};
use crate::world::{Page, Saved, after};

const KINDS: &[&str] = &["audio", "file", "image", "video"];
/// How long an id is good.
const LIFE: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Saves an attachment. The URL is remembered, not fetched; of a file only the name is kept.
pub(super) fn post(call: &Call) -> Result<Value, GraphError> {
    let mut world = call.core.world.lock();
    let (page, _) = messaging_page(call, &world)?;
    let message: Value = serde_json::from_str(call.params.required("message")?).unwrap_or_default();
    let attachment = message.get("attachment").filter(|attachment| attachment.is_object());
    let attachment = attachment.ok_or_else(|| GraphError::parameter("Param message[attachment] must be an object"))?;
    let kind = attachment.get("type").and_then(Value::as_str).unwrap_or_default();
    if !KINDS.contains(&kind) {
        return Err(GraphError::not_one_of("message[attachment][type]", KINDS, kind));
    }
    let url = match (attachment.pointer("/payload/url").and_then(Value::as_str), call.params.get("filedata")) {
        (Some(url), _) if is_web(url) => url.to_owned(),
        (None, Some(file)) => format!("https://cdn.example.com/{file}"),
        _ => return Err(GraphError::parameter("Param message[attachment][payload][url] should represent a valid URL")),
    };
    let saved = Saved { kind: kind.to_owned(), url, reusable: is_reusable(attachment), until: after(call.now, LIFE) };
    let id = Id::fresh(|id| page.messaging.attachments.contains_key(id));
    let answer = json!({"attachment_id": id});
    let page = page.id.clone();
    call.commit(&mut world, |world| {
        if let Some(page) = world.pages.get_mut(&page) {
            page.messaging.attachments.insert(id, saved);
        }
    });
    Ok(answer)
}

pub(super) fn is_web(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

fn is_reusable(attachment: &Value) -> bool {
    let flag = attachment.pointer("/payload/is_reusable");
    // Forms write it as a text.
    flag.is_some_and(|flag| flag == true || flag == "true")
}

/// Puts the saved attachment in the place of its id; the id that ends with this send, if it does.
pub(super) fn fetch(
    call: &Call,
    page: &Page,
    message: &mut Value,
    switches: &Switches,
) -> Result<Option<Id>, GraphError> {
    let id = match message.pointer("/attachment/payload/attachment_id") {
        Some(Value::String(id)) => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        _ => return Ok(None),
    };
    let found = id.parse::<Id>().ok().and_then(|id| page.messaging.attachments.get_key_value(&id));
    let Some((id, saved)) = found.filter(|(_, saved)| saved.until > call.now) else {
        return match switches.unknown_attachment {
            UnknownAttachment::Code100 => Err(GraphError::parameter(
                "Param message[attachment][payload][attachment_id] is not a valid attachment id",
            )),
            UnknownAttachment::Served => Ok(None),
        };
    };
    message["attachment"] = json!({"type": saved.kind, "payload": {"url": saved.url}});
    let ends = !saved.reusable && switches.attachment_reuse == AttachmentReuse::Once;
    Ok(ends.then(|| id.clone()))
}

/// What a send saves, for it says that it is to be used again.
pub(super) fn to_save(call: &Call, page: &Page, message: &Value) -> Option<(Id, Saved)> {
    let attachment = message.get("attachment").filter(|attachment| is_reusable(attachment))?;
    let kind = attachment.get("type")?.as_str().filter(|kind| KINDS.contains(kind))?;
    let url = attachment.pointer("/payload/url")?.as_str()?;
    let id = Id::fresh(|id| page.messaging.attachments.contains_key(id));
    Some((id, Saved { kind: kind.to_owned(), url: url.to_owned(), reusable: true, until: after(call.now, LIFE) }))
}
