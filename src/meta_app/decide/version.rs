//! Whether Meta serves the declared version of the Graph API.

use super::case::Case;
use crate::api::Reason;
use crate::api::conditions::{ConditionType, Finding, Status, find, has_reason};
use crate::controller::evidence::Matter;
use crate::graph::{Stage, Version};
use crate::meta_app::model::Trial;

impl Case<'_> {
    /// That Meta refuses the declared version. A version that never answered is refused at once: everything goes on with the
    /// one that answered before, if there is one. Of the one in use it counts once it is said again a minute later.
    pub(super) fn version(&mut self) -> Option<Finding> {
        let Some(refusal) = &self.seen.asked.version_refused else {
            if let Some(trial) = &self.seen.asked.trial {
                return Some(self.tried(trial));
            }
            if matches!(self.seen.asked.node, Some(Ok(_))) {
                self.heard.drop(Matter::Version);
                self.heard.drop(Matter::Trial);
            }
            return None;
        };
        let (version, fact) = (self.seen.version, &refusal.fact);
        let known = self.previous.graph_version.as_deref();
        if known == Some(version.to_string().as_str()) {
            let statement = format!("version {version}");
            if !self.heard.hear(Matter::Version, &statement, self.now).is_confirmed() {
                return None;
            }
        }
        let in_use = self.seen.asked.version.filter(|_| matches!(self.seen.asked.node, Some(Ok(_))));
        let instead =
            in_use.map(|it| format!(" The operator uses version {it}, which answers, instead.")).unwrap_or_default();
        let seen = format!("Meta does not serve version {version} of the Graph API ({fact}).{instead}");
        let example = in_use.unwrap_or_default();
        let example = if example == version { String::new() } else { format!(", such as {example}") };
        let next_step = match self.app.spec.graph_version {
            Some(_) => format!(
                "The maintainer of this MetaApp must set spec.graphVersion to a version that Meta serves{example}."
            ),
            None => format!(
                "The maintainer of the operator must upgrade it; until then spec.graphVersion may name a version that Meta serves{example}."
            ),
        };
        Some(self.found(Status::False, self.version_reason(version), seen, next_step).quoting(refusal.quote()))
    }

    /// That the declared version cannot take the place of the one in use, or not yet. What is in its way counts once it is heard
    /// again a minute later.
    fn tried(&mut self, trial: &Trial) -> Finding {
        let (version, in_use) = (self.seen.version, self.seen.asked.version.unwrap_or_default());
        let what = format!("version {version} of the Graph API");
        match trial {
            Trial::Unanswered(refusal) | Trial::PageUnanswered(refusal) => {
                let fact = &refusal.fact;
                let seen = format!(
                    "The operator tries every call in {what} before it uses it, and Meta has not answered all of them ({fact}). Version {in_use} stays in use."
                );
                self.found(Status::Unknown, Reason::Pending, seen, "The operator tries again on its own.")
            }
            Trial::Refused(read, refusal) => {
                let (call, fact) = (read.template(), &refusal.fact);
                let seen = format!(
                    "In {what}, Meta refuses {call} ({fact}), which it answers in version {in_use}. Version {in_use} stays in use."
                );
                let back = format!(
                    "The maintainer of this MetaApp must set spec.graphVersion to {in_use} until the operator is upgraded to a release that works with {version}."
                );
                let unusable = self.found(Status::False, Reason::GraphVersionUnusable, seen, back);
                self.heard_of(&format!("{version} {call} {fact}"), unusable.quoting(refusal.quote()))
            }
            Trial::ServedAs(other) => {
                let seen = format!("Meta answers {what} as version {other}. Version {in_use} stays in use.");
                let or = if *other == in_use { String::new() } else { format!(", or to {other}, which answers") };
                let step = format!("The maintainer of this MetaApp must set spec.graphVersion to {in_use}{or}.");
                let reason = match version.stage(self.now) {
                    Stage::Served(Some(_)) | Stage::Ending(_) => Reason::GraphVersionUnusable,
                    _ => self.version_reason(version),
                };
                self.heard_of(&format!("{version} {other}"), self.found(Status::False, reason, seen, step))
            }
        }
    }

    /// What was heard of the declared version, which nobody uses: until it is heard again it is pending, unless it was told of
    /// this declaration before.
    fn heard_of(&mut self, statement: &str, found: Finding) -> Finding {
        let ready = find(&self.previous.conditions, ConditionType::Ready);
        let told =
            ready.is_some_and(|it| has_reason(it, found.reason) && it.observed_generation == Some(self.generation));
        if self.heard.hear(Matter::Trial, statement, self.now).is_confirmed() || told {
            return found;
        }
        self.waits = true;
        let next_step = "The operator asks again within a minute; if the answer is the same, it counts.".to_owned();
        Finding { status: Status::Unknown, reason: Reason::Pending, next_step, ..found }
    }

    /// A version whose end is announced is over if Meta refuses it; one that is not known, or has no end, does not exist yet.
    pub(super) fn version_reason(&self, version: Version) -> Reason {
        match version.stage(self.now) {
            Stage::NotKnown | Stage::Served(None) => Reason::GraphVersionUnknown,
            Stage::Served(Some(_)) | Stage::Ending(_) | Stage::Ended(_) => Reason::GraphVersionRetired,
        }
    }
}
