//! What a fault does.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::edit::Edit;
use crate::protocol::UserWords;
use crate::usage::UsageKind;

/// What a fault does to a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultEffect {
    /// Accept the request and never answer.
    Hang,
    /// Answer late, but properly.
    Slow {
        /// By how many milliseconds.
        ms: u64,
    },
    /// Answer with this HTTP status and body; the call has no effect.
    Status {
        /// The HTTP status.
        code: u16,
        /// The body, verbatim.
        #[serde(default)]
        body: String,
        /// Put the request's own token behind the body, as a careless proxy may.
        #[serde(default)]
        echo_token: bool,
    },
    /// Answer with a Graph error; the call has no effect.
    GraphError(FaultError),
    /// Answer 502 with an HTML page; the call has no effect.
    Html,
    /// Carry the call out and cut its JSON answer in half.
    Truncated,
    /// Reset the connection; the call has no effect.
    Reset,
    /// Answer as usual but change nothing.
    SuccessWithoutEffect,
    /// Answer as usual, with these headers too.
    Headers(BTreeMap<String, String>),
    /// Refuse the call since there were too many, with the headers that say so.
    Throttle(Throttling),
    /// Answer as usual and report this usage.
    Usage(UsageReport),
    /// An operation of a batch does not finish: its item is null.
    Null,
    /// After a successful write on a subscription someone else writes over it.
    Overwrite(ForeignWrite),
    /// Carry the call out and answer with another body.
    Edit(OneOrMore<Edit>),
    /// A callback to be verified seems to answer this; it is not called.
    Callback(CallbackAnswer),
    /// The login dialog sends the browser back with these parameters and the state; nobody logs in.
    SendBack(BTreeMap<String, String>),
}

impl FaultEffect {
    /// The name used in seeds and in the ledger.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hang => "hang",
            Self::Slow { .. } => "slow",
            Self::Status { .. } => "status",
            Self::GraphError(_) => "graph_error",
            Self::Html => "html",
            Self::Truncated => "truncated",
            Self::Reset => "reset",
            Self::SuccessWithoutEffect => "success_without_effect",
            Self::Headers(_) => "headers",
            Self::Throttle(_) => "throttle",
            Self::Usage(_) => "usage",
            Self::Null => "null",
            Self::Overwrite(_) => "overwrite",
            Self::Edit(_) => "edit",
            Self::Callback(_) => "callback",
            Self::SendBack(_) => "send_back",
        }
    }
}

/// The error a fault answers with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultError {
    /// Graph error code.
    pub code: i64,
    /// Graph error subcode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subcode: Option<i64>,
    /// The text; a general one by default.
    #[serde(default = "default_message")]
    pub message: String,
    /// HTTP status, 400 by default.
    #[serde(default = "default_status")]
    pub status: u16,
    /// Whether Graph calls it transient.
    #[serde(default)]
    pub is_transient: bool,
    /// Words for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserWords>,
    /// Put the request's own token into the text, as Graph does at times.
    #[serde(default)]
    pub echo_token: bool,
}

impl FaultError {
    /// An error of this code and text with HTTP status 400.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self {
            code,
            subcode: None,
            message: message.into(),
            status: default_status(),
            is_transient: false,
            user: None,
            echo_token: false,
        }
    }
}

fn default_message() -> String {
    "An unknown error has occurred.".to_owned()
}

fn default_status() -> u16 {
    400
}

/// How a fault refuses a call since there were too many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Throttling {
    /// Graph error code; that of the token's limit by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<i64>,
    /// Minutes until calls are let through again.
    pub minutes: u64,
    /// Share of the allowance that is used.
    pub percent: u64,
}

impl Default for Throttling {
    fn default() -> Self {
        Self { code: None, minutes: 5, percent: 100 }
    }
}

/// The usage a fault reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsageReport {
    /// Share of the allowance that is used.
    pub percent: u64,
    /// Minutes until calls are let through again.
    #[serde(default)]
    pub minutes: u64,
    /// What the calls are charged to; that of the call by default.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<UsageKind>,
}

/// What a callback seems to answer when it is verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallbackAnswer {
    /// The HTTP status, 200 by default.
    #[serde(default = "ok")]
    pub status: u16,
    /// The body.
    #[serde(default)]
    pub body: String,
}

fn ok() -> u16 {
    200
}

/// One thing, or several in their order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OneOrMore<T> {
    /// Several.
    More(Vec<T>),
    /// One.
    One(T),
}

impl<T> OneOrMore<T> {
    /// All of them.
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::More(all) => all,
            Self::One(one) => std::slice::from_ref(one),
        }
    }
}

/// What someone else writes over a subscription; what is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ForeignWrite {
    /// Another callback; subscriptions of apps only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
    /// Other fields, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<String>>,
    /// Whether Meta delivers; subscriptions of apps only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Removes the subscription.
    pub removed: bool,
    /// How long it waits, by the sandbox's clock.
    pub delay: SignedDuration,
}
