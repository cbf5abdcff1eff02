//! What a seed says about a page's conversations.

use serde::{Deserialize, Serialize};

use crate::id::Id;
use crate::when::When;

/// Conversation routing of a page.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SeedRouting {
    /// The default app; without one every connected app gets every message.
    #[serde(deserialize_with = "id_or_none")]
    pub default_app: Option<Id>,
    /// Apps with the switch "Take control of conversations".
    pub take_control: Vec<Id>,
}

/// A conversation of a page with one person.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedConversation {
    /// The person's id at this page.
    pub psid: Id,
    /// The person's name.
    #[serde(default = "default_name")]
    pub name: String,
    /// The person among the seed's people; decides whether an unapproved app may write.
    #[serde(default)]
    pub person: Option<Id>,
    /// The app that owns the thread.
    #[serde(default)]
    pub owner: Option<Id>,
    /// When the ownership lapses; 24 hours from the start by default.
    #[serde(default)]
    pub owner_until: Option<When>,
    /// When the person last wrote; the start by default.
    #[serde(default = "at_the_start")]
    pub last_message_at: When,
    /// Whether messages reach the person.
    #[serde(default)]
    pub reach: Reach,
    /// Whether the person's profile can be read.
    #[serde(default)]
    pub profile: ProfileAccess,
}

pub(crate) fn default_name() -> String {
    "Casey Customer".to_owned()
}

fn at_the_start() -> When {
    When::Relative(jiff::SignedDuration::ZERO)
}

/// Whether messages reach a person, and the error when they do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// They do.
    #[default]
    Reachable,
    /// The person is unavailable (551/1545041).
    Unavailable,
    /// The person receives nothing now (10/2018108).
    NotReceiving,
    /// An automated flow of Meta's own controls the chat (10/2018321).
    AutomatedFlow,
}

/// Whether a person's profile can be read, and the error when it cannot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProfileAccess {
    /// It can.
    #[default]
    Open,
    /// There is none, as of accounts made with a phone number (100/2018218).
    Absent,
    /// The person has not consented (230).
    Withheld,
}

/// An id, or the word `none`.
pub(crate) fn id_or_none<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Id>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Choice {
        Id(Id),
        Word(Word),
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        None,
    }
    let choice = Option::<Choice>::deserialize(deserializer)?;
    Ok(choice.and_then(|choice| match choice {
        Choice::Id(id) => Some(id),
        Choice::Word(Word::None) => None,
    }))
}
