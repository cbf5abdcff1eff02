//! What the gateway heard of a page: evidence of its primary receiver. Classes and times, and nothing of what was said or by whom.

use k8s_openapi::jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conditions::time_schema;

/// What events of a page show of its primary receiver. The gateway writes it.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InboundStatus {
    /// Id of the application that the events were sent to.
    pub app_id: String,
    /// What they show.
    pub evidence: InboundEvidence,
    /// Time of the event that shows it; refreshed about once a day while it stays the same.
    #[schemars(schema_with = "time_schema")]
    pub observed_at: Timestamp,
    /// When a person's message last came to our application; refreshed about once a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub last_messaging_time: Option<Timestamp>,
    /// When a person's message last came on standby; refreshed about once a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub last_standby_time: Option<Timestamp>,
}

/// What events can show of the primary receiver.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
pub enum InboundEvidence {
    /// Messages of people come to our application.
    MessagesReceived,
    /// For an hour or longer they have come on standby only: another application owns their threads.
    StandbyOnly,
    /// The same, and staff answers in the page's inbox.
    InboxAnswers,
    /// Meta told that our application was made the primary receiver.
    PrimaryReceiverRole,
    /// Meta told that our application was made a secondary receiver.
    SecondaryReceiverRole,
}
