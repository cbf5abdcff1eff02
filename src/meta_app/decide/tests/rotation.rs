//! The entries of the Secret, while the app secret is rotated.

use jiff::{SignedDuration, Timestamp};

use super::scene::*;
use crate::api::conditions::ConditionType::{CredentialsValid, PermissionsApproved, Ready, WebhookSubscribed};
use crate::api::outcome::Class;
use crate::api::{MetaAppStatus, OtherSecret};
use crate::meta_app::model::{Asked, SecretSeen};
use crate::meta_app::secrets::Flaw;

const CURRENT: &str = "app-secret";
const FORMER: &str = "previous-app-secret";

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

/// A Secret that holds a new and an old app secret, of which Meta accepts these.
fn rotated(new: bool, old: bool) -> Scene {
    let entries = vec![entry(CURRENT, "new"), entry(FORMER, "old")];
    if !new && !old {
        let mut scene = mismatch();
        scene.seen.entries = entries;
        return scene;
    }
    Scene::with(|scene| {
        let (used, other) = if new { (0, 1) } else { (1, 0) };
        scene.seen.asked.secret_in_use = Some(entries[used].clone());
        scene.seen.asked.other_secret = Some((entries[other].clone(), new && old));
        scene.seen.entries = entries;
    })
}

fn mismatch() -> Scene {
    Scene::refused(fault(190, None, "Invalid OAuth access token signature."))
}

/// The Secret holds nothing that can be used.
fn gone(secret: SecretSeen) -> Scene {
    Scene::with(|scene| {
        (scene.seen.secret, scene.seen.asked, scene.seen.entries) = (secret, Asked::default(), Vec::new());
    })
}

fn flawed(flaw: Flaw) -> Scene {
    Scene::with(|scene| {
        if matches!(flaw, Flaw::Current(_)) {
            scene.seen.entries = vec![entry(FORMER, "old")];
            scene.seen.asked.secret_in_use = Some(entry(FORMER, "old"));
        }
        scene.seen.flaw = Some(flaw);
    })
}

fn step(outcome: &Outcome) -> &str {
    outcome.status().next_step.as_deref().unwrap_or_default()
}

/// What the status says of the entries: the one in use, whether the other one is accepted too, and until when it is needed.
fn entries(status: &MetaAppStatus) -> (&str, Option<bool>, Option<Timestamp>) {
    let used = status.secret_in_use.as_ref().map(|it| it.key.as_str()).unwrap_or_default();
    let other = status.other_secret.as_ref();
    (used, other.map(|it| it.accepted), other.and_then(|it| it.removable_from))
}

fn looks_in(outcome: &Outcome) -> Option<i64> {
    outcome.plan.report.until.map(|until| until.duration_since(outcome.now).as_secs() / 60)
}

#[test]
fn before_meta_switches_both_entries_are_to_be_kept() {
    let once = rotated(false, true).after(&Scene::healthy().decide()).decide();
    assert_eq!((entries(once.status()), once.asks_again_in()), ((FORMER, None, None), Some(60)));
    let outcome = rotated(false, true).later(&once, minutes(1)).decide();
    outcome.shows(&[(Ready, "True/ReconcileSucceeded"), (CredentialsValid, "True/CredentialsAccepted")]);
    assert_eq!((entries(outcome.status()), looks_in(&outcome)), ((FORMER, Some(false), None), Some(5)));
    assert!(step(&outcome).contains("must keep both entries"), "{}", step(&outcome));
    assert!(step(&outcome).contains("If the secret of app 1111000011110000 was already reset, put the one"));
    assert!(!step(&outcome).contains("remove"), "{}", step(&outcome));
}

#[test]
fn while_meta_accepts_both_the_current_one_is_used_and_both_are_to_be_kept() {
    let outcome = rotated(true, true).decide();
    assert_eq!((entries(outcome.status()), looks_in(&outcome)), ((CURRENT, Some(true), None), Some(5)));
    assert!(step(&outcome).contains("must keep both entries while Meta accepts either"), "{}", step(&outcome));
}

