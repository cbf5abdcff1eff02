//! Channels that a grant authorizes: its tokens are judged without asking Meta, and only the grant reports what became of it.

use jiff::{SignedDuration, Timestamp};

use super::scene::*;
use crate::api::conditions::ConditionType::{
    Authorized, Claimed, Connected, Disconnected, Expired, PageUsable, Ready, Reconciling, Stalled, Subscribed,
    TokenPublished,
};
use crate::api::outcome::Class;
use crate::api::{AuthorizationStatus, Connection, DeclaredConnection, FacebookChannelStatus};
use crate::controller::dependency::{DependencyError, Told};
use crate::facebook_channel::decide::decide;
use crate::facebook_channel::model::{AppSeen, Asked, Content, Mutation, PageGrant, SecretSeen, TokenSeen};
use crate::facebook_channel::policy::grant::is_news;
use crate::graph::{GranularScope, Operation};
use crate::limits::answer::{Held, Refusal};
use crate::meta_app::facts::WebhookVerdict;
use crate::meta_grant::page_gap::Absence;
use crate::testing::DAY;

/// A channel with a grant that cannot be used, or does not say what it gives.
fn without(token: TokenSeen) -> Scene {
    let mut scene = Scene::granted(|_| ());
    scene.seen.token = token;
    scene.seen.asked = Asked::default();
    scene
}

/// As long as it is not known what the grant gives.
fn not_listed() -> Scene {
    let mut scene = without(TokenSeen::NotListed);
    scene.seen.asked.token = Some(Err(Refusal::held(Held::Grant(scene.now + DAY))));
    scene
}

fn broken() -> TokenSeen {
    let trouble = DependencyError::Broken(Told::only("PasswordChanged: The token ended. A person must act."));
    TokenSeen::GrantTrouble { trouble, ended: Some(crate::api::Reason::PasswordChanged) }
}

/// The page is not part of the grant any more.
fn lost(grant: &mut PageGrant) {
    (grant.absence, grant.tasks, grant.fingerprint) = (Some(Absence::NotInGrant), None, None);
}

/// The grantor may do no more than this on the page.
fn without_role(grant: &mut PageGrant, tasks: &[&str]) {
    (grant.absence, grant.tasks) = (Some(Absence::RoleLost), Some(words(tasks)));
}

/// The page was granted, and there is no token for it.
fn without_token(grant: &mut PageGrant) {
    (grant.absence, grant.fingerprint) = (Some(Absence::BusinessManagementMissing), None);
}

#[test]
fn a_page_that_the_grant_gives_is_connected_and_shows_the_clocks_of_the_grant() {
    let end = now() + DAY * 60;
    let scene = Scene::granted(|grant| {
        grant.info.expires_at = Some(end);
        grant.info.data_access_expires_at = Some(now() + DAY * 90);
        grant.at = now() - SignedDuration::from_hours(3);
    });
    let outcome = scene.decide();
    outcome.shows(&[
        (Ready, "True/ReconcileSucceeded"),
        (Authorized, "True/TokenValid"),
        (Connected, "True/ConnectionVerified"),
    ]);
    let status = outcome.status();
    let expected = AuthorizationStatus {
        token_type: Some("PAGE".to_owned()),
        grantor_id: Some(PERSON.to_owned()),
        expires_at: Some(end),
        data_access_expires_at: Some(now() + DAY * 90),
        scopes: {
            let mut scopes = words(&SCOPES);
            scopes.sort();
            scopes
        },
        fingerprint: Some("f1".to_owned()),
    };
    assert_eq!(status.authorization.as_ref(), Some(&expected));
    assert_eq!(status.expires, Some(end.to_string()));
    assert_eq!(status.last_verified_at, Some(now() - SignedDuration::from_hours(3)), "it was the grant that asked");
    let soon = Scene::granted(|grant| grant.info.expires_at = Some(now() + DAY)).decide();
    soon.shows(&[(Ready, "True/ExpiresSoon")]);
    assert!(soon.status().next_step.as_ref().unwrap().contains("tenant-a/acme-grant"), "{:?}", soon.status().next_step);
}

