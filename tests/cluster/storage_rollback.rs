//! The API server's storage is put back to an earlier state while the operator goes on.

use anyhow::{Result, ensure};
use kube::api::{Patch, PatchParams};
use serde_json::json;
use testkit::{ControlPlane, wait_for};

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;

/// As the administrator does: when it ends, the next one is started.
async fn wait_for_another(env: &Env, operator: Running) -> Result<Running> {
    wait_for("the operator to end", PATIENCE, async || {
        ensure!(operator.task.is_finished(), "it goes on");
        Ok(())
    })
    .await?;
    operator.stop().await;
    Ok(env.operator())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_under_which_everything_is_put_back_to_an_earlier_state_begins_anew() -> Result<()> {
    let plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start().await?));
    let env = Env::alone(plane, |_| ()).await?;
    let operator = env.operator();
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    env.app_is(&["Ready=True"]).await?;
    quiet(&operator).await?;
    let backup = plane.back_up().await?;
    for number in 0..50 {
        let note = json!({ "metadata": { "annotations": { "note": number.to_string() } } });
        env.channels(&env.tenant_a).patch("shop", &PatchParams::default(), &Patch::Merge(&note)).await?;
    }
    env.put_channel(&env.tenant_a, "support", PAGE_B, TOKEN_B).await?;
    env.channel_is(&env.tenant_a, "support", &["Ready=True"]).await?;
    quiet(&operator).await?;

    plane.put_back(&backup).await?;
    assert!(env.channels(&env.tenant_a).get_opt("support").await?.is_none());
    let operator = wait_for_another(&env, operator).await?;
    env.put_channel(&env.tenant_a, "support", PAGE_B, TOKEN_B).await?;
    env.channel_is(&env.tenant_a, "support", &["Ready=True", "Claimed=True"]).await?;
    env.apply(&env.channel_manifest_with(&env.tenant_a, "shop", PAGE_A, "connection: Disconnected")).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True", "Disconnected=True/DeclaredDisconnected"]).await?;
    quiet(&operator).await?;
    assert_eq!(env.requests("DELETE", PAGE_ROWS).len(), 1, "as declared, and nothing else");
    // An API server that has just started knows no rights yet.
    env.account.pardon();
    env.gateway_account.pardon();
    Ok(())
}
