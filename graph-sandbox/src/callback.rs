//! Verification of a webhook callback, as Meta does it before it saves a subscription.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use reqwest::{Client, Response};
use url::Url;

use crate::ledger::CallbackUse;

/// How much of an answer is read; a challenge is short.
const MAX_ANSWER: usize = 64 * 1024;
/// How much of a wrong answer is quoted.
const MAX_QUOTE: usize = 100;

/// A verification request about to be made.
pub(crate) struct Attempt {
    /// Where it really goes; the host's name if nothing stands in for it.
    target: Result<Url, String>,
    challenge: String,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) result: Result<(), Failure>,
    status: Option<u16>,
}

/// Why a callback was not verified.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No answer; the number is what curl calls it.
    Curl(u8, String),
    /// Another status than 200.
    Status(u16, &'static str),
    /// Status 200 without the challenge.
    Mismatch { expected: String, received: String },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Curl(number, text) => {
                write!(f, "curl_errno = {number}; curl_error = {text}; HTTP Status Code = 0; HTTP Message = ")
            }
            Self::Status(status, reason) => {
                write!(f, "HTTP Status Code = {status}; HTTP Message = {reason}")
            }
            Self::Mismatch { expected, received } => {
                write!(f, "response does not match challenge, expected value=\"{expected}\", received=\"{received}\"")
            }
        }
    }
}

/// What stands in for the host of a URL, path and query kept.
pub(crate) fn stand_in(resolve: &BTreeMap<String, String>, real: &Url) -> Option<Url> {
    let host = real.host_str().unwrap_or_default();
    // A port may have a stand-in of its own: `host:port` before `host`.
    let with_port = real.port().map(|port| format!("{host}:{port}"));
    let base = with_port.and_then(|key| resolve.get(&key)).or_else(|| resolve.get(host))?;
    let mut target = Url::parse(&format!("{base}{}", real.path())).ok()?;
    target.set_query(real.query());
    Some(target)
}

impl Attempt {
    /// Prepares the request to `callback`, or to what stands in for its host.
    pub(crate) fn new(resolve: &BTreeMap<String, String>, callback: &Url, verify_token: &str) -> Self {
        let challenge = rand::random_range(100_000_000..2_000_000_000_u32).to_string();
        let host = callback.host_str().unwrap_or_default();
        let target = stand_in(resolve, callback);
        let target = target.map(|mut target| {
            target
                .query_pairs_mut()
                .append_pair("hub.mode", "subscribe")
                .append_pair("hub.challenge", &challenge)
                .append_pair("hub.verify_token", verify_token);
            target
        });
        Self { target: target.ok_or_else(|| host.to_owned()), challenge }
    }

    /// Makes the request and judges the answer.
    pub(crate) async fn run(self, client: &Client, limit: Duration) -> Outcome {
        let target = match self.target {
            Ok(target) => target,
            Err(host) => {
                let failure = Failure::Curl(6, format!("Could not resolve host: {host}"));
                return Outcome { result: Err(failure), status: None };
            }
        };
        let asking = ask(client, target);
        match tokio::time::timeout(limit, asking).await {
            Ok(Ok((status, reason, body))) => {
                let result = judge(status, reason, &body, &self.challenge);
                Outcome { result, status: Some(status) }
            }
            Ok(Err(failure)) => Outcome { result: Err(failure), status: None },
            Err(_) => {
                let text = format!("Operation timed out after {} milliseconds", limit.as_millis());
                Outcome { result: Err(Failure::Curl(28, text)), status: None }
            }
        }
    }
}

impl Outcome {
    /// What the ledger shows of it.
    pub(crate) fn note(&self, url: String) -> CallbackUse {
        CallbackUse { url, verified: self.result.is_ok(), status: self.status }
    }
}

async fn ask(client: &Client, target: Url) -> Result<(u16, &'static str, Vec<u8>), Failure> {
    // The error's own text names the URL with the verify token: only its kind is told.
    let failed = |error: reqwest::Error| match error.is_connect() {
        true => Failure::Curl(7, "Failed to connect".to_owned()),
        false => Failure::Curl(56, "Failure when receiving data from the peer".to_owned()),
    };
    let response = client.get(target).header("accept", "*/*").send().await.map_err(failed)?;
    let status = response.status();
    let body = read(response).await.map_err(failed)?;
    Ok((status.as_u16(), status.canonical_reason().unwrap_or_default(), body))
}

async fn read(mut response: Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ANSWER {
            break;
        }
    }
    Ok(body)
}

fn judge(status: u16, reason: &'static str, body: &[u8], challenge: &str) -> Result<(), Failure> {
    if status != 200 {
        return Err(Failure::Status(status, reason));
    }
    if body == challenge.as_bytes() {
        return Ok(());
    }
    let received = String::from_utf8_lossy(body).chars().take(MAX_QUOTE).collect();
    Err(Failure::Mismatch { expected: challenge.to_owned(), received })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(callback: &str, host: &str, base: &str) -> Option<String> {
        let resolve = BTreeMap::from([(host.to_owned(), base.to_owned())]);
        let attempt = Attempt::new(&resolve, &Url::parse(callback).unwrap(), "a&b c");
        attempt.target.ok().map(|target| target.to_string().replace(&attempt.challenge, "N"))
    }

    #[test]
    fn path_and_query_of_the_callback_are_kept() {
        let asked = "hub.mode=subscribe&hub.challenge=N&hub.verify_token=a%26b+c";
        assert_eq!(
            target("https://hooks.example.com/webhooks/x?k=1", "hooks.example.com", "http://127.0.0.1:9").unwrap(),
            format!("http://127.0.0.1:9/webhooks/x?k=1&{asked}")
        );
        assert_eq!(
            target("https://hooks.example.com:8443/x", "hooks.example.com:8443", "http://127.0.0.1:9/base").unwrap(),
            format!("http://127.0.0.1:9/base/x?{asked}")
        );
        assert_eq!(target("https://elsewhere.example/x", "hooks.example.com", "http://127.0.0.1:9"), None);
    }

    #[test]
    fn only_the_bare_challenge_with_200_will_do() {
        assert!(judge(200, "OK", b"123", "123").is_ok());
        for (status, body) in [(200, &b"\"123\""[..]), (200, b"123\n"), (200, b""), (201, b"123"), (403, b"123")] {
            assert!(judge(status, "x", body, "123").is_err(), "{status} {body:?}");
        }
    }

    #[test]
    fn a_wrong_answer_is_quoted_in_part() {
        let failure = judge(200, "OK", "<é>".repeat(500).as_bytes(), "123").unwrap_err();
        let text = failure.to_string();
        assert!(text.contains("expected value=\"123\", received=\"<é>") && text.len() < 400);
    }
}
