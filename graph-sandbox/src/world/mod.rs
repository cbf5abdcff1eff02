//! The simulated state of Meta: apps, people, pages, tokens and what is subscribed to what.

mod actors;
mod crowd;
mod load;
mod tokens;

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde_json::Value;

pub(crate) use actors::{Actor, ActorKind, Business};
pub use crowd::SeedCrowd;
pub(crate) use load::check_url;
pub(crate) use tokens::{Token, Tokens};

use crate::id::Id;
use crate::seed::{AppRole, Block, PermissionStatus, Task};
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
    /// Public host of a callback → base URL that stands in for it.
    pub(crate) resolve: BTreeMap<String, String>,
}

/// A Meta application.
pub(crate) struct App {
    pub(crate) id: Id,
    pub(crate) name: String,
    pub(crate) secret: SecretString,
    pub(crate) category: String,
    pub(crate) fields: BTreeMap<String, Value>,
    pub(crate) require_proof: bool,
    pub(crate) blocked: Block,
    pub(crate) permissions: BTreeMap<String, PermissionStatus>,
    pub(crate) roles: BTreeMap<Id, AppRole>,
    /// By kind of object.
    pub(crate) subscriptions: BTreeMap<String, AppSubscription>,
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
    /// The business that owns it.
    pub(crate) owner: Option<Id>,
    pub(crate) tasks: Option<BTreeMap<Id, Vec<Task>>>,
    pub(crate) fields: BTreeMap<String, Value>,
    /// By app.
    pub(crate) subscriptions: BTreeMap<Id, PageSubscription>,
}

/// An app's row among a page's subscriptions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PageSubscription {
    /// Name of an app that is not simulated.
    pub(crate) name: Option<String>,
    pub(crate) fields: Vec<String>,
}

impl Page {
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
