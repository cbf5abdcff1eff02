//! What a scraper sees of each object.

use anyhow::{Result, ensure};
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;
use crate::support::subscriptions::connected;

const ENDS: &str = "2031-02-20T10:12:04Z";

/// The samples of a metric about an object, as `label="value",… value`.
fn samples(operator: &Running, metric: &str, namespace: &str, name: &str) -> Vec<String> {
    let text = operator.metrics.text();
    let begin = format!("meta_channel_operator_{metric}{{namespace=\"{namespace}\",name=\"{name}\"");
    let found = text.lines().filter_map(|line| line.strip_prefix(&begin));
    found.map(|rest| rest.trim_start_matches(',').replace("} ", " ").trim_start().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn state_and_expiry_of_each_object_are_shown_while_it_is_there_and_somebody_leads() -> Result<()> {
    let ending = page_token("ending", PAGE_A, &format!(", expires_at: {ENDS}, data_access_expires_at: never"));
    let env = Env::seeded(|seed| seed.tokens.push(ending)).await?;
    let operator = env.operator();
    env.put_app().await?;
    env.put_channels(&env.tenant_a, &[("shop", PAGE_A, &text("ending")), ("outlet", PAGE_C, TOKEN_C)]).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    env.channel_is(&env.tenant_a, "outlet", &["Ready=False/PasswordChanged"]).await?;
    env.app_is(&["Ready=True"]).await?;
    // The watch brings what was written.
    let of = |metric: &str, name: &str| samples(&operator, metric, &env.tenant_a, name);
    wait_for("the states", PATIENCE, async || {
        let found = ["shop", "outlet"].map(|name| of("channel_connection", name));
        ensure!(found == [["connection=\"Connected\" 1.0"], ["connection=\"Expired\" 1.0"]], "{found:?}");
        Ok(())
    })
    .await?;
    assert_eq!(of("ready", "shop"), ["kind=\"FacebookChannel\",reason=\"ReconcileSucceeded\" 1.0"]);
    assert_eq!(of("ready", "outlet"), ["kind=\"FacebookChannel\",reason=\"PasswordChanged\" 0.0"]);
    let app = samples(&operator, "ready", &env.platform, "acme");
    assert_eq!(app, ["kind=\"MetaApp\",reason=\"ReconcileSucceeded\" 1.0"]);
    let end = ENDS.parse::<jiff::Timestamp>()?.as_second();
    assert_eq!(of("channel_expiry_timestamp_seconds", "shop"), [format!("{end}.0")]);

    env.channels(&env.tenant_a).delete("outlet", &Default::default()).await?;
    wait_for("the gauges of the deleted channel to go", PATIENCE, async || {
        let text = operator.metrics.text();
        ensure!(!text.contains("outlet"), "{text}");
        Ok(())
    })
    .await?;
    let metrics = operator.metrics.clone();
    operator.stop().await;
    wait_for("all of them to go", PATIENCE, async || {
        ensure!(!metrics.text().contains("shop"));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_age_of_the_oldest_answer_grows_until_everybody_is_answered_about() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    connected(&env).await?;
    // A channel that is known to be broken is asked about less often; its age does not count.
    env.put_channel(&env.tenant_b, "outlet", PAGE_C, TOKEN_C).await?;
    env.channel_is(&env.tenant_b, "outlet", &["Ready=False/PasswordChanged"]).await?;
    let age = || operator.gauge("longest_unverified_seconds{kind=\"FacebookChannel\"} ");
    for _ in 0..3 {
        advance_and_sweep(&env, &operator, 16).await?;
    }
    let period = f64::from(16 * 60);
    let recent = async || {
        wait_for("an age within a period", PATIENCE, async || {
            ensure!(age() < period, "{}", age());
            Ok(())
        })
        .await
    };
    recent().await?;
    env.sandbox.add_fault(fault(&format!("{{match: {{page: {PAGE_A}}}, do: html}}")));
    for _ in 0..2 {
        advance_and_sweep(&env, &operator, 16).await?;
    }
    assert!(age() > period, "{}", age());
    let open = operator.gauge("longest_unanswered_seconds{kind=\"FacebookChannel\"} ");
    assert!(open > 0.0 && open < 3.0 * period, "{open}");
    env.sandbox.clear_faults();
    advance_and_sweep(&env, &operator, 16).await?;
    recent().await
}
