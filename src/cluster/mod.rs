//! The clients for the API server, and what is known about the namespaces and objects that it shows.

pub mod backpressure;
pub mod departed;
pub mod error;
pub mod events;
pub mod leader;
pub mod list_refusals;
mod metadata;
pub mod namespace_labels;
pub mod namespace_ownership;
mod secret_content;
pub mod secret_guard;
pub mod secrets;
pub mod status;
pub mod stores;
pub mod surplus;
pub mod undecodable;
pub mod watch;
pub mod write_refused;

use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use kube_runtime::reflector::Store;

use crate::api::{AssetClaim, FacebookChannel, MetaApp, MetaGrant};
use crate::base::key::{Key, KindName};
use crate::cluster::error::{Failure, permitted};
use crate::cluster::events::Events;
use crate::cluster::leader::Lease;
use crate::cluster::namespace_ownership::Namespaces;
use crate::cluster::secrets::Secrets;
use crate::cluster::stores::Objects;
use crate::cluster::surplus::Surplus;
use crate::cluster::undecodable::Undecodable;

/// The API server, as the operator knows it.
pub struct Cluster {
    /// Client of the Kubernetes API.
    pub client: Client,
    /// The Lease under which this process works, if there is an election.
    pub lease: Option<Lease>,
    /// Which release the watched namespaces belong to.
    pub namespaces: Arc<Namespaces>,
    /// The objects that its watches show.
    pub stores: Stores,
    /// Released Secrets.
    pub secrets: Secrets,
    /// Objects that cannot be decoded.
    pub undecodable: Undecodable,
    /// Objects that are more than a namespace may have.
    pub surplus: Arc<Surplus>,
    /// Publisher of Events.
    pub events: Events,
}

/// What the watches show of the kinds.
pub struct Stores {
    pub apps: Objects<MetaApp>,
    pub grants: Objects<MetaGrant>,
    pub channels: Objects<FacebookChannel>,
    pub claims: Store<AssetClaim>,
}

impl Cluster {
    /// Whether a namespace is ours; what lies in others is another release's.
    pub fn is_ours(&self, namespace: &str) -> bool {
        self.namespaces.is_ours(namespace)
    }

    /// Whether the object of this name and UID is there and one too many, so that nothing is done for it.
    pub fn is_surplus(&self, kind: KindName, key: &Key, uid: &str) -> bool {
        self.is_ours(&key.namespace) && self.surplus.holds_uid(kind.as_str(), key, uid)
    }

    /// Whether no other replica can lead yet.
    pub fn leads(&self) -> bool {
        self.lease.as_ref().is_none_or(Lease::is_fresh)
    }

    /// Whether a watched namespace was there and is gone, or about to go. Where one cannot be looked for, the right to has gone
    /// with it.
    ///
    /// # Errors
    /// When the Kubernetes API does not answer.
    pub async fn is_namespace_gone(&self, namespace: &str) -> Result<bool, Failure> {
        if !self.namespaces.is_left(namespace) {
            return Ok(false);
        }
        let api: Api<Namespace> = Api::all(self.client.clone());
        let found = permitted("looking for a namespace", api.get_opt(namespace)).await?;
        Ok(found.flatten().is_none_or(|it| it.metadata.deletion_timestamp.is_some()))
    }
}

/// The API of a kind in one namespace, or in all if it has no name.
pub fn scoped<K>(client: &Client, namespace: &str) -> Api<K>
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
{
    if namespace.is_empty() { Api::all(client.clone()) } else { Api::namespaced(client.clone(), namespace) }
}
