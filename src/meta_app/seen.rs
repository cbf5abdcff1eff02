//! A MetaApp as those see it that refer to it: the same for a channel and for a grant.

use super::{Trouble, Verdict, allows, fields, verdict};
use crate::api::conditions::{Finding, Status};
use crate::api::references::MetaAppReference;
use crate::api::{MetaApp, Reason};
use crate::engine::Key;

/// The application that an object refers to.
#[derive(Clone, Debug, PartialEq)]
pub enum AppSeen {
    /// There is no such MetaApp.
    NotFound,
    /// It does not allow the object's namespace.
    NotAllowed,
    /// It is there.
    Found {
        /// Id of the application at Meta.
        app_id: String,
        /// Fields that the application is to be subscribed to.
        fields: Vec<String>,
        /// Permissions that a token needs.
        required: Vec<String>,
        /// What is known of the application.
        verdict: Verdict,
    },
}

/// The MetaApp that a reference in this namespace names.
pub fn key_of(app_ref: &MetaAppReference, namespace: &str) -> Key {
    Key::new(app_ref.namespace.as_deref().unwrap_or(namespace), &app_ref.name)
}

/// Sees an application from an object of this namespace.
pub fn see(app: Option<&MetaApp>, namespace: &str) -> AppSeen {
    let Some(app) = app else { return AppSeen::NotFound };
    if !allows(app, namespace) {
        return AppSeen::NotAllowed;
    }
    AppSeen::Found {
        app_id: app.spec.app_id.clone(),
        fields: fields(app),
        required: app.spec.required_permissions.clone(),
        verdict: verdict(app),
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
        Finding { status, reason, seen, next_step, observed_generation: generation }
    }
}

impl AppSeen {
    /// Id of the application at Meta, if it is known.
    pub fn id(&self) -> Option<&str> {
        if let Self::Found { app_id, .. } = self { Some(app_id) } else { None }
    }

    /// That there is no application to use; `whose` are the objects that need it, such as "channels".
    pub fn missing(&self, app: &Key, whose: &str, namespace: &str) -> Option<Obstacle> {
        match self {
            Self::NotFound => Some(Obstacle {
                status: Status::Unknown,
                reason: Reason::AppNotFound,
                seen: format!("There is no MetaApp {app}."),
                next_step: "Create it; nothing has to be done here then.".to_owned(),
            }),
            Self::NotAllowed => Some(Obstacle {
                status: Status::False,
                reason: Reason::AppNotAllowed,
                seen: format!("MetaApp {app} does not allow {whose} of namespace {namespace}."),
                next_step: format!(
                    "Whoever maintains the MetaApp must set spec.allowedNamespaces.from to All, or {whose} here need another MetaApp."
                ),
            }),
            Self::Found { .. } => None,
        }
    }

    /// That the application's own credentials do not work, or that it is not known whether they do.
    pub fn broken(&self, app: &Key) -> Option<Obstacle> {
        let Self::Found { verdict, .. } = self else { return None };
        match verdict.credentials.as_ref().err()? {
            Trouble::Broken(why) => Some(Obstacle {
                status: Status::Unknown,
                reason: Reason::AppNotReady,
                seen: format!("MetaApp {app} is not usable: {why}"),
                next_step: String::new(),
            }),
            Trouble::Unknown(why) => Some(unverified(app, why)),
        }
    }
}

/// That it is not known whether the application's credentials work.
pub fn unverified(app: &Key, why: &str) -> Obstacle {
    Obstacle {
        status: Status::Unknown,
        reason: Reason::AppUnverified,
        seen: format!("Whether the credentials of MetaApp {app} work is not known: {why}"),
        next_step: String::new(),
    }
}
