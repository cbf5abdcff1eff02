//! Whether our application is the primary receiver, and what that means for the channel.

use jiff::SignedDuration;
use serde_json::json;

use super::scene::*;
use crate::api::PrimaryReceiver;
use crate::api::conditions::ConditionType::PrimaryReceiver as Receiver;
use crate::api::conditions::ConditionType::{Connected, Disconnected, Ready};
use crate::graph::{Thread, ThreadOwner, TokenInfo};
use crate::ownership::ClaimSeen;

const INBOX: &str = "263902037430900";

fn owner(app_id: Option<&str>) -> Option<ThreadOwner> {
    Some(ThreadOwner { app_id: app_id.map(Into::into), expiration: Some(now() + SignedDuration::from_hours(20)) })
}

fn thread(owner: Option<ThreadOwner>) -> Thread {
    Thread { updated_at: Some(now() - SignedDuration::from_hours(1)), routed: true, owner }
}

fn ours() -> Thread {
    thread(owner(Some(APP)))
}

fn hidden() -> Thread {
    thread(owner(None))
}

fn inbox() -> Thread {
    thread(owner(Some(INBOX)))
}

fn unrouted() -> Thread {
    Thread { routed: false, ..thread(None) }
}

fn demand(spec: serde_json::Value) -> Option<PrimaryReceiver> {
    Some(serde_json::from_value(spec).unwrap())
}

fn scene(requirement: &str, threads: Vec<Thread>) -> Scene {
    Scene::with(|scene| {
        scene.channel.spec.primary_receiver = demand(json!({"requirement": requirement}));
        scene.seen.asked.threads = Some(Ok(threads));
    })
}

#[test]
fn threads_tell_who_is_the_primary_receiver() {
    let foreign = || thread(owner(Some(OTHER_APP)));
    let old = |it: Thread| Thread { updated_at: Some(now() - SignedDuration::from_hours(30)), ..it };
    let undated = |it: Thread| Thread { updated_at: None, ..it };
    let idle = || thread(None);
    let rows = [
        ("another app's thread is shown to the default app only", vec![ours(), foreign()], "True/DefaultApp"),
        ("we own what is active", vec![ours(), ours(), idle()], "True/DefaultApp"),
        ("most owners are hidden", vec![hidden(), hidden(), ours()], "False/AnotherAppControls"),
        ("half of the owners are hidden", vec![hidden(), ours()], "Unknown/NotVerifiable"),
        ("staff answers most", vec![inbox(), inbox(), ours()], "False/HandedToInbox"),
        ("staff answers some, which only the default app is shown", vec![inbox(), ours(), ours()], "True/DefaultApp"),
        ("routing is off", vec![unrouted(), unrouted()], "False/NoDefaultApp"),
        ("only idle threads", vec![idle(), idle()], "Unknown/NotVerifiable"),
        ("only old threads", vec![old(hidden()), undated(hidden()), old(unrouted())], "Unknown/NotVerifiable"),
        ("an old thread does not outvote a recent one", vec![old(hidden()), old(hidden()), ours()], "True/DefaultApp"),
        ("no threads", vec![], "Unknown/NotVerifiable"),
    ];
    for (name, threads, expected) in rows {
        let outcome = scene("NotContradicted", threads).decide();
        assert_eq!(outcome.of(Receiver), expected, "{name}");
    }
}

#[test]
fn what_blocks_depends_on_what_is_demanded() {
    let (cut, pending) = ("False/NotPrimaryReceiver", "Unknown/NotVerifiable");
    let (fine, any) = ("True/ConnectionVerified", "True/ReconcileSucceeded");
    let rows = [
        ("NotContradicted", vec![ours()], fine, any),
        ("NotContradicted", vec![hidden()], cut, cut),
        ("NotContradicted", vec![inbox()], fine, any),
        ("NotContradicted", vec![unrouted()], fine, any),
        ("NotContradicted", vec![], fine, any),
        ("Verified", vec![ours()], fine, any),
        ("Verified", vec![hidden()], cut, cut),
        ("Verified", vec![inbox()], fine, any),
        ("Verified", vec![unrouted()], cut, cut),
        ("Verified", vec![], pending, pending),
        ("Ignored", vec![hidden()], fine, any),
    ];
    for (requirement, threads, connected, ready) in rows {
        let outcome = scene(requirement, threads.clone()).decide();
        assert_eq!(
            (outcome.of(Connected).as_str(), outcome.of(Ready).as_str()),
            (connected, ready),
            "{requirement} {threads:?}"
        );
        outcome.no_mutation();
    }
    let outcome = scene("NotContradicted", vec![hidden()]).decide();
    outcome.stalled("NotPrimaryReceiver");
    outcome.shows(&[(Disconnected, "True/NotPrimaryReceiver"), (Receiver, "False/AnotherAppControls")]);
    assert!(outcome.message(Receiver).contains("msgr_conversation_routing"));
}

