//! Reads the body of a POST with events, as far as it is evidence, and shows each item as it was sent. A part that cannot be read
//! costs only itself.

use std::fmt;

use jiff::Timestamp;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer as _};
use serde_json::value::RawValue;
use serde_json::{Deserializer, Value};
use webhook_forwarder::event::EventKind;

use super::evidence::Sign;
use crate::graph::PAGE_INBOX;
use crate::graph::decode::{flag, id, integer};

/// The most items that are read of one body. Meta sends up to 1,000.
pub(super) const MOST: usize = 10_000;

/// The largest value that is decoded, such as an id: whoever knows an app secret can sign anything.
const LARGEST_VALUE: usize = 4096;

/// What is in one item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Item {
    /// Evidence, and when it happened.
    Sign(Sign, Timestamp),
    /// Something that is no evidence, such as a receipt.
    Other,
    /// Something of a shape that is not known.
    Unknown,
}

impl Item {
    /// One word for it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Sign(sign, _) => sign.as_str(),
            Self::Other => "other",
            Self::Unknown => "unknown",
        }
    }
}

/// An item as it was sent.
#[derive(Clone, Copy)]
pub(super) struct Sent<'a> {
    /// The page that it is about.
    pub(super) page: &'a str,
    /// Time of its entry, in milliseconds; 0 if there is none.
    pub(super) entry_time: i64,
    pub(super) list: EventKind,
    /// The bytes of the item.
    pub(super) raw: &'a str,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    object: Option<&'a RawValue>,
    #[serde(borrow, default)]
    entry: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    time: Option<&'a RawValue>,
    #[serde(borrow, default)]
    messaging: Option<&'a RawValue>,
    #[serde(borrow, default)]
    standby: Option<&'a RawValue>,
    #[serde(borrow, default)]
    changes: Option<&'a RawValue>,
}

/// The parts of an item that tell what it is.
#[derive(Deserialize)]
struct Parts<'a> {
    #[serde(borrow, default)]
    sender: Option<&'a RawValue>,
    #[serde(borrow, default)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    postback: Option<&'a RawValue>,
    #[serde(borrow, default)]
    app_roles: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pass_thread_control: Option<&'a RawValue>,
    #[serde(borrow, default)]
    take_thread_control: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Sender<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    is_echo: Option<&'a RawValue>,
    #[serde(borrow, default)]
    app_id: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Handover<'a> {
    #[serde(borrow, default)]
    new_owner_app_id: Option<&'a RawValue>,
}

