//! Whether Meta approved the permissions that the application needs.

use super::case::Case;
use crate::api::conditions::{ConditionType, Finding, Status};
use crate::api::{AppPermissionStatus, Audience, Reason};
use crate::controller::evidence::Matter;
use crate::graph::{AppPermission, PermissionStatus};
use crate::limits::answer::listed;

/// The word for a permission that Meta does not list.
const MISSING: &str = "missing";

impl Case<'_> {
    /// The condition PermissionsApproved. What Meta says of a permission counts at once; that it says nothing counts the
    /// second time.
    pub(super) fn permissions(&mut self) -> Finding {
        let rows = match &self.seen.asked.permissions {
            Some(Ok(listed)) => rows(&self.app.spec.required_permissions, listed),
            Some(Err(refusal)) => return self.keep(ConditionType::PermissionsApproved, refusal),
            None => return self.unasked(ConditionType::PermissionsApproved),
        };
        let named = |is: fn(&str) -> bool| -> Vec<_> {
            rows.iter().filter(|row| is(&row.status)).map(|row| row.name.clone()).collect()
        };
        let missing = named(|word| word == MISSING);
        if missing.is_empty() {
            self.heard.drop(Matter::Approvals);
        } else {
            let standing = self.heard.hear(Matter::Approvals, &missing.join(", "), self.now);
            self.absent.permissions = !standing.is_confirmed();
        }
        let open = match self.absent.permissions {
            true => named(|word| word != "live" && word != MISSING),
            false => named(|word| word != "live"),
        };
        if !open.is_empty() {
            return self.not_approved(&open);
        }
        if self.absent.permissions {
            let seen = format!("Meta did not list {} among the app's permissions.", listed(&missing));
            return self.heard_once(ConditionType::PermissionsApproved, seen, None);
        }
        self.found(Status::True, Reason::PermissionsApproved, "Meta approved every required permission.", "")
    }

    fn not_approved(&self, open: &[String]) -> Finding {
        let next_step = match self.app.spec.audience {
            Audience::Everyone => {
                "An administrator of the app must request advanced access in the App Dashboard, App Review; or set spec.audience to Testers while the app is in development."
            }
            Audience::Testers => "No action is needed while the app serves only testers.",
        };
        let seen = format!("Meta has not approved {} for the app.", open.join(", "));
        self.found(Status::False, Reason::PermissionNotApproved, seen, next_step)
    }

    /// The required permissions for the status. One that was missing once is told as before, or not yet.
    pub(super) fn permission_rows(&self) -> Vec<AppPermissionStatus> {
        let before = &self.previous.permissions;
        let Some(Ok(listed)) = &self.seen.asked.permissions else { return before.clone() };
        let known = |row: AppPermissionStatus| match self.absent.permissions && row.status == MISSING {
            true => before.iter().find(|it| it.name == row.name).cloned(),
            false => Some(row),
        };
        rows(&self.app.spec.required_permissions, listed).into_iter().filter_map(known).collect()
    }
}

fn rows(required: &[String], listed: &[AppPermission]) -> Vec<AppPermissionStatus> {
    let status = |name: &str| match listed.iter().find(|row| row.permission == name).map(|row| &row.status) {
        Some(PermissionStatus::Live) => "live".to_owned(),
        Some(PermissionStatus::Unapproved) => "unapproved".to_owned(),
        Some(PermissionStatus::Other(word)) => word.clone(),
        None => MISSING.to_owned(),
    };
    required.iter().map(|name| AppPermissionStatus { name: name.clone(), status: status(name) }).collect()
}
