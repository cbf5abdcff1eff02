//! A MetaApp from the point of view of the objects that refer to it: the same for a channel and for a grant.

use std::sync::Arc;

use super::facts::{Verdict, awaited_fields, fields, verdict};
use super::state::MetaApps;
use super::{DependencyError, allowed};
use crate::api::conditions::{Finding, Status};
use crate::api::references::MetaAppReference;
use crate::api::{MetaApp, Reason};
use crate::base::ids::AppId;
use crate::base::key::Key;
use crate::cluster::error::Failure;
use crate::controller::dependents::Dependency;

/// The application that an object refers to.
#[derive(Clone, Debug, PartialEq)]
pub enum AppSeen {
    /// There is no such MetaApp, or it does not allow the object's namespace: one answer for both, since anything else
    /// would tell which MetaApps exist in other namespaces.
    NotFound,
    /// Whether it allows the object's namespace is not known.
    Unjudged,
    /// It is there.
    Found {
        /// Id of the application at Meta.
        app_id: AppId,
        /// Fields that channels inherit: those that the application was seen to be subscribed to.
        fields: Vec<String>,
        /// Fields that the application declares and is about to be subscribed to.
        awaited: Vec<String>,
        /// Permissions that a token needs.
        required: Vec<String>,
        /// What is known of the application.
        verdict: Box<Verdict>,
    },
}

/// The MetaApp that a reference in this namespace names.
pub fn key_of(app_ref: &MetaAppReference, namespace: &str) -> Key {
    Key::new(app_ref.namespace.as_deref().unwrap_or(namespace), &app_ref.name)
}

/// Looks at an application from an object of this namespace. The MetaApp comes with it only if it may be used: nothing about
/// it may show otherwise.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn look(
    apps: &MetaApps,
    app: Option<&Key>,
    namespace: &str,
) -> Result<(AppSeen, Option<Arc<MetaApp>>), Failure> {
    let Some(app) = app.and_then(|key| apps.get(key)) else { return Ok((AppSeen::NotFound, None)) };
    let seen = see(&app, allowed::look(apps, &app, namespace).await?);
    let usable = matches!(seen, AppSeen::Found { .. });
    Ok((seen, usable.then_some(app)))
}

/// What an object of this namespace depends on, to use an application.
pub fn dependencies(apps: &MetaApps, app: &Key, namespace: &str) -> Vec<Dependency> {
    let chosen = apps.get(app).is_some_and(|app| allowed::depends_on_labels(&app, namespace));
    let labels = chosen.then(|| Dependency::Allowed(app.clone(), namespace.to_owned()));
    std::iter::once(Dependency::MetaApp(app.clone())).chain(labels).collect()
}

/// Sees an application that allows the object's namespace, or does not, if that is known.
fn see(app: &MetaApp, allowed: Option<bool>) -> AppSeen {
    match allowed {
        None => return AppSeen::Unjudged,
        Some(false) => return AppSeen::NotFound,
        Some(true) => {}
    }
    AppSeen::Found {
        app_id: AppId::new(&app.spec.app_id),
        fields: fields(app),
        awaited: awaited_fields(app),
        required: app.spec.required_permissions.clone(),
        verdict: Box::new(verdict(app)),
    }
}

/// Why an application cannot be used, for the condition of an object that needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Obstacle {
    /// Value of the condition.
    pub status: Status,
    /// Why.
    pub reason: Reason,
    /// What was seen.
    pub seen: String,
    /// Who must do what.
    pub next_step: String,
}

impl Obstacle {
    /// The condition, about this generation.
    pub fn finding(self, generation: i64) -> Finding {
        let Self { status, reason, seen, next_step } = self;
        Finding::new(status, reason, seen, next_step, generation)
    }
}

impl AppSeen {
    /// Id of the application at Meta, if it is known.
    pub fn id(&self) -> Option<&AppId> {
        if let Self::Found { app_id, .. } = self { Some(app_id) } else { None }
    }

    /// That there is no application to use for the objects of this namespace.
    pub fn missing(&self, app: &Key, namespace: &str) -> Option<Obstacle> {
        match self {
            Self::NotFound if app.namespace == namespace => Some(Obstacle {
                status: Status::Unknown,
                reason: Reason::AppNotFound,
                seen: format!("There is no MetaApp {app}."),
                next_step: "Create it; nothing else is needed here.".to_owned(),
            }),
            Self::NotFound => Some(Obstacle {
                status: Status::Unknown,
                reason: Reason::AppNotFound,
                seen: format!("There is no MetaApp {app} that namespace {namespace} may use."),
                next_step: format!(
                    "The maintainer of namespace {} must create it, or allow namespace {namespace} in its spec.allowedNamespaces; nothing else is needed here.",
                    app.namespace
                ),
            }),
            Self::Unjudged => Some(Obstacle {
                status: Status::Unknown,
                reason: Reason::NamespaceUnverified,
                seen: format!(
                    "It is not known whether namespace {namespace} may use MetaApp {app}: the namespace's labels cannot be read."
                ),
                next_step: format!(
                    "If this persists, the maintainer of this release must give the operator the right to get the Namespace {namespace}, as the chart does."
                ),
            }),
            Self::Found { .. } => None,
        }
    }

    /// That the application's own credentials do not work, or that it is not known whether they do.
    pub fn broken(&self, app: &Key) -> Option<Obstacle> {
        let Self::Found { verdict, .. } = self else { return None };
        match verdict.credentials.as_ref().err()? {
            DependencyError::Broken(told) => Some(Obstacle {
                status: Status::Unknown,
                reason: Reason::AppNotReady,
                seen: format!("MetaApp {app} is not usable: {}", told.why),
                next_step: told
                    .step_or(|| format!("The maintainer of MetaApp {app} must do what its status asks for.")),
            }),
            DependencyError::Unknown(told) => {
                Some(Obstacle { next_step: told.next_step.clone(), ..unverified(app, &told.why) })
            }
        }
    }
}

/// That it is not known whether the application's credentials work.
pub fn unverified(app: &Key, why: &str) -> Obstacle {
    Obstacle {
        status: Status::Unknown,
        reason: Reason::AppUnverified,
        seen: format!("It is not known whether the credentials of MetaApp {app} work: {why}"),
        next_step: String::new(),
    }
}
