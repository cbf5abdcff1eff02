//! What can go wrong with a call, in a form that is safe to log.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::decode::{flag, integer};
use super::signs::Signs;
use crate::base::redact::{identifier, quote, redact};

/// Why a call brought no usable answer. Contains no secret, neither displayed nor debugged.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GraphError {
    /// No complete answer in time.
    #[error("no answer within the time limit")]
    Timeout,
    /// The connection could not be made or broke.
    #[error("the connection failed: {0}")]
    Transport(String),
    /// Something answered, but not as Graph does.
    #[error("HTTP {status}: {what}")]
    BadAnswer {
        /// The HTTP status.
        status: u16,
        /// What is wrong with the answer.
        what: &'static str,
    },
    /// The answer is about another object than the one that was asked for.
    #[error("the answer is about another object")]
    OtherObject,
    /// Graph refused the call.
    #[error(transparent)]
    Fault(Box<GraphFault>),
}

impl From<GraphFault> for GraphError {
    fn from(fault: GraphFault) -> Self {
        Self::Fault(Box::new(fault))
    }
}

/// An error as Graph words it.
#[derive(Clone, Debug, PartialEq)]
pub struct GraphFault {
    /// HTTP status it came with; 200 for what `debug_token` says about a token.
    pub http_status: u16,
    /// Graph's error code; 0 if it gave none.
    pub code: u32,
    /// Graph's error subcode, often absent.
    pub subcode: Option<u32>,
    /// Graph's `type`, such as `OAuthException`.
    pub kind: Option<Box<str>>,
    /// Graph's text, redacted. It changes from call to call: for logs and Events, not for conditions.
    pub message: String,
    /// Graph's short text for people, redacted.
    pub user_title: Option<Box<str>>,
    /// Graph says that the same call may succeed later.
    pub is_transient: bool,
    /// What Meta's support asks for.
    pub fbtrace_id: Option<Box<str>>,
    /// When throttled: how long, if the usage headers say so.
    pub regain_access: Option<Duration>,
    /// What the whole text gave away before it was shortened.
    pub(crate) signs: Signs,
}

impl GraphFault {
    /// A fault with code, subcode and text alone, as most are.
    #[must_use]
    pub fn new(code: u32, subcode: Option<u32>, message: &str) -> Self {
        Self {
            http_status: 400,
            code,
            subcode,
            kind: None,
            user_title: None,
            message: quote(message, &[]),
            is_transient: false,
            fbtrace_id: None,
            regain_access: None,
            signs: Signs::of(message),
        }
    }

    /// Reads an answer of Graph, with or without the outer `error` key. `None` if it is no fault.
    pub(crate) fn of_answer(answer: &Value, http_status: u16, secrets: &[&str]) -> Option<Self> {
        let bare = || {
            let is_fault = answer.get("message").is_some() && answer.get("code").is_some();
            is_fault.then_some(answer)
        };
        let envelope = answer.get("error").filter(|error| error.is_object()).or_else(bare)?;
        Self::of_envelope(envelope, http_status, secrets)
    }

    /// Reads the inner object. Only code and message are safe to expect, and either may be missing.
    pub(crate) fn of_envelope(envelope: &Value, http_status: u16, secrets: &[&str]) -> Option<Self> {
        let number = |key: &str| u32::try_from(envelope.get(key).and_then(integer)?).ok();
        let text = |key: &str| envelope.get(key).and_then(Value::as_str);
        let name = |key: &str| text(key).map(|name| identifier(redact(name, secrets)).into());
        let code = number("code");
        if code.is_none() && text("message").is_none() {
            return None;
        }
        let mut message = text("message").unwrap_or_default().to_owned();
        if let Some(details) = details(envelope.get("error_data")) {
            message = format!("{message} ({details})");
        }
        Some(Self {
            http_status,
            code: code.unwrap_or_default(),
            subcode: number("error_subcode").or_else(|| number("subcode")),
            kind: name("type"),
            is_transient: envelope.get("is_transient").and_then(flag).unwrap_or_default(),
            fbtrace_id: name("fbtrace_id"),
            regain_access: None,
            // The text says more than the title, which is often the same for many cases. A secret that stands where a name
            // could is none.
            signs: Signs::of(&message)
                .or_else(|| Signs::of(text("error_user_title").unwrap_or_default()))
                .without_secrets(secrets),
            user_title: text("error_user_title").map(|title| redact(title, secrets).into()),
            message: quote(&message, secrets),
        })
    }
}

/// WhatsApp explains itself in `error_data.details`; `error_data` is an object or JSON in a string.
fn details(error_data: Option<&Value>) -> Option<String> {
    let parsed: Value = match error_data? {
        Value::String(text) => serde_json::from_str(text).ok()?,
        other => other.clone(),
    };
    parsed.get("details")?.as_str().map(str::to_owned)
}

impl GraphFault {
    /// Code and subcode, as conditions name them: stable from call to call.
    #[must_use]
    pub fn fact(&self) -> String {
        match self.subcode {
            Some(subcode) => format!("code {}, subcode {subcode}", self.code),
            None => format!("code {}", self.code),
        }
    }

