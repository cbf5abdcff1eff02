//! What is remembered about a channel from its status, and for how long.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::scene::*;
use crate::api::{AuthorizationStatus, FacebookChannelStatus};
use crate::base::ids::Uid;
use crate::facebook_channel::model::TokenSeen;
use crate::facebook_channel::token_check_schedule::{is_ending, remembered_token, token_slot};
use crate::graph::{EndReason, Verdict};

const DAY: Duration = Duration::from_secs(24 * 3600);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn ending(at: Timestamp) -> FacebookChannelStatus {
    let authorization = Some(AuthorizationStatus { expires_at: Some(at), ..AuthorizationStatus::default() });
    FacebookChannelStatus { authorization, ..FacebookChannelStatus::default() }
}

/// The slots of a day, seen every ten minutes.
fn slots(status: &FacebookChannelStatus) -> usize {
    let times = (0..6 * 24).map(|step| now() + SignedDuration::from_mins(10 * step));
    let slots: BTreeSet<_> = times.map(|now| token_slot(&"uid".into(), status, now, DAY)).collect();
    slots.len()
}

#[test]
fn a_token_has_one_slot_a_day_and_one_an_hour_in_its_last() {
    // Each count holds the slot before the day, too.
    assert_eq!(slots(&FacebookChannelStatus::default()), 2);
    assert_eq!(slots(&ending(now() + HOUR * 49)), 2);
    assert_eq!(slots(&ending(now() + HOUR * 23)), 25);
    assert_eq!(slots(&ending(now() - HOUR)), 25, "what should have ended is checked as often");
}

#[test]
fn a_good_authorization_is_about_to_end_on_its_last_day_and_a_dead_one_is_not() {
    let mut well = Scene::healthy().decide().status().clone();
    let mut ends = |at: Option<Timestamp>| {
        let authorization = well.authorization.as_mut().unwrap();
        (authorization.expires_at, authorization.data_access_expires_at) = (at, None);
        is_ending(&well, now())
    };
    let rows = [(None, false), (Some(25), false), (Some(23), true), (Some(-1), true)];
    for (hours, expected) in rows {
        assert_eq!(ends(hours.map(|hours| now() + HOUR * hours)), expected, "{hours:?}");
    }
    let mut dead = ending(now() - HOUR);
    assert!(!is_ending(&dead, now()), "nothing was found good");
    let ended = Scene::debugged(Err(refusal(Verdict::TokenEnded(EndReason::TokenExpired)))).decide();
    dead.conditions.clone_from(&ended.status().conditions);
    assert!(!is_ending(&dead, now()));
}

#[test]
fn slots_of_tokens_are_spread_over_the_day() {
    let of = |n| token_slot(&Uid::new(&format!("uid-{n}")), &FacebookChannelStatus::default(), now(), DAY);
    let slots: BTreeSet<_> = (0..1_000).map(of).collect();
    assert!(slots.len() > 900 && slots.iter().all(|slot| now().duration_since(*slot) < HOUR * 24));
}

#[test]
fn a_good_token_is_remembered_from_the_status_until_something_it_depends_on_changes() {
    let recall = |scene: &Scene| remembered_token(&scene.channel, &scene.previous, &scene.seen, &APP.into(), scene.now);
    let well = || Scene::healthy().after(&Scene::healthy().decide());
    let mut again = well();
    let info = recall(&again).unwrap();
    again.seen.asked.token = Some(Ok(info));
    assert_eq!(again.decide().status(), &again.previous, "the memory decides as the answer did");

    type Change = (&'static str, fn(&mut Scene));
    let changes: [Change; 8] = [
        ("other inputs", |scene| scene.seen.inputs = "others".to_owned()),
        ("another token", |scene| scene.seen.token = TokenSeen::Present { fingerprint: "f2".to_owned() }),
        ("no token", |scene| scene.seen.token = TokenSeen::NotReleased),
        ("its slot came", |scene| scene.seen.token_slot = now() + HOUR),
        ("never confirmed", |scene| scene.previous.last_verified_at = None),
        ("confirmed by a clock that was ahead", |scene| scene.previous.last_verified_at = Some(now() + HOUR)),
        ("its end came", |scene| {
            scene.previous.authorization.as_mut().unwrap().data_access_expires_at = Some(scene.now);
        }),
        ("not found good", |scene| scene.previous.conditions.retain(|it| it.type_ != "Authorized")),
    ];
    for (name, change) in changes {
        let mut scene = well();
        change(&mut scene);
        assert_eq!(recall(&scene), None, "{name}");
    }
}
