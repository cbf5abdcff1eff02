//! What a page holds for messaging: who controls which thread and until when, and profiles.
//!
//! Nothing here lapses on its own: a control that is over is one whose end is past.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::id::Id;
use crate::seed::{ProfileAccess, Reach};

/// How long a person's message opens the messaging window, and control of a thread lasts.
pub(crate) const DAY: SignedDuration = SignedDuration::from_hours(24);
/// How long staff may answer, and control may be extended.
pub(crate) const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The inboxes of Business Suite, which are apps too.
const INBOXES: &[&str] = &[PAGE_INBOX, "1217981644879628"];
/// The inbox of pages.
pub(crate) const PAGE_INBOX: &str = "263902037430900";

/// Whether this app is an inbox of Business Suite.
pub(crate) fn is_inbox(app: &Id) -> bool {
    INBOXES.contains(&app.as_str())
}

/// Conversation routing, threads and profiles of a page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Messaging {
    /// Without a default app routing is off.
    pub(crate) default_app: Option<Id>,
    /// Apps with the switch "Take control of conversations".
    pub(crate) take_control: BTreeSet<Id>,
    /// Whether Meta bars the page from sending.
    pub(crate) barred_from_sending: bool,
    /// By the person's id at this page.
    pub(crate) threads: BTreeMap<Id, Thread>,
    /// Messenger profile by app.
    pub(crate) profiles: BTreeMap<Id, Map<String, Value>>,
    /// Who the page may speak as.
    pub(crate) personas: BTreeMap<Id, Persona>,
    /// Saved attachments by their ids.
    pub(crate) attachments: BTreeMap<Id, Saved>,
}

/// Someone the page speaks as.
#[derive(Clone, Debug)]
pub(crate) struct Persona {
    pub(crate) name: String,
    pub(crate) picture: String,
}

/// An attachment that was saved, to be sent by its id.
#[derive(Clone, Debug)]
pub(crate) struct Saved {
    pub(crate) kind: String,
    pub(crate) url: String,
    pub(crate) reusable: bool,
    pub(crate) until: Timestamp,
}

impl Messaging {
    /// The conversation of this id.
    pub(crate) fn conversation(&self, id: &str) -> Option<&Thread> {
        self.threads.get(&id.strip_prefix(CONVERSATION)?.parse().ok()?)
    }

    /// The message of this id, and the conversation it is in.
    pub(crate) fn message(&self, id: &str) -> Option<(&Thread, &Message)> {
        self.threads.values().find_map(|thread| {
            let found = thread.messages.iter().find(|found| found.id == id)?;
            Some((thread, &**found))
        })
    }
}

/// What ids of conversations begin with.
const CONVERSATION: &str = "t_";

/// How many messages of a conversation are kept.
const MOST_MESSAGES: usize = 1000;

/// A message in a conversation.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) at: Timestamp,
    /// Whether the page said it, not the person.
    pub(crate) from_page: bool,
    pub(crate) text: String,
    /// As a read shows them.
    pub(crate) attachments: Vec<Value>,
}

/// A conversation with one person.
#[derive(Clone, Debug)]
pub(crate) struct Thread {
    pub(crate) psid: Id,
    pub(crate) name: String,
    /// The person among the people known here.
    pub(crate) person: Option<Id>,
    pub(crate) reach: Reach,
    /// When the person last wrote.
    pub(crate) last_message_at: Option<Timestamp>,
    pub(crate) updated_at: Timestamp,
    pub(crate) message_count: u64,
    pub(crate) unread_count: u64,
    pub(crate) snippet: String,
    /// The oldest first; shared, since a thread is copied whenever someone acts in it.
    pub(crate) messages: Vec<Arc<Message>>,
    /// Whether the person's profile can be read.
    pub(crate) profile: ProfileAccess,
    control: Option<Control>,
}

/// An app's control of a thread. A thread holds at most one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Control {
    pub(crate) app: Id,
    pub(crate) until: Timestamp,
}

/// A moment this long after another; the end of time if there is none.
pub(crate) fn after(moment: Timestamp, span: SignedDuration) -> Timestamp {
    moment.checked_add(span).unwrap_or(Timestamp::MAX)
}

impl Thread {
    pub(crate) fn new(psid: Id, name: String, now: Timestamp) -> Self {
        Self {
            psid,
            name,
            person: None,
            reach: Reach::Reachable,
            last_message_at: None,
            updated_at: now,
            message_count: 0,
            unread_count: 0,
            snippet: String::new(),
            messages: Vec::new(),
            profile: ProfileAccess::Open,
            control: None,
        }
    }

    /// The id of the conversation.
    pub(crate) fn id(&self) -> String {
        format!("{CONVERSATION}{}", self.psid)
    }

    /// Notes what was said.
    pub(crate) fn add(&mut self, message: Message) {
        self.updated_at = message.at;
        self.message_count = self.message_count.saturating_add(1);
        self.snippet = message.text.chars().take(100).collect();
        self.messages.push(Arc::new(message));
        let surplus = self.messages.len().saturating_sub(MOST_MESSAGES);
        self.messages.drain(..surplus);
    }

    /// Who controls the thread; nobody if it is idle.
    pub(crate) fn control(&self, now: Timestamp) -> Option<&Control> {
        self.control.as_ref().filter(|control| control.until > now)
    }

    /// The app that controls the thread.
    pub(crate) fn owner(&self, now: Timestamp) -> Option<&Id> {
        self.control(now).map(|control| &control.app)
    }

    /// Gives an app control until this moment.
    pub(crate) fn hand_to(&mut self, app: Id, until: Timestamp) {
        self.control = Some(Control { app, until });
    }

    /// Prolongs the present control; it never becomes shorter.
    pub(crate) fn prolong(&mut self, now: Timestamp, until: Timestamp) {
        if let Some(control) = self.control.as_mut().filter(|control| control.until > now) {
            control.until = control.until.max(until);
        }
    }

    /// Makes the thread idle.
    pub(crate) fn release(&mut self) {
        self.control = None;
    }

    /// Whether the person wrote no longer ago than this.
    pub(crate) fn heard_within(&self, span: SignedDuration, now: Timestamp) -> bool {
        self.last_message_at.is_some_and(|at| now.duration_since(at) <= span)
    }
}
