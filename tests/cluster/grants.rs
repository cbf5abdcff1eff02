//! The token of a grant: kept, checked, renewed, warned about.

use anyhow::{Result, ensure};
use kube::ResourceExt;
use kube::api::DeleteParams;
use meta_channel_operator::api::conditions::{ConditionType, find};
use meta_channel_operator::api::{MetaGrant, MetaGrantStatus};
use testkit::sandbox::Invalidation;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::grant_fixtures::*;
use crate::support::observe::*;

const READY: &[&str] = &[
    "Ready=True/ReconcileSucceeded",
    "Valid=True/TokenValid",
    "SourceTokenAccepted=True/SourceTokenInUse",
    "!Stalled",
];

fn status(grant: MetaGrant) -> MetaGrantStatus {
    grant.status.unwrap()
}

/// Since when Ready has been what it is.
fn ready_since(grant: &MetaGrant) -> jiff::Timestamp {
    let conditions = &grant.status.as_ref().unwrap().conditions;
    find(conditions, ConditionType::Ready).unwrap().last_transition_time.0
}

/// Versions of everything stored about the grant.
async fn stored(env: &Env) -> Result<Vec<Option<String>>> {
    let grant = env.grants().get("acme").await?.resource_version();
    let secrets = env.secrets().list(&Default::default()).await?;
    Ok([grant].into_iter().chain(secrets.into_iter().map(|it| it.resource_version())).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_looked_at_once_kept_and_told_and_then_left_alone() -> Result<()> {
    let env = Env::seeded(|seed| add_system_user(seed, "robot", 10)).await?;
    let operator = env.daily();
    // In any order: what is missing is waited for.
    env.apply(&env.grant_manifest("{}")).await?;
    env.grant_is(&["Ready=False/AppNotFound", "Reconciling=True", "!Stalled"]).await?;
    env.put_app().await?;
    env.grant_is(&["Ready=False/SecretUnavailable", "Reconciling=True", "!Stalled"]).await?;
    env.put_seed(&text("robot")).await?;
    let grant = env.grant_is(READY).await?;
    let status = status(grant);
    assert_eq!(status.token_type.as_deref(), Some("SYSTEM_USER"));
    assert_eq!(status.grantor_id.as_deref(), Some(SYSTEM_USER));
    assert_eq!((status.page_count, status.pages.len()), (Some(3), 3));
    let url = status.reauthorize_url.as_deref().unwrap_or_default();
    assert!(url.starts_with(&format!("https://hooks.example.com/oauth/{}/acme/", env.tenant_a)), "{url}");

    let kept = env.secrets().get("metagrant-acme-token").await?;
    assert_eq!(kept.metadata.owner_references, None);
    assert_eq!(kept.type_.as_deref(), Some("metachannels.io/grant-token"));
    assert_eq!(env.kept("token").await?, Some(text("robot")));
    quiet(&operator).await?;
    assert_eq!((made_about(&env, "robot").len(), env.calls(ACCOUNTS).len()), (1, 1));

    let before = stored(&env).await?;
    env.sandbox.clear_ledger();
    // Once a day, whichever hour of it is the grant's; and a Secret that is touched is no other token.
    advance_and_pass(&env, &operator, 61, "MetaApp", 1).await?;
    env.kubectl().run(&["-n", &env.tenant_a, "annotate", "metagrant", "acme", "note=x"]).await?;
    quiet(&operator).await?;
    let after = stored(&env).await?;
    assert_eq!(before[1..], after[1..], "the annotation alone changed the grant");
    env.advance(DAY - 61);
    wait_for("the look of the day", PATIENCE, async || {
        ensure!(!env.calls(ACCOUNTS).is_empty());
        Ok(())
    })
    .await?;
    quiet(&operator).await?;
    assert_eq!((made_about(&env, "robot").len(), env.calls(ACCOUNTS).len()), (1, 1), "once a day");
    assert_eq!(after, stored(&env).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_a_grant_is_listed_once_and_nothing_is_written() -> Result<()> {
    let env = Env::seeded(|seed| add_system_user(seed, "robot", 10)).await?;
    let operator = env.daily();
    env.put_app().await?;
    env.put_grant(&text("robot"), "{}").await?;
    env.grant_is(READY).await?;
    quiet(&operator).await?;
    operator.stop().await;
    let before = stored(&env).await?;
    env.sandbox.clear_ledger();
    let operator = env.daily();
    wait_for("the listing", PATIENCE, async || {
        ensure!(!env.calls(ACCOUNTS).is_empty());
        Ok(())
    })
    .await?;
    quiet(&operator).await?;
    assert_eq!((made_about(&env, "robot").len(), env.calls(ACCOUNTS).len()), (1, 1));
    assert_eq!(before, stored(&env).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_users_token_is_renewed_in_time_and_the_seed_stays_what_it_is() -> Result<()> {
    let env = Env::seeded(|seed| add_system_user(seed, "robot", 39)).await?;
    let operator = env.daily();
    env.put_app().await?;
    env.put_grant(&text("robot"), "{revokeOld: true}").await?;
    let ready = env.grant_is(READY).await?;
    let seed = env.secrets().get("acme-grant").await?.resource_version();
    assert_eq!(env.calls(EXCHANGE), []);

    advance_and_pass(&env, &operator, 2 * DAY, "MetaGrant", 1).await?;
    let renewed = env.grant_is(&[READY, &["Renewed=True/UpToDate"]].concat()).await?;
    let first = env.kept("token").await?.unwrap();
    assert!(first != text("robot") && env.works(&first).await? && env.works(&text("robot")).await?);
    assert_eq!(env.kept("previous-token").await?, Some(text("robot")));
    assert_eq!(env.calls(EXCHANGE).len(), 1);
    assert_eq!(ready_since(&ready), ready_since(&renewed), "Ready never left True");
    assert!(status(renewed.clone()).expires_at > status(ready).expires_at);
    assert_eq!(env.secrets().get("acme-grant").await?.resource_version(), seed);
    assert_eq!(told(&env, &env.tenant_a, "Normal").await?, ["acme Ready", "acme Renewed"]);
    assert!(operator.metrics.text().contains("grant_renewals_total{result=\"renewed\"} 1"));

    // What was obtained is revoked a day after it was replaced, the source token never.
    advance_and_pass(&env, &operator, 41 * DAY, "MetaGrant", 1).await?;
    let second = env.kept("token").await?.unwrap();
    assert!(second != first && env.works(&first).await?);
    advance_and_pass(&env, &operator, DAY + 1, "MetaGrant", 1).await?;
    wait_for("the end of the first token", PATIENCE, async || {
        ensure!(!env.works(&first).await? && env.kept("previous-token").await?.is_none());
        Ok(())
    })
    .await?;
    assert_eq!(env.calls(REVOKE).len(), 1);
    assert!(env.works(&second).await?);
    let later = env.grant_is(READY).await?;
    assert_eq!(ready_since(&renewed), ready_since(&later));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_renewal_leaves_the_grant_ready_and_is_made_up_for() -> Result<()> {
    let env = Env::seeded(|seed| add_system_user(seed, "robot", 39)).await?;
    let operator = env.daily();
    env.put_app().await?;
    env.put_grant(&text("robot"), "{}").await?;
    let ready = env.grant_is(READY).await?;
    env.sandbox.add_fault(fault(&format!(
        "{{match: {{template: '{EXCHANGE}'}}, do: {{graph_error: {{code: 200, message: '(#200) Permissions error'}}}}}}"
    )));
    advance_and_pass(&env, &operator, 2 * DAY, "MetaGrant", 1).await?;
    let refused = env.grant_is(&[READY, &["Renewed=False/RenewalRefused"]].concat()).await?;
    assert_eq!(ready_since(&ready), ready_since(&refused));
    assert!(status(refused).next_step.unwrap().contains("generate a new token"));
    warned(&env, &env.tenant_a, &["acme RenewalRefused"]).await?;
    let failing = async |expected: f64| {
        wait_for("the gauge", PATIENCE, async || {
            let found =
                operator.gauge(&format!("grant_renewal_failing{{namespace=\"{}\",name=\"acme\"}} ", env.tenant_a));
            ensure!(found == expected && operator.metrics.text().contains("grant_renewal_failing{"), "{found}");
            Ok(())
        })
        .await
    };
    failing(1.0).await?;
    let tries = env.calls(EXCHANGE).len();
    advance_and_pass(&env, &operator, 121, "MetaGrant", 1).await?;
    ensure!(env.calls(EXCHANGE).len() > tries, "it is tried again every two hours");
    assert!(!operator.metrics.text().contains("grant_renewals_total{result=\"refused\"} 0"));
    warned(&env, &env.tenant_a, &["acme RenewalRefused"]).await?;

    env.sandbox.clear_faults();
    advance_and_pass(&env, &operator, 121, "MetaGrant", 1).await?;
    let healed = env.grant_is(&[READY, &["Renewed=True/UpToDate"]].concat()).await?;
    failing(0.0).await?;
    assert_eq!((ready_since(&ready), status(healed).next_step), (ready_since(&env.grants().get("acme").await?), None));
    assert!(env.works(&env.in_use().await?).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_token_is_warned_about_once_a_day_and_never_renewed() -> Result<()> {
    let long = grant_token("alex", "user", PERSON, ", issued_at: -2d, expires_at: +58d, data_access_expires_at: +88d");
    let env = Env::seeded(|seed| seed.tokens.push(long)).await?;
    let operator = env.daily();
    env.put_app().await?;
    env.put_grant(&text("alex"), "{}").await?;
    env.grant_is(&[READY, &["Renewed=Unknown/NotRenewable"]].concat()).await?;
    for _ in 0..43 {
        advance_and_pass(&env, &operator, DAY, "MetaGrant", 1).await?;
    }
    env.grant_is(READY).await?;
    warned(&env, &env.tenant_a, &[]).await?;
    for day in 1..=3 {
        advance_and_pass(&env, &operator, DAY + 10, "MetaGrant", 1).await?;
        env.grant_is(&["Ready=True/ExpiresSoon", "Expired=False"]).await?;
        warned(&env, &env.tenant_a, &vec!["acme ExpiresSoon"; day]).await?;
    }
    assert_eq!(env.calls(EXCHANGE), []);
    advance_and_pass(&env, &operator, 12 * DAY, "MetaGrant", 1).await?;
    env.grant_is(&["Ready=False/TokenExpired", "Expired=True/TokenExpired", "Stalled=True", "Valid=False"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_token_of_some_hours_is_exchanged_before_it_is_kept() -> Result<()> {
    let short = grant_token("alex", "user", PERSON, ", expires_at: +1h");
    let env = Env::seeded(|seed| seed.tokens.push(short)).await?;
    let _operator = env.daily();
    env.put_app().await?;
    env.put_grant(&text("alex"), "{}").await?;
    let grant = env.grant_is(READY).await?;
    assert!(status(grant).expires_at.unwrap() > env.now() + jiff::SignedDuration::from_hours(59 * 24));
    assert_eq!(env.calls(EXCHANGE).len(), 1);
    let kept = env.in_use().await?;
    assert!(kept != text("alex") && env.works(&kept).await?);
    let listed: Vec<_> =
        made_with(&env, "alex").into_iter().filter(|it| it.template.as_deref() == Some(ACCOUNTS)).collect();
    assert!(listed.len() <= 1, "page tokens come from the token that lives longer: {listed:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_dies_is_told_once_and_asked_about_every_two_hours() -> Result<()> {
    let env = Env::seeded(|seed| add_system_user(seed, "robot", 10)).await?;
    let operator = env.daily();
    env.put_app().await?;
    env.put_grant(&text("robot"), "{}").await?;
    env.grant_is(READY).await?;
    env.sandbox.invalidate_token("robot", Invalidation { subcode: Some(460), message: None })?;
    advance_and_pass(&env, &operator, DAY, "MetaGrant", 1).await?;
    let dead = env.grant_is(&["Ready=False/PasswordChanged", "Expired=True/PasswordChanged", "Stalled=True"]).await?;
    warned(&env, &env.tenant_a, &["acme PasswordChanged"]).await?;
    env.sandbox.clear_ledger();
    for _ in 0..12 {
        advance_and_pass(&env, &operator, 120, "MetaGrant", 1).await?;
    }
    let probes = made_about(&env, "robot").len();
    assert!((11..=13).contains(&probes), "{probes} probes a day");
    assert_eq!(dead.resource_version(), env.grants().get("acme").await?.resource_version());
    warned(&env, &env.tenant_a, &["acme PasswordChanged"]).await?;
    assert_eq!(made_with(&env, "robot"), [], "it is not used");

    env.sandbox.restore_token("robot")?;
    advance_and_pass(&env, &operator, 121, "MetaGrant", 1).await?;
    env.grant_is(READY).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kept_token_outlives_its_grant_and_is_taken_up_again() -> Result<()> {
    let env = Env::seeded(|seed| add_system_user(seed, "robot", 39)).await?;
    let operator = env.daily();
    env.put_app().await?;
    env.put_grant(&text("robot"), "{}").await?;
    env.grant_is(READY).await?;
    advance_and_pass(&env, &operator, 2 * DAY, "MetaGrant", 1).await?;
    let kept = env.in_use().await?;
    assert_ne!(kept, text("robot"));
    env.grants().delete("acme", &DeleteParams::default()).await?;
    quiet(&operator).await?;
    // The source token has ended meanwhile.
    env.advance(30 * DAY);
    env.apply(&env.grant_manifest("{}")).await?;
    env.grant_is(READY).await?;
    assert_eq!(env.in_use().await?, kept);
    assert!(env.calls(REVOKE).is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_secret_is_made_again_from_the_seed_and_a_strangers_is_left_alone() -> Result<()> {
    let env = Env::seeded(|seed| add_system_user(seed, "robot", 10)).await?;
    let _operator = env.daily();
    env.put_app().await?;
    env.secrets()
        .create(
            &Default::default(),
            &serde_json::from_value(serde_json::json!({
                "metadata": {"name": "metagrant-acme-token"}, "stringData": {"token": "someone's"}
            }))?,
        )
        .await?;
    env.put_grant(&text("robot"), "{}").await?;
    let expected = ["Ready=False/SecretNameTaken", "Stalled=True", "Valid=True", "Renewed=False/SecretNameTaken"];
    env.grant_is(&expected).await?;
    assert_eq!(env.kept("token").await?.as_deref(), Some("someone's"));
    env.secrets().delete("metagrant-acme-token", &DeleteParams::default()).await?;
    env.request_grant_look("2026-01-01T00:00:00Z").await?;
    env.grant_is(READY).await?;
    env.secrets().delete("metagrant-acme-token", &DeleteParams::default()).await?;
    wait_for("the Secret to be back", PATIENCE, async || {
        ensure!(env.kept("token").await? == Some(text("robot")));
        Ok(())
    })
    .await?;
    env.grant_is(READY).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_with_tokens_of_sixty_days_never_leaves_ready() -> Result<()> {
    let env = Env::seeded(|seed| add_system_user(seed, "robot", 3)).await?;
    let operator = env.daily();
    env.put_app().await?;
    env.put_grant(&text("robot"), "{revokeOld: true}").await?;
    let ready = env.grant_is(READY).await?;
    for week in 0..53 {
        advance_and_pass(&env, &operator, 7 * DAY, "MetaGrant", 1).await?;
        let grant = env.grant_is(READY).await?;
        assert_eq!(ready_since(&ready), ready_since(&grant), "in week {week}");
    }
    assert!(env.works(&env.in_use().await?).await?);
    assert_eq!(env.calls(EXCHANGE).len(), 8, "one every six weeks");
    warned(&env, &env.tenant_a, &[]).await?;
    Ok(())
}
