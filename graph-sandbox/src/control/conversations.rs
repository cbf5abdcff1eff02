//! What is done in conversations: as customers, staff, other apps or page settings.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;

use super::error::ControlError;
use crate::core::Core;
use crate::id::Id;
use crate::messaging::{Desk, Outcome, Refusal, message_id};
use crate::seed::{ProfileAccess, Reach, default_name, id_or_none};
use crate::when::When;
use crate::world::{DAY, PAGE_INBOX, Page, Thread, World, after};

/// A person writes to a page. A person who is new gets a thread.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomerMessage {
    /// The person's id at this page; someone new without it.
    #[serde(default)]
    pub psid: Option<Id>,
    /// What they write.
    pub text: String,
    /// Their name, if they are new.
    #[serde(default)]
    pub name: Option<String>,
    /// For [`Sandbox::customer_writes_beside`](crate::Sandbox::customer_writes_beside): the app
    /// that owns the thread, the page inbox by default.
    #[serde(default)]
    pub owner: Option<Id>,
}

/// A message that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Written {
    /// The person's id at this page.
    pub psid: Id,
    /// The message id.
    pub mid: String,
}

/// An app, or staff in the inbox, acts in a thread.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThreadAct {
    /// The person's id at this page.
    pub psid: Id,
    /// Who acts; the page inbox by default.
    #[serde(default = "page_inbox")]
    pub app: Option<Id>,
    /// Who gets a passed thread; the default app by default.
    #[serde(default)]
    pub to: Option<Id>,
    /// Text for the event.
    #[serde(default)]
    pub metadata: Option<String>,
    /// What staff writes; for replies only.
    #[serde(default)]
    pub text: Option<String>,
}

/// Changes to a page's routing; what is absent stays as it is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoutingChange {
    /// Another default app, or none.
    #[serde(deserialize_with = "some_id_or_none")]
    pub default_app: Option<Option<Id>>,
    /// Apps with the switch "Take control of conversations", all of them.
    pub take_control: Option<Vec<Id>>,
}

/// Changes to a thread; what is absent stays as it is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ThreadChange {
    /// Whether messages reach the person.
    pub reach: Option<Reach>,
    /// When the person last wrote.
    pub last_message_at: Option<When>,
    /// Whether the person's profile can be read.
    pub profile: Option<ProfileAccess>,
}

/// A page admin gives an app a role.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleNotice {
    /// The app.
    pub app: Id,
    /// Its role.
    pub role: ReceiverRole,
}

/// Role of an app on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "Meta's own names")]
pub enum ReceiverRole {
    PrimaryReceiver,
    SecondaryReceiver,
}

impl ReceiverRole {
    fn name(self) -> &'static str {
        match self {
            Self::PrimaryReceiver => "primary_receiver",
            Self::SecondaryReceiver => "secondary_receiver",
        }
    }
}

fn page_inbox() -> Option<Id> {
    PAGE_INBOX.parse().ok()
}

fn some_id_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Id>>, D::Error> {
    id_or_none(deserializer).map(Some)
}

impl From<Refusal> for ControlError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::UnknownRecipient => Self::NotFound("such thread".into()),
            other => Self::Refused(other.to_string()),
        }
    }
}

impl ThreadAct {
    fn actor(&self) -> Result<Id, ControlError> {
        self.app.clone().or_else(page_inbox).ok_or_else(|| ControlError::Refused("name the app".into()))
    }
}

fn page_id(world: &World, id: &str) -> Result<Id, ControlError> {
    let known = id.parse().ok().filter(|id: &Id| world.pages.contains_key(id));
    known.ok_or_else(|| ControlError::NotFound("such page".into()))
}

fn find<'w>(world: &'w World, id: &str) -> Result<&'w Page, ControlError> {
    let id = page_id(world, id)?;
    world.pages.get(&id).ok_or_else(|| ControlError::NotFound("such page".into()))
}

/// Refuses an app the page has never met.
fn check_app(world: &World, page: &Page, app: &Id) -> Result<(), ControlError> {
    if world.is_app(app) || page.subscriptions.contains_key(app) {
        return Ok(());
    }
    Err(ControlError::NotFound(format!("app {app}")))
}

/// Refuses a page that is deleted or hidden: nobody writes there.
fn check_visible(page: &Page) -> Result<(), ControlError> {
    if page.is_visible() {
        return Ok(());
    }
    Err(ControlError::Refused("nobody can write to a page that is deleted or restricted".into()))
}

impl Core {
    /// A person writes.
    pub(crate) fn customer_writes(&self, page: &str, message: CustomerMessage) -> Result<Written, ControlError> {
        if message.owner.is_some() {
            return Err(ControlError::Refused("`owner` belongs to messages beside an owner".into()));
        }
        self.heard(page, message, |_, thread| Ok(thread))
    }

    /// A person writes while another app owns the thread.
    pub(crate) fn customer_writes_beside(&self, page: &str, message: CustomerMessage) -> Result<Written, ControlError> {
        let now = self.clock.now();
        let owner = message.owner.clone().or_else(page_inbox);
        self.heard(page, message, |desk, mut thread| {
            if desk.default_app().is_none() {
                return Err(Refusal::RoutingOff.into());
            }
            let owner = owner.filter(|owner| desk.is_connected(owner)).ok_or(Refusal::UnknownApp)?;
            thread.hand_to(owner, after(now, DAY));
            Ok(thread)
        })
    }