#[test]
fn when_the_former_one_can_go_is_told_once_meta_has_refused_it_twice() {
    let before = rotated(false, true).confirmed();
    let once = rotated(true, false).after(&before).decide();
    // What was known of the other one is over: it is in use.
    assert_eq!((entries(once.status()), step(&once)), ((CURRENT, None, None), ""));
    assert_eq!((once.asks_again_in(), looks_in(&once)), (Some(60), Some(5)));
    let outcome = rotated(true, false).later(&once, minutes(1)).decide();
    let from = outcome.now + SignedDuration::from_hours(36);
    assert_eq!(entries(outcome.status()), (CURRENT, Some(false), Some(from)));
    assert!(step(&outcome).contains(&format!("can remove the key previous-app-secret from {from} on")));
    outcome.shows(&[(Ready, "True/ReconcileSucceeded")]);
    assert_eq!((looks_in(&outcome), outcome.asks_again_in()), (None, None), "there is nothing to wait for");
    // Nothing more is asked about it, and nothing is rewritten, also over a restart and when the time has come.
    let mut quiet = rotated(true, false).later(&outcome, SignedDuration::from_hours(100));
    quiet.seen.asked.other_secret = None;
    quiet.seen.suspicions = Default::default();
    assert_eq!(quiet.decide().status(), outcome.status());
    let removed = Scene::healthy().after(&outcome).decide();
    assert_eq!((entries(removed.status()), step(&removed)), ((CURRENT, None, None), ""));
}

#[test]
fn one_refusal_of_the_former_one_makes_nobody_remove_it() {
    let both = rotated(true, true).decide();
    let once = rotated(true, false).after(&both).decide();
    assert_eq!(once.status(), both.status());
    let again = rotated(true, true).later(&once, minutes(1)).decide();
    assert_eq!((again.status(), again.asks_again_in()), (both.status(), None));
}

#[test]
fn what_is_known_of_an_entry_is_not_told_of_another_one() {
    let over = rotated(true, false).confirmed();
    // The next rotation begins: what can go by the last one is what Meta accepts now. And Meta is silent.
    let mut scene = Scene::refused(no_answer()).after(&over);
    scene.seen.entries = vec![entry(CURRENT, "newest"), entry(FORMER, "new")];
    let outcome = scene.decide();
    assert_eq!(outcome.status().other_secret, None);
    assert!(!step(&outcome).contains("remove"), "{}", step(&outcome));
    // Exchanged, or taken away.
    for entries in [vec![entry(CURRENT, "old"), entry(FORMER, "new")], vec![entry(CURRENT, "old")], vec![]] {
        let mut scene = Scene::refused(no_answer()).after(&over);
        scene.seen.entries = entries;
        assert_eq!(scene.decide().status().other_secret, None);
    }
    let silent = Scene::with(|scene| scene.seen.entries = rotated(true, true).seen.entries);
    let silent = Scene {
        seen: crate::meta_app::model::Observed { asked: Scene::refused(no_answer()).seen.asked, ..silent.seen },
        ..silent
    };
    assert_eq!(silent.after(&over).decide().status(), over.status(), "the same two stay as they were");
}

#[test]
fn the_entry_that_meta_accepts_stays_named_without_an_answer() {
    let outcome = rotated(false, true).confirmed();
    let mut silent = Scene::refused(no_answer()).after(&outcome);
    silent.seen.entries = rotated(false, true).seen.entries;
    silent.seen.asked.secret_in_use = Some(entry(CURRENT, "new"));
    assert_eq!(silent.decide().status().secret_in_use, Some(entry(FORMER, "old")));
}

#[test]
fn both_entries_that_meta_rejects_are_named_and_looked_at_often() {
    let outcome = rotated(false, false).confirmed();
    outcome.stalled("SecretMismatch");
    assert!(outcome.message(CredentialsValid).contains("with either entry of the Secret"));
    assert_eq!(looks_in(&outcome), Some(5));
    let mut scene = rotated(false, false);
    scene.seen.flaw = Some(Flaw::Former("its key previous-app-secret cannot be used: it contains a space".to_owned()));
    scene.seen.entries.truncate(1);
    let outcome = scene.confirmed();
    let message = outcome.message(CredentialsValid);
    assert!(message.contains(" Secret acme-app: its key previous-app-secret cannot be used"), "{message}");
}

#[test]
fn what_took_the_place_of_a_secret_that_meta_accepted_is_tried_every_minute_for_an_hour() {
    let mut before = Scene::healthy().decide();
    let scene = || {
        let mut scene = mismatch();
        scene.seen.entries = vec![entry(CURRENT, "newest")];
        scene
    };
    before = scene().after(&before).decide();
    before = scene().later(&before, minutes(1)).decide();
    before.stalled("SecretMismatch");
    let first = before.status().clone();
    for _ in 0..59 {
        assert_eq!(looks_in(&before), Some(1));
        before = scene().later(&before, minutes(1)).decide();
    }
    before = scene().later(&before, minutes(1)).decide();
    assert_eq!((looks_in(&before), before.status()), (None, &first), "and nothing is rewritten");
    // A secret that worked and is the same was reset at Meta: that is mended by writing another one.
    let same = mismatch().after(&Scene::healthy().decide()).confirmed();
    same.stalled("SecretMismatch");
    assert_eq!(looks_in(&same), None);
}

