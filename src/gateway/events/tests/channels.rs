//! Which channel an event counts for, and what is to be written about it when.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{minutes_ago, now};
use crate::api::{FacebookChannel, InboundEvidence, InboundStatus};
use crate::base::key::Key;
use crate::gateway::events::channels::{Channels, News, Through, Took};
use crate::gateway::events::evidence::Sign;

const APP: &str = "1111000011110000";
const PAGE: &str = "2200000000000001";

fn channel(name: &str, app: &str, version: u64, status: Value) -> FacebookChannel {
    serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "tenant-a", "uid": format!("{name}-uid"), "resourceVersion": version.to_string()},
        "spec": {
            "pageId": PAGE,
            "credentials": {"pageToken": {
                "secretRef": {"name": "x", "key": "token"}, "appRef": {"name": app, "namespace": "platform"},
            }},
            "endpoint": {"direct": {}},
        },
        "status": status,
    }))
    .unwrap()
}

fn claimed(inbound: Option<&InboundStatus>) -> Value {
    json!({"claimName": "facebook-page-2200000000000001", "inbound": inbound})
}

fn hear_of(channels: &Channels, page: &str, app: &str, sign: Sign, at: Timestamp) -> Took {
    let app = Key::new("platform", app);
    channels.hear(page, APP, sign, at, now(), |through| *through == Through::App(app.clone()))
}

fn hear(channels: &Channels, sign: Sign, at: Timestamp) -> Took {
    hear_of(channels, PAGE, "acme", sign, at)
}

/// What is to be written, once it is due.
fn news(channels: &Channels) -> Option<News> {
    channels.next_due().and_then(|due| channels.next_news(due))
}

fn evidence(news: Option<&News>) -> Option<InboundEvidence> {
    news.map(|news| news.inbound.evidence)
}

#[test]
fn an_event_counts_for_the_channel_of_its_application_that_holds_the_page_alone() {
    let channels = Channels::default();
    channels.applied(&channel("elsewhere", "other", 1, claimed(None)));
    channels.applied(&channel("unclaimed", "acme", 1, json!({})));
    let at = minutes_ago(5);
    assert_eq!(hear(&channels, Sign::Message, at), Took::UnknownPage, "one is another app's, one holds no claim");
    channels.applied(&channel("shop", "acme", 1, claimed(None)));
    assert_eq!(hear_of(&channels, "2200000000000002", "acme", Sign::Message, at), Took::UnknownPage);
    assert_eq!(hear_of(&channels, "220000000000000", "acme", Sign::Message, at), Took::UnknownPage);
    assert_eq!(news(&channels), None);
    assert_eq!(hear(&channels, Sign::Message, at), Took::Counted);
    assert_eq!(hear(&channels, Sign::Message, at), Took::Old, "sent again");
    let news = news(&channels).unwrap();
    assert_eq!((news.place.1.name.as_str(), news.uid.as_str()), ("shop", "shop-uid"));
    assert_eq!((news.inbound.app_id.as_str(), news.inbound.observed_at), (APP, at));
}

#[test]
fn of_a_channel_that_holds_no_page_nothing_is_kept() {
    let channels = Channels::default();
    let mut shop = channel("shop", "acme", 1, claimed(None));
    channels.applied(&shop);
    assert_eq!(channels.count(), 1);
    shop.spec.transfer_to = Some("tenant-b".to_owned());
    channels.applied(&shop);
    assert_eq!(channels.count(), 0, "it gives the page away");
    for status in [Value::Null, json!({}), json!({"connection": "Connected"})] {
        channels.applied(&channel("shop", "acme", 1, claimed(None)));
        channels.applied(&channel("shop", "acme", 2, status));
        assert_eq!(channels.count(), 0);
    }
}

#[test]
fn what_was_written_is_not_written_again_before_it_is_something_else() {
    let channels = Channels::default();
    channels.applied(&channel("shop", "acme", 1, claimed(None)));
    hear(&channels, Sign::Message, minutes_ago(90));
    let first = news(&channels).unwrap();
    channels.written(&first, Some(7));
    hear(&channels, Sign::Message, minutes_ago(80));
    assert_eq!(news(&channels), None);
    // What the watch had under way is older than that; later it shows ours.
    channels.applied(&channel("shop", "acme", 6, claimed(None)));
    channels.applied(&channel("shop", "acme", 7, claimed(Some(&first.inbound))));
    assert_eq!(news(&channels), None);
    for minutes in [6, 5] {
        hear(&channels, Sign::Standby, minutes_ago(minutes));
    }
    assert_eq!(evidence(news(&channels).as_ref()), Some(InboundEvidence::StandbyOnly));
}

#[test]
fn what_someone_else_removed_is_written_anew_and_what_another_replica_wrote_is_taken_in() {
    let channels = Channels::default();
    channels.applied(&channel("shop", "acme", 1, claimed(None)));
    hear(&channels, Sign::Message, minutes_ago(90));
    let first = news(&channels).unwrap();
    channels.written(&first, Some(7));
    channels.applied(&channel("shop", "acme", 8, claimed(None)));
    assert_eq!(news(&channels).unwrap().inbound, first.inbound);
    let role = InboundStatus {
        evidence: InboundEvidence::PrimaryReceiverRole,
        observed_at: minutes_ago(30),
        ..first.inbound.clone()
    };
    channels.applied(&channel("shop", "acme", 9, claimed(Some(&role))));
    assert_eq!(news(&channels), None);
    assert_eq!(hear(&channels, Sign::Primary, minutes_ago(30)), Took::Old);
    // Another object of this name begins anew.
    let mut another = channel("shop", "acme", 10, claimed(None));
    another.metadata.uid = Some("another".to_owned());
    channels.applied(&another);
    assert_eq!((news(&channels), hear(&channels, Sign::Message, minutes_ago(90))), (None, Took::Counted));
}

#[test]
fn what_fails_is_tried_again_later_and_later_and_then_says_the_newest() {
    let channels = Channels::default();
    channels.applied(&channel("shop", "acme", 1, claimed(None)));
    hear(&channels, Sign::Message, minutes_ago(90));
    for failures in 0..12 {
        let (news, begun) = (news(&channels).unwrap(), Instant::now());
        assert_eq!(channels.failed(&news), failures);
        let due = channels.next_due().unwrap();
        let expected = Duration::from_secs(2_u64.pow(failures).min(600));
        assert!(due.duration_since(Instant::now()) <= expected && due.duration_since(begun) >= expected, "{failures}");
        assert_eq!(channels.next_news(begun), None, "it waits");
    }
    hear(&channels, Sign::Primary, minutes_ago(1));
    let news = news(&channels).unwrap();
    assert_eq!(news.inbound.evidence, InboundEvidence::PrimaryReceiverRole);
    channels.outdated(&news);
    assert_eq!(channels.next_due(), None, "the watch brings how it is");
}
