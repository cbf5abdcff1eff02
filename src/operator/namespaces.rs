//! What happens to a namespace that turns out to belong to this release, not to belong to it, or no longer to belong to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, ObjectMeta};
use kube::{Api, Resource, ResourceExt};
use serde::{Deserialize, Deserializer};

use super::kinds::Kinds;
use crate::api::{RELEASE_BINDING, RELEASE_KEY};
use crate::base::redact::redact;
use crate::base::unlisted::Unlisted;
use crate::cluster::error::kubernetes;
use crate::cluster::events::Note;
use crate::cluster::namespace_ownership::{Refusal, Tenure};
use crate::cluster::watch::Change;

/// What was told of each namespace.
pub(super) type Told = BTreeMap<String, Tenure>;

/// A binding, of which nothing is kept but the release that it names.
#[derive(Clone, Debug, Deserialize, Resource)]
#[resource(inherit = ConfigMap)]
pub(super) struct Binding {
    metadata: ObjectMeta,
    #[serde(default)]
    data: Named,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Named {
    #[serde(default, deserialize_with = "name_of_release")]
    release: Option<String>,
}

/// A namespace, a slash and a name.
const LONGEST_RELEASE: usize = 63 + 1 + 253;

/// What is longer names no release.
fn name_of_release<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let release: Option<String> = Deserialize::deserialize(from)?;
    Ok(release.filter(|release| release.len() <= LONGEST_RELEASE))
}

/// A binding changed.
pub(super) fn binding(kinds: &Kinds, change: Change<'_, Binding>) {
    match change {
        Change::Applied(binding) => {
            let release = binding.data.release.clone();
            // One that names nobody is not ours either.
            kinds
                .ctx
                .cluster
                .namespaces
                .bound(&binding.namespace().unwrap_or_default(), Some(release.unwrap_or_default()));
        }
        Change::Misfit { key, .. } => kinds.ctx.cluster.namespaces.bound(&key.namespace, Some(String::new())),
        Change::Deleted(key) => kinds.ctx.cluster.namespaces.bound(&key.namespace, None),
        _ => {}
    }
}

/// Waits until it is known of each watched namespace whether it is ours, and tells of those that are not; `None` if the
/// shutdown came first. Where nothing at all can be listed nothing can be done: that is waited for too.
pub(super) async fn settled(kinds: &Arc<Kinds>) -> Option<Told> {
    let (mut changes, mut told) = (kinds.ctx.cluster.namespaces.subscribe(), Told::new());
    loop {
        let found = kinds.ctx.cluster.namespaces.tenures();
        for (namespace, tenure) in news(&told, &found) {
            if let Some(Err(refusal)) = &tenure.verdict {
                refuse(kinds, namespace, refusal);
            }
        }
        told = found;
        let is_listed = |tenure: &Tenure| !matches!(tenure.verdict, Some(Err(Refusal::Unlisted(_))));
        let known = told.values().all(|tenure| tenure.verdict.is_some());
        if known && told.values().any(is_listed) {
            return Some(told);
        }
        let _ = kinds.ctx.read(changes.changed()).await.ok()?;
    }
}

/// Follows what becomes of the namespaces, until the shutdown.
pub(super) async fn run(kinds: Arc<Kinds>, mut told: Told) {
    let mut changes = kinds.ctx.cluster.namespaces.subscribe();
    loop {
        let found = kinds.ctx.cluster.namespaces.tenures();
        for (namespace, tenure) in news(&told, &found) {
            match &tenure.verdict {
                Some(Ok(())) => begin(&kinds, namespace),
                Some(Err(refusal)) => {
                    end(&kinds, namespace);
                    refuse(&kinds, namespace, refusal);
                }
                None => {}
            }
        }
        told = found;
        kinds.apps.keyring.news.notify_one();
        if kinds.ctx.read(changes.changed()).await.is_err() {
            return;
        }
    }
}

fn news<'a>(told: &Told, found: &'a Told) -> impl Iterator<Item = (&'a str, &'a Tenure)> {
    found.iter().filter(|(name, tenure)| told.get(*name) != Some(tenure)).map(|(name, tenure)| (name.as_str(), tenure))
}

/// Wakes everything in a namespace that is ours now, and who depends on it.
fn begin(kinds: &Kinds, namespace: &str) {
    tracing::info!(namespace = shown(namespace), "the namespace belongs to this release; its objects are managed");
    kinds.declared.iter().for_each(|kind| kind.wake_all(namespace));
    for claim in kinds.ctx.cluster.stores.claims.state() {
        if namespace.is_empty() || claim.spec.holder.namespace == namespace {
            kinds.ownership.wake(&claim.name_any());
        }
    }
}

/// Forgets everything in a namespace that is not ours any more, its Secrets before all.
fn end(kinds: &Kinds, namespace: &str) {
    for key in kinds.ctx.cluster.secrets.shown_in(namespace) {
        kinds.secret_went(&key);
    }
    kinds.declared.iter().for_each(|kind| kind.forget_all(namespace));
}

