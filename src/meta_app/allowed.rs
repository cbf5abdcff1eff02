//! Which namespaces a MetaApp allows to use it. Where labels decide, the labels of the namespaces that matter are read once a
//! minute, and only objects for which the answer changed are woken.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::SignedDuration;

use super::state::MetaApps;
use crate::api::{MetaApp, NamespacesFrom};
use crate::base::key::Key;
use crate::cluster::error::Failure;
use crate::cluster::namespace_labels::{Labels, Looked};
use crate::controller::dependents::Dependency;

/// How often the labels of a namespace are read.
const PERIOD: SignedDuration = SignedDuration::from_mins(1);

/// How old they may be for a pass; it reads them itself only if nobody depended on them for a while.
const LONGEST: SignedDuration = SignedDuration::from_mins(2);

/// Whether a MetaApp asks for the labels of this namespace.
pub fn depends_on_labels(app: &MetaApp, namespace: &str) -> bool {
    app.spec.allowed_namespaces.from == NamespacesFrom::Selector && home(app) != namespace
}

/// Whether objects in this namespace may use an application; `None` if that depends on labels that are not known.
pub fn allows(app: &MetaApp, namespace: &str, labels: Option<&Labels>) -> Option<bool> {
    app.spec.allowed_namespaces.allow(home(app), namespace, labels)
}

fn home(app: &MetaApp) -> &str {
    app.metadata.namespace.as_deref().unwrap_or_default()
}

/// The same, with the labels read if they matter.
///
/// # Errors
/// When the Kubernetes API does not answer, and never did.
pub async fn look(apps: &MetaApps, app: &MetaApp, namespace: &str) -> Result<Option<bool>, Failure> {
    let labels = match depends_on_labels(app, namespace) {
        true => apps.ctx.read(read(apps, namespace, LONGEST)).await??,
        false => None,
    };
    Ok(allows(app, namespace, labels.as_deref()))
}

/// Answers for many objects at once, as far as is known without reading.
pub struct Answers<'a> {
    apps: &'a MetaApps,
    given: HashMap<(Key, String), bool>,
}

impl<'a> Answers<'a> {
    /// Nobody has asked yet.
    pub fn new(apps: &'a MetaApps) -> Self {
        Self { apps, given: HashMap::new() }
    }

    /// Whether objects in this namespace may use the application, as they were told last.
    pub fn allowed(&mut self, app: &Key, namespace: &str) -> bool {
        let asked = (app.clone(), namespace.to_owned());
        *self.given.entry(asked).or_insert_with(|| {
            let labels = self.apps.labels.known(namespace);
            self.apps.get(app).and_then(|app| allows(&app, namespace, labels.as_deref())).unwrap_or_default()
        })
    }
}

/// Reads the labels of the namespaces that matter in every period until the shutdown.
pub async fn run(apps: Arc<MetaApps>) {
    while apps.ctx.rest(PERIOD.unsigned_abs()).await {
        for namespace in apps.labels.asked_for() {
            let matters = choosing(&apps, &namespace).any(|app| {
                let dependency = Dependency::Allowed(Key::of(&*app), namespace.clone());
                !apps.ctx.wakeups.dependents.dependents(&dependency).is_empty()
            });
            if !matters {
                apps.labels.forget(&namespace, apps.ctx.clock.now(), LONGEST);
            }
            if matters && apps.ctx.read(read(&apps, &namespace, PERIOD)).await.is_err() {
                return;
            }
        }
    }
}

/// The MetaApps that ask for the labels of this namespace.
fn choosing(apps: &MetaApps, namespace: &str) -> impl Iterator<Item = Arc<MetaApp>> {
    apps.ctx.cluster.stores.apps.all().into_iter().filter(move |app| depends_on_labels(app, namespace))
}

/// The labels of a namespace, at most so old. Who is told something else by them now is woken.
async fn read(apps: &MetaApps, namespace: &str, age: SignedDuration) -> Result<Option<Arc<Labels>>, Failure> {
    let Looked { before, now } = apps.labels.look(namespace, apps.ctx.clock.now(), age).await?;
    if before != now {
        for app in
            choosing(apps, namespace).filter(|app| answers_anew(app, namespace, before.as_deref(), now.as_deref()))
        {
            apps.ctx.wakeups.wake_dependents(&Dependency::Allowed(Key::of(&*app), namespace.to_owned()));
        }
    }
    Ok(now)
}

/// Whether objects in this namespace are told something else by the labels that it has now.
fn answers_anew(app: &MetaApp, namespace: &str, before: Option<&Labels>, now: Option<&Labels>) -> bool {
    allows(app, namespace, before) != allows(app, namespace, now)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn app(allowed: &serde_json::Value) -> MetaApp {
        let spec = json!({
            "appId": "1111000011110000", "appSecretRef": {"name": "acme-app"}, "allowedNamespaces": allowed
        });
        let mut app = MetaApp::new("acme", serde_json::from_value(spec).unwrap());
        app.metadata.namespace = Some("platform".to_owned());
        app
    }

    fn labels(labels: &[(&str, &str)]) -> Labels {
        labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn labels_are_asked_for_only_where_they_decide() {
        let rows = [
            (json!({"from": "Same"}), false),
            (json!({"from": "All"}), false),
            (json!({"from": "Selector", "selector": {}}), true),
        ];
        for (allowed, elsewhere) in rows {
            assert_eq!(depends_on_labels(&app(&allowed), "tenant-a"), elsewhere, "{allowed}");
            assert!(!depends_on_labels(&app(&allowed), "platform"), "{allowed}");
        }
    }

    #[test]
    fn nobody_is_told_of_labels_that_decide_nothing() {
        let app = app(&json!({"from": "Selector", "selector": {"matchLabels": {"team": "shop"}}}));
        let (none, shop) = (labels(&[]), labels(&[("team", "shop")]));
        let (more, other) = (labels(&[("team", "shop"), ("stage", "live")]), labels(&[("team", "support")]));
        let rows = [
            (None, Some(&shop), true),
            (None, Some(&none), true),
            (Some(&none), Some(&shop), true),
            (Some(&shop), Some(&other), true),
            (Some(&shop), Some(&more), false),
            (Some(&none), Some(&other), false),
            (Some(&shop), Some(&shop), false),
        ];
        for (before, now, told) in rows {
            assert_eq!(answers_anew(&app, "tenant-a", before, now), told, "{before:?} {now:?}");
            assert!(!answers_anew(&app, "platform", before, now), "its own namespace always may");
        }
    }
}
