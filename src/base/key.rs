//! Names of objects inside the operator.

use kube::core::ObjectMeta;
use kube::{Resource, ResourceExt};
use kube_runtime::reflector::ObjectRef;

/// Namespace and name of an object.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Key {
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
}

impl Key {
    /// The key for a namespace and a name.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The key of an object.
    pub fn of(object: &impl ResourceExt) -> Self {
        Self::new(object.namespace().unwrap_or_default(), object.name_any())
    }

    /// The key as kube's runtime refers to it.
    pub fn to_ref<K: Resource<DynamicType = ()>>(&self) -> ObjectRef<K> {
        ObjectRef::new(&self.name).within(&self.namespace)
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Version of an object as it is stored. Those of one kind are numbers that grow.
pub fn version(object: &ObjectMeta) -> Option<u64> {
    object.resource_version.as_ref()?.parse().ok()
}

/// Name of a kind, as Kubernetes spells it. Each kind that is reconciled has a constant beside its type in `api`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KindName(&'static str);

impl KindName {
    /// The kind of this name.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// The kind as Kubernetes spells it.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

/// Kinds of Kubernetes that are written here too.
pub const SECRET: &str = "Secret";
pub const EVENT: &str = "Event";
pub const LEASE: &str = "Lease";