const GONE: [fn() -> SecretSeen; 2] =
    [|| SecretSeen::NotReleased, || SecretSeen::Malformed("it has no key app-secret".to_owned())];

#[test]
fn a_secret_that_is_written_anew_within_a_minute_was_never_gone() {
    let before = Scene::healthy().decide();
    for secret in GONE {
        let once = gone(secret()).after(&before).decide();
        assert_eq!(once.status().conditions, before.status().conditions);
        assert_eq!(once.status().next_step, None);
        assert!(once.plan.report.notes.is_empty());
        once.no_mutation();
        assert_eq!(once.asks_again_in(), Some(60));
        let soon = gone(secret()).later(&once, SignedDuration::from_secs(59)).decide();
        assert_eq!(soon.status().conditions, before.status().conditions);
        let back = Scene::healthy().later(&soon, SignedDuration::from_secs(59)).decide();
        back.shows(&[(Ready, "True/ReconcileSucceeded")]);
        // The next time begins anew.
        let again = gone(secret()).later(&back, minutes(1)).decide();
        again.shows(&[(CredentialsValid, "True/CredentialsAccepted"), (WebhookSubscribed, "True/FieldsMatch")]);
        let over = gone(secret()).later(&again, minutes(1)).decide();
        over.shows(&[
            (WebhookSubscribed, "Unknown/AwaitingAuthorization"),
            (PermissionsApproved, "Unknown/AwaitingAuthorization"),
        ]);
        assert!(over.of(CredentialsValid).starts_with("False/Secret"));
        assert!(!step(&over).is_empty());
        // Known to be gone, it is gone at once after a restart too.
        let mut scene = gone(secret()).after(&over);
        scene.seen.suspicions = Default::default();
        assert_eq!(scene.decide().status().conditions, over.status().conditions);
    }
}

#[test]
fn a_secret_that_is_gone_is_looked_for_after_a_restart() {
    for secret in GONE {
        let mut scene = gone(secret()).after(&Scene::healthy().decide());
        scene.seen.inputs = "others".to_owned();
        assert_ne!(scene.decide().status().inputs.as_deref(), Some("others"));
    }
}

#[test]
fn a_current_entry_that_cannot_be_used_is_for_a_person_and_undoes_nothing() {
    let flaw = || flawed(Flaw::Current("it has no key app-secret".to_owned()));
    let before = Scene::healthy().decide();
    let once = flaw().after(&before).decide();
    once.shows(&[(Ready, "True/ReconcileSucceeded")]);
    let outcome = flaw().later(&once, minutes(1)).decide();
    outcome.stalled("SecretMalformed");
    outcome.shows(&[(CredentialsValid, "True/CredentialsAccepted"), (WebhookSubscribed, "True/FieldsMatch")]);
    assert!(
        outcome
            .message(Ready)
            .contains("it has no key app-secret. The operator continues with its key previous-app-secret.")
    );
    assert!(step(&outcome).contains("into the key app-secret, and keep previous-app-secret until then"));
    assert_eq!(outcome.plan.report.class, Class::Settled, "everything goes on");
    // A restart changes nothing.
    let mut scene = flaw().after(&outcome);
    scene.seen.suspicions = Default::default();
    assert_eq!(scene.decide().status(), outcome.status());
    Scene::healthy().after(&outcome).decide().shows(&[(Ready, "True/ReconcileSucceeded")]);
    // Of a new application there is nothing to wait for.
    flaw().decide().stalled("SecretMalformed");
}

#[test]
fn a_former_entry_that_is_of_no_use_is_told_and_changes_nothing() {
    let malformed = Flaw::Former("its key previous-app-secret cannot be used: it contains a line break".to_owned());
    let rows = [
        (
            malformed,
            "must put only the former app secret into the key previous-app-secret, or remove that key: its key previous-app-secret cannot be used: it contains a line break.",
        ),
        (
            Flaw::Twice,
            "can remove the key previous-app-secret, which holds the same as app-secret; or put the new app secret into app-secret",
        ),
    ];
    let before = Scene::healthy().decide();
    for (flaw, expected) in rows {
        let outcome = flawed(flaw).after(&before).decide();
        assert_eq!(outcome.status().conditions, before.status().conditions);
        assert!(step(&outcome).contains(expected), "{}", step(&outcome));
    }
}

#[test]
fn other_steps_come_before_those_about_the_entries() {
    let mut scene = rotated(true, true);
    scene.seen.callback_url = None;
    let outcome = scene.decide();
    outcome.stalled("CallbackNotConfigured");
    assert_eq!(outcome.status().other_secret.as_ref().map(|it: &OtherSecret| it.accepted), Some(true));
}