#[test]
fn what_the_grant_asks_for_is_what_its_channels_ask_for() {
    let url = "https://hooks.example.com/oauth/tenant-a/acme/start";
    let told = Told { why: "PasswordChanged: It ended.".to_owned(), next_step: format!("Authorize at {url}.") };
    let ended = Some(crate::api::Reason::PasswordChanged);
    let outcome = without(TokenSeen::GrantTrouble { trouble: DependencyError::Broken(told), ended }).decide();
    outcome.shows(&[
        (Ready, "False/GrantNotReady"),
        (Authorized, "False/GrantNotReady"),
        (Expired, "True/PasswordChanged"),
    ]);
    assert_eq!(outcome.status().next_step, Some(format!("Authorize at {url}.")));
    let told =
        Told { why: "SecretMismatch: Meta rejects it.".to_owned(), next_step: "Put the secret there.".to_owned() };
    let mut scene = Scene::granted(|_| ());
    scene.seen.app = app(Err(DependencyError::Broken(told)), WebhookVerdict::NotManaged);
    let outcome = scene.decide();
    outcome.shows(&[(Ready, "False/AppNotReady")]);
    assert_eq!(outcome.status().next_step.as_deref(), Some("Put the secret there."));
}

#[test]
fn who_has_to_authorize_again_is_led_to_the_gateway_and_a_system_user_s_page_is_assigned() {
    let url = "kubectl -n tenant-a get mgrant acme-grant -o jsonpath";
    for change in [lost as fn(&mut PageGrant), without_token, |grant| without_role(grant, &[])] {
        let mut scene = Scene::granted(change);
        let step = scene.decide().status().next_step.clone().unwrap();
        assert!(!step.contains("reauthorizeUrl"), "{step}");
        scene.seen.in_browser = true;
        let step = scene.decide().status().next_step.clone().unwrap();
        assert!(step.contains(url), "{step}");
    }
    let lost = Scene::granted(|grant| without_role(grant, &[])).decide();
    assert!(lost.message(Authorized).contains(&format!("Person {PERSON} no longer has a sufficient role")));
    assert!(lost.status().next_step.as_deref().unwrap().contains("MESSAGING and MODERATE"));
    let assigned = Scene::granted(|grant| {
        self::lost(grant);
        grant.of_system_user = true;
    });
    let step = assigned.decide().status().next_step.clone().unwrap();
    assert!(step.contains("assign page") && !step.contains("authorize"), "{step}");
}

