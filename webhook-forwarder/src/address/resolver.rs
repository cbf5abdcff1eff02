//! Names become addresses, of which only those remain that a connection may be made to. It is made to exactly these: what a name
//! resolves to later has no effect.

use std::net::SocketAddr;
use std::sync::Arc;

use hickory_resolver::TokioResolver;
use hickory_resolver::net::NetError;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{AddressPolicy, AddressRefusal, Reach};

/// Leaves of what names resolve to only what the policy permits.
pub struct PermittedAddresses {
    names: Arc<dyn Resolve>,
    policy: Arc<AddressPolicy>,
    reach: Reach,
}

impl PermittedAddresses {
    pub fn new(names: Arc<dyn Resolve>, policy: Arc<AddressPolicy>, reach: Reach) -> Self {
        Self { names, policy, reach }
    }
}

impl Resolve for PermittedAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        let (found, policy, reach) = (self.names.resolve(name), Arc::clone(&self.policy), self.reach);
        Box::pin(async move {
            let permitted: Vec<SocketAddr> =
                found.await?.filter(|address| policy.permits(address.ip(), reach)).collect();
            if permitted.is_empty() {
                return Err(AddressRefusal::NotPublic.into());
            }
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

/// Names as the system's servers know them. Unlike the system's own resolver it holds no thread while a server is silent, so that
/// one name does not delay others.
#[derive(Clone)]
pub struct SystemNames(TokioResolver);

impl SystemNames {
    /// Reads the system's configuration, once.
    pub fn new() -> Result<Self, NetError> {
        Ok(Self(TokioResolver::builder_tokio()?.build()?))
    }
}

impl Resolve for SystemNames {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.0.clone();
        Box::pin(async move {
            // With a dot at its end a name is whole: no search list, in which a name of the cluster would come first.
            let whole = format!("{}.", name.as_str().trim_end_matches('.'));
            let found = resolver.lookup_ip(whole).await?;
            let addresses: Vec<_> = found.iter().map(|address| SocketAddr::new(address, 0)).collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
