//! What follows from the events of one page.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{minutes_ago, now};
use crate::api::{InboundEvidence, InboundStatus};
use crate::gateway::events::evidence::{Heard, Sign, is_news};

const APP: &str = "1111000011110000";
const SIGNS: [Sign; 5] = [Sign::Message, Sign::Standby, Sign::Inbox, Sign::Primary, Sign::Secondary];

fn heard(events: &[(Sign, i64)]) -> Heard {
    let mut heard = Heard::default();
    for (sign, minutes) in events {
        let at = minutes_ago(*minutes);
        assert!(heard.hear(*sign, at, at), "{sign:?} {minutes}");
    }
    heard
}

fn evidence(heard: &Heard) -> Option<InboundEvidence> {
    heard.shows(APP).map(|it| it.evidence)
}

#[test]
fn what_a_page_shows_follows_from_what_came_where_and_when() {
    use InboundEvidence::{InboxAnswers, MessagesReceived, PrimaryReceiverRole, SecondaryReceiverRole, StandbyOnly};
    use Sign::{Inbox, Message, Primary, Secondary, Standby};
    type Row<'a> = (&'a str, &'a [(Sign, i64)], Option<InboundEvidence>);
    let rows: [Row<'_>; 16] = [
        ("nothing", &[], None),
        ("a message", &[(Message, 5)], Some(MessagesReceived)),
        ("standby once", &[(Standby, 5)], None),
        ("standby confirmed", &[(Standby, 5), (Standby, 4)], Some(StandbyOnly)),
        ("a message lately", &[(Message, 30), (Standby, 5), (Standby, 4)], Some(MessagesReceived)),
        ("a message an hour before", &[(Message, 65), (Standby, 6), (Standby, 5)], Some(StandbyOnly)),
        ("a message again", &[(Standby, 9), (Standby, 8), (Message, 7)], Some(MessagesReceived)),
        ("standby beside messages", &[(Standby, 90), (Message, 80), (Standby, 60)], Some(MessagesReceived)),
        ("staff answers", &[(Standby, 9), (Inbox, 8), (Standby, 7)], Some(InboxAnswers)),
        ("staff answered a day ago", &[(Inbox, 1500), (Standby, 9), (Standby, 7)], Some(StandbyOnly)),
        ("the inbox alone", &[(Inbox, 9)], None),
        ("made primary", &[(Standby, 9), (Standby, 8), (Primary, 7)], Some(PrimaryReceiverRole)),
        ("made secondary", &[(Message, 9), (Secondary, 8)], Some(SecondaryReceiverRole)),
        ("a thread that is still ours", &[(Secondary, 9), (Message, 8)], Some(SecondaryReceiverRole)),
        ("a day later", &[(Secondary, 1500), (Message, 8)], Some(MessagesReceived)),
        ("the newer role", &[(Secondary, 9), (Primary, 8)], Some(PrimaryReceiverRole)),
    ];
    for (name, events, expected) in rows {
        assert_eq!(evidence(&heard(events)), expected, "{name}");
    }
}

#[test]
fn what_is_old_sent_again_or_of_a_time_to_come_is_no_evidence() {
    for sign in SIGNS {
        let mut heard = heard(&[(sign, 60)]);
        let before = heard.clone();
        let ahead = |minutes| now() + SignedDuration::from_mins(minutes);
        for at in [minutes_ago(60), minutes_ago(61), minutes_ago(24 * 60 + 1), ahead(6), Timestamp::MIN, Timestamp::MAX]
        {
            assert!(!heard.hear(sign, at, now()), "{sign:?} {at}");
        }
        assert_eq!(heard, before);
        let mut fresh = Heard::default();
        assert!(!fresh.hear(sign, minutes_ago(24 * 60 + 1), now()), "{sign:?}: too old");
        assert!(heard.hear(sign, ahead(4), now()), "{sign:?}: clocks differ a little");
    }
}

#[test]
fn news_is_another_evidence_or_the_same_a_day_later() {
    let shown = |minutes: i64| heard(&[(Sign::Message, minutes)]).shows(APP).unwrap();
    let written = shown(25 * 60);
    assert!(is_news(None, &written));
    assert!(!is_news(Some(&written), &written));
    assert!(!is_news(Some(&written), &shown(90)), "23.5 hours later");
    assert!(is_news(Some(&written), &shown(59)));
    let standby = heard(&[(Sign::Message, 90), (Sign::Standby, 80)]).shows(APP).unwrap();
    assert!(is_news(Some(&shown(90)), &standby), "routing is on, as is known now");
    let of_another = InboundStatus { app_id: "9999000099990000".to_owned(), ..written.clone() };
    assert!(is_news(Some(&of_another), &written));
}

fn events() -> impl Strategy<Value = Vec<(Sign, i64)>> {
    prop::collection::vec((prop::sample::select(&SIGNS[..]), 0_i64..3000), 0..20)
}

/// Whatever came, in whatever order.
fn any_heard(events: &[(Sign, i64)]) -> Heard {
    let mut heard = Heard::default();
    for (sign, minutes) in events {
        heard.hear(*sign, minutes_ago(*minutes), minutes_ago(*minutes));
    }
    heard
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Another process goes on where one ended, and writes nothing anew.
    #[test]
    fn what_is_written_shows_the_same_to_whoever_takes_it_in(events in events()) {
        if let Some(shown) = any_heard(&events).shows(APP) {
            let mut next = Heard::default();
            next.take_in(&shown);
            let again = next.shows(APP).unwrap();
            prop_assert_eq!(&again.evidence, &shown.evidence);
            prop_assert!(!is_news(Some(&shown), &again));
        }
    }

    /// Two replicas that each heard a part agree once each took in what the other wrote.
    #[test]
    fn replicas_agree_in_the_end(first in events(), second in events()) {
        let (mut one, mut other) = (any_heard(&first), any_heard(&second));
        let mut written: Option<InboundStatus> = None;
        let mut writes = 0;
        for _ in 0..8 {
            for heard in [&mut one, &mut other] {
                if let Some(written) = &written {
                    heard.take_in(written);
                }
                if let Some(shown) = heard.shows(APP).filter(|shown| is_news(written.as_ref(), shown)) {
                    written = Some(shown);
                    writes += 1;
                }
            }
        }
        prop_assert!(writes <= 6, "{} writes", writes);
        let settled = [&one, &other].map(|heard| heard.shows(APP).is_none_or(|it| !is_news(written.as_ref(), &it)));
        prop_assert_eq!(settled, [true, true]);
    }
}
