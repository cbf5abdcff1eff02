//! The acts of customers, apps and staff in a thread, section 6 of the contract.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::events::Events;
use super::{Outcome, Refusal, Sight};
use crate::id::Id;
use crate::switches::{DefaultAppEvent, EchoPlace, RequestWithRouting, Switches, ThreadOwnerVisibility};
use crate::webhooks::{Occurrence, Place};
use crate::world::{DAY, Message, Messaging, Page, Thread, after, is_inbox};

/// A page's conversations at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Desk<'w> {
    page: &'w Page,
    switches: &'w Switches,
    now: Timestamp,
}

impl<'w> Desk<'w> {
    pub(crate) fn new(page: &'w Page, switches: &'w Switches, now: Timestamp) -> Self {
        Self { page, switches, now }
    }

    fn messaging(&self) -> &'w Messaging {
        &self.page.messaging
    }

    fn events(&self) -> Events<'w> {
        Events { switches: self.switches, page: &self.page.id, now: self.now }
    }

    /// The default app; there is none if routing is off.
    pub(crate) fn default_app(&self) -> Option<&'w Id> {
        self.messaging().default_app.as_ref()
    }

    /// A thread as it is.
    pub(crate) fn thread(&self, psid: &Id) -> Result<Thread, Refusal> {
        self.messaging().threads.get(psid).cloned().ok_or(Refusal::UnknownRecipient)
    }

    /// Whether an app takes part in the page's conversations.
    pub(crate) fn is_connected(&self, app: &Id) -> bool {
        self.page.subscriptions.contains_key(app) || self.default_app() == Some(app) || is_inbox(app)
    }

    /// The app that speaks in the thread: its owner, or the default app when it is idle. Nobody
    /// in particular while routing is off.
    pub(crate) fn speaker<'t>(&'t self, thread: &'t Thread) -> Option<&'t Id> {
        self.default_app().map(|default| thread.owner(self.now).unwrap_or(default))
    }

    /// What an app sees of the owner.
    pub(crate) fn sight(&self, thread: &Thread, app: &Id) -> Sight {
        let Some(control) = thread.control(self.now) else {
            return Sight::Nothing;
        };
        let entitled = control.app == *app || self.default_app() == Some(app);
        if entitled || self.switches.thread_owner_visibility == ThreadOwnerVisibility::Everyone {
            Sight::Owner(control.app.clone(), control.until)
        } else {
            Sight::Expiration(control.until)
        }
    }

    /// The person writes. The default app gets control of an idle thread; the owner keeps it.
    pub(crate) fn customer_writes(&self, mut thread: Thread, mid: &str, text: &str) -> Outcome {
        let until = after(self.now, DAY);
        if thread.control(self.now).is_some() {
            thread.prolong(self.now, until);
        } else if let Some(default) = self.default_app() {
            thread.hand_to(default.clone(), until);
        }
        thread.last_message_at = Some(self.now);
        thread.unread_count = thread.unread_count.saturating_add(1);
        let message = self.message(mid, text);
        thread.add(message);
        let item = self.events().message(&thread.psid, mid, text);
        let told = self.told_of_message(&thread, &item);
        Outcome { thread, told }
    }

    /// A person's message goes to the speaker, and beside it to the others; to all alike while
    /// routing is off.
    fn told_of_message(&self, thread: &Thread, item: &Value) -> Vec<Occurrence> {
        let events = self.events();
        let heard = |app: &Id| events.to(app, "messages", Place::Messaging, item.clone());
        let Some(speaker) = self.speaker(thread) else {
            return self.page.subscriptions.keys().map(heard).collect();
        };
        let others = self.page.subscriptions.keys().filter(|app| *app != speaker);
        let beside = others.map(|app| events.to(app, "standby", Place::Standby, item.clone()));
        std::iter::once(heard(speaker)).chain(beside).collect()
    }

    /// Refuses an app that may not write into the thread.
    pub(crate) fn check_speaker(&self, thread: &Thread, app: &Id) -> Result<(), Refusal> {
        match self.speaker(thread) {
            Some(speaker) if speaker != app => Err(Refusal::SendByStranger),
            _ => Ok(()),
        }
    }

    /// An app writes to the person; every connected app hears the echo.
    pub(crate) fn page_writes(&self, mut thread: Thread, app: &Id, mid: &str, message: &Value) -> Outcome {
        thread.unread_count = 0;
        let text = message.get("text").and_then(Value::as_str).unwrap_or_default();
        let said = Message { from_page: true, attachments: attachments(message), ..self.message(mid, text) };
        thread.add(said);
        let item = self.events().echo(&thread.psid, app, mid, message);
        let speaker = self.speaker(&thread);
        let aside =
            |app: &Id| self.switches.echo_place == EchoPlace::Standby && speaker.is_some_and(|speaker| speaker != app);
        let echo = |app: &Id| match aside(app) {
            true => self.events().to(app, "standby", Place::Standby, item.clone()),
            false => self.events().to(app, "message_echoes", Place::Messaging, item.clone()),
        };
        let told = self.page.subscriptions.keys().map(echo).collect();
        Outcome { thread, told }
    }

    /// A message of the person.
    fn message(&self, mid: &str, text: &str) -> Message {
        let attachments = Vec::new();
        Message { id: mid.to_owned(), at: self.now, from_page: false, text: text.to_owned(), attachments }
    }

    /// Staff answers in the inbox, which takes the thread for it, or in another app, which may not.
    pub(crate) fn staff_writes(
        &self,
        thread: Thread,
        app: &Id,
        mid: &str,
        message: &Value,
    ) -> Result<Outcome, Refusal> {
        if self.default_app().is_none() || !is_inbox(app) {
            self.check_speaker(&thread, app)?;
            return Ok(self.page_writes(thread, app, mid, message));
        }
        let taken = self.seize(thread, app, None);
        let mut outcome = self.page_writes(taken.thread, app, mid, message);
        outcome.told.splice(0..0, taken.told);
        Ok(outcome)
    }

    /// An app gives the thread to another, or to the default app.
    pub(crate) fn pass(
        &self,
        mut thread: Thread,
        from: &Id,
        to: Option<&Id>,
        metadata: Option<&str>,
    ) -> Result<Outcome, Refusal> {
        let to = to.or(self.default_app()).ok_or(Refusal::NoTarget)?;
        if !self.is_connected(to) {
            return Err(Refusal::UnknownApp);
        }
        let previous = thread.owner(self.now).cloned();
        if previous.as_ref().is_some_and(|owner| owner != from) {
            return Err(Refusal::PassByStranger);
        }
        let item = self.events().handed("pass_thread_control", &thread.psid, previous.as_ref(), to, metadata);
        thread.hand_to(to.clone(), after(self.now, DAY));
        Ok(Outcome { thread, told: vec![self.events().handover(to, item)] })
    }

    /// An app takes the thread from whoever has it.
    pub(crate) fn take(&self, thread: Thread, app: &Id, metadata: Option<&str>) -> Result<Outcome, Refusal> {
        if self.default_app().is_none() {
            return Err(Refusal::RoutingOff);
        }
        // The inbox is Meta's own and needs no leave.
        if !is_inbox(app) && !self.messaging().take_control.contains(app) {
            return Err(Refusal::NoTakeSwitch);
        }
        Ok(self.seize(thread, app, metadata))
    }

    /// Tells the loser; nobody lost an idle thread.
    fn seize(&self, mut thread: Thread, app: &Id, metadata: Option<&str>) -> Outcome {
        let loser = thread.owner(self.now).filter(|owner| *owner != app).cloned();
        let told = loser.map(|loser| {
            let item = self.events().handed("take_thread_control", &thread.psid, Some(&loser), app, metadata);
            self.events().handover(&loser, item)
        });
        thread.hand_to(app.clone(), after(self.now, DAY));
        Outcome { thread, told: told.into_iter().collect() }
    }

    /// The owner lets go; nobody is told.
    pub(crate) fn release(&self, mut thread: Thread, app: &Id) -> Result<Outcome, Refusal> {
        if thread.owner(self.now) != Some(app) {
            return Err(Refusal::ReleaseByStranger);
        }
        thread.release();
        Ok(Outcome { thread, told: Vec::new() })
    }

    /// An app asks for the thread. That the request was sent is all that success means.
    pub(crate) fn request(&self, thread: Thread, app: &Id, metadata: Option<&str>) -> Result<Outcome, Refusal> {
        let routing = self.default_app().is_some();
        if routing && self.switches.request_with_routing != RequestWithRouting::Served {
            return Err(Refusal::RoutingOn);
        }
        let item = self.events().requested(&thread.psid, app, metadata);
        let asked = match thread.owner(self.now).or(self.default_app()) {
            Some(owner) => vec![owner],
            None => self.page.subscriptions.keys().collect(),
        };
        let others = asked.into_iter().filter(|asked| *asked != app);
        let told = others.map(|asked| self.events().handover(asked, item.clone())).collect();
        Ok(Outcome { thread, told })
    }

    /// The owner keeps the thread for longer.
    pub(crate) fn extend(&self, mut thread: Thread, app: &Id, span: SignedDuration) -> Result<Outcome, Refusal> {
        if thread.owner(self.now) != Some(app) {
            return Err(Refusal::ExtendByStranger);
        }
        thread.prolong(self.now, after(self.now, span));
        Ok(Outcome { thread, told: Vec::new() })
    }

    /// Tells an app its role on the page.
    pub(crate) fn role(&self, app: &Id, role: &str) -> Occurrence {
        let psid = self.messaging().threads.keys().next();
        self.events().handover(app, self.events().role(app, role, psid))
    }

    /// A person chooses another default app, or none; perhaps both apps are told.
    pub(crate) fn default_app_changes(&self, new: Option<&Id>) -> Vec<Occurrence> {
        let old = self.default_app();
        if old == new || self.switches.default_app_event == DefaultAppEvent::Silent {
            return Vec::new();
        }
        let risen = new.map(|app| self.role(app, "primary_receiver"));
        let fallen = old.map(|app| self.role(app, "secondary_receiver"));
        risen.into_iter().chain(fallen).collect()
    }
}

/// The files of a message that was sent, as a read of it shows them.
fn attachments(message: &Value) -> Vec<Value> {
    let several = message.get("attachments").and_then(Value::as_array).into_iter().flatten();
    let all = message.get("attachment").into_iter().chain(several);
    let shown = all.filter_map(|attachment| {
        let url = attachment.pointer("/payload/url")?;
        let id = Id::fresh(|_| false);
        match attachment.get("type").and_then(Value::as_str)? {
            "image" => Some(json!({"id": id, "image_data": {"url": url}})),
            "video" => Some(json!({"id": id, "video_data": {"url": url}})),
            "audio" | "file" => Some(json!({"id": id, "file_url": url})),
            _ => None,
        }
    });
    shown.collect()
}