/// Says that a namespace is left alone, and what to do about it: in the log, and with an Event where its owner sees it. Nobody
/// waits for the Event.
fn refuse(kinds: &Arc<Kinds>, namespace: &str, refusal: &Refusal) {
    let text = why(namespace, kinds.ctx.cluster.namespaces.release(), refusal);
    tracing::warn!(namespace = shown(namespace), reason = refusal.as_str(), "{text}");
    // Otherwise there is nothing that an Event could be about.
    if let Refusal::OtherRelease(_) = refusal {
        let note = Note { warning: true, reason: "NamespaceRefused", action: "Watch", text };
        tokio::spawn(tell(Arc::clone(kinds), namespace.to_owned(), note));
    }
}

/// Publishes an Event about the binding of a namespace. It is listed as the watch does it, since nothing else may be read.
async fn tell(kinds: Arc<Kinds>, namespace: String, note: Note) {
    let bindings: Api<ConfigMap> = Api::namespaced(kinds.ctx.cluster.client.clone(), &namespace);
    let named = ListParams::default().fields(&format!("metadata.name={RELEASE_BINDING}"));
    let found = kinds.ctx.read(kubernetes("reading the binding of a namespace", bindings.list(&named))).await;
    if let Ok(Ok(found)) = found
        && let Some(binding) = found.items.first()
    {
        kinds.ctx.cluster.events.publish(binding, &note).await;
    }
}

fn shown(namespace: &str) -> &str {
    if namespace.is_empty() { "*" } else { namespace }
}

fn why(namespace: &str, release: &str, refusal: &Refusal) -> String {
    let namespace = shown(namespace);
    match refusal {
        Refusal::Unbound => format!(
            "Namespace {namespace} is not bound to any release, so nothing is done there. The maintainer of release {release} must create the ConfigMap {RELEASE_BINDING} there with {RELEASE_KEY}: {release}, as the chart does, or remove the namespace from the watched ones."
        ),
        Refusal::OtherRelease(other) => format!(
            "Namespace {namespace} is bound to release {}, so release {release} does nothing there. The maintainer of {release} must remove the namespace from the watched ones; or, to move it, the maintainer of the other release must remove it there first, which deletes the ConfigMap {RELEASE_BINDING}.",
            clean(other)
        ),
        Refusal::Unlisted(Unlisted::Forbidden) => format!(
            "Release {release} may not list what it needs in namespace {namespace}, so nothing is done there. Its maintainer must give it its Role there, as the chart does, or remove the namespace from the watched ones."
        ),
        Refusal::Unlisted(Unlisted::NotFound) => format!(
            "The API server does not serve a kind that release {release} needs in namespace {namespace}, so nothing is done there. A cluster administrator must install the CustomResourceDefinitions of this version."
        ),
    }
}

/// A release, as a binding names it, if it can be one; anybody who may write in the namespace may write anything.
fn clean(release: &str) -> String {
    if release.is_empty() { "without a name".to_owned() } else { redact(release, &[]) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_says_what_was_seen_and_who_must_do_what() {
        let rows = [
            (
                Refusal::Unbound,
                "tenant-a is not bound to any release",
                "metachannels-release there with release: ops/acme",
            ),
            (
                Refusal::OtherRelease("ops/other".to_owned()),
                "bound to release ops/other",
                "maintainer of ops/acme must remove the namespace",
            ),
            (Refusal::OtherRelease(String::new()), "bound to release without a name", "must remove the namespace"),
            (Refusal::Unlisted(Unlisted::Forbidden), "may not list", "give it its Role"),
            (Refusal::Unlisted(Unlisted::NotFound), "does not serve a kind", "install the CustomResourceDefinitions"),
        ];
        for (refusal, seen, step) in rows {
            let text = why("tenant-a", "ops/acme", &refusal);
            assert!(text.contains(seen) && text.contains(step), "{text}");
        }
        let forged = Refusal::OtherRelease("EAAB0123456789abcdef0123456789 https://a.example/?x=y".to_owned());
        let text = why("tenant-a", "ops/acme", &forged);
        assert!(!text.contains("EAAB") && !text.contains("x=y"), "{text}");
    }

    #[test]
    fn of_a_binding_the_release_alone_is_kept_and_no_more_of_it_than_one_has() {
        let binding = |data: serde_json::Value| -> Option<String> {
            let binding = json!({"metadata": {"name": "metachannels-release", "namespace": "a"}, "data": data});
            serde_json::from_value::<Binding>(binding).unwrap().data.release
        };
        assert_eq!(binding(json!({RELEASE_KEY: "ops/acme", "more": "x".repeat(900_000)})).as_deref(), Some("ops/acme"));
        assert_eq!(binding(json!({"more": "x"})), None);
        let longest = format!("{}/{}", "n".repeat(63), "r".repeat(253));
        assert_eq!(binding(json!({ RELEASE_KEY: longest })), Some(longest.clone()));
        assert_eq!(binding(json!({ RELEASE_KEY: longest + "r" })), None);
    }
}
