//! The MetaGrants, as far as the pages for people need them, kept in memory by watches.

use std::borrow::Cow;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::{DeserializeGuard, NamespaceResourceScope, ObjectMeta};
use kube::{Api, Client, Resource};
use kube_runtime::reflector::{self, Store};
use kube_runtime::watcher::Config;
use serde::Deserialize;
use tokio::task::JoinSet;

use crate::api::conditions::{ConditionType, find};
use crate::api::references::MetaAppReference;
use crate::api::{MetaGrant, Reason};
use crate::base::key::{Key, KindName};
use crate::cluster::scoped;
use crate::cluster::surplus::Surplus;
use crate::cluster::watch;
use crate::cluster::watch::{Change, View};
use crate::gateway::isolation::Isolation;
use crate::gateway::watched_namespaces::{List, WatchedNamespaces};
use crate::graph::TokenKind;
use crate::meta_app::seen;
use crate::meta_grant::{address, grantors};
use crate::metrics::Metrics;

/// A MetaGrant, of which nothing is decoded or kept but what is shown.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::gateway) struct Grant {
    metadata: ObjectMeta,
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    app_ref: MetaAppReference,
    #[serde(default)]
    grantors: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default)]
    token_type: Option<String>,
    #[serde(default)]
    grantor_id: Option<String>,
    #[serde(default)]
    reauthorize_url: Option<String>,
    #[serde(default)]
    pages: Vec<Page>,
    #[serde(default)]
    missing_pages: Vec<Page>,
    #[serde(default)]
    unchecked_pages: Vec<String>,
    #[serde(default)]
    conditions: Vec<Condition>,
}

/// A page that a grant is there for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(in crate::gateway) struct Page {
    pub(in crate::gateway) id: String,
    #[serde(default)]
    pub(in crate::gateway) name: Option<String>,
    /// Whether a channel relies on it.
    #[serde(default)]
    in_use: bool,
}

impl Grant {
    pub(super) fn key(&self) -> Key {
        Key::of(self)
    }

    pub(super) fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }

    /// The part of its address that cannot be guessed; `None` while it has no address.
    pub(super) fn address(&self) -> Option<&str> {
        self.status.reauthorize_url.as_deref().and_then(address::secret_part)
    }

    /// Whether someone is one of its people. What others bring waits.
    pub(super) fn admits(&self, grantor: &str) -> bool {
        grantors::admits(&self.spec.grantors, self.status.grantor_id.as_deref(), Some(grantor))
    }

    /// Its MetaApp.
    pub(in crate::gateway) fn app(&self) -> Key {
        seen::key_of(&self.spec.app_ref, &self.key().namespace)
    }

    /// Whether the operator found that it may use its MetaApp.
    pub(super) fn found_its_app(&self) -> bool {
        let reason = find(&self.status.conditions, ConditionType::Valid).and_then(|it| Reason::parse(&it.reason));
        reason.is_some_and(|reason| !matches!(reason, Reason::AppNotFound | Reason::NamespaceUnverified))
    }

    /// Whether no person stands behind it, and no person's token may take the place of its own.
    pub(super) fn is_of_system_user(&self) -> bool {
        self.status.token_type.as_deref() == Some(TokenKind::SystemUser.as_str())
    }

    /// Whether its token is a system user's and works: then no person's takes its place.
    pub(super) fn is_kept_by_a_system_user(&self) -> bool {
        let valid = find(&self.status.conditions, ConditionType::Valid);
        self.is_of_system_user() && valid.is_some_and(|it| it.status == "True")
    }

    /// The pages that channels rely on and the grant covers: none of them may get lost.
    pub(super) fn pages_in_use(&self) -> impl Iterator<Item = &Page> {
        self.status.pages.iter().filter(|page| page.in_use)
    }

    /// The pages that channels rely on and the grant does not cover.
    pub(super) fn missing_pages(&self) -> &[Page] {
        &self.status.missing_pages
    }

    /// The pages that channels rely on, if nothing is known of whether the grant covers them.
    pub(super) fn unchecked_pages(&self) -> impl Iterator<Item = &str> {
        self.status.unchecked_pages.iter().map(String::as_str)
    }

    /// The pages that channels rely on and that nothing is lost of if they stay uncovered.
    pub(super) fn wished_pages(&self) -> impl Iterator<Item = &str> {
        self.missing_pages().iter().map(|page| page.id.as_str()).chain(self.unchecked_pages())
    }
}

/// The MetaGrants of the watched namespaces.
pub(in crate::gateway) struct Grants {
    stores: Vec<Store<Grant>>,
    namespaces: Arc<WatchedNamespaces>,
    isolation: Isolation,
}

impl Grants {
    /// Starts the watches.
    pub(in crate::gateway) fn start(
        client: &Client,
        namespaces: &Arc<WatchedNamespaces>,
        metrics: &Metrics,
        isolation: Isolation,
        surplus: &Surplus,
        watches: &mut JoinSet<()>,
    ) -> Self {
        let watch = |namespace: String| {
            let (store, writer) = reflector::store();
            let view = View { store: writer, room: surplus.room(KindName::META_GRANT.as_str(), &namespace) };
            let all: Api<DeserializeGuard<Grant>> = scoped(client, &namespace);
            let (metrics, known) = (metrics.clone(), Arc::clone(namespaces));
            watches.spawn(async move {
                let report = |change: Change<'_, Grant>| known.note(&namespace, List::Grants, &change);
                watch::run(all, Config::default(), view, &metrics, |_| (), report).await;
            });
            store
        };
        Self {
            stores: namespaces.names().into_iter().map(watch).collect(),
            namespaces: Arc::clone(namespaces),
            isolation,
        }
    }

    /// Whether all grants of a namespace are known, so that another one does not exist.
    pub(super) fn are_known(&self, namespace: &str) -> bool {
        !self.isolation.unknown || self.namespaces.knows(namespace, List::Grants)
    }

    /// A grant, if it is known.
    pub(in crate::gateway) fn get(&self, key: &Key) -> Option<Arc<Grant>> {
        let reference = key.to_ref();
        self.stores.iter().find_map(|store| store.get(&reference))
    }
}

/// As the kind says it.
impl Resource for Grant {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind(all: &()) -> Cow<'_, str> {
        MetaGrant::kind(all)
    }

    fn group(all: &()) -> Cow<'_, str> {
        MetaGrant::group(all)
    }

    fn version(all: &()) -> Cow<'_, str> {
        MetaGrant::version(all)
    }

    fn plural(all: &()) -> Cow<'_, str> {
        MetaGrant::plural(all)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
