//! Versions of the Graph API: how long the one in use lives, which one answers, and that another one is tried before it is used.

use anyhow::{Context, Result, ensure};
use meta_channel_operator::api::{Connection, MetaApp, MetaAppStatus};
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;
use crate::support::subscriptions::connected;

/// A day on which v21.0 lives, though not for long.
const TODAY: &str = "2026-12-01T00:00:00Z";
const READS: [&str; 5] = [
    "/{version}/{app-id}",
    "/{version}/{app-id}/permissions",
    "/{version}/{app-id}/subscriptions",
    "/{version}/{page-id}",
    "/{version}/{page-id}/conversations",
];

fn declaring(env: &Env, version: &str) -> String {
    env.app_manifest_with(&format!("webhook: {{}}\n  graphVersion: {version}"))
}

async fn status(env: &Env) -> Result<MetaAppStatus> {
    env.apps().get("acme").await?.status.context("no status")
}

/// Why the application is ready or not.
fn told_by(app: MetaApp) -> Result<String> {
    let conditions = app.status.context("no status")?.conditions;
    Ok(sentence(&conditions).context("no sentence")?.to_owned())
}

async fn uses(env: &Env, version: &str) -> Result<()> {
    wait_for(&format!("version {version}"), PATIENCE, async || {
        let used = status(env).await?.graph_version;
        ensure!(used.as_deref() == Some(version), "{used:?}");
        Ok(())
    })
    .await
}

/// Waits for these conditions while minutes pass: what is heard of a version counts once it is heard again.
async fn comes_to(env: &Env, expected: &[&str]) -> Result<MetaApp> {
    wait_for(&format!("{expected:?}"), PATIENCE, async || {
        env.advance(1);
        missing(&status(env).await?.conditions, expected)
    })
    .await?;
    Ok(env.apps().get("acme").await?)
}

/// How many Warning Events with this reason lie in the namespace of the app, repetitions counted.
async fn told(env: &Env, reason: &str) -> Result<usize> {
    let of_app = format!("acme {reason}");
    Ok(warnings(env, &env.platform).await?.iter().filter(|it| **it == of_app).count())
}

