//! How long Meta continues to serve the version of the Graph API in use, and whether it serves it at all.

use super::case::Case;
use crate::api::Reason;
use crate::api::conditions::{ConditionType, Finding, Status, find, has_reason};
use crate::cluster::events::Note;
use crate::controller::evidence::Matter;
use crate::graph::{Stage, Version};

impl Case<'_> {
    /// The condition VersionSupported, from the calendar and from what Meta's answers say of their version.
    pub(super) fn supported(&mut self) -> Finding {
        let known = find(&self.previous.conditions, ConditionType::VersionSupported);
        match (&self.seen.asked.node, self.seen.asked.version) {
            (Some(Ok(_)), Some(version)) => self.supported_version(version),
            (Some(Err(refusal)), _) if refusal.may_pass() && known.is_some_and(|it| it.status != "Unknown") => {
                self.keep(ConditionType::VersionSupported, refusal)
            }
            _ => known.and_then(|it| Finding::from_condition(it, self.previous.next_step.as_deref())).unwrap_or_else(
                || self.found(Status::Unknown, Reason::Pending, "No version of the Graph API has answered yet.", ""),
            ),
        }
    }

    fn supported_version(&mut self, version: Version) -> Finding {
        let another = self.seen.served.filter(|by| *by != version);
        if another.is_none() {
            self.heard.drop(Matter::Served);
        }
        let says_so = self.seen.served == Some(version);
        let what = format!("version {version} of the Graph API");
        let instead = another.map(|by| format!(" Meta answers calls to it as version {by}.")).unwrap_or_default();
        match (version.stage(self.now), another) {
            (Stage::Ended(day), _) => {
                let day = day.map(|day| format!(" on {day}")).unwrap_or_default();
                let still = if says_so { " Meta still serves it." } else { &instead };
                let seen = format!("By Meta's calendar {what} ended{day}.{still}");
                self.found(Status::False, Reason::VersionEnded, seen, self.newer_version(version, ""))
            }
            (_, Some(by)) => {
                let seen = format!("Meta answers {what} as version {by}.");
                if self.heard.hear(Matter::Served, &by.to_string(), self.now).is_confirmed() {
                    return self.found(
                        Status::False,
                        Reason::ServedByOtherVersion,
                        seen,
                        self.newer_version(version, ""),
                    );
                }
                self.heard_once(ConditionType::VersionSupported, seen, None)
            }
            (Stage::Ending(day), None) => {
                let seen = format!(
                    "By Meta's calendar {what} ends on {day}; from then on Meta may answer calls to it as another version."
                );
                self.found(Status::False, Reason::VersionEnding, seen, self.newer_version(version, " before then"))
            }
            (Stage::Served(day), None) => {
                let until = day.map_or("; its end is not announced".to_owned(), |day| format!(" until {day}"));
                self.found(Status::True, Reason::VersionServed, format!("Meta serves {what}{until}."), "")
            }
            (Stage::NotKnown, None) => {
                let seen = format!("This release of the operator knows neither {what} nor when it ends.");
                let (status, reason) = match says_so {
                    true => (Status::True, Reason::VersionServed),
                    false => (Status::Unknown, Reason::VersionNotInCalendar),
                };
                self.found(status, reason, seen, "")
            }
        }
    }

    /// Who has to see to another version than this one.
    fn newer_version(&self, version: Version, when: &str) -> String {
        let newest = Version::newest(self.now).filter(|newest| *newest > version);
        let example = newest.map(|newest| format!(", such as {newest}")).unwrap_or_default();
        match self.app.spec.graph_version {
            Some(_) => format!(
                "The maintainer of this MetaApp must set spec.graphVersion to a newer version{when}{example}; the operator tries it before it uses it."
            ),
            None => format!(
                "The maintainer of the operator must upgrade it{when}; until then spec.graphVersion may name a newer version{example}."
            ),
        }
    }

    /// Whether what was found of the version is in the way of Ready: once it is over by the calendar, unless Meta's answers say
    /// that it is served all the same. Everything else goes on. Without an answer it stays as it was: what answered before is not
    /// remembered after a restart.
    pub(super) fn is_over(&self, supported: &Finding) -> bool {
        let over = supported.reason == Reason::VersionEnded;
        over && match (&self.seen.asked.node, self.seen.asked.version) {
            (Some(Ok(_)), Some(version)) => self.seen.served != Some(version),
            _ => find(&self.previous.conditions, ConditionType::Ready)
                .is_some_and(|it| it.reason == Reason::VersionEnded.as_str()),
        }
    }

    /// The Event that a version deserves when it turns out to be no longer supported, once. That it is over may be told as the
    /// reason of Ready already.
    pub(super) fn version_notes(&self, supported: &Finding, ready: &Finding) -> Option<Note> {
        let before = find(&self.previous.conditions, ConditionType::VersionSupported);
        let told = before.is_some_and(|it| it.status == "False" && has_reason(it, supported.reason));
        let news = supported.status == Status::False && !told && ready.reason != supported.reason;
        let (reason, text) = (supported.reason.as_str(), supported.news());
        news.then_some(Note { warning: true, reason, action: "Reconcile", text })
    }
}
