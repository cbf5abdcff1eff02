//! The entries of the Secret while the app secret is rotated: what Meta says about the entry that is not in use, what someone
//! must do about the entries, and when the application is checked again meanwhile.

use jiff::{SignedDuration, Timestamp};

use super::super::secrets::Flaw;
use super::case::Case;
use crate::api::conditions::{ConditionType, Finding, Status, find, status_of};
use crate::api::references::{APP_SECRET_KEY, PREVIOUS_APP_SECRET_KEY};
use crate::api::{OtherSecret, Reason, SecretInUse};
use crate::base::clock::Moment;
use crate::controller::evidence::Matter;

/// How long Meta repeats the delivery of an event, as its documentation of webhooks says: for so long something may come
/// that is signed with a secret which Meta does not accept any more.
const REPEATED: SignedDuration = SignedDuration::from_hours(36);

/// How soon an application is checked again while either of two entries may be the one that Meta accepts.
const WHILE_ROTATED: SignedDuration = SignedDuration::from_mins(5);

/// How soon while Meta rejects what took the place of a secret that it accepted: most likely it is about to switch.
const WHILE_AWAITED: SignedDuration = SignedDuration::from_mins(1);

/// For how long that is likely. As long Meta repeats events of Messenger before it gives the page up.
const AWAITED: SignedDuration = SignedDuration::from_hours(1);

impl Case<'_> {
    /// What is known of the entry that is not in use. That Meta refuses it counts the second time: someone removes it then.
    pub(super) fn other_secret(&mut self) -> Option<OtherSecret> {
        let known = self.known_other_secret();
        let Some((name, accepted)) = self.seen.asked.other_secret.clone() else { return known };
        if known.as_ref().is_some_and(|it| it.fingerprint == name.fingerprint && it.accepted == accepted) {
            self.heard.drop(Matter::OtherSecret);
            return known;
        }
        if !accepted && !self.heard.hear(Matter::OtherSecret, &name.fingerprint, self.now).is_confirmed() {
            return known;
        }
        self.heard.drop(Matter::OtherSecret);
        let since = Timestamp::from_second(self.now.as_second()).unwrap_or(self.now);
        let over = !accepted && name.key == PREVIOUS_APP_SECRET_KEY;
        let removable_from = over.then(|| since.later(REPEATED));
        Some(OtherSecret { key: name.key, fingerprint: name.fingerprint, accepted, since, removable_from })
    }

    /// What was known of it before, if the entries are still the same and the same one is in use.
    fn known_other_secret(&self) -> Option<OtherSecret> {
        let known = self.previous.other_secret.clone()?;
        let is_it = |name: &SecretInUse| (&name.key, &name.fingerprint) == (&known.key, &known.fingerprint);
        let in_use = self.seen.asked.secret_in_use.as_ref().or(self.previous.secret_in_use.as_ref());
        let beside = in_use.filter(|name| self.seen.entries.contains(name)).is_some_and(|name| !is_it(name));
        (beside && self.seen.entries.iter().any(is_it)).then_some(known)
    }

    /// That the current entry cannot be used, while Meta accepts the other one. Who is about to write it has a minute.
    pub(super) fn flawed_entry(&mut self) -> Option<Finding> {
        let Some(Flaw::Current(why)) = &self.seen.flaw else {
            self.heard.drop(Matter::Entry);
            return None;
        };
        let (ready, valid) = (ConditionType::Ready, ConditionType::CredentialsValid);
        let told =
            find(&self.previous.conditions, ready).is_some_and(|it| it.reason == Reason::SecretMalformed.as_str());
        let new = status_of(&self.previous.conditions, valid) != Some(Status::True);
        if !self.heard.hear(Matter::Entry, why, self.now).is_confirmed() && !told && !new {
            return None;
        }
        let secret = &self.app.spec.app_secret_ref.name;
        let seen = format!(
            "Secret {secret} holds no current app secret: {why}. The operator continues with its key {PREVIOUS_APP_SECRET_KEY}."
        );
        let step = format!(
            "Its maintainer must put the app secret, as the App Dashboard shows it under Settings, Basic, into the key {APP_SECRET_KEY}, and keep {PREVIOUS_APP_SECRET_KEY} until then."
        );
        Some(self.found(Status::False, Reason::SecretMalformed, seen, step))
    }

    /// What is wrong with an entry, for a message about the Secret.
    pub(super) fn told_flaw(&self) -> String {
        match &self.seen.flaw {
            Some(Flaw::Current(why) | Flaw::Former(why)) => {
                format!(" Secret {}: {why}.", self.app.spec.app_secret_ref.name)
            }
            Some(Flaw::Twice) | None => String::new(),
        }
    }

    /// What is to be done about the entries while everything works, if there is something to say.
    pub(super) fn entries_step(&self, other: Option<&OtherSecret>) -> Option<String> {
        let (secret, id) = (&self.app.spec.app_secret_ref.name, &self.app.spec.app_id);
        let whoever = format!("The maintainer of Secret {secret}");
        Some(match (&self.seen.flaw, other) {
            (Some(Flaw::Former(why)), _) => format!(
                "{whoever} must put only the former app secret into the key {PREVIOUS_APP_SECRET_KEY}, or remove that key: {why}."
            ),
            (Some(Flaw::Twice), _) => format!(
                "{whoever} can remove the key {PREVIOUS_APP_SECRET_KEY}, which holds the same as {APP_SECRET_KEY}; or put the new app secret into {APP_SECRET_KEY}, if it is being rotated."
            ),
            (_, Some(OtherSecret { removable_from: Some(from), .. })) => format!(
                "{whoever} can remove the key {PREVIOUS_APP_SECRET_KEY} from {from} on: Meta accepts only {APP_SECRET_KEY}, and by then no longer repeats events that it signed with the former secret. If the former secret leaked, remove it at once."
            ),
            (_, Some(other)) if other.accepted => format!(
                "{whoever} must keep both entries while Meta accepts either; this message will say when {PREVIOUS_APP_SECRET_KEY} can go."
            ),
            (_, Some(_)) => format!(
                "{whoever} must keep both entries: Meta accepts {PREVIOUS_APP_SECRET_KEY}, but not {APP_SECRET_KEY} yet. If the secret of app {id} was already reset, put the one that the App Dashboard shows under Settings, Basic, into {APP_SECRET_KEY}."
            ),
            _ => return None,
        })
    }

    /// When to check again, while Secret and Meta are on their way to each other.
    pub(super) fn rotation_goes_on(&self, credentials: &Finding, other: Option<&OtherSecret>) -> Option<Timestamp> {
        let entries = &self.seen.entries;
        let before = self.previous.secret_in_use.as_ref();
        let replaced = before.is_some_and(|it| entries.iter().all(|name| name.fingerprint != it.fingerprint));
        let rejected = credentials.status == Status::False && !entries.is_empty();
        let since = find(&self.previous.conditions, ConditionType::CredentialsValid)
            .filter(|it| it.status == Status::False.as_str())
            .map_or(self.now, |it| it.last_transition_time.0);
        if rejected && replaced && self.now.duration_since(since) < AWAITED {
            return Some(self.now.later(WHILE_AWAITED));
        }
        let over = credentials.status == Status::True && other.is_some_and(|it| it.removable_from.is_some());
        (entries.len() > 1 && !over).then(|| self.now.later(WHILE_ROTATED))
    }
}