    fn heard(
        &self,
        page: &str,
        message: CustomerMessage,
        prepare: impl FnOnce(&Desk<'_>, Thread) -> Result<Thread, ControlError>,
    ) -> Result<Written, ControlError> {
        let (mut world, now) = self.world_now();
        let page = find(&world, page)?;
        check_visible(page)?;
        let desk = Desk::new(page, &world.switches, now);
        let psid = message.psid.unwrap_or_else(|| Id::fresh(|id| page.messaging.threads.contains_key(id)));
        let thread = match desk.thread(&psid) {
            Ok(thread) => thread,
            Err(_) if !page.published => {
                return Err(ControlError::Refused("nobody new can write to a page that is not public".into()));
            }
            Err(_) => Thread::new(psid.clone(), message.name.unwrap_or_else(default_name), now),
        };
        let thread = prepare(&desk, thread)?;
        let mid = message_id();
        let outcome = desk.customer_writes(thread, &mid, &message.text);
        let page = page.id.clone();
        outcome.apply(&self.outbox, &mut world, &page);
        Ok(Written { psid, mid })
    }

    /// Staff answers in the inbox or in another app.
    pub(crate) fn staff_writes(&self, page: &str, act: &ThreadAct) -> Result<Written, ControlError> {
        let text = act.text.as_deref().ok_or_else(|| ControlError::Refused("a reply needs `text`".into()))?;
        let mid = message_id();
        self.act(page, act, |desk, thread, app| desk.staff_writes(thread, app, &mid, &json!({"text": text})))?;
        Ok(Written { psid: act.psid.clone(), mid })
    }

    /// An app passes a thread.
    pub(crate) fn pass_thread(&self, page: &str, act: &ThreadAct) -> Result<(), ControlError> {
        self.act(page, act, |desk, thread, app| desk.pass(thread, app, act.to.as_ref(), act.metadata.as_deref()))
    }

    /// An app takes a thread.
    pub(crate) fn take_thread(&self, page: &str, act: &ThreadAct) -> Result<(), ControlError> {
        self.act(page, act, |desk, thread, app| desk.take(thread, app, act.metadata.as_deref()))
    }

    /// An app releases a thread.
    pub(crate) fn release_thread(&self, page: &str, act: &ThreadAct) -> Result<(), ControlError> {
        self.act(page, act, |desk, thread, app| desk.release(thread, app))
    }

    fn act(
        &self,
        page: &str,
        act: &ThreadAct,
        change: impl FnOnce(&Desk<'_>, Thread, &Id) -> Result<Outcome, Refusal>,
    ) -> Result<(), ControlError> {
        let app = act.actor()?;
        let (mut world, now) = self.world_now();
        let page = find(&world, page)?;
        check_visible(page)?;
        check_app(&world, page, &app)?;
        let desk = Desk::new(page, &world.switches, now);
        let outcome = change(&desk, desk.thread(&act.psid)?, &app)?;
        let page = page.id.clone();
        outcome.apply(&self.outbox, &mut world, &page);
        Ok(())
    }

    /// Changes routing, as a person does in the page's settings.
    pub(crate) fn change_routing(&self, page: &str, change: RoutingChange) -> Result<(), ControlError> {
        let (mut world, now) = self.world_now();
        let found = find(&world, page)?;
        for app in change.default_app.iter().flatten().chain(change.take_control.iter().flatten()) {
            check_app(&world, found, app)?;
        }
        let desk = Desk::new(found, &world.switches, now);
        let told = change.default_app.as_ref().map(|new| desk.default_app_changes(new.as_ref())).unwrap_or_default();
        let id = found.id.clone();
        if let Some(page) = world.pages.get_mut(&id) {
            if let Some(default_app) = change.default_app {
                page.messaging.default_app = default_app;
            }
            if let Some(apps) = change.take_control {
                page.messaging.take_control = apps.into_iter().collect();
            }
        }
        self.outbox.tell(&world, told);
        Ok(())
    }

    /// Tells an app its role; the routing stays as it is.
    pub(crate) fn tell_role(&self, page: &str, notice: &RoleNotice) -> Result<(), ControlError> {
        let (world, now) = self.world_now();
        let page = find(&world, page)?;
        check_app(&world, page, &notice.app)?;
        let told = Desk::new(page, &world.switches, now).role(&notice.app, notice.role.name());
        self.outbox.tell(&world, [told]);
        Ok(())
    }

    /// Changes a thread.
    pub(crate) fn change_thread(&self, page: &str, psid: &str, change: &ThreadChange) -> Result<(), ControlError> {
        let now = self.clock.now();
        let last_message_at: Option<Option<Timestamp>> =
            change.last_message_at.map(|when| when.resolve(now)).transpose()?;
        let mut world = self.world.lock();
        let page = page_id(&world, page)?;
        let no_thread = || ControlError::from(Refusal::UnknownRecipient);
        let psid: Id = psid.parse().map_err(|_| no_thread())?;
        let thread = world.pages.get_mut(&page).and_then(|page| page.messaging.threads.get_mut(&psid));
        let thread = thread.ok_or_else(no_thread)?;
        thread.reach = change.reach.unwrap_or(thread.reach);
        thread.profile = change.profile.unwrap_or(thread.profile);
        thread.last_message_at = last_message_at.unwrap_or(thread.last_message_at);
        Ok(())
    }
}
