//! Where the events of a channel go.

use std::fmt;
use std::sync::Arc;

use url::Url;

use crate::address::Reach;
use crate::event::ChannelId;

/// Where the events of a channel go, and what each request carries.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub url: Url,
    pub reach: Reach,
    pub key: SigningKey,
    /// How many events one request may carry while there is a backlog; never less than one.
    pub max_batch: usize,
    /// Whether requests carry the headers of CloudEvents, and then one event each.
    pub cloud_events: bool,
}

impl Endpoint {
    /// How many events one request may carry.
    pub(super) fn batch(&self) -> usize {
        if self.cloud_events { 1 } else { self.max_batch.max(1) }
    }

    /// Whose requests are counted together.
    pub(super) fn host(&self) -> Host {
        Host(self.url.host_str().unwrap_or_default().into(), self.url.port_or_known_default().unwrap_or_default())
    }
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Host(Box<str>, u16);

/// Tells where the events of a channel go at this moment.
pub trait Endpoints: Send + Sync + 'static {
    /// `None`: nowhere for now. They wait until [`super::Wakes::endpoint_changed`] is called.
    fn endpoint(&self, channel: ChannelId) -> Option<Arc<Endpoint>>;
}

/// What requests to an endpoint are signed with. A bot takes it for the secret of its application.
#[derive(Clone)]
pub struct SigningKey(Arc<str>);

impl SigningKey {
    pub fn new(key: &str) -> Self {
        Self(key.into())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningKey(..)")
    }
}
