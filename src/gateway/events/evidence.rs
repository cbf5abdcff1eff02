//! What the events of one page show of its primary receiver: a function of values. Events come late, twice and in any order, and
//! whoever has an old body with its signature can send it again: only what is newer than the last of its kind counts.

use jiff::{SignedDuration, Timestamp};

use crate::api::{InboundEvidence, InboundStatus};
use crate::base::clock::Moment;

/// How old an event may be, and how far its clock may be ahead of ours.
const OLDEST: SignedDuration = SignedDuration::from_hours(24);
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// So long only standby has to be heard before it is all there is: in the threads that were handed over, there is standby all the time.
const QUIET: SignedDuration = SignedDuration::from_hours(1);
/// It has to be heard again at least so much later: that there is nothing else is confirmed.
const CONFIRMED: SignedDuration = SignedDuration::from_mins(1);
/// So long a thread keeps its owner after the last message of its person, whichever application has become the default app meanwhile.
const OWNED: SignedDuration = SignedDuration::from_hours(24);
/// How often the times are written while the evidence stays the same.
const REFRESHED: SignedDuration = SignedDuration::from_hours(24);

/// An event that is evidence.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sign {
    /// A person's message came to our application.
    Message,
    /// A person's message came on standby.
    Standby,
    /// The page's inbox got a thread, or staff answered in it.
    Inbox,
    /// Our application was made the primary receiver.
    Primary,
    /// Our application was made a secondary receiver.
    Secondary,
}

impl Sign {
    /// One word for it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Standby => "standby",
            Self::Inbox => "inbox",
            Self::Primary | Self::Secondary => "role",
        }
    }
}

/// When what was last heard of a page.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Heard {
    message: Option<Timestamp>,
    standby: Option<Timestamp>,
    /// The first of the standby since the last message.
    standby_since: Option<Timestamp>,
    inbox: Option<Timestamp>,
    role: Option<(Timestamp, InboundEvidence)>,
}

impl Heard {
    /// Hears of an event. Whether it counts.
    pub(super) fn hear(&mut self, sign: Sign, at: Timestamp, now: Timestamp) -> bool {
        let known = match sign {
            Sign::Message => self.message,
            Sign::Standby => self.standby,
            Sign::Inbox => self.inbox,
            Sign::Primary | Sign::Secondary => self.role.map(|(at, _)| at),
        };
        if known.is_some_and(|known| at <= known) || at < now.earlier(OLDEST) || at > now.later(AHEAD) {
            return false;
        }
        match sign {
            Sign::Message => {
                self.message = Some(at);
                self.standby_since = self.standby_since.filter(|since| *since > at);
            }
            Sign::Standby => {
                self.standby = Some(at);
                self.standby_since.get_or_insert(at);
            }
            Sign::Inbox => self.inbox = Some(at),
            Sign::Primary => self.role = Some((at, InboundEvidence::PrimaryReceiverRole)),
            Sign::Secondary => self.role = Some((at, InboundEvidence::SecondaryReceiverRole)),
        }
        true
    }

    /// Takes in what was written before, be it by another replica.
    pub(super) fn take_in(&mut self, written: &InboundStatus) {
        self.message = self.message.max(written.last_messaging_time);
        self.standby = self.standby.max(written.last_standby_time);
        self.standby_since = self.standby_since.filter(|since| self.message.is_none_or(|message| *since > message));
        let at = written.observed_at;
        match written.evidence {
            InboundEvidence::MessagesReceived => {}
            InboundEvidence::StandbyOnly | InboundEvidence::InboxAnswers => {
                let since = at.earlier(CONFIRMED);
                self.standby_since = Some(self.standby_since.map_or(since, |known| known.min(since)));
            }
            role @ (InboundEvidence::PrimaryReceiverRole | InboundEvidence::SecondaryReceiverRole) => {
                self.role = self.role.filter(|(known, _)| *known > at).or(Some((at, role)));
            }
        }
        if written.evidence == InboundEvidence::InboxAnswers {
            self.inbox = self.inbox.max(Some(at));
        }
    }

    /// What it shows, if anything.
    pub(super) fn shows(&self, app_id: &str) -> Option<InboundStatus> {
        let traffic = self.standby_alone().or(self.message.map(|at| (at, InboundEvidence::MessagesReceived)));
        // What comes from threads that still have their owners says nothing against a role that was given since.
        let outdone = |(told, _): (Timestamp, _)| traffic.is_some_and(|(at, _)| at >= told.later(OWNED));
        let (at, evidence) = self.role.filter(|role| !outdone(*role)).or(traffic)?;
        // Whole seconds, and none of a time to come.
        let written = |at: Timestamp| Timestamp::from_second(at.as_second()).unwrap_or(at);
        Some(InboundStatus {
            app_id: app_id.to_owned(),
            evidence,
            observed_at: written(at),
            last_messaging_time: self.message.map(written),
            last_standby_time: self.standby.map(written),
        })
    }

    /// That only standby is heard.
    fn standby_alone(&self) -> Option<(Timestamp, InboundEvidence)> {
        let at = self.standby?;
        let confirmed = self.standby_since.is_some_and(|since| at.duration_since(since) >= CONFIRMED);
        let alone = self.message.is_none_or(|message| at.duration_since(message) >= QUIET);
        let answered =
            |inbox: Timestamp| at.duration_since(inbox) < OWNED && self.message.is_none_or(|message| inbox > message);
        let evidence = match self.inbox.is_some_and(answered) {
            true => InboundEvidence::InboxAnswers,
            false => InboundEvidence::StandbyOnly,
        };
        (confirmed && alone).then_some((at, evidence))
    }
}

/// Whether what is shown is worth a write over what is written.
pub(super) fn is_news(written: Option<&InboundStatus>, shown: &InboundStatus) -> bool {
    let Some(written) = written else { return true };
    let differs = written.evidence != shown.evidence || written.app_id != shown.app_id;
    let times = [
        (Some(written.observed_at), Some(shown.observed_at)),
        (written.last_messaging_time, shown.last_messaging_time),
        (written.last_standby_time, shown.last_standby_time),
    ];
    let refreshed = |(old, new): &(Option<Timestamp>, Option<Timestamp>)| match (old, new) {
        (Some(old), Some(new)) => new.duration_since(*old) >= REFRESHED,
        (old, new) => old.is_none() && new.is_some(),
    };
    differs || times.iter().any(refreshed)
}
