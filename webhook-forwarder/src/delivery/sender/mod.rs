//! One request to an endpoint.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::dns::Resolve;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, Response, redirect};

use super::endpoint::Endpoint;
use super::outcome::{Failure, Unreachable};
use super::turn::Transport;
use super::{body, signature};
use crate::address::{AddressPolicy, AddressRefusal, PermittedAddresses, Reach};
use crate::event::QueuedEvent;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How long a request may take as a whole.
const WHOLE: Duration = Duration::from_secs(10);
/// How much of an answer is read, and thrown away, so that its connection can be used again.
const ANSWER: usize = 4 << 10;

/// Sends events to endpoints.
#[derive(Clone)]
pub struct Sender {
    policy: Arc<AddressPolicy>,
    external: Client,
    service: Client,
}

impl Sender {
    /// One that connects only to what the policy permits of what names resolve to.
    pub fn new(policy: AddressPolicy, names: Arc<dyn Resolve>, user_agent: &str) -> reqwest::Result<Self> {
        let policy = Arc::new(policy);
        let client = |reach| {
            let permitted = PermittedAddresses::new(Arc::clone(&names), Arc::clone(&policy), reach);
            builder(user_agent).dns_resolver(Arc::new(permitted))
        };
        let external = client(Reach::External).https_only(true).build()?;
        let service = client(Reach::Service).build()?;
        Ok(Self { policy, external, service })
    }
}

impl Transport for Sender {
    async fn send(&self, endpoint: &Endpoint, events: &[QueuedEvent], now: SystemTime) -> Result<(), Failure> {
        let refused = |refusal| Failure::Unreachable(Unreachable::Address(refusal));
        self.policy.check_url(&endpoint.url, endpoint.reach).map_err(refused)?;
        let client = match endpoint.reach {
            Reach::External => &self.external,
            Reach::Service => &self.service,
        };
        let (body, id) = (body::body(events), signature::request_id(events));
        let mut headers = signature::headers(&endpoint.key, &id, now, &body);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if endpoint.cloud_events {
            headers.extend(cloud_event(&id, events));
        }
        let request = client.post(endpoint.url.clone()).headers(headers).body(body);
        let answer = request.send().await.map_err(|error| failure(&error))?;
        judged(answer).await
    }
}

fn builder(user_agent: &str) -> ClientBuilder {
    Client::builder()
        .user_agent(user_agent)
        .redirect(redirect::Policy::none())
        .referer(false)
        // A proxy from the environment would connect to addresses that are not permitted.
        .no_proxy()
        .http1_only()
        .connect_timeout(CONNECT)
        .timeout(WHOLE)
}

/// The headers of a [CloudEvent](https://github.com/cloudevents/spec) in binary mode.
fn cloud_event(id: &str, events: &[QueuedEvent]) -> HeaderMap {
    let page = events.first().map_or("", |of| &*of.event.entry_id);
    let values = [
        ("ce-specversion", "1.0".to_owned()),
        ("ce-type", "io.metachannels.page.event".to_owned()),
        ("ce-source", format!("https://graph.facebook.com/{page}")),
        ("ce-id", id.to_owned()),
    ];
    let value = |(name, value): (&'static str, String)| {
        Some((HeaderName::from_static(name), HeaderValue::try_from(value).ok()?))
    };
    values.into_iter().filter_map(value).collect()
}

/// What an answer means. A connection with more of an answer than is read is closed.
async fn judged(mut answer: Response) -> Result<(), Failure> {
    let status = answer.status();
    let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let mut read = 0;
    while read <= ANSWER
        && let Ok(Some(chunk)) = answer.chunk().await
    {
        read += chunk.len();
    }
    match status.as_u16() {
        200..300 => Ok(()),
        410 => Err(Failure::Gone),
        status => Err(Failure::Answered { status, retry_after: retry_after.map(Duration::from_secs) }),
    }
}

fn failure(error: &reqwest::Error) -> Failure {
    if let Some(refusal) = refusal(error) {
        Failure::Unreachable(Unreachable::Address(refusal))
    } else if error.is_connect() || error.is_builder() {
        Failure::Unreachable(Unreachable::Connection)
    } else if error.is_timeout() {
        Failure::TimedOut
    } else {
        Failure::Cut
    }
}

/// The refusal of an address, wherever in the causes it stands.
fn refusal(error: &(dyn Error + 'static)) -> Option<AddressRefusal> {
    error.downcast_ref().copied().or_else(|| refusal(error.source()?))
}

#[cfg(test)]
mod tests;
