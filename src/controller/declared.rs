//! A kind that people declare, from the point of view of the operator's watches: what to do when its objects come, change and
//! go, beyond what is done for every kind.

use std::hash::{DefaultHasher, Hash, Hasher};

use kube::Resource;

use super::foreign_status;
use super::reconciler::Reconciler;
use crate::api::Connection;
use crate::base::key::Key;
use crate::cluster::stores::Objects;

/// A channel, as its application counts it.
pub struct ConnectedThrough {
    /// The MetaApp that it names.
    pub app: Key,
    /// Its own namespace, which the MetaApp may not allow.
    pub namespace: String,
    /// What has become of it.
    pub connection: Connection,
}

/// A kind that people declare.
pub trait Declared: Reconciler + Sized
where
    Self::Object: Resource<DynamicType = ()>,
{
    /// What the watches show of its objects.
    fn objects(&self) -> &Objects<Self::Object>;

    /// Hears that an object is new, or that its declaration changed or a check was asked for; its pass comes in any case.
    fn changed(&self, _object: &Self::Object) {}

    /// A digest of what another process of ours writes into an object's status, as far as a pass depends on it.
    fn heard(&self, _object: &Self::Object) -> u64 {
        0
    }

    /// A digest of what others see of an object; `None` if they see nothing.
    fn outside(&self, _key: &Key, _object: &Self::Object) -> Option<u64> {
        None
    }

    /// Hears that this digest is another one: wakes who depends on the object, unless it is seen by somebody else.
    fn outside_changed(&self, key: &Key, _object: &Self::Object) {
        foreign_status::wake_dependents(self, key);
    }

    /// Hears that an object was seen to go, by the mark of its UID, before its claim is woken.
    fn departed(&self, _mark: u64) {}

    /// Forgets an object that is gone, cannot be decoded any more, or lies in a namespace that is not ours any more.
    fn went(&self, key: &Key) {
        self.forget(key);
    }

    /// Hears that a labeled Secret is gone.
    fn secret_went(&self, _key: &Key) {}

    /// Its objects that are channels of an application.
    fn channels(&self) -> Vec<ConnectedThrough> {
        Vec::new()
    }
}

/// A digest of a value, good within this process.
pub fn digest(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