#[test]
fn what_is_ignored_is_not_reported() {
    let outcome = scene("Ignored", vec![hidden()]).decide();
    outcome.shows(&[(Receiver, "Unknown/NotRequired")]);
    assert_eq!(outcome.status().primary_receiver, None);
}

#[test]
fn evidence_counts_for_a_week_unless_newer_evidence_contradicts_it() {
    let first = scene("NotContradicted", vec![ours()]).decide();
    let later = |days: i64, threads: Option<Vec<Thread>>| {
        let mut next = scene("NotContradicted", vec![]).after(&first);
        next.now = now() + SignedDuration::from_hours(24 * days);
        next.seen.asked.threads = threads.map(Ok);
        next.decide()
    };
    later(6, None).shows(&[(Receiver, "True/DefaultApp")]);
    later(6, Some(vec![])).shows(&[(Receiver, "True/DefaultApp")]);
    later(8, None).shows(&[(Receiver, "Unknown/NotVerifiable")]);
    let contrary = Thread { updated_at: Some(now() + SignedDuration::from_hours(24)), ..hidden() };
    later(1, Some(vec![contrary])).shows(&[(Receiver, "False/AnotherAppControls")]);
}

#[test]
fn unreadable_threads_say_nothing() {
    for refusal in [no_answer(), throttled()] {
        let fresh = Scene::with(|scene| scene.seen.asked.threads = Some(Err(refusal.clone()))).decide();
        fresh.shows(&[(Receiver, "Unknown/NotVerifiable"), (Ready, "True/ReconcileSucceeded")]);
        let known = scene("NotContradicted", vec![ours()]).decide();
        let mut next = scene("NotContradicted", vec![]).after(&known);
        next.seen.asked.threads = Some(Err(refusal));
        next.decide().shows(&[(Receiver, "True/DefaultApp"), (Ready, "True/ReconcileSucceeded")]);
    }
}

#[test]
fn a_word_counts_until_newer_evidence_says_otherwise() {
    let with = |at: &str, threads: Vec<Thread>| {
        let word = json!({"requirement": "Verified", "attested": {"by": "ops@acme", "at": at}});
        Scene::with(|scene| {
            scene.channel.spec.primary_receiver = demand(word);
            scene.seen.asked.threads = Some(Ok(threads));
        })
        .decide()
    };
    let word = with("2026-02-20T00:00:00Z", vec![]);
    word.shows(&[(Receiver, "True/Attested"), (Ready, "True/ReconcileSucceeded")]);
    assert!(word.message(Receiver).contains("ops@acme"));
    with("2026-02-20T00:00:00Z", vec![hidden()]).shows(&[(Receiver, "False/AnotherAppControls")]);
    with("2026-02-20T00:00:00Z", vec![ours()]).shows(&[(Receiver, "True/DefaultApp")]);
    // A time to come is nobody's word.
    with("2026-03-01T13:00:00Z", vec![hidden()]).shows(&[(Receiver, "False/AnotherAppControls")]);
}

#[test]
fn the_same_evidence_seen_again_after_a_word_overrules_it() {
    let first = scene("NotContradicted", vec![hidden()]).decide();
    let word = json!({"requirement": "NotContradicted", "attested": {"by": "ops@acme", "at": "2026-03-01T12:30:00Z"}});
    let after = |minutes: i64, threads: Option<Vec<Thread>>| {
        let mut next = scene("NotContradicted", vec![]).after(&first);
        next.now = now() + SignedDuration::from_mins(minutes);
        next.channel.spec.primary_receiver = demand(word.clone());
        next.seen.asked.threads = threads.map(Ok);
        next.decide()
    };
    after(40, None).shows(&[(Receiver, "True/Attested")]);
    after(60, Some(vec![hidden()])).shows(&[(Receiver, "False/AnotherAppControls")]);
}

