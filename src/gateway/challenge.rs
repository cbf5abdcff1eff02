//! Meta's verification request.

use std::borrow::Cow;

/// Longest challenge that is repeated; Meta's have ten digits.
const LONGEST_CHALLENGE: usize = 128;

/// The challenge to repeat, if the request is Meta's and its verify token is known.
///
/// Only letters, digits, `_`, `-` and `.` are repeated: nobody can have us say anything else.
pub(super) fn answer(query: &str, is_known: impl FnOnce(&str) -> bool) -> Option<String> {
    let (mut mode, mut token, mut challenge) = (None, None, None);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "hub.mode" => mode = Some(value),
            "hub.verify_token" => token = Some(value),
            "hub.challenge" => challenge = Some(value),
            _ => {}
        }
    }
    let harmless = |text: &str| {
        text.len() <= LONGEST_CHALLENGE && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
    };
    let token = token?;
    let known = !token.is_empty() && is_known(&token);
    let challenge = challenge.filter(|challenge| known && mode.as_deref() == Some("subscribe") && harmless(challenge));
    challenge.map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_subscription_with_the_right_token_gets_its_challenge() {
        let tokens = ["s3cret", "former"];
        let cases = [
            ("hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=s3cret", Some("1158201444")),
            ("hub.verify_token=s3cret&hub.challenge=a_b-c.1&hub.mode=subscribe&x=y", Some("a_b-c.1")),
            ("hub.mode=subscribe&hub.challenge=2&hub.verify_token=former", Some("2")),
            ("hub.mode=subscribe&hub.challenge=1&hub.verify_token=s3cret%20", None),
            ("hub.mode=subscribe&hub.challenge=1&hub.verify_token=", None),
            ("hub.mode=unsubscribe&hub.challenge=1&hub.verify_token=s3cret", None),
            ("hub.challenge=1&hub.verify_token=s3cret", None),
            ("hub.mode=subscribe&hub.verify_token=s3cret", None),
            ("hub.mode=subscribe&hub.challenge=%3Cscript%3E&hub.verify_token=s3cret", None),
            ("", None),
        ];
        for (query, expected) in cases {
            assert_eq!(answer(query, |token| tokens.contains(&token)).as_deref(), expected, "{query}");
        }
    }

    #[test]
    fn without_a_verify_token_nothing_is_answered() {
        for query in ["hub.mode=subscribe&hub.challenge=1&hub.verify_token=", "hub.mode=subscribe&hub.challenge=1"] {
            assert_eq!(answer(query, |_| true), None);
        }
    }
}