    /// What the text names: a permission, a field, or the new id of a page.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.signs.subject.as_deref()
    }

    /// What Meta said, redacted: the title for people, if there is one, and the text.
    #[must_use]
    pub fn words(&self) -> String {
        let title = self.user_title.as_deref().filter(|title| !title.is_empty());
        [title, Some(self.message.as_str())].into_iter().flatten().collect::<Vec<_>>().join(": ")
    }
}

impl fmt::Display for GraphFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Graph error {}", self.code)?;
        if let Some(subcode) = self.subcode {
            write!(f, "/{subcode}")?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        if let Some(trace) = &self.fbtrace_id {
            write!(f, " (fbtrace_id {trace})")?;
        }
        Ok(())
    }
}

impl std::error::Error for GraphFault {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SECRET: &str = "a-secret-that-is-not-shaped";

    fn fault(answer: &Value) -> Option<GraphFault> {
        GraphFault::of_answer(answer, 400, &[SECRET])
    }

    #[test]
    fn the_full_envelope_is_read() {
        let answer = json!({"error": {
            "message": "Error validating access token: Session has expired", "type": "OAuthException", "code": 190,
            "error_subcode": 463, "is_transient": false, "fbtrace_id": "AbC_d-1",
            "error_user_title": "x", "error_data": {"blame_field_specs": [["x"]]}}});
        let fault = fault(&answer).expect("a fault");
        assert_eq!((fault.code, fault.subcode, fault.http_status), (190, Some(463), 400));
        assert_eq!(fault.kind.as_deref(), Some("OAuthException"));
        assert_eq!(fault.fbtrace_id.as_deref(), Some("AbC_d-1"));
        assert_eq!(
            fault.to_string(),
            "Graph error 190/463: Error validating access token: Session has expired (fbtrace_id AbC_d-1)"
        );
    }

    #[test]
    fn lenient_shapes_are_read() {
        let rows = [
            ("no outer key", json!({"message": "m", "code": 4}), 4, None, false),
            ("strings for numbers", json!({"error": {"code": "190", "error_subcode": "460"}}), 190, Some(460), false),
            ("no code", json!({"error": {"message": "m"}}), 0, None, false),
            ("a code beyond every range", json!({"error": {"message": "m", "code": -1}}), 0, None, false),
            ("a transient word", json!({"error": {"code": 2, "is_transient": "true"}}), 2, None, true),
            (
                "debug_token's subcode",
                json!({"error": {"code": 190, "message": "m", "subcode": 463}}),
                190,
                Some(463),
                false,
            ),
        ];
        for (name, answer, code, subcode, transient) in rows {
            let fault = fault(&answer).expect(name);
            assert_eq!((fault.code, fault.subcode, fault.is_transient), (code, subcode, transient), "{name}");
        }
    }

    #[test]
    fn what_is_no_fault_is_none() {
        for answer in
            [json!({"id": "1"}), json!({"error": "text"}), json!({"error": {}}), json!([]), json!({"code": 1})]
        {
            assert_eq!(fault(&answer), None, "{answer}");
        }
    }

    #[test]
    fn details_come_from_an_object_or_a_string() {
        for data in [json!({"details": "why"}), json!(r#"{"details":"why"}"#)] {
            let fault = fault(&json!({"error": {"code": 1, "message": "m", "error_data": data}})).expect("a fault");
            assert_eq!(fault.message, "m (why)");
        }
        let fault = fault(&json!({"error": {"code": 1, "message": "m", "error_data": "not json"}})).expect("a fault");
        assert_eq!(fault.message, "m");
    }

    #[test]
    fn a_secret_that_stands_where_a_name_could_names_nothing() {
        let proof = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        for text in [
            format!("(#100) Param subscribed_fields[0] must be one of {{messages}} - got \"{proof}\""),
            format!("(#200) Invalid field: {proof}"),
            format!("(#100) Tried accessing nonexisting field ({proof}) on node type (Page)"),
        ] {
            let answer = json!({"error": {"code": 100, "message": text}});
            let of = |secrets: &[&str]| GraphFault::of_answer(&answer, 400, secrets).expect("a fault");
            assert_eq!(of(&[proof]).subject(), None, "{text}");
            assert!(!format!("{:?}", of(&[proof])).contains(proof), "{text}");
            // Also what only has the shape of one.
            assert_eq!(of(&[]).subject(), None, "{text}");
        }
        let answer = json!({"error": {"code": 100, "message": "nonexisting field (is_published)"}});
        assert_eq!(GraphFault::of_answer(&answer, 400, &[SECRET]).expect("a fault").subject(), Some("is_published"));
    }

    #[test]
    fn no_field_shows_a_secret() {
        let fault = fault(&json!({"error": {
            "code": 190, "message": format!("Malformed access token {SECRET}"), "type": SECRET, "fbtrace_id": SECRET,
            "error_data": {"details": SECRET}}}))
        .expect("a fault");
        let error = GraphError::from(fault);
        for shown in [error.to_string(), format!("{error:?}")] {
            assert!(!shown.contains(SECRET), "{shown}");
        }
    }
}
