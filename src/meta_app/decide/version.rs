//! Whether Meta serves the declared version of the Graph API.

use super::Case;
use crate::api::Reason;
use crate::api::conditions::{Finding, Status};
use crate::engine::evidence::Matter;
use crate::graph::Version;

impl Case<'_> {
    /// That Meta refuses the declared version. A version that never answered is refused at once: everything goes on with the
    /// one that answered before, if there is one. Of the one in use it counts once it is said again a minute later.
    pub(super) fn version(&mut self) -> Option<Finding> {
        let Some(refusal) = &self.seen.asked.version_refused else {
            if matches!(self.seen.asked.node, Some(Ok(_))) {
                self.heard.drop(Matter::Version);
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
            in_use.map(|it| format!(" Version {it}, which answers, is used in its place.")).unwrap_or_default();
        let seen = format!("Meta does not serve version {version} of the Graph API ({fact}).{instead}");
        let example = in_use.unwrap_or_default();
        let example = if example == version { String::new() } else { format!(", such as {example}") };
        let next_step = match self.app.spec.graph_version {
            Some(_) => format!(
                "Whoever maintains this MetaApp must set spec.graphVersion to a version that Meta serves{example}."
            ),
            None => format!(
                "Whoever maintains the operator must upgrade it; until then spec.graphVersion may name a version that Meta serves{example}."
            ),
        };
        Some(self.found(Status::False, self.version_reason(), seen, next_step).quoting(refusal.quote()))
    }

    /// A version that is newer than the newest one that is known does not exist yet; an older one is over.
    pub(super) fn version_reason(&self) -> Reason {
        if self.seen.version > Version::DEFAULT { Reason::GraphVersionUnknown } else { Reason::GraphVersionRetired }
    }
}
