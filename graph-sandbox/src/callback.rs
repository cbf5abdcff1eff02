//! Calls to callbacks: where they really go, and the verification Meta does before it saves a
//! subscription.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use url::Url;

use crate::faults::CallbackAnswer;
use crate::ledger::CallbackUse;

/// How much of an answer is read; a challenge is short.
const MAX_ANSWER: usize = 64 * 1024;
/// How much of a wrong answer is quoted.
const MAX_QUOTE: usize = 100;

/// A verification request about to be made.
pub(crate) struct Attempt {
    target: Result<Url, Failure>,
    challenge: String,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) result: Result<(), Failure>,
    status: Option<u16>,
}

/// A callback's answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    reason: &'static str,
    body: Vec<u8>,
}

/// Why a callback was not verified, or did not take an event.
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

impl Attempt {
    /// Prepares the request to `callback`, or to what stands in for its host.
    pub(crate) fn new(resolve: &BTreeMap<String, String>, callback: &Url, verify_token: &str) -> Self {
        let challenge = rand::random_range(100_000_000..2_000_000_000_u32).to_string();
        let target = stand_in(resolve, callback);
        let target = target.map(|mut target| {
            target
                .query_pairs_mut()
                .append_pair("hub.mode", "subscribe")
                .append_pair("hub.challenge", &challenge)
                .append_pair("hub.verify_token", verify_token);
            target
        });
        Self { target, challenge }
    }

    /// Makes the request and judges the answer; or judges one given in place of the callback's.
    pub(crate) async fn run(self, client: &Client, limit: Duration, instead: Option<&CallbackAnswer>) -> Outcome {
        let answer = match (instead, self.target) {
            (Some(instead), _) => Ok(Answer::given(instead)),
            (None, Ok(target)) => exchange(client.get(target), limit).await,
            (None, Err(failure)) => Err(failure),
        };
        match answer {
            Ok(answer) => Outcome { status: Some(answer.status), result: judge(&answer, &self.challenge) },
            Err(failure) => Outcome { result: Err(failure), status: None },
        }
    }
}

impl Outcome {
    /// What the ledger shows of it.
    pub(crate) fn note(&self, url: String) -> CallbackUse {
        CallbackUse { url, verified: self.result.is_ok(), status: self.status }
    }
}

/// Where a call to this URL really goes: to what stands in for its host.
pub(crate) fn stand_in(resolve: &BTreeMap<String, String>, url: &Url) -> Result<Url, Failure> {
    let host = url.host_str().unwrap_or_default();
    // A port in the URL may have a stand-in of its own: `host:port` before `host`.
    let with_port = url.port().map(|port| format!("{host}:{port}"));
    let base = with_port.and_then(|key| resolve.get(&key)).or_else(|| resolve.get(host));
    let target = base.and_then(|base| Url::parse(&format!("{base}{}", url.path())).ok());
    let mut target = target.ok_or_else(|| Failure::Curl(6, format!("Could not resolve host: {host}")))?;
    target.set_query(url.query());
    Ok(target)
}

/// The client that calls callbacks. It only ever speaks plain HTTP, to stand-ins of the resolve
/// table; a TLS setup of its own keeps it independent of what the process has installed.
pub(crate) fn client() -> anyhow::Result<Client> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(Policy::none())
        .no_proxy()
        .user_agent("facebookplatform/1.0 (+http://developers.facebook.com)")
        .build()?;
    Ok(client)
}

/// Makes a request to a stand-in and reads the answer, all within the limit.
pub(crate) async fn exchange(request: RequestBuilder, limit: Duration) -> Result<Answer, Failure> {
    match tokio::time::timeout(limit, ask(request)).await {
        Ok(answer) => answer,
        Err(_) => Err(Failure::Curl(28, format!("Operation timed out after {} milliseconds", limit.as_millis()))),
    }
}

async fn ask(request: RequestBuilder) -> Result<Answer, Failure> {
    // The error's own text names the URL with the verify token: only its kind is told.
    let failed = |error: reqwest::Error| match error.is_connect() {
        true => Failure::Curl(7, "Failed to connect".to_owned()),
        false => Failure::Curl(56, "Failure when receiving data from the peer".to_owned()),
    };
    let response = request.header("accept", "*/*").send().await.map_err(failed)?;
    let status = response.status();
    let body = read(response).await.map_err(failed)?;
    Ok(Answer { status: status.as_u16(), reason: status.canonical_reason().unwrap_or_default(), body })
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

impl Answer {
    fn given(answer: &CallbackAnswer) -> Self {
        let reason = StatusCode::from_u16(answer.status).ok().and_then(|status| status.canonical_reason());
        Self { status: answer.status, reason: reason.unwrap_or_default(), body: answer.body.clone().into_bytes() }
    }

    /// Only 200 is a success.
    pub(crate) fn success(&self) -> Result<(), Failure> {
        if self.status == 200 { Ok(()) } else { Err(Failure::Status(self.status, self.reason)) }
    }
}

fn judge(answer: &Answer, challenge: &str) -> Result<(), Failure> {
    answer.success()?;
    if answer.body == challenge.as_bytes() {
        return Ok(());
    }
    let received = String::from_utf8_lossy(&answer.body).chars().take(MAX_QUOTE).collect();
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

    fn answer(status: u16, body: &[u8]) -> Answer {
        Answer { status, reason: "x", body: body.to_owned() }
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
        assert!(judge(&answer(200, b"123"), "123").is_ok());
        for (status, body) in [(200, &b"\"123\""[..]), (200, b"123\n"), (200, b""), (201, b"123"), (403, b"123")] {
            assert!(judge(&answer(status, body), "123").is_err(), "{status} {body:?}");
        }
    }

    #[test]
    fn a_wrong_answer_is_quoted_in_part() {
        let failure = judge(&answer(200, "<é>".repeat(500).as_bytes()), "123").unwrap_err();
        let text = failure.to_string();
        assert!(text.contains("expected value=\"123\", received=\"<é>") && text.len() < 400);
    }
}
