//! To which addresses a request may go. The URL of an endpoint is what a tenant wrote: without this, the gateway would send
//! requests for them to what only it can reach.

mod resolver;
mod special;

use std::net::IpAddr;

use ipnet::IpNet;
use url::{Host, Url};

pub use resolver::{PermittedAddresses, SystemNames};

/// To which addresses requests may go.
#[derive(Clone, Debug, Default)]
pub struct AddressPolicy {
    /// Where nothing is sent besides what is never allowed: ranges of pods, Services and nodes.
    pub denied: Vec<IpNet>,
    /// What whoever runs the gateway allows although it would be refused. Never what a tenant writes.
    pub allowed: Vec<IpNet>,
}

/// Where an endpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Outside of the cluster: public addresses only.
    External,
    /// A Service of the cluster: any address but loopback and link-local.
    Service,
}

/// Why nothing is sent to a URL. The text may be shown to who wrote it: it does not say what an address answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum AddressRefusal {
    #[error("the URL has no host")]
    NoHost,
    #[error("the URL must not contain a user name or a password")]
    Credentials,
    #[error("the URL must start with https://")]
    NotHttps,
    #[error("the host must be a name, not an address")]
    Literal,
    #[error("the host leads to an address that is not public")]
    NotPublic,
}

impl AddressPolicy {
    /// Whether a request may be sent to this URL, as far as it is known before its host is resolved. HTTP clients do not resolve
    /// literal addresses, so that what they connect to is checked here.
    pub fn check_url(&self, url: &Url, reach: Reach) -> Result<(), AddressRefusal> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AddressRefusal::Credentials);
        }
        if url.scheme() != "https" && !(reach == Reach::Service && url.scheme() == "http") {
            return Err(AddressRefusal::NotHttps);
        }
        let address = match url.host().ok_or(AddressRefusal::NoHost)? {
            Host::Domain(_) => return Ok(()),
            Host::Ipv4(address) => IpAddr::from(address),
            Host::Ipv6(address) => IpAddr::from(address),
        };
        if self.is_allowed(address) { Ok(()) } else { Err(AddressRefusal::Literal) }
    }

    /// Whether a connection may be made to this address.
    pub fn permits(&self, address: IpAddr, reach: Reach) -> bool {
        if self.is_allowed(address) {
            return true;
        }
        let canonical = address.to_canonical();
        match reach {
            Reach::External => {
                special::is_public(canonical) && !self.denied.iter().any(|range| range.contains(&canonical))
            }
            Reach::Service => special::may_be_a_pod(canonical),
        }
    }

    fn is_allowed(&self, address: IpAddr) -> bool {
        let canonical = address.to_canonical();
        self.allowed.iter().any(|range| range.contains(&canonical))
    }
}

#[cfg(test)]
mod tests;
