//! Payloads of messaging events, section 5.5 of the contract.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::id::Id;
use crate::switches::{AppRolesRecipient, EventAppIds, Switches};
use crate::webhooks::{Occurrence, Place};

/// Writes the events of one page at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Events<'w> {
    pub(crate) switches: &'w Switches,
    pub(crate) page: &'w Id,
    pub(crate) now: Timestamp,
}

/// A number if it fits, as Graph prints ids where it does not quote them.
pub(crate) fn number(id: &Id) -> Value {
    id.as_str().parse::<u64>().map_or_else(|_| id.as_str().into(), Value::from)
}

impl Events<'_> {
    fn app_id(&self, id: &Id) -> Value {
        match self.switches.event_app_ids {
            EventAppIds::Strings => id.as_str().into(),
            EventAppIds::Numbers => number(id),
        }
    }

    /// An item from the person to the page.
    fn persons_item(&self, psid: &Id, kind: &str, content: Value) -> Value {
        let mut item = json!({
            "sender": {"id": psid}, "recipient": {"id": self.page}, "timestamp": self.now.as_millisecond(),
        });
        item[kind] = content;
        item
    }

    /// A person's message.
    pub(crate) fn message(&self, psid: &Id, mid: &str, text: &str) -> Value {
        self.persons_item(psid, "message", json!({"mid": mid, "text": text}))
    }

    /// What the page sent, told to the apps: sender and recipient are swapped.
    pub(crate) fn echo(&self, psid: &Id, app: &Id, mid: &str, message: &Value) -> Value {
        let mut content = json!({"mid": mid, "is_echo": true, "app_id": self.app_id(app)});
        for name in ["text", "attachments", "metadata"] {
            if let Some(value) = message.get(name) {
                content[name] = value.clone();
            }
        }
        // One attachment is sent alone but told as a list.
        if let Some(attachment) = message.get("attachment") {
            content["attachments"] = json!([attachment]);
        }
        json!({
            "sender": {"id": self.page}, "recipient": {"id": psid},
            "timestamp": self.now.as_millisecond(), "message": content,
        })
    }

    /// `pass_thread_control` or `take_thread_control`.
    pub(crate) fn handed(
        &self,
        kind: &str,
        psid: &Id,
        previous: Option<&Id>,
        new: &Id,
        metadata: Option<&str>,
    ) -> Value {
        let previous = previous.map(|app| self.app_id(app));
        let content = json!({"previous_owner_app_id": previous, "new_owner_app_id": self.app_id(new)});
        self.persons_item(psid, kind, with_metadata(content, metadata))
    }

    /// `request_thread_control`.
    pub(crate) fn requested(&self, psid: &Id, by: &Id, metadata: Option<&str>) -> Value {
        let content = json!({"requested_owner_app_id": self.app_id(by)});
        self.persons_item(psid, "request_thread_control", with_metadata(content, metadata))
    }

    /// `app_roles`, which has no sender.
    pub(crate) fn role(&self, app: &Id, role: &str, psid: Option<&Id>) -> Value {
        let recipient = match self.switches.app_roles_recipient {
            AppRolesRecipient::Psid => psid.unwrap_or(self.page),
            AppRolesRecipient::Page => self.page,
        };
        json!({
            "recipient": {"id": recipient}, "timestamp": self.now.as_millisecond(),
            "app_roles": {app.as_str(): [role]},
        })
    }

    /// The event for one app.
    pub(crate) fn to(&self, app: &Id, field: &'static str, place: Place, item: Value) -> Occurrence {
        Occurrence { page: self.page.clone(), app: app.clone(), field, place, item, at: self.now }
    }

    /// A change of control for one app.
    pub(crate) fn handover(&self, app: &Id, item: Value) -> Occurrence {
        self.to(app, "messaging_handovers", Place::Messaging, item)
    }
}

fn with_metadata(mut content: Value, metadata: Option<&str>) -> Value {
    if let Some(metadata) = metadata {
        content["metadata"] = metadata.into();
    }
    content
}
