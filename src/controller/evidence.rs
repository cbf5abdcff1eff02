//! Answers that were heard once and do not count yet. A single answer from the side is no verdict, and something that one
//! answer does not contain is not gone: the same must be heard again some time later.
//!
//! All of this may be lost: after a restart it is heard again, and confirmed a minute later.
//!
//! # What an answer counts for
//!
//! Every call is an `Operation` (`graph/operation.rs`), which knows whose token it is made with. An error is classified by the
//! call that it answers and by its code, subcode, words and status (`graph/error_codes.rs`); few refusals are *definite* about
//! the token or the object. The journal of a pass (`limits/calls.rs`) holds every call with its result: whether Meta can be
//! reached, what is limited and what is logged are queries on it.
//!
//! Each condition has its witnesses (the table in docs/conditions.md). `decide/evidence.rs` sorts the answers before any
//! condition is decided. What the witness says counts. What another call says is a doubt, for which `witness.rs` has the
//! witness asked in the same pass. What one answer does not contain, or says without being definite, is a suspicion
//! (`controller/evidence.rs`), kept in memory until the same is heard a minute later or contradicted. If an app has more than
//! twenty doubts within a minute (`limits/suspect_tokens.rs`), the app itself is checked, and the doubts wait for their regular
//! checks. What is newly declared and refused (`decide/wish.rs`) makes `Ready` False and touches no other condition.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::base::clock::Moment;

/// How far apart two answers are that confirm each other.
pub const APART: SignedDuration = SignedDuration::from_secs(60);

/// What a statement is about.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Matter {
    /// The token that calls are made with.
    Token,
    Page,
    /// The credentials of an application.
    Credentials,
    /// The entry of its Secret that is not in use.
    OtherSecret,
    /// An entry of its Secret that cannot be used, while the other one can.
    Entry,
    /// The version of the Graph API in use.
    Version,
    /// What is in the way of another one that is declared.
    Trial,
    /// Which other version answers in its place.
    Served,
    /// Something that Meta refuses without a reason that is known; of a channel, its page.
    Refused,
    /// The subscriptions of a page, which Meta refuses to show so.
    RowsRefused,
    /// What is missing of the subscriptions of an application or a page, when nothing writes it back.
    Rows,
    /// What is missing of the permissions of an application.
    Approvals,
    /// A source token that is to take the place of the token in use.
    SourceToken,
    /// What a person brought in the browser for the same.
    Message,
}

/// Statements that were heard and wait for their confirmation: one for each matter at most.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Suspicions(BTreeMap<Matter, Suspicion>);

#[derive(Clone, Debug, Eq, PartialEq)]
struct Suspicion {
    statement: String,
    since: Timestamp,
}

/// How long a statement has stood.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DriftState(SignedDuration);

impl DriftState {
    /// Whether a second answer, long enough after the first one, said the same.
    pub fn is_confirmed(self) -> bool {
        self.0 >= APART
    }

    /// Whether it has stood for so long.
    pub fn lasts(self, time: SignedDuration) -> bool {
        self.0 >= time
    }
}

impl Suspicions {
    /// Hears a statement. Another one about the same matter takes the place of the one before; but that something is refused
    /// is one statement, whatever is said to it.
    pub fn hear(&mut self, matter: Matter, statement: &str, now: Timestamp) -> DriftState {
        let any = matches!(matter, Matter::Refused | Matter::RowsRefused);
        let known = self.0.get(&matter).filter(|it| (any || it.statement == statement) && it.since <= now);
        let since = known.map_or(now, |it| it.since);
        self.0.insert(matter, Suspicion { statement: statement.to_owned(), since });
        DriftState(now.duration_since(since))
    }

    /// Whether what was heard of a matter has stood long enough to count, if something was.
    pub fn is_confirmed(&self, matter: Matter, now: Timestamp) -> bool {
        self.0.get(&matter).is_some_and(|it| DriftState(now.duration_since(it.since)).is_confirmed())
    }

    /// Whether something was heard of a matter.
    pub fn knows(&self, matter: Matter) -> bool {
        self.0.contains_key(&matter)
    }

    /// Drops what was said about a matter: an answer contradicts it.
    pub fn drop(&mut self, matter: Matter) {
        self.0.remove(&matter);
    }

    /// Whether nothing is suspected.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When an answer can confirm what was heard last, if it could not yet.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        self.0.values().map(|it| it.since.later(APART)).filter(|at| *at > now).min()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::at;

    #[test]
    fn only_the_same_statement_a_minute_later_confirms() {
        let mut heard = Suspicions::default();
        let confirmed =
            |heard: &mut Suspicions, statement, second| heard.hear(Matter::Token, statement, at(second)).is_confirmed();
        assert!(!confirmed(&mut heard, "190/460", 0));
        assert!(!confirmed(&mut heard, "190/460", 59));
        assert!(confirmed(&mut heard, "190/460", 60));
        assert!(!confirmed(&mut heard, "190/463", 61), "another statement begins anew");
        heard.drop(Matter::Token);
        assert!(heard.is_empty());
        assert!(!confirmed(&mut heard, "190/463", 200), "what was contradicted begins anew");
    }

    #[test]
    fn that_something_is_refused_is_one_statement_whatever_the_code() {
        let mut heard = Suspicions::default();
        heard.hear(Matter::Refused, "code 100", at(0));
        heard.hear(Matter::Refused, "code 1705", at(30));
        assert!(heard.hear(Matter::Refused, "code 100", at(60)).is_confirmed());
    }

    #[test]
    fn matters_do_not_confirm_each_other() {
        let mut heard = Suspicions::default();
        heard.hear(Matter::Token, "100/33", at(0));
        assert!(!heard.hear(Matter::Page, "100/33", at(60)).is_confirmed());
    }

    #[test]
    fn the_next_answer_is_due_when_it_can_confirm() {
        let mut heard = Suspicions::default();
        assert_eq!(heard.next(at(0)), None);
        heard.hear(Matter::Token, "a", at(0));
        heard.hear(Matter::Page, "b", at(30));
        assert_eq!([0, 59, 60, 90].map(|now| heard.next(at(now))), [Some(at(60)), Some(at(60)), Some(at(90)), None]);
    }
}
