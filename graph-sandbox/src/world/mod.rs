//! The simulated state of Meta: apps, people, pages, tokens and what is subscribed to what.

mod actors;
mod codes;
mod crowd;
mod drift;
mod grants;
mod lineage;
mod load;
mod load_messaging;
mod messaging;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::iter;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

pub(crate) use actors::{Actor, ActorKind, Business, Trouble};
pub(crate) use codes::{Codes, Misuse};
pub use drift::{AppSubscriptionChange, PageSubscriptionChange};
pub(crate) use drift::{drift_app, drift_page};
pub(crate) use grants::{Grants, PAGE_SCOPES, Targets};
pub(crate) use lineage::{Life, PageToken};
pub(crate) use load::{check_redirect_uri, check_url};
pub(crate) use messaging::{DAY, Message, Messaging, PAGE_INBOX, Persona, Saved, Thread, WEEK, after, is_inbox};
pub(crate) use tokens::{Issued, Token, TokenId, Tokens};

use crate::id::Id;
use crate::seed::{AppRole, Block, PermissionStatus, SeedLoginConfiguration, Task};
use crate::switches::Switches;

/// Everything the simulated Graph knows, behind one lock.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) switches: Switches,
    pub(crate) apps: BTreeMap<Id, App>,
    /// People and system users.
    pub(crate) actors: BTreeMap<Id, Actor>,
    pub(crate) businesses: BTreeMap<Id, Business>,
    pub(crate) pages: BTreeMap<Id, Page>,
    pub(crate) tokens: Tokens,
    pub(crate) grants: Grants,
    /// Authorization codes.
    pub(crate) codes: Codes,
    /// When the first of the former app secrets ends, so that not every call looks for them.
    pub(crate) grace_ends: Option<Timestamp>,
    /// Public host of a callback → base URL that stands in for it.
    pub(crate) resolve: BTreeMap<String, String>,
}

/// A Meta application.
pub(crate) struct App {
    pub(crate) id: Id,
    pub(crate) name: String,
    pub(crate) secret: SecretString,
    /// The secret before the last reset, and when it ends.
    pub(crate) previous_secret: Option<(SecretString, Timestamp)>,
    pub(crate) deleted: bool,
    pub(crate) redirect_uris: BTreeSet<String>,
    /// Configurations of Facebook Login for Business.
    pub(crate) login_configurations: BTreeMap<Id, SeedLoginConfiguration>,
    pub(crate) category: String,
    pub(crate) fields: BTreeMap<String, Value>,
    pub(crate) require_proof: bool,
    pub(crate) blocked: Block,
    pub(crate) permissions: BTreeMap<String, PermissionStatus>,
    pub(crate) roles: BTreeMap<Id, AppRole>,
    /// By kind of object.
    pub(crate) subscriptions: BTreeMap<String, AppSubscription>,
    pub(crate) deauthorize_url: Option<Url>,
}

/// A webhook subscription of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AppSubscription {
    pub(crate) callback_url: String,
    pub(crate) active: bool,
    pub(crate) fields: Vec<AppField>,
}

/// A subscribed field with the version it was subscribed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AppField {
    pub(crate) name: String,
    pub(crate) version: String,
}

/// A Facebook page.
pub(crate) struct Page {
    pub(crate) id: Id,
    pub(crate) name: String,
    pub(crate) published: bool,
    pub(crate) restricted: bool,
    pub(crate) deleted: bool,
    /// The business that owns it.
    pub(crate) owner: Option<Id>,
    pub(crate) tasks: Option<BTreeMap<Id, Vec<Task>>>,
    pub(crate) fields: BTreeMap<String, Value>,
    /// By app.
    pub(crate) subscriptions: BTreeMap<Id, PageSubscription>,
    pub(crate) messaging: Messaging,
}

/// The tasks a person can hold on a page, as Graph lists them.
const ALL_TASKS: &[Task] = &[
    Task::Moderate,
    Task::Messaging,
    Task::Analyze,
    Task::Advertise,
    Task::CreateContent,
    Task::Manage,
    Task::ManageLeads,
    Task::ViewMonetizationInsights,
];

/// An app's row among a page's subscriptions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PageSubscription {
    /// Name of an app that is not simulated.
    pub(crate) name: Option<String>,
    pub(crate) fields: Vec<String>,
}

impl App {
    /// Whether this is the app's secret, or the one before while that is still good.
    pub(crate) fn knows_secret(&self, text: &str) -> bool {
        self.secrets().any(|secret| secret.expose_secret() == text)
    }

    /// The secrets that are good at present.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &SecretString> {
        iter::once(&self.secret).chain(self.previous_secret.as_ref().map(|(secret, _)| secret))
    }
}

impl World {
    /// Forgets former app secrets whose time is over.
    pub(crate) fn end_grace(&mut self, now: Timestamp) {
        if self.grace_ends.is_none_or(|end| end > now) {
            return;
        }
        for app in self.apps.values_mut() {
            app.previous_secret.take_if(|(_, end)| *end <= now);
        }
        self.grace_ends = self.apps.values().filter_map(|app| app.previous_secret.as_ref().map(|(_, end)| *end)).min();
    }
}

impl Page {
    /// Whether Meta shows it to anybody.
    pub(crate) fn is_visible(&self) -> bool {
        !self.restricted && !self.deleted
    }

    /// The tasks of this person; everyone's are all of them where nothing is said.
    pub(crate) fn tasks_of(&self, person: &Id) -> Vec<Task> {
        match &self.tasks {
            None => ALL_TASKS.to_vec(),
            Some(tasks) => tasks.get(person).cloned().unwrap_or_default(),
        }
    }

    /// Whether this person has any role on the page.
    pub(crate) fn has_role(&self, person: &Id) -> bool {
        match &self.tasks {
            None => true,
            Some(tasks) => tasks.get(person).is_some_and(|tasks| !tasks.is_empty()),
        }
    }

    /// Whether this person holds one of these tasks on the page.
    pub(crate) fn has_task(&self, person: Option<&Id>, wanted: &[Task]) -> bool {
        match (&self.tasks, person) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(tasks), Some(person)) => {
                tasks.get(person).is_some_and(|held| held.iter().any(|task| wanted.contains(task)))
            }
        }
    }
}
