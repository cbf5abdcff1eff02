//! A kind, from the point of view of the controller.

use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::NamespaceResourceScope;
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::context::{Context, Policy};
use super::dependents::Dependency;
use super::object_state::ObjectStates;
use crate::api::outcome::Class;
use crate::base::ids::Uid;
use crate::base::key::{Key, KindName};
use crate::base::schedule::{Slots, next_slot};
use crate::cluster::error::Failure;
use crate::cluster::status::StatusOf;

/// What a pass came to: when to act again, and why then.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Next {
    /// When to act again; [`NEVER`](crate::base::schedule::NEVER) if only a change wakes the object.
    pub at: Timestamp,
    /// Why then; for metrics and logs.
    pub class: Class,
}

/// How often objects of a kind are checked although nothing changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Periods {
    /// Those that are well.
    pub regular: Duration,
    /// Those that only a person can mend.
    pub broken: Duration,
}

impl Periods {
    /// Broken objects are checked no more often than those that are well.
    pub fn of(regular: Duration, policy: &Policy) -> Self {
        Self { regular, broken: policy.broken_period.max(regular) }
    }
}

/// A kind, as the controller sees it: a value that owns what is remembered of its objects.
pub trait Reconciler: Send + Sync + 'static {
    type Object: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static;

    type Status: Clone + Default + PartialEq + Serialize + Send + Sync + 'static;

    const NAME: KindName;

    /// Whether the slots of resting objects are the [sweep](crate::controller::batch_resync)'s. If not, each is a pass.
    const BATCHED: bool = false;

    /// How often its objects are checked.
    fn periods(policy: &Policy) -> Periods;

    /// What others depend on if they depend on the object of this name; `None` of a kind on which none depends.
    fn as_dependency(_key: &Key) -> Option<Dependency> {
        None
    }

    /// What it shares with the other kinds.
    fn ctx(&self) -> &Arc<Context>;

    /// Observes, decides, acts and reports, until nothing is left to do now.
    ///
    /// # Errors
    /// When the Kubernetes API does not answer. What Meta does or does not answer is an observation, not an error.
    fn reconcile(&self, object: &Self::Object) -> impl Future<Output = Result<Next, Failure>> + Send;

    /// The object of this name in the stores, if it is ours.
    fn stored(&self, key: &Key) -> Option<Arc<Self::Object>>;

    fn status(object: &Self::Object) -> Option<&Self::Status>;

    /// The same object with another status.
    fn with_status(object: &Self::Object, status: Self::Status) -> Self::Object;

    /// What of a status the operator writes itself. The rest another process of ours writes: a change there is nobody's interference.
    fn own_part(status: &Self::Status) -> Cow<'_, Self::Status> {
        Cow::Borrowed(status)
    }

    /// A status as it is written over that of this object: with the part that is not the operator's own, as it is stored.
    fn with_other_part<'a>(_object: &Self::Object, status: &'a Self::Status) -> Cow<'a, Self::Status> {
        Cow::Borrowed(status)
    }

    fn conditions(status: &Self::Status) -> &[Condition];

    /// The fingerprint in a status of what the last complete look depended on.
    fn inputs(status: &Self::Status) -> Option<&str>;

    /// The request for a check that a status says was handled, for a kind that is asked for looks.
    fn handled(_: &Self::Status) -> Option<&str> {
        None
    }

    /// What is remembered of the objects of this kind.
    fn states(&self) -> &ObjectStates<Self::Status>;

    /// Forgets everything that is remembered of an object that is gone; its UID, if it was known.
    fn forget(&self, key: &Key) -> Option<Uid> {
        self.states().forget(key)
    }
}

/// The status of an object, to be written.
pub(super) fn status_of<'a, K: Reconciler>(ctx: &'a Context, object: &'a K::Object) -> StatusOf<'a, K::Object> {
    let namespace = object.meta().namespace.as_deref().unwrap_or_default();
    let api = Api::namespaced(ctx.cluster.client.clone(), namespace);
    StatusOf { metrics: &ctx.metrics, kind: K::NAME.as_str(), api, object }
}

/// The regular slots of an object.
pub fn slots<K: Reconciler>(ctx: &Context, uid: &Uid, now: Timestamp) -> Slots {
    let Periods { regular, broken } = K::periods(&ctx.policy);
    Slots { regular: next_slot(uid.as_str(), now, regular), broken: next_slot(uid.as_str(), now, broken), again: None }
}
