//! Whether our application is the one that gets a page's conversations: what is asked for, and what was seen.

use k8s_openapi::jiff::Timestamp;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conditions::time_schema;
use super::inbound::InboundEvidence;

/// What a channel demands of the primary receiver. Meta calls it the default app of conversation routing; a person sets
/// it in the page's settings, and no call at Meta can.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
pub struct PrimaryReceiver {
    /// What must be known before the channel counts as connected.
    #[serde(default)]
    pub requirement: ReceiverRequirement,
    /// A person's statement that our application is the default app. It is reported as such, and newer evidence overrules it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attested: Option<Attestation>,
}

/// What must be known of the primary receiver.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum ReceiverRequirement {
    /// It must have been measured or attested.
    Verified,
    /// Nothing measured may say that another application controls the conversations.
    #[default]
    NotContradicted,
    /// It is not checked.
    Ignored,
}

/// A person's word about the primary receiver.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
pub struct Attestation {
    /// Who attests it, for example an e-mail address.
    #[schemars(length(min = 1, max = 200))]
    pub by: String,
    /// When they checked.
    #[schemars(schema_with = "time_schema")]
    pub at: Timestamp,
}

/// What was seen of the primary receiver.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PrimaryReceiverStatus {
    /// What was seen.
    pub evidence: ReceiverEvidence,
    /// When it was seen; refreshed about once a day while it stays the same.
    #[schemars(schema_with = "time_schema")]
    pub observed_at: Timestamp,
}

/// What can be seen of the primary receiver.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum ReceiverEvidence {
    /// Meta shows us that another application owns a thread, which it shows to owner and default app only.
    ForeignOwnerVisible,
    /// Our application owns the recently active threads.
    ThreadsOwned,
    /// Meta hides from us who owns most of the recently active threads.
    OwnersHidden,
    /// Staff answers most of the recently active threads in the page's inbox.
    InboxOwnsThreads,
    /// Conversation routing is off for the page.
    RoutingOff,
    /// Messages of people come to our application while conversation routing is on.
    MessagesReceived,
    /// Messages of people come on standby only.
    StandbyOnly,
    /// Messages of people come on standby only, and staff answers in the page's inbox.
    InboxAnswers,
    /// Meta told that our application was made the primary receiver.
    PrimaryReceiverRole,
    /// Meta told that our application was made a secondary receiver.
    SecondaryReceiverRole,
}

impl ReceiverEvidence {
    /// Whether events of the page show it, and not what was read of its threads.
    pub const fn is_of_events(self) -> bool {
        use ReceiverEvidence::{
            InboxAnswers, MessagesReceived, PrimaryReceiverRole, SecondaryReceiverRole, StandbyOnly,
        };
        matches!(self, MessagesReceived | StandbyOnly | InboxAnswers | PrimaryReceiverRole | SecondaryReceiverRole)
    }
}

impl From<InboundEvidence> for ReceiverEvidence {
    fn from(evidence: InboundEvidence) -> Self {
        match evidence {
            InboundEvidence::MessagesReceived => Self::MessagesReceived,
            InboundEvidence::StandbyOnly => Self::StandbyOnly,
            InboundEvidence::InboxAnswers => Self::InboxAnswers,
            InboundEvidence::PrimaryReceiverRole => Self::PrimaryReceiverRole,
            InboundEvidence::SecondaryReceiverRole => Self::SecondaryReceiverRole,
        }
    }
}
