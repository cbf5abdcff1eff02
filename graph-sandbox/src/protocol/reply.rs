//! Answers, before they become HTTP.

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::Value;

use super::error::GraphError;
use super::version::Version;

/// What happens to the connection of a request.
pub(crate) enum Effect {
    Reply(Reply),
    /// The connection is reset without an answer.
    Reset,
    /// An operation of a batch did not finish.
    Unfinished,
}

/// An HTTP answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The Graph error in the body, for the ledger.
    pub(crate) error: Option<GraphError>,
}

const VERSION_HEADER: HeaderName = HeaderName::from_static("facebook-api-version");
const TRACE_HEADER: HeaderName = HeaderName::from_static("x-fb-trace-id");

impl Reply {
    pub(crate) fn json(body: Value, version: Version) -> Self {
        Self::with_headers(200, body, Some(version), &trace_id())
    }

    pub(crate) fn error(error: GraphError, version: Option<Version>) -> Self {
        let trace = trace_id();
        let mut reply = Self::with_headers(error.status, error.envelope(&trace), version, &trace);
        error.add_challenge(&mut reply.headers);
        reply.error = Some(error);
        reply
    }

    fn with_headers(status: u16, body: Value, version: Option<Version>, trace: &str) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache, no-store, must-revalidate"));
        let version = version.map(|version| version.to_string());
        for (name, text) in [(VERSION_HEADER, version.as_deref()), (TRACE_HEADER, Some(trace))] {
            if let Some(value) = text.and_then(|text| HeaderValue::from_str(text).ok()) {
                headers.insert(name, value);
            }
        }
        Self { status, headers, body: body.to_string().into(), error: None }
    }

    /// What a browser is told before it makes a call from another site.
    pub(crate) fn preflight() -> Self {
        let mut reply = Self::verbatim(200, "");
        let allowed = [
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, DELETE, OPTIONS"),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Content-Type"),
        ];
        reply.headers.extend(allowed.map(|(name, value)| (name, HeaderValue::from_static(value))));
        reply
    }

    /// A status and body of someone's choice.
    pub(crate) fn verbatim(status: u16, body: &str) -> Self {
        Self { status, headers: HeaderMap::new(), body: Bytes::copy_from_slice(body.as_bytes()), error: None }
    }

    /// What a proxy in front of Graph answers when Graph is away.
    pub(crate) fn html() -> Self {
        let page = "<!DOCTYPE html><html><head><title>Error</title></head><body><h1>Sorry, something went \
                    wrong.</h1><p>We're working on getting this fixed as soon as we can.</p></body></html>";
        let mut reply = Self::verbatim(502, page);
        reply.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        reply
    }

    /// A page for a person.
    pub(crate) fn page(status: u16, page: &str) -> Self {
        let mut reply = Self::verbatim(status, page);
        reply.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        reply.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // The page runs no scripts and loads nothing, whatever someone might have put into a name.
        let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
        reply.headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
        reply.headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        reply
    }

    /// Sends a browser elsewhere.
    pub(crate) fn redirect(to: &str) -> Self {
        let mut reply = Self::page(302, "");
        if let Ok(value) = HeaderValue::from_str(to) {
            reply.headers.insert(header::LOCATION, value);
        }
        reply
    }

    /// Keeps to itself which version answers.
    pub(crate) fn hide_version(&mut self) {
        self.headers.remove(VERSION_HEADER);
    }

    /// Changes the body, if it is JSON.
    pub(crate) fn edit(&mut self, change: impl FnOnce(&mut Value)) {
        if let Ok(mut body) = serde_json::from_slice(&self.body) {
            change(&mut body);
            self.body = body.to_string().into();
        }
    }

    /// Cuts the body in half.
    pub(crate) fn truncate(&mut self) {
        self.body.truncate(self.body.len() / 2);
    }
}

/// A trace id of the shape Graph uses.
fn trace_id() -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    let letters = rand::random::<[u8; 22]>().map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
    format!("A{}", String::from_iter(letters))
}
