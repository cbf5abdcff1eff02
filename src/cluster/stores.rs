//! What the watches of one kind show, in all watched namespaces that belong to this release.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use kube::Resource;
use kube_runtime::reflector::{Lookup, Store};

use super::namespace_ownership::Namespaces;
use crate::base::key::Key;

/// The objects of one kind. What lies in a namespace that is not ours is not there.
pub struct Objects<K>
where
    K: Lookup + Clone + 'static,
    K::DynamicType: Eq + Hash,
{
    stores: Vec<Store<K>>,
    /// Who says what is ours.
    bindings: Arc<Namespaces>,
}

impl<K> Objects<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
{
    /// What the stores hold, one for each watched namespace, as far as it is ours.
    pub fn new(stores: Vec<Store<K>>, bindings: &Arc<Namespaces>) -> Self {
        Self { stores, bindings: Arc::clone(bindings) }
    }

    /// The object of this name.
    pub fn get(&self, key: &Key) -> Option<Arc<K>> {
        self.is_ours(&key.namespace).then(|| self.shown(key)).flatten()
    }

    /// The object of this name, be its namespace ours or not.
    pub fn shown(&self, key: &Key) -> Option<Arc<K>> {
        let reference = key.to_ref();
        self.stores.iter().find_map(|store| store.get(&reference))
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<K>> {
        let mut all = self.everything();
        all.retain(|object| self.is_ours(namespace_of(&**object)));
        all
    }

    /// What the watches show in a namespace, be it ours or not; "" is all of them.
    pub fn shown_in(&self, namespace: &str) -> Vec<Arc<K>> {
        let mut all = self.everything();
        all.retain(|object| namespace.is_empty() || namespace_of(&**object) == namespace);
        all
    }

    fn everything(&self) -> Vec<Arc<K>> {
        self.stores.iter().flat_map(Store::state).collect()
    }

    /// Whether a namespace is ours.
    pub fn is_ours(&self, namespace: &str) -> bool {
        self.bindings.is_ours(namespace)
    }
}

fn namespace_of<K: Resource>(object: &K) -> &str {
    object.meta().namespace.as_deref().unwrap_or_default()
}
