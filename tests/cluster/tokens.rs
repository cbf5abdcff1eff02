//! Tokens that end, tokens that are wrong, and Secrets that hold none.

use anyhow::{Result, ensure};
use kube::ResourceExt;
use meta_channel_operator::api::Connection;
use testkit::sandbox::Invalidation;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;

const USER_TOKEN: &str = "EAAsandbox-user-00000000000000000000";
const TOKEN_OF_OTHER_APP: &str = "EAAsandbox-other-app-page-a-00000000";
const EXPIRED_TOKEN: &str = "EAAsandbox-page-a-expired-0000000000";

fn password_changed() -> Invalidation {
    Invalidation { subcode: Some(460), message: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_cannot_serve_the_page_is_named_and_never_used() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    env.put_app().await?;
    env.put_channel(&env.tenant_b, "support", PAGE_B, TOKEN_B).await?;
    env.channel_is(&env.tenant_b, "support", &["Ready=True"]).await?;
    env.app_is(&["Ready=True"]).await?;
    let healthy = versions(&env).await?;
    env.sandbox.clear_ledger();

    let wrong = [
        ("user", USER_TOKEN, "user", "WrongTokenType"),
        ("other-page", TOKEN_B, "page-b", "WrongPage"),
        ("other-app", TOKEN_OF_OTHER_APP, "other-app-page-a", "WrongApp"),
        ("over", EXPIRED_TOKEN, "page-a-expired", "TokenExpired"),
    ];
    env.put_channels(&env.tenant_a, &wrong.map(|(name, token, ..)| (name, PAGE_A, token))).await?;
    for (name, _, alias, reason) in wrong {
        let (expired, authorized) = (reason == "TokenExpired", format!("Authorized=False/{reason}"));
        let ready = format!("Ready=False/{reason}");
        let three = if expired {
            ["Expired=True", "Disconnected=False", "Connected=False"]
        } else {
            ["Expired=False", "Disconnected=True", "Connected=False"]
        };
        let expected = [&[ready.as_str(), &authorized, "Stalled=True", "!Reconciling", "Claimed=Unknown"], &three[..]];
        let channel = env.channel_is(&env.tenant_a, name, &expected.concat()).await?;
        let status = channel.status.unwrap();
        assert_eq!(status.connection == Connection::Expired, expired, "{name}");
        let step = status.next_step.unwrap_or_default();
        assert!(step.contains(&format!("{name}-token")), "{name}: {step}");
        assert_eq!(made_with(&env, alias), [], "the token of {name} was used");
    }
    // Nothing was claimed, and neither the application nor its healthy channel was touched or asked about.
    assert_eq!(env.claims().get_opt(&format!("facebook-page-{PAGE_A}")).await?, None);
    let now = versions(&env).await?;
    assert!(healthy.iter().all(|it| now.contains(it)), "{healthy:?} became {now:?}");
    let other: Vec<_> = env.sandbox.ledger().into_iter().filter(|it| it.inspected.is_none()).collect();
    assert_eq!(other, [], "only the tokens were asked about");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_is_found_in_the_next_slot_and_told_once() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    env.put_app().await?;
    env.put_channels(&env.tenant_a, &[("shop", PAGE_A, TOKEN_A), ("support", PAGE_B, TOKEN_B)]).await?;
    let shop = env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    env.channel_is(&env.tenant_a, "support", &["Ready=True"]).await?;

    env.sandbox.invalidate_token("page-a", password_changed())?;
    advance_and_pass(&env, &operator, 16, "FacebookChannel", 2).await?;
    let expected = [
        "Ready=False/PasswordChanged",
        "Authorized=False/PasswordChanged",
        "Expired=True/PasswordChanged",
        "Connected=False",
        "Disconnected=False",
        "Stalled=True",
        "!Reconciling",
        "Subscribed=Unknown",
    ];
    let ended = env.channel_is(&env.tenant_a, "shop", &expected).await?;
    assert_eq!(ended.metadata.generation, shop.metadata.generation);
    let status = ended.status.clone().unwrap();
    assert_eq!(status.connection, Connection::Expired);
    let authorized = status.conditions.iter().find(|it| it.type_ == "Authorized").unwrap();
    for part in ["460", "6600000000000001", "authorize", &format!("{}/shop-token", env.tenant_a)] {
        assert!(authorized.message.contains(part), "no {part} in {}", authorized.message);
    }

    // A day of looks, less some minutes: the slots of a broken channel are two hours apart.
    env.sandbox.clear_ledger();
    for _ in 0..23 {
        advance_and_pass(&env, &operator, 60, "FacebookChannel", 1).await?;
    }
    wait_for("the last check", PATIENCE, async || {
        let probes = made_about(&env, "page-a").len();
        ensure!((11..=12).contains(&probes), "{probes} probes in 23 hours");
        Ok(())
    })
    .await?;
    assert!(made_with(&env, "page-b").len() >= 20, "the healthy channel was checked too");
    let later = env.channels(&env.tenant_a).get("shop").await?;
    assert_eq!(later.resource_version(), ended.resource_version(), "{later:?}");
    assert_eq!(made_with(&env, "page-a"), []);
    warned(&env, &env.tenant_a, &["shop PasswordChanged"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn data_access_is_warned_of_in_time_and_ends_the_authorization_while_the_token_lives() -> Result<()> {
    let ending = page_token("page-0", &page(0), ", data_access_expires_at: +20d");
    let env = Env::seeded(|seed| {
        add_pages(seed, 1);
        seed.tokens.retain(|token| token.alias.as_deref() != Some("page-0"));
        seed.tokens.push(ending);
    })
    .await?;
    let operator = env.operator();
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", &page(0), &text("page-0")).await?;
    let well = env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded"]).await?.status.unwrap();
    quiet(&operator).await?;
    env.advance(7 * 24 * 60);
    let soon = env.channel_is(&env.tenant_a, "shop", &["Ready=True/ExpiresSoon"]).await?.status.unwrap();
    assert_eq!(soon.expires, well.expires);
    let (message, end) = (sentence(&soon.conditions).unwrap(), soon.expires.unwrap());
    assert!(message.contains(&end) && soon.next_step.unwrap().contains("authorize"), "{message}");
    quiet(&operator).await?;
    env.advance(14 * 24 * 60);
    let over = ["Ready=False/DataAccessExpired", "Expired=True/DataAccessExpired", "Connected=False", "Stalled=True"];
    env.channel_is(&env.tenant_a, "shop", &over).await?;
    warned(&env, &env.tenant_a, &["shop DataAccessExpired", "shop ExpiresSoon"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requested_look_finds_a_restored_token_at_once() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    env.put_app().await?;
    env.sandbox.invalidate_token("page-a", password_changed())?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    let ended = env.channel_is(&env.tenant_a, "shop", &["Expired=True/PasswordChanged"]).await?;
    env.sandbox.restore_token("page-a")?;
    // Not on its own before the next slot of a broken channel ...
    let passes = operator.passes("FacebookChannel");
    env.kubectl().run(&["-n", &env.tenant_a, "annotate", "secret", "shop-token", "touched=yes"]).await?;
    wait_for("a pass", PATIENCE, async || {
        ensure!(operator.passes("FacebookChannel") > passes);
        Ok(())
    })
    .await?;
    assert_eq!(env.channels(&env.tenant_a).get("shop").await?.resource_version(), ended.resource_version());
    // ... but when a person asks.
    env.request_look(&env.tenant_a, "shop", "2026-01-01T00:00:00Z").await?;
    let healed = env.channel_is(&env.tenant_a, "shop", &["Ready=True", "Expired=False", "!Stalled"]).await?;
    assert_eq!(healed.metadata.generation, ended.metadata.generation);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requested_look_finds_a_role_that_was_given_back() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    env.put_app().await?;
    env.sandbox.invalidate_token("page-a", Invalidation { subcode: Some(492), message: None })?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    let lost = env.channel_is(&env.tenant_a, "shop", &["Authorized=False/RoleLost", "Expired=False"]).await?;
    env.sandbox.restore_token("page-a")?;
    env.request_look(&env.tenant_a, "shop", "2026-01-01T00:00:00Z").await?;
    let healed = env.channel_is(&env.tenant_a, "shop", &["Ready=True", "Authorized=True"]).await?;
    assert_eq!(healed.metadata.generation, lost.metadata.generation);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_heals_after_a_restart_needs_no_two_hours() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    env.put_app().await?;
    env.app_is(&["Ready=True"]).await?;
    env.sandbox
        .add_fault(fault(&format!("{{match: {{method: POST, template: '{PAGE_ROWS}'}}, do: success_without_effect}}")));
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=False/WriteHadNoEffect", "Reconciling=True"]).await?;
    operator.stop().await;
    env.sandbox.clear_faults();
    let _operator = env.operator();
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_holds_no_token_is_reported_with_the_next_step_and_delays_nobody() -> Result<()> {
    let env = Env::seeded(|seed| add_pages(seed, 3)).await?;
    let _operator = env.operator();
    env.put_app().await?;
    env.app_is(&["Ready=True"]).await?;
    let namespace = &env.tenant_a;
    let put = async |name: &str, purpose: &str, key: &str, value: &str| {
        env.put_secret(namespace, &format!("{name}-token"), purpose, key, value).await?;
        env.apply(&env.channel_manifest(namespace, name, &page(0))).await
    };
    let token = text("page-0");
    let (head, tail) = token.split_at(12);
    put("broken-line", "page-token", "token", &format!("{head}\n{tail}")).await?;
    put("empty", "page-token", "token", "").await?;
    put("other-key", "page-token", "tokn", &token).await?;
    put("other-purpose", "app-secret", "token", &token).await?;
    env.put_token(namespace, "unlabeled", &token).await?;
    let label = ["-n", namespace, "label", "secret", "unlabeled-token"];
    env.kubectl().run(&[&label[..], &["metachannels.io/purpose-"]].concat()).await?;
    env.apply(&env.channel_manifest(namespace, "unlabeled", &page(0))).await?;
    let cases = [
        ("broken-line", "SecretMalformed", "line break", "key token"),
        ("empty", "SecretMalformed", "empty", "key token"),
        ("other-key", "SecretMalformed", "no key token", "key token"),
        ("other-purpose", "SecretUnavailable", "or it lacks the label", "metachannels.io/purpose=page-token"),
        ("unlabeled", "SecretUnavailable", "or it lacks the label", "metachannels.io/purpose=page-token"),
    ];
    for (name, reason, seen, step) in cases {
        let kind = if reason == "SecretMalformed" { "Stalled=True" } else { "Reconciling=True" };
        let ready = format!("Ready=False/{reason}");
        let channel = env.channel_is(namespace, name, &[&ready, kind, "Claimed=Unknown"]).await?;
        let status = channel.status.unwrap();
        let message = sentence(&status.conditions).unwrap();
        let next = status.next_step.as_deref().unwrap_or_default();
        assert!(message.contains(seen) && next.contains(step), "{name}: {message}; {next}");
        assert!(message.contains(&format!("{name}-token")), "{name}: {message}");
        assert!(!message.contains(head) && !message.contains(tail), "{name} shows its token: {message}");
    }

    // Others are served meanwhile, a token with a newline at its end too.
    env.put_channel(namespace, "fine", &page(1), &format!("{}\n", text("page-1"))).await?;
    env.channel_is(namespace, "fine", &["Ready=True"]).await?;
    env.kubectl().run(&[&label[..], &["metachannels.io/purpose=page-token"]].concat()).await?;
    env.channel_is(namespace, "unlabeled", &["Ready=True"]).await?;
    Ok(())
}
