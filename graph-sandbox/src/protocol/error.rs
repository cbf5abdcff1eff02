//! Graph errors and their envelope.

use axum::http::{HeaderMap, HeaderValue, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The `type` of a Graph error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorType {
    OAuth,
    GraphMethod,
    GraphBatch,
}

impl ErrorType {
    fn name(self) -> &'static str {
        match self {
            Self::OAuth => "OAuthException",
            Self::GraphMethod => "GraphMethodException",
            Self::GraphBatch => "GraphBatchException",
        }
    }
}

/// An error as Graph reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GraphError {
    pub(crate) status: u16,
    pub(crate) kind: ErrorType,
    pub(crate) code: i64,
    pub(crate) subcode: Option<i64>,
    pub(crate) message: String,
    pub(crate) is_transient: bool,
    /// Words for a person; boxed, since they are rare.
    pub(crate) user: Option<Box<UserWords>>,
}

/// What Graph would tell a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserWords {
    /// `error_user_title`.
    pub title: String,
    /// `error_user_msg`.
    pub message: String,
}

impl GraphError {
    /// An error with HTTP status 400 and the usual type.
    pub(crate) fn new(code: i64, message: impl Into<String>) -> Self {
        Self {
            status: 400,
            kind: ErrorType::OAuth,
            code,
            subcode: None,
            message: message.into(),
            is_transient: false,
            user: None,
        }
    }

    pub(crate) fn subcode(mut self, subcode: i64) -> Self {
        self.subcode = Some(subcode);
        self
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn graph_method(mut self) -> Self {
        self.kind = ErrorType::GraphMethod;
        self
    }

    /// The batch as a whole is wrong.
    pub(crate) fn batch(code: i64, message: impl std::fmt::Display) -> Self {
        Self { kind: ErrorType::GraphBatch, ..Self::new(code, format!("(#{code}) {message}")) }
    }

    /// The life of the version is over.
    pub(crate) fn deprecated_version(newest: impl std::fmt::Display) -> Self {
        let message = format!(
            "(#2635) You are calling a deprecated version of the API. Please update to the latest version: {newest}."
        );
        Self::new(2635, message)
    }

    /// There were too many calls.
    pub(crate) fn throttled(code: i64) -> Self {
        let message = match code {
            4 => "Application request limit reached",
            17 => "User request limit reached",
            32 => "Page request limit reached",
            80_000..=80_099 => {
                "There have been too many calls to this Page account. Wait a bit and try again. For more info, please \
                 refer to https://developers.facebook.com/docs/graph-api/overview/rate-limiting."
            }
            _ => "Calls to this api have exceeded the rate limit.",
        };
        Self { is_transient: true, ..Self::new(code, format!("(#{code}) {message}")) }
    }

    /// A bad parameter.
    pub(crate) fn parameter(message: impl std::fmt::Display) -> Self {
        Self::new(100, format!("(#100) {message}"))
    }

    /// A required parameter is absent.
    pub(crate) fn missing_parameter(name: &str) -> Self {
        Self::parameter(format_args!("The parameter {name} is required"))
    }

    /// A value outside a closed list.
    pub(crate) fn not_one_of(parameter: &str, accepted: &[&str], got: &str) -> Self {
        Self::parameter(format_args!("Param {parameter} must be one of {{{}}} - got \"{got}\"", accepted.join(", ")))
    }

    /// A field the node does not have.
    pub(crate) fn nonexisting_field(field: &str, node_type: &str) -> Self {
        Self::parameter(format_args!("Tried accessing nonexisting field ({field}) on node type ({node_type})"))
    }

    /// The path leads nowhere.
    pub(crate) fn unknown_path(rest: &str) -> Self {
        Self::new(2500, format!("Unknown path components: {rest}"))
    }

    /// The object is missing or hidden, or does not know this verb; Graph does not say which.
    pub(crate) fn unsupported(method: &str, id: &str) -> Self {
        let verb = method.to_ascii_lowercase();
        Self::new(
            100,
            format!(
                "Unsupported {verb} request. Object with ID '{id}' does not exist, cannot be loaded due to \
                 missing permissions, or does not support this operation. Please read the Graph API \
                 documentation at https://developers.facebook.com/docs/graph-api"
            ),
        )
        .subcode(33)
        .graph_method()
    }

    /// A scope or task is missing.
    pub(crate) fn permission(message: impl std::fmt::Display) -> Self {
        Self::new(200, format!("(#200) {message}")).status(403)
    }

    /// The token was not granted this scope.
    pub(crate) fn missing_scope(scope: &str) -> Self {
        Self::permission(format_args!("Requires {scope} permission to manage the object."))
    }

    /// The call has no token, or one that belongs to nobody.
    pub(crate) fn no_active_token() -> Self {
        Self::new(2500, "An active access token must be used to query information about the current user.")
    }

    /// An app token is needed.
    pub(crate) fn needs_app_token() -> Self {
        Self::new(15, "(#15) This method must be called with an app access_token.")
    }

    /// A page token is needed.
    pub(crate) fn needs_page_token() -> Self {
        Self::new(210, "(#210) This call requires a Page access token.")
    }

    /// The body of the answer.
    pub(crate) fn envelope(&self, trace: &str) -> Value {
        let mut error = json!({
            "message": self.message,
            "type": self.kind.name(),
            "code": self.code,
            "is_transient": self.is_transient,
            "fbtrace_id": trace,
        });
        if let Some(subcode) = self.subcode {
            error["error_subcode"] = subcode.into();
        }
        if let Some(words) = &self.user {
            error["error_user_title"] = words.title.as_str().into();
            error["error_user_msg"] = words.message.as_str().into();
        }
        json!({ "error": error })
    }

    /// `WWW-Authenticate`, which OAuth failures carry.
    pub(crate) fn add_challenge(&self, headers: &mut HeaderMap) {
        if self.kind != ErrorType::OAuth {
            return;
        }
        let reason = match self.code {
            190 | 101 | 102 => "invalid_token",
            10 | 200..=299 => "insufficient_scope",
            _ => "invalid_request",
        };
        // The text may quote what the caller sent: only what a header can hold goes in.
        let text: String = self
            .message
            .chars()
            .map(|c| {
                if c == '"' || c == '\\' {
                    '\''
                } else if (' '..='~').contains(&c) {
                    c
                } else {
                    '?'
                }
            })
            .collect();
        let challenge = format!("OAuth \"Facebook Platform\" \"{reason}\" \"{text}\"");
        if let Ok(value) = HeaderValue::from_str(&challenge) {
            headers.insert(header::WWW_AUTHENTICATE, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_has_a_subcode_only_where_there_is_one() {
        let plain = GraphError::parameter("x").envelope("T");
        assert_eq!(
            plain,
            json!({"error": {"message": "(#100) x", "type": "OAuthException", "code": 100,
                "is_transient": false, "fbtrace_id": "T"}})
        );
        let hidden = GraphError::unsupported("GET", "22000").envelope("T");
        assert_eq!(hidden["error"]["error_subcode"], 33);
        assert_eq!(hidden["error"]["type"], "GraphMethodException");
    }

    #[test]
    fn challenges_survive_any_message() {
        let mut headers = HeaderMap::new();
        GraphError::new(190, "Malformed access token a\r\nb\u{202e}\"c\"").add_challenge(&mut headers);
        assert_eq!(
            headers[header::WWW_AUTHENTICATE],
            r#"OAuth "Facebook Platform" "invalid_token" "Malformed access token a??b?'c'""#
        );
    }
}