#[tokio::test(flavor = "multi_thread")]
async fn that_a_version_ends_is_told_once_and_that_it_is_over_makes_the_app_not_ready() -> Result<()> {
    let env = Env::new().await?;
    env.set_clock(TODAY.parse()?)?;
    let operator = env.operator();
    env.put_secret(&env.platform, "acme-app", "app-secret", "app-secret", APP_SECRET).await?;
    env.apply(&declaring(&env, "v21.0")).await?;
    env.app_is(&["Ready=True/ReconcileSucceeded", "VersionSupported=False/VersionEnding"]).await?;
    quiet(&operator).await?;
    assert_eq!(told(&env, "VersionEnding").await?, 1);
    let before = env.apps().get("acme").await?.metadata.resource_version;
    for _ in 0..2 {
        advance_and_pass(&env, &operator, 61, "MetaApp", 1).await?;
    }
    assert_eq!(env.apps().get("acme").await?.metadata.resource_version, before, "nothing changed");
    // It ends. Meta goes on answering with another version, and only a header says so.
    env.set_clock("2027-01-21T00:00:00Z".parse()?)?;
    let app = env.app_is(&["Ready=False/VersionEnded", "Stalled=True", "VersionSupported=False/VersionEnded"]).await?;
    let status = app.status.context("no status")?;
    let step = status.next_step.unwrap_or_default();
    ensure!(step.contains("set spec.graphVersion") && step.contains("v26.0"), "{step}");
    ensure!(
        sentence(&status.conditions).is_some_and(|it| it.contains("Meta answers calls to it as version v22.0")),
        "{:#?}",
        status.conditions
    );
    assert_eq!((told(&env, "VersionEnding").await?, told(&env, "VersionEnded").await?), (1, 1));
    env.apply(&declaring(&env, "v25.0")).await?;
    env.app_is(&["Ready=True/ReconcileSucceeded", "VersionSupported=True/VersionServed"]).await?;
    uses(&env, "v25.0").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_silently_served_as_another_is_known_also_when_a_channel_hears_it_first() -> Result<()> {
    let env = Env::new().await?;
    env.set_clock(TODAY.parse()?)?;
    let operator = env.operator();
    connected(&env).await?;
    env.app_is(&["VersionSupported=True/VersionServed"]).await?;
    quiet(&operator).await?;
    env.sandbox.preset("graph-version-served-as-another", &[("version", "v25.0"), ("served_as", "v24.0")])?;
    // The sweep of the channels hears it: the app's own check is not due for a long time.
    advance_and_sweep(&env, &operator, 16).await?;
    // It is checked within a minute, and once more a minute later.
    for _ in 0..4 {
        env.advance(1);
        quiet(&operator).await?;
    }
    env.app_is(&["VersionSupported=False/ServedByOtherVersion"]).await?;
    env.app_is(&["Ready=True/ReconcileSucceeded"]).await?;
    assert_eq!(told(&env, "ServedByOtherVersion").await?, 1);
    for name in ["shop", "support"] {
        env.channel_is(&env.tenant_a, name, &["Ready=True/ReconcileSucceeded", "Connected=True"]).await?;
    }
    env.sandbox.clear_faults();
    advance_and_pass(&env, &operator, 61, "MetaApp", 1).await?;
    env.app_is(&["VersionSupported=True/VersionServed"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_is_used_only_after_every_read_was_answered_in_it() -> Result<()> {
    let env = Env::new().await?;
    env.set_clock(TODAY.parse()?)?;
    let operator = env.operator();
    connected(&env).await?;
    quiet(&operator).await?;
    let record = env.record(&env.tenant_a);
    for template in READS {
        let wrong = "{graph_error: {code: 12, message: '(#12) This is deprecated for versions v26.0 and higher'}}";
        let only = format!("{{template: '{template}', method: GET, version: v26.0}}");
        env.sandbox.add_fault(fault(&format!("{{match: {only}, do: {wrong}}}")));
        env.apply(&declaring(&env, "v26.0")).await?;
        let expected =
            ["Ready=False/GraphVersionUnusable", "Stalled=True", "CredentialsValid=True", "WebhookSubscribed=True"];
        let app = comes_to(&env, &expected).await?;
        let message = told_by(app)?;
        ensure!(
            message.contains("In version v26.0") && message.contains("in version v25.0. Version v25.0 stays"),
            "{message}"
        );
        uses(&env, "v25.0").await?;
        quiet(&operator).await?;
        // Its channels never hear of it, and it is tried again in the regular slot.
        env.sandbox.clear_ledger();
        advance_and_sweep(&env, &operator, 16).await?;
        let asked = env.sandbox.ledger().iter().filter(|it| it.version.as_deref() == Some("v26.0")).count();
        ensure!(asked < 10, "{asked}");
        env.sandbox.clear_faults();
        env.apply(&declaring(&env, "v25.0")).await?;
        env.app_is(&["Ready=True/ReconcileSucceeded"]).await?;
    }
    // What both versions refuse is no fault of the new one's.
    let wrong = "{graph_error: {code: 10, message: '(#10) Application does not have permission for this action'}}";
    let only = "{template: '/{version}/{page-id}/conversations', method: GET}";
    env.sandbox.add_fault(fault(&format!("{{match: {only}, do: {wrong}}}")));
    env.apply(&declaring(&env, "v26.0")).await?;
    env.app_is(&["Ready=True/ReconcileSucceeded"]).await?;
    uses(&env, "v26.0").await?;
    for version in record.versions() {
        let status = version.status.unwrap_or_default();
        assert_eq!(status.connection, Connection::Connected, "{:?}", shown(&status.conditions));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_could_not_be_tried_to_the_end_is_tried_again() -> Result<()> {
    let env = Env::new().await?;
    env.set_clock(TODAY.parse()?)?;
    let operator = env.operator();
    connected(&env).await?;
    quiet(&operator).await?;
    let only = "{template: '/{version}/{page-id}/subscribed_apps', method: GET, version: v26.0}";
    env.sandbox.add_fault(fault(&format!("{{match: {only}, do: {{status: {{code: 503}}}}}}")));
    env.apply(&declaring(&env, "v26.0")).await?;
    let app = env.app_is(&["Ready=Unknown/Pending", "Reconciling=True", "CredentialsValid=True"]).await?;
    let message = told_by(app)?;
    ensure!(message.contains("Version v25.0 stays in use"), "{message}");
    env.sandbox.clear_faults();
    wait_for("another try", PATIENCE, async || {
        env.advance(1);
        missing(&status(&env).await?.conditions, &["Ready=True/ReconcileSucceeded"])
    })
    .await?;
    uses(&env, "v26.0").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_answered_as_another_does_not_take_the_place_of_the_one_in_use() -> Result<()> {
    let env = Env::new().await?;
    env.set_clock(TODAY.parse()?)?;
    env.sandbox.set_switch("unknown_version", "served")?;
    let _operator = env.operator();
    connected(&env).await?;
    env.apply(&declaring(&env, "v27.0")).await?;
    let app = comes_to(&env, &["Ready=False/GraphVersionUnknown", "Stalled=True", "WebhookSubscribed=True"]).await?;
    let message = told_by(app)?;
    ensure!(message.contains("v27.0 of the Graph API as version v26.0. Version v25.0 stays in use"), "{message}");
    uses(&env, "v25.0").await
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_page_that_never_answers_nor_one_that_does_not_just_now_keeps_an_app_on_a_version_that_is_gone()
-> Result<()> {
    let env = Env::new().await?;
    env.set_clock(TODAY.parse()?)?;
    let operator = env.operator();
    connected(&env).await?;
    quiet(&operator).await?;
    // One tenant's page is silent in every version.
    let page = format!("{{page: '{}', method: GET}}", PAGE_A);
    env.sandbox.add_fault(fault(&format!("{{match: {page}, do: {{status: {{code: 503}}}}}}")));
    env.apply(&declaring(&env, "v21.0")).await?;
    uses(&env, "v21.0").await?;
    env.app_is(&["Ready=True/ReconcileSucceeded"]).await?;
    env.sandbox.clear_faults();
    quiet(&operator).await?;
    // Meta serves the version in use no longer, and no page answers in the new one.
    let gone = "{graph_error: {code: 2500, message: 'Unknown path components'}}";
    env.sandbox.add_fault(fault(&format!("{{match: {{version: v21.0}}, do: {gone}}}")));
    let silent = "{template: '/{version}/{page-id}/subscribed_apps', method: GET, version: v25.0}";
    env.sandbox.add_fault(fault(&format!("{{match: {silent}, do: {{status: {{code: 503}}}}}}")));
    env.apply(&declaring(&env, "v25.0")).await?;
    uses(&env, "v25.0").await?;
    env.app_is(&["Ready=True/ReconcileSucceeded", "CredentialsValid=True"]).await?;
    Ok(())
}
