//! What someone on call reads: a line for each write and for each transition, with object and reason, and none for a
//! pass that changed nothing.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::sandbox::FaultEffect;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::server::{PATIENCE, Server};

fn lines(operator: &Server) -> Result<Vec<Value>> {
    let logs = operator.process.logs();
    logs.lines().map(|line| serde_json::from_str(line).with_context(|| format!("no JSON: {line}"))).collect()
}

/// `reason` of each line about an object, in order.
fn reasons(lines: &[Value], object: &str) -> Vec<String> {
    let about = lines.iter().filter(|line| line["object"] == object);
    about.filter_map(|line| line["reason"].as_str()).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn transitions_are_told_once_with_object_and_reason_and_quiet_passes_are_not() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator("first", &["--probe-period=1s", "--app-probe-period=1s"]).await?;
    operator.leads().await?;
    env.apply(&(env.app("") + &env.channel("shop", PAGE_A, TOKEN_A))).await?;
    env.channel_is("shop", "Ready=True/ReconcileSucceeded").await?;
    let quiet = lines(&operator)?.len();
    let before = operator.metric("reconcile_duration_seconds_count").await?;
    wait_for("several passes over both objects", PATIENCE, async || {
        let passes = operator.metric("reconcile_duration_seconds_count").await? - before;
        ensure!(passes >= 8.0, "{passes} passes");
        Ok(())
    })
    .await?;
    let told = lines(&operator)?;
    ensure!(told.len() <= quiet + 1, "passes without a change are told: {:?}", &told[quiet..]);
    let writes: Vec<_> = told.iter().filter(|it| it["object"] == format!("{}/shop", env.tenant)).collect();
    for write in ["claiming the page", "subscribing the page at Meta"] {
        let times = writes.iter().filter(|it| it["message"] == write).count();
        ensure!(times == 1, "{write} is told {times} times: {writes:?}");
    }

    env.sandbox.invalidate_token("page-a", serde_json::from_value(serde_json::json!({ "subcode": 460 }))?)?;
    env.channel_is("shop", "Expired=True/PasswordChanged").await?;
    env.sandbox.restore_token("page-a")?;
    let secret = secret(&env.platform, "acme-app", "app-secret", "app-secret", "another-secret-0123456789abcdef");
    env.apply(&secret).await?;
    env.app_is("Ready=False/SecretMismatch").await?;
    let (shop, acme) = (format!("{}/shop", env.tenant), format!("{}/acme", env.platform));
    wait_for("the transitions", PATIENCE, async || {
        let told = lines(&operator)?;
        let of_shop = reasons(&told, &shop);
        ensure!(of_shop.iter().any(|it| it == "PasswordChanged"), "{of_shop:?}");
        ensure!(reasons(&told, &acme).last().is_some_and(|it| it == "SecretMismatch"), "{:?}", reasons(&told, &acme));
        Ok(())
    })
    .await?;
    let told = lines(&operator)?;
    for object in [&shop, &acme] {
        let mut once = reasons(&told, object);
        let all = once.len();
        once.dedup();
        ensure!(once.len() == all, "a transition of {object} is told twice: {:?}", reasons(&told, object));
    }
    let ended = told.iter().find(|it| it["reason"] == "PasswordChanged").context("found before")?;
    ensure!(ended["level"] == "WARN" && ended["kind"] == "FacebookChannel" && ended["ready"] == "False", "{ended}");
    // The rights of an administrator prove nothing about policies.
    let claims = told.iter().any(|line| line["message"].as_str().is_some_and(|it| it.contains("claims are protected")));
    let unknown = told.iter().any(|line| line["message"].as_str().is_some_and(|it| it.contains("was not found out")));
    ensure!(unknown && !claims, "{told:?}");
    ensure!(
        ended["before"] == "ReconcileSucceeded" && ended["message"].as_str().is_some_and(|it| it.contains("authorize")),
        "{ended}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn while_meta_is_silent_the_log_is_nearly_so() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator("first", &["--probe-period=1s", "--app-probe-period=1s"]).await?;
    operator.leads().await?;
    env.apply(&(env.app("") + &env.channel("shop", PAGE_A, TOKEN_A))).await?;
    env.channel_is("shop", "Ready=True/ReconcileSucceeded").await?;
    env.sandbox.clear_ledger();
    env.fault("GET", None, FaultEffect::Status { code: 503, body: String::new(), echo_token: false });
    wait_for("several calls in vain", PATIENCE, async || {
        let vain = env.sandbox.ledger().iter().filter(|it| it.fault.is_some()).count();
        ensure!(vain >= 6, "{vain}");
        Ok(())
    })
    .await?;
    let told = lines(&operator)?;
    let silent: Vec<_> = told.iter().filter(|line| line["message"] == "Meta does not answer").collect();
    ensure!(silent.len() == 1, "told {} times", silent.len());
    ensure!(silent[0]["error"].as_str().is_some_and(|it| it.contains("503")), "{}", silent[0]);
    Ok(())
}