/// Shows each item of a body as it was sent, and what is in it. What is not about a page was not sent by anybody.
pub(super) fn each_item(body: &[u8], app_id: &str, mut show: impl FnMut(Option<Sent<'_>>, Item)) {
    let unknown = |show: &mut dyn FnMut(Option<Sent<'_>>, Item)| show(None, Item::Unknown);
    let body = serde_json::from_slice::<&RawValue>(body).ok().and_then(object::<Body<'_>>);
    let Some(Body { object: Some(kind), entry: Some(entries) }) = body else { return unknown(&mut show) };
    if value(kind) != "page" {
        return unknown(&mut show);
    }
    let mut left = MOST;
    let read = each(entries, &mut |entry| {
        left = left.checked_sub(1)?;
        let entry = object::<Entry<'_>>(entry);
        let Some((page, entry)) = entry.and_then(|entry| Some((read_id(entry.id?)?, entry))) else {
            unknown(&mut show);
            return Some(());
        };
        let entry_time = entry.time.and_then(|raw| integer(&value(raw))).unwrap_or_default();
        let lists = [
            (EventKind::Messaging, entry.messaging),
            (EventKind::Standby, entry.standby),
            (EventKind::Change, entry.changes),
        ];
        for (list, items) in lists {
            let Some(items) = items else { continue };
            let read = each(items, &mut |item| {
                left = left.checked_sub(1)?;
                let sent = Sent { page: &page, entry_time, list, raw: item.get() };
                show(Some(sent), read_item(item, list, &page, app_id));
                Some(())
            });
            if !read {
                unknown(&mut show);
            }
        }
        Some(())
    });
    if !read {
        unknown(&mut show);
    }
}

fn read_item(raw: &RawValue, list: EventKind, page: &str, app_id: &str) -> Item {
    if list == EventKind::Change {
        return Item::Other;
    }
    let Some(parts) = object::<Parts<'_>>(raw) else { return Item::Unknown };
    let sign = match (parts.message, parts.postback, parts.app_roles) {
        (Some(message), _, _) => read_message(message, parts.sender, list, page),
        (None, Some(_), _) => from_person(parts.sender, list, page),
        (None, None, Some(roles)) => role(roles, app_id),
        (None, None, None) => handover(parts.pass_thread_control.or(parts.take_thread_control)),
    };
    match (sign, parts.timestamp.and_then(read_time)) {
        (Ok(None), _) => Item::Other,
        (Ok(Some(sign)), Some(at)) => Item::Sign(sign, at),
        (Ok(Some(_)), None) | (Err(()), _) => Item::Unknown,
    }
}

/// A sign, nothing, or something of a shape that is not known.
type Read = Result<Option<Sign>, ()>;

fn read_message(raw: &RawValue, sender: Option<&RawValue>, list: EventKind, page: &str) -> Read {
    let Message { is_echo, app_id } = object(raw).ok_or(())?;
    let is_echo = is_echo.map(|raw| flag(&value(raw)).ok_or(())).transpose()?;
    if is_echo == Some(true) {
        let of_inbox = app_id.and_then(read_id).as_deref() == Some(PAGE_INBOX);
        return Ok(of_inbox.then_some(Sign::Inbox));
    }
    from_person(sender, list, page)
}

/// What a person did. What the page did is told too, and says nothing of who gets what people write.
fn from_person(sender: Option<&RawValue>, list: EventKind, page: &str) -> Read {
    let sender = sender.and_then(object::<Sender<'_>>).and_then(|sender| read_id(sender.id)).ok_or(())?;
    let sign = if list == EventKind::Standby { Sign::Standby } else { Sign::Message };
    Ok((sender != page).then_some(sign))
}

/// The role that our application was given.
fn role(raw: &RawValue, app_id: &str) -> Read {
    let mut found = None;
    let ours = |app: &str, roles: &RawValue| {
        if app == app_id {
            found = Some(value(roles));
        }
    };
    Deserializer::from_str(raw.get()).deserialize_map(EachField(ours)).map_err(|_| ())?;
    let Some(found) = found else { return Ok(None) };
    let named = |name: &str| found.as_array().is_some_and(|roles| roles.iter().any(|role| role == name));
    match (named("primary_receiver"), named("secondary_receiver")) {
        (true, false) => Ok(Some(Sign::Primary)),
        (false, true) => Ok(Some(Sign::Secondary)),
        _ => Err(()),
    }
}

/// That a thread was handed to the page's inbox, or taken by it.
fn handover(raw: Option<&RawValue>) -> Read {
    let Some(raw) = raw else { return Ok(None) };
    let Handover { new_owner_app_id } = object(raw).ok_or(())?;
    Ok((new_owner_app_id.and_then(read_id).as_deref() == Some(PAGE_INBOX)).then_some(Sign::Inbox))
}

/// The parts of an object. A list is none, though it could be read as one.
fn object<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok().filter(|_| raw.get().starts_with('{'))
}

/// A small value of any shape; nothing instead of one that is large or deep.
fn value(raw: &RawValue) -> Value {
    let small = Some(raw.get()).filter(|text| text.len() <= LARGEST_VALUE);
    small.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn read_id(raw: &RawValue) -> Option<String> {
    id(&value(raw))
}

/// A time in milliseconds.
fn read_time(raw: &RawValue) -> Option<Timestamp> {
    Timestamp::from_millisecond(integer(&value(raw))?).ok()
}

/// Shows each element of a list, one after another, until one is refused. Whether it was a list and all were shown.
fn each<'a>(raw: &'a RawValue, show: &mut dyn FnMut(&'a RawValue) -> Option<()>) -> bool {
    Deserializer::from_str(raw.get()).deserialize_seq(EachElement(show)).is_ok()
}

struct EachElement<'a, 'f>(&'f mut dyn FnMut(&'a RawValue) -> Option<()>);

impl<'a> Visitor<'a> for EachElement<'a, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(element) = list.next_element()? {
            (self.0)(element).ok_or_else(|| de::Error::custom("too many"))?;
        }
        Ok(())
    }
}

struct EachField<F>(F);

impl<'a, F: FnMut(&str, &'a RawValue)> Visitor<'a> for EachField<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut fields: A) -> Result<(), A::Error> {
        while let Some((name, value)) = fields.next_entry::<String, &'a RawValue>()? {
            (self.0)(&name, value);
        }
        Ok(())
    }
}
