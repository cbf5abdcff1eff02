//! A panic in the work on one object: it is that object's failure, and the others are managed all the same.

use anyhow::{Result, ensure};
use kube::ResourceExt;
use meta_channel_operator::base::key::Key;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;
use crate::support::subscriptions::{change_row, connected, row};

async fn panicked(operator: &Running) -> Result<()> {
    wait_for("a panic", PATIENCE, async || {
        let count = operator.gauge("panics_total{kind=\"FacebookChannel\"}");
        ensure!(count >= 1.0, "{count}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_that_panics_is_told_by_its_object_and_ends_nothing_else() -> Result<()> {
    let env = Env::new().await?;
    let shop = Key::new(&env.tenant_a, "shop");
    let operator = env.operator_with(|operator| operator.policy.panic_over.pass = Some(shop));
    env.put_app().await?;
    env.put_channels(&env.tenant_a, &[("shop", PAGE_A, TOKEN_A), ("support", PAGE_B, TOKEN_B)]).await?;
    env.channel_is(&env.tenant_a, "support", &["Ready=True"]).await?;
    let failed = ["Ready=Unknown/InternalError", "Reconciling=True", "!Stalled"];
    let told = env.channel_is(&env.tenant_a, "shop", &failed).await?;
    panicked(&operator).await?;
    // It is tried again when someone asks, and told no second time.
    advance_and_pass(&env, &operator, 121, "FacebookChannel", 1).await?;
    let later = env.channels(&env.tenant_a).get("shop").await?;
    assert_eq!(later.resource_version(), told.resource_version());
    operator.stop().await;
    let _operator = env.operator();
    env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded", "!Reconciling"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_that_panics_keeps_no_other_channel_of_the_app_from_being_looked_at() -> Result<()> {
    let env = Env::new().await?;
    let shop = Key::new(&env.tenant_a, "shop");
    let operator = env.operator_with(|operator| operator.policy.panic_over.visit = Some(shop));
    connected(&env).await?;
    let (before, fields) = (row(&env, PAGE_A), row(&env, PAGE_B));
    for page in [PAGE_A, PAGE_B] {
        change_row(&env, page, APP_ID, None)?;
    }
    quiet(&operator).await?;
    env.advance(16);
    panicked(&operator).await?;
    wait_for("both repairs", PATIENCE, async || {
        ensure!(row(&env, PAGE_A) == before && row(&env, PAGE_B) == fields);
        Ok(())
    })
    .await?;
    env.channel_is(&env.tenant_a, "support", &["Ready=True"]).await?;
    Ok(())
}
