//! What the login dialog brings back: a code, or the reason why there is none.
//!
//! Only `access_denied` is a person's no. Anything else that comes instead of a code is reported to the maintainer of the
//! application, by its name or number and in Meta's words. The browser brings these words, so they are foreign text, and no
//! more than a hint.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::flow::{AppFailure, Refusal};
use crate::api::inbox::AppTrouble;
use crate::base::redact::redact;

/// Codes by which Meta says that the redirect URI is not one of the application's.
const REDIRECT_URI: [u32; 2] = [191, 1_349_048];

/// Codes of what may pass: an outage, or too many calls.
const PASSING: [u32; 4] = [1, 2, 4, 17];

/// The longest name of an error that is told.
const LONGEST_NAME: usize = 40;

/// What Meta brings back (RFC 6749, 4.1.2.1).
#[derive(Deserialize)]
pub(super) struct AuthorizationResponse {
    pub(super) state: SecretString,
    #[serde(default)]
    code: Option<SecretString>,
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_code: String,
    #[serde(default)]
    error_message: String,
    #[serde(default)]
    error_description: String,
}

impl AuthorizationResponse {
    /// The code.
    ///
    /// # Errors
    /// When there is none, or beside it an error.
    pub(super) fn code(self) -> Result<SecretString, Refusal> {
        if let Some(refusal) = self.refusal() {
            return Err(refusal);
        }
        self.code.filter(|code| !code.expose_secret().is_empty()).ok_or(Refusal::Empty)
    }

    /// Whether the login dialog may have refused the challenge (RFC 7636, 4.4.1).
    pub(super) fn rejects_challenge(&self) -> bool {
        self.error == "invalid_request"
    }

    fn refusal(&self) -> Option<Refusal> {
        let number = self.error_code.parse::<u32>().ok();
        let trouble = match (self.error.as_str(), number) {
            ("access_denied", _) => return Some(Refusal::Declined),
            ("", None) if self.error_code.is_empty() && self.error_message.is_empty() => return None,
            (_, Some(number)) if REDIRECT_URI.contains(&number) => AppTrouble::RedirectUriBlocked,
            ("server_error" | "temporarily_unavailable", _) => AppTrouble::DialogUnavailable,
            ("", Some(number)) if PASSING.contains(&number) => AppTrouble::DialogUnavailable,
            _ => AppTrouble::DialogFailed,
        };
        Some(Refusal::App(AppFailure { trouble, fact: self.fact(number), words: self.words() }))
    }

    /// The error by name and number, as far as it looks like one.
    fn fact(&self, number: Option<u32>) -> String {
        let is_name = |name: &&String| {
            let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            !name.is_empty() && name.len() <= LONGEST_NAME && name.bytes().all(letters)
        };
        let name = Some(&self.error).filter(is_name).cloned();
        let number = number.map(|number| format!("code {number}"));
        let fact: Vec<_> = name.into_iter().chain(number).collect();
        if fact.is_empty() { "an error without a name".to_owned() } else { fact.join(", ") }
    }

    fn words(&self) -> String {
        let words = [&self.error_message, &self.error_description];
        let words: Vec<_> = words.into_iter().map(String::as_str).filter(|words| !words.is_empty()).collect();
        let secrets = [Some(&self.state), self.code.as_ref()];
        let secrets: Vec<_> = secrets.into_iter().flatten().map(ExposeSecret::expose_secret).collect();
        redact(&words.join(": "), &secrets)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use axum::extract::Query;

    use super::*;

    const STATE: &str = "state-of-someone-0123456789";

    fn answer(query: &str) -> Result<SecretString, Refusal> {
        let uri = format!("/oauth/callback?state={STATE}&{query}").parse().unwrap();
        Query::<AuthorizationResponse>::try_from_uri(&uri).unwrap().0.code()
    }

    fn failure(query: &str) -> AppFailure {
        match answer(query).unwrap_err() {
            Refusal::App(failure) => failure,
            other => panic!("{query}: {other:?}"),
        }
    }

    #[test]
    fn a_code_alone_is_a_code() {
        for query in ["code=AQD", "code=AQD&error=", "code=AQD&error_code=&error_message="] {
            assert_eq!(answer(query).unwrap().expose_secret(), "AQD", "{query}");
        }
    }

    #[test]
    fn only_access_denied_is_a_persons_no() {
        let no = [
            "error=access_denied",
            "error=access_denied&error_code=200&error_reason=user_denied",
            "code=x&error=access_denied",
        ];
        for query in no {
            assert_eq!(answer(query).unwrap_err(), Refusal::Declined, "{query}");
        }
        for query in ["", "code=", "error_reason=user_denied"] {
            assert_eq!(answer(query).unwrap_err(), Refusal::Empty, "{query}");
        }
    }

    #[test]
    fn everything_else_is_told_by_what_can_be_done_about_it() {
        use AppTrouble::{DialogFailed, DialogUnavailable, RedirectUriBlocked};
        let rows = [
            ("error=server_error", DialogUnavailable, "server_error"),
            ("error=temporarily_unavailable&error_code=2", DialogUnavailable, "temporarily_unavailable, code 2"),
            ("error_code=2&error_message=x", DialogUnavailable, "code 2"),
            ("error_code=1349048&error_message=x", RedirectUriBlocked, "code 1349048"),
            ("error=server_error&error_code=191", RedirectUriBlocked, "server_error, code 191"),
            ("error_code=1349126&error_message=x", DialogFailed, "code 1349126"),
            ("code=x&error_code=1349126", DialogFailed, "code 1349126"),
            ("error=invalid_scope", DialogFailed, "invalid_scope"),
            ("error=unauthorized_client&error_code=x", DialogFailed, "unauthorized_client"),
            ("error_message=x", DialogFailed, "an error without a name"),
            ("error_code=99999999999999", DialogFailed, "an error without a name"),
            ("error=%3Cb%3E", DialogFailed, "an error without a name"),
        ];
        for (query, trouble, fact) in rows {
            let failure = failure(query);
            assert_eq!((failure.trouble, failure.fact.as_str()), (trouble, fact), "{query}");
        }
    }

    #[test]
    fn words_are_foreign_text() {
        let token = "EAAB0123456789abcdef0123456789";
        let said =
            failure(&format!("error_message=No+{token}+of+{STATE}&error_description=see+https://a.example/?x=y%0Aok"));
        assert_eq!(said.words, "No [redacted] of [redacted]: see https://a.example/ ok");
        let long = failure(&format!("error_message={}", "a+".repeat(2_000)));
        assert!(long.words.chars().count() <= 201, "{}", long.words.len());
    }
}
