//! Whether Meta accepts the application's credentials.

use super::case::Case;
use crate::api::conditions::{ConditionType, Finding, Status, status_of};
use crate::api::{PURPOSE_LABEL, Reason};
use crate::controller::evidence::Matter;
use crate::graph::{AppReason, Verdict};
use crate::limits::answer::Refusal;
use crate::meta_app::model::SecretSeen;

impl Case<'_> {
    /// The condition CredentialsValid.
    pub(super) fn credentials(&mut self) -> Finding {
        let (secret, id) = (&self.app.spec.app_secret_ref.name, &self.app.spec.app_id);
        let namespace = self.app.metadata.namespace.as_deref().unwrap_or_default();
        match &self.seen.secret {
            SecretSeen::NotReleased => self.gone(
                Reason::SecretUnavailable,
                format!(
                    "There is no Secret {secret} in namespace {namespace}, or it lacks the label {PURPOSE_LABEL}=app-secret."
                ),
                format!(
                    "Someone who may write Secrets there must create it with the key app-secret and label it: kubectl -n {namespace} label secret {secret} {PURPOSE_LABEL}=app-secret"
                ),
            ),
            SecretSeen::Malformed(why) => self.gone(
                Reason::SecretMalformed,
                format!("Secret {secret} cannot be used as an app secret: {why}."),
                "Put the app secret, as the App Dashboard shows it under Settings, Basic, into the key app-secret."
                    .to_owned(),
            ),
            SecretSeen::Present => match &self.seen.asked.node {
                Some(Ok(_)) => {
                    self.heard.drop(Matter::Credentials);
                    self.found(Status::True, Reason::CredentialsAccepted, format!("Meta accepts the credentials of app {id}."), "")
                }
                Some(Err(refusal)) => match refusal.verdict {
                    Verdict::AppBroken(reason) => self.rejected(reason, refusal),
                    Verdict::VersionRetired => self.unread_in_this_version(refusal),
                    _ => self.keep(ConditionType::CredentialsValid, refusal),
                },
                None => self.found(Status::Unknown, Reason::Pending, "Meta has not been asked yet.", ""),
            },
        }
    }

    /// The app secret is not there, or is none. Whoever writes it anew has a minute, in which what was known stays.
    fn gone(&mut self, reason: Reason, seen: String, next_step: String) -> Finding {
        let valid = ConditionType::CredentialsValid;
        if !self.seen.stale && status_of(&self.previous.conditions, valid) == Some(Status::True) {
            let standing = self.heard.hear(Matter::Credentials, reason.as_str(), self.now);
            if !standing.is_confirmed() {
                self.lost = true;
                return self.heard_once(valid, seen, None);
            }
        }
        self.found(Status::False, reason, seen, next_step)
    }

    /// Meta rejects the credentials. Once is no verdict: what was known stays until the same is said again a minute later.
    fn rejected(&mut self, app_reason: AppReason, refusal: &Refusal) -> Finding {
        let (reason, fact) = (Reason::from(app_reason), &refusal.fact);
        let standing = self.heard.hear(Matter::Credentials, reason.as_str(), self.now);
        let (secret, id) = (&self.app.spec.app_secret_ref.name, &self.app.spec.app_id);
        let entries = if self.seen.entries.len() > 1 { " with either entry of the Secret" } else { "" };
        let flaw = self.told_flaw();
        let seen = format!("Meta rejects the credentials of app {id}{entries} ({fact}).{flaw}");
        let words = refusal.quote();
        if standing.is_confirmed() {
            let next_step = match app_reason {
                AppReason::AppBlocked => {
                    format!("An administrator of app {id} must check the alerts in the App Dashboard.")
                }
                _ => format!(
                    "An administrator of app {id} must compare spec.appId and the Secret {secret} with the App Dashboard, Settings, Basic, and put the current app secret into the key app-secret."
                ),
            };
            return self.found(Status::False, reason, seen, next_step).quoting(words);
        }
        self.heard_once(ConditionType::CredentialsValid, seen, words)
    }

    /// Nothing can be read in the declared version of the API, which says nothing about the credentials.
    fn unread_in_this_version(&self, refusal: &Refusal) -> Finding {
        let kept = self.keep(ConditionType::CredentialsValid, refusal);
        if kept.status != Status::Unknown {
            return kept;
        }
        let version = self.seen.asked.version.unwrap_or(self.seen.version);
        let seen = format!("They cannot be checked: Meta does not serve version {version} of the Graph API.");
        self.found(Status::Unknown, self.version_reason(version), seen, "")
    }
}