#[test]
fn what_the_grant_does_not_give_cuts_the_link_and_is_no_ended_authorization() {
    let elsewhere = || GranularScope { scope: SCOPES[2].to_owned(), target_ids: Some(words(&[OTHER_PAGE])) };
    type Row = (&'static str, fn(&mut PageGrant), &'static str, &'static str);
    let rows: [Row; 6] = [
        ("not listed", lost, "NotInGrant", "All pages in use"),
        ("without a task", |grant| without_role(grant, &["ANALYZE", "MODERATE"]), "RoleLost", "MESSAGING"),
        ("without both tasks", |grant| without_role(grant, &[]), "RoleLost", "MESSAGING and MODERATE"),
        ("without a token", without_token, "BusinessManagementMissing", "business_management"),
        ("without a scope", |grant| grant.info.scopes = Some(words(&SCOPES[..2])), "ScopeMissing", SCOPES[2]),
        ("for other pages", |_| (), "NotInGrant", SCOPES[2]),
    ];
    for (name, change, reason, word) in rows {
        let outcome = Scene::granted(|grant| {
            change(grant);
            if name == "for other pages" {
                grant.info.granular_scopes = vec![elsewhere()];
            }
        })
        .decide();
        outcome.stalled(reason);
        let (authorized, disconnected) = (format!("False/{reason}"), format!("True/{reason}"));
        outcome.shows(&[
            (Authorized, &authorized),
            (Disconnected, &disconnected),
            (Expired, "False/NotExpired"),
            (Claimed, "True/ClaimHeld"),
        ]);
        outcome.no_mutation();
        assert!(outcome.message(Ready).contains(word), "{name}: {}", outcome.message(Ready));
        assert_eq!(outcome.plan.report.class, Class::Terminal, "{name}");
    }
}

#[test]
fn a_grant_that_is_missing_or_unusable_is_waited_for_and_tells_itself_what_is_wrong() {
    let rows = [
        (TokenSeen::GrantNotFound, "False/GrantNotFound", "There is no MetaGrant tenant-a/acme-grant."),
        (broken(), "False/GrantNotReady", "PasswordChanged: The token ended. A person must act."),
        (
            TokenSeen::GrantTrouble {
                trouble: DependencyError::Unknown(Told::only("it has not been checked yet")),
                ended: None,
            },
            "Unknown/GrantUnverified",
            "it has not been checked yet",
        ),
    ];
    let before = Scene::granted(|_| ()).decide();
    for (token, ready, word) in rows {
        for scene in [without(token.clone()), without(token.clone()).after(&before)] {
            let outcome = scene.decide();
            outcome.reconciling(ready);
            // An authorization that ended for the grant has ended for its channels.
            let ended = ready == "False/GrantNotReady";
            let connected = if ended { ready.to_owned() } else { ready.replace("False", "Unknown") };
            let expired = if ended { "True/PasswordChanged" } else { &connected };
            outcome.shows(&[(Connected, &connected), (Expired, expired), (Claimed, "True/ClaimHeld"), (Stalled, "")]);
            assert_eq!(outcome.status().connection == Connection::Expired, ended);
            outcome.no_mutation();
            assert!(outcome.message(Ready).contains(word), "{}", outcome.message(Ready));
            assert!(outcome.plan.report.notes.is_empty(), "no Event of its own");
            assert_eq!(outcome.plan.report.class, Class::Waiting);
        }
    }
    // What the application lacks explains what the grant lacks.
    let mut scene = without(broken());
    scene.seen.app = app(Err(DependencyError::Broken(Told::only("why"))), WebhookVerdict::NotManaged);
    scene.decide().reconciling("False/AppNotReady");
    // Which application it is is not known without the grant.
    let mut scene = without(TokenSeen::GrantNotFound);
    (scene.seen.app, scene.seen.app_key) = (AppSeen::NotFound, None);
    scene.decide().reconciling("False/GrantNotFound");
}

#[test]
fn while_it_is_not_known_what_the_grant_gives_everything_stays_as_it_was() {
    for before in [
        Scene::granted(|_| ()).decide(),
        Scene::granted(lost).decide(),
        Scene::with(|scene| scene.channel.spec.publish_token = true).decide(),
    ] {
        let outcome = not_listed().after(&before).decide();
        let publishing = before.of(TokenPublished);
        if publishing.is_empty() {
            assert_eq!(outcome.status(), before.status());
        }
        outcome.no_mutation();
        assert!(matches!(outcome.plan.report.class, Class::Held(_)), "the listing wakes it");
    }
    let outcome = not_listed().decide();
    outcome.shows(&[(Ready, "Unknown/GrantUnverified"), (Authorized, "Unknown/GrantUnverified")]);
    outcome.shows(&[(Reconciling, "True/GrantUnverified"), (PageUsable, "Unknown/AwaitingAuthorization")]);
}

#[test]
fn a_page_is_parted_from_without_a_grant() {
    for token in [TokenSeen::GrantNotFound, broken(), TokenSeen::NotListed] {
        let mut scene = without(token);
        scene.channel.spec.connection = DeclaredConnection::Disconnected;
        assert_eq!(scene.decide().plan.mutation, Some(Mutation::Unsubscribe));
        scene.seen.asked.unsubscribed = Some(Ok(()));
        scene.decide().shows(&[(Ready, "True/ReconcileSucceeded"), (Disconnected, "True/DeclaredDisconnected")]);
    }
}

#[test]
fn the_published_token_goes_with_the_page_and_stays_with_a_grant_that_is_not_ready() {
    let publishing = |mut scene: Scene| {
        scene.channel.spec.publish_token = true;
        scene.seen.publication = SecretSeen::Ours(Content::Current);
        scene.decide()
    };
    assert_eq!(publishing(Scene::granted(lost)).plan.mutation, Some(Mutation::Withdraw));
    let waiting = publishing(without(broken()));
    waiting.no_mutation();
    waiting.shows(&[(TokenPublished, "Unknown/CredentialUnverified")]);
    assert!(waiting.status().published_secret_name.is_some());
    let well = publishing(Scene::granted(|_| ()));
    well.shows(&[(TokenPublished, "True/SecretSynced"), (Ready, "True/ReconcileSucceeded")]);
    let silent = publishing(not_listed().after(&well));
    silent.shows(&[(TokenPublished, "True/SecretSynced"), (Ready, "True/ReconcileSucceeded")]);
}

#[test]
fn a_call_that_is_put_off_until_the_grant_has_looked_blames_nobody() {
    let before = Scene::granted(|_| ()).decide();
    let held = || Some(Err(Refusal::held(Held::Grant(now() + DAY))));
    let mut scene = Scene::granted(|_| ()).after(&before);
    scene.seen.asked.page = held();
    scene.seen.asked.subscriptions = Some(Err(Refusal::held(Held::Grant(now() + DAY))));
    let outcome = scene.decide();
    assert_eq!(outcome.status(), before.status());
    assert!(matches!(outcome.plan.report.class, Class::Held(_)));
    // Once the grant has looked and gives it all the same, it is about this page.
    let refused = || {
        let mut scene = Scene::granted(|_| ()).after(&before);
        scene.seen.asked.page = Some(Err(fault(Operation::ReadPage, 190, Some(492), "x")));
        scene
    };
    Scene::twice(refused).stalled("RoleLost");
}

#[test]
fn only_what_makes_another_condition_has_to_be_looked_at() {
    let well = || Scene::granted(|_| ()).decide();
    type Row = (&'static str, fn() -> Outcome, fn(&mut PageGrant), bool);
    let rows: [Row; 12] = [
        ("as it was", well, |_| (), false),
        ("another token", well, |grant| grant.fingerprint = Some("f2".to_owned()), false),
        ("a later end", well, |grant| grant.info.expires_at = Some(now() + DAY * 60), false),
        ("an end that is near", well, |grant| grant.info.expires_at = Some(now() + DAY), true),
        ("the page went", well, lost, true),
        ("a task went", well, |grant| without_role(grant, &[]), true),
        ("it was never there", || Scene::granted(lost).decide(), lost, false),
        ("the page came", || Scene::granted(lost).decide(), |_| (), true),
        ("the role came back", || Scene::granted(|grant| without_role(grant, &[])).decide(), |_| (), true),
        (
            "the end is far again",
            || Scene::granted(|grant| grant.info.expires_at = Some(now() + DAY)).decide(),
            |_| (),
            true,
        ),
        ("a call told it", || Scene::twice(refused), |_| (), false),
        (
            "a call told it, of another token",
            || Scene::twice(refused),
            |grant| grant.fingerprint = Some("f2".to_owned()),
            true,
        ),
    ];
    for (name, before, change, expected) in rows {
        let before = before();
        let scene = Scene::granted(change);
        let news = is_news(&scene.channel, &scene.seen.app, &scene.seen.token, before.status(), Some(scene.now));
        assert_eq!(news, expected, "{name}");
    }
    let fresh = Scene::granted(|_| ());
    let news = |scene: &Scene, previous: &FacebookChannelStatus| {
        is_news(&scene.channel, &scene.seen.app, &scene.seen.token, previous, Some(scene.now))
    };
    assert!(news(&fresh, &FacebookChannelStatus::default()), "nothing is known yet");
    assert!(news(&fresh, not_listed().decide().status()), "it was not listed before");
    let mut parted = Scene::granted(lost);
    parted.channel.spec.connection = DeclaredConnection::Disconnected;
    assert!(!news(&parted, well().status()), "it is not judged");
    assert!(!news(&not_listed(), well().status()));
}

/// A page token that the page's own calls refuse, though the grant gives it.
fn refused() -> Scene {
    let mut scene = Scene::granted(|_| ());
    scene.seen.asked.page = Some(Err(fault(Operation::ReadPage, 190, Some(460), "x")));
    scene
}

#[test]
fn a_renewed_grant_changes_the_status_without_a_look() {
    let before = Scene::granted(|_| ()).decide();
    let end: Timestamp = now() + DAY * 60;
    let mut scene = Scene::granted(|grant| {
        grant.fingerprint = Some("f2".to_owned());
        grant.info.expires_at = Some(end);
        grant.at = now() + DAY;
    })
    .after(&before);
    scene.seen.look = false;
    scene.seen.asked = Asked::default();
    let plan = decide(&scene.channel, &scene.previous, &scene.seen, scene.now).unwrap();
    assert_eq!(plan.mutation, None);
    let (old, new) = (before.status(), &plan.report.status);
    assert_eq!((new.expires.clone(), &new.conditions), (Some(end.to_string()), &old.conditions));
    assert_eq!(new.authorization.as_ref().unwrap().fingerprint.as_deref(), Some("f2"));
    assert_eq!(new.last_verified_at, Some(now() + DAY));
    // A look at that very moment would have told the same.
    scene.seen.look = true;
    scene.seen.asked = Scene::granted(|_| ()).seen.asked;
    scene.give(|grant| {
        grant.fingerprint = Some("f2".to_owned());
        grant.info.expires_at = Some(end);
        grant.at = now() + DAY;
    });
    assert_eq!(scene.decide().status(), new);
    scene.seen.look = false;
    scene.previous = new.clone();
    assert!(decide(&scene.channel, &scene.previous, &scene.seen, scene.now).is_none());
}

#[test]
fn not_exactly_one_credential_is_for_a_person() {
    let mut scene = without(TokenSeen::NotDeclared);
    scene.channel.spec.credentials = Default::default();
    (scene.seen.app, scene.seen.app_key) = (AppSeen::NotFound, None);
    let outcome = scene.decide();
    outcome.stalled("InvalidSpec");
    outcome.shows(&[(Authorized, "False/InvalidSpec"), (Subscribed, "Unknown/AwaitingAuthorization")]);
}