#[test]
fn evidence_that_stays_the_same_is_written_once_a_day() {
    let first = scene("NotContradicted", vec![ours()]).decide();
    let again = |hours: i64| {
        let at = now() + SignedDuration::from_hours(hours);
        let mut next = scene("NotContradicted", vec![Thread { updated_at: Some(at), ..ours() }]).after(&first);
        next.now = at;
        next.decide().status().primary_receiver.clone().unwrap().observed_at
    };
    let observed = first.status().primary_receiver.clone().unwrap().observed_at;
    assert_eq!(again(23), observed);
    assert_eq!(again(25), now() + SignedDuration::from_hours(25));
}

#[test]
fn what_cannot_be_read_is_not_called_unverifiable_and_silence_changes_neither_word() {
    let dead = || Scene::debugged(Ok(TokenInfo { is_valid: false, ..token_info() }));
    let elsewhere = || {
        let mut scene = Scene::debugged(Ok(token_info()));
        scene.seen.claim = ClaimSeen::Elsewhere { namespace: "tenant-b".to_owned() };
        scene
    };
    for unreadable in [dead(), elsewhere()] {
        let outcome = unreadable.decide();
        outcome.shows(&[(Receiver, "Unknown/AwaitingAuthorization")]);
        assert!(!outcome.message(Receiver).contains("msgr_conversation_routing"), "{}", outcome.message(Receiver));
        let silent = Scene::debugged(Err(no_answer())).after(&outcome).decide();
        silent.shows(&[(Receiver, "Unknown/AwaitingAuthorization")]);
    }
    let verifiable = scene("NotContradicted", vec![]).decide();
    let silent = Scene::debugged(Err(no_answer())).after(&verifiable).decide();
    silent.shows(&[(Receiver, "Unknown/NotVerifiable")]);
    // What was seen while the token lived still counts.
    let seen = scene("NotContradicted", vec![ours()]).decide();
    dead().after(&seen).decide().shows(&[(Receiver, "True/DefaultApp")]);
}

/// What the gateway wrote an hour ago, or so many hours earlier.
fn inbound(evidence: &str, hours: i64, standby: Option<i64>) -> serde_json::Value {
    let before = |hours: i64| (now() - SignedDuration::from_hours(hours)).to_string();
    json!({"appId": APP, "evidence": evidence, "observedAt": before(hours), "lastStandbyTime": standby.map(before)})
}

fn heard(requirement: &str, threads: Vec<Thread>, inbound: serde_json::Value) -> Scene {
    let mut scene = scene(requirement, threads);
    let status = json!({"claimName": format!("facebook-page-{PAGE}"), "inbound": inbound});
    scene.channel.status = Some(serde_json::from_value(status).unwrap());
    scene
}

#[test]
fn what_the_gateway_heard_tells_where_threads_do_not() {
    let (unknown, ours, theirs) = ("Unknown/NotVerifiable", "True/DefaultApp", "False/AnotherAppControls");
    let other_app = json!({"appId": OTHER_APP, "evidence": "StandbyOnly", "observedAt": now().to_string()});
    let rows = [
        ("messages, and who knows whether routing is on", inbound("MessagesReceived", 1, None), unknown),
        ("messages while there is standby too", inbound("MessagesReceived", 1, Some(2)), ours),
        ("messages, and standby long ago", inbound("MessagesReceived", 1, Some(200)), unknown),
        ("standby only", inbound("StandbyOnly", 1, Some(1)), theirs),
        ("staff answers", inbound("InboxAnswers", 1, Some(1)), "False/HandedToInbox"),
        ("made primary", inbound("PrimaryReceiverRole", 1, None), ours),
        ("made secondary", inbound("SecondaryReceiverRole", 1, None), theirs),
        ("long ago", inbound("SecondaryReceiverRole", 200, None), unknown),
        ("about another application", other_app, unknown),
    ];
    for (name, inbound, expected) in rows {
        let outcome = heard("NotContradicted", vec![], inbound.clone()).decide();
        assert_eq!(outcome.of(Receiver), expected, "{name}");
        assert_eq!(outcome.status().inbound, serde_json::from_value(inbound).unwrap(), "{name}: it stays");
        let ignored = heard("Ignored", vec![], inbound_of(&outcome)).decide();
        ignored.shows(&[(Receiver, "Unknown/NotRequired"), (Ready, "True/ReconcileSucceeded")]);
    }
    let cut = heard("NotContradicted", vec![], inbound("StandbyOnly", 1, Some(1))).decide();
    cut.shows(&[(Disconnected, "True/NotPrimaryReceiver"), (Ready, "False/NotPrimaryReceiver")]);
    cut.no_mutation();
    let verified = heard("Verified", vec![], inbound("PrimaryReceiverRole", 1, None)).decide();
    verified.shows(&[(Ready, "True/ReconcileSucceeded")]);
}

fn inbound_of(outcome: &Outcome) -> serde_json::Value {
    serde_json::to_value(&outcome.status().inbound).unwrap()
}

#[test]
fn of_threads_and_what_the_gateway_heard_the_newer_counts() {
    let hours = |hours: i64| now() + SignedDuration::from_hours(hours);
    let (ours_, theirs) = ("True/DefaultApp", "False/AnotherAppControls");
    let rows = [
        ("standby after the threads", vec![ours()], inbound("StandbyOnly", -1, Some(-1)), theirs),
        ("standby before", vec![ours()], inbound("StandbyOnly", 1, Some(1)), ours_),
        ("a role after them", vec![hidden()], inbound("PrimaryReceiverRole", -1, None), ours_),
        ("messages after them", vec![hidden()], inbound("MessagesReceived", -1, None), ours_),
        ("messages, routing is off", vec![unrouted()], inbound("MessagesReceived", -1, None), "False/NoDefaultApp"),
        ("messages, routing came since", vec![unrouted()], inbound("MessagesReceived", -1, Some(-1)), ours_),
    ];
    for (name, threads, inbound, expected) in rows {
        let read = scene("NotContradicted", threads).decide();
        let next = |inbound: &serde_json::Value, threads: Vec<Thread>, at: i64, before: &Outcome| {
            let mut next = heard("NotContradicted", threads, inbound.clone());
            next.previous = before.status().clone();
            next.now = hours(at);
            next.decide()
        };
        let weighed = next(&inbound, vec![], 2, &read);
        assert_eq!(weighed.of(Receiver), expected, "{name}");
        // What is read next is newer again, and stays so when nothing is read.
        let contrary = if expected == ours_ { hidden() } else { ours() };
        let contrary = Thread { updated_at: Some(hours(2)), ..contrary };
        let read = next(&inbound, vec![contrary], 3, &weighed);
        let turned = if expected == ours_ { theirs } else { ours_ };
        assert_eq!(read.of(Receiver), turned, "{name}");
        assert_eq!(next(&inbound, vec![], 4, &read).of(Receiver), turned, "{name}");
    }
}

#[test]
fn what_the_gateway_corrects_counts_no_more_and_a_word_is_overruled_by_what_is_newer() {
    let wrong = heard("NotContradicted", vec![], inbound("StandbyOnly", 1, Some(1))).decide();
    let mut next = heard("NotContradicted", vec![], inbound("MessagesReceived", 2, Some(1)));
    next.previous = wrong.status().clone();
    next.decide().shows(&[(Receiver, "True/DefaultApp")]);
    let word = |at: &str| {
        let mut scene = heard("Verified", vec![], inbound("StandbyOnly", 1, Some(1)));
        let attested = json!({"requirement": "Verified", "attested": {"by": "ops@acme", "at": at}});
        scene.channel.spec.primary_receiver = demand(attested);
        scene.decide()
    };
    word("2026-03-01T11:30:00Z").shows(&[(Receiver, "True/Attested")]);
    word("2026-03-01T10:30:00Z").shows(&[(Receiver, "False/AnotherAppControls")]);
}

#[test]
fn who_gives_up_the_page_keeps_nothing_of_what_the_gateway_heard() {
    let mut lost = heard("NotContradicted", vec![], inbound("StandbyOnly", 1, Some(1)));
    lost.seen.claim = ClaimSeen::Elsewhere { namespace: "tenant-b".to_owned() };
    let mut parted = heard("NotContradicted", vec![], inbound("StandbyOnly", 1, Some(1)));
    parted.channel.spec.connection = crate::api::DeclaredConnection::Disconnected;
    for scene in [lost, parted] {
        assert_eq!(scene.decide().status().inbound, None);
    }
}
