//! The API server's storage is put back to an earlier state while the operator goes on.

use anyhow::{Result, ensure};
use kube::api::{Patch, PatchParams};
use serde_json::json;
use testkit::{ControlPlane, wait_for};

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;

/// As the administrator does: when it ends, the next one is started.
async fn wait_for_another(world: &World, operator: Running) -> Result<Running> {
    wait_for("the operator to end", PATIENCE, async || {
        ensure!(operator.task.is_finished(), "it goes on");
        Ok(())
    })
    .await?;
    operator.stop().await;
    Ok(world.operator())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_under_which_everything_is_put_back_to_an_earlier_state_begins_anew() -> Result<()> {
    let plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start().await?));
    let world = World::alone(plane, |_| ()).await?;
    let operator = world.operator();
    world.put_app().await?;
    world.put_channel(&world.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True"]).await?;
    world.app_is(&["Ready=True"]).await?;
    quiet(&operator).await?;
    let backup = plane.back_up().await?;
    for number in 0..50 {
        let note = json!({ "metadata": { "annotations": { "note": number.to_string() } } });
        world.channels(&world.tenant_a).patch("shop", &PatchParams::default(), &Patch::Merge(&note)).await?;
    }
    world.put_channel(&world.tenant_a, "support", PAGE_B, TOKEN_B).await?;
    world.channel_is(&world.tenant_a, "support", &["Ready=True"]).await?;
    quiet(&operator).await?;

    plane.put_back(&backup).await?;
    assert!(world.channels(&world.tenant_a).get_opt("support").await?.is_none());
    let operator = wait_for_another(&world, operator).await?;
    world.put_channel(&world.tenant_a, "support", PAGE_B, TOKEN_B).await?;
    world.channel_is(&world.tenant_a, "support", &["Ready=True", "Claimed=True"]).await?;
    world.apply(&world.channel_manifest_with(&world.tenant_a, "shop", PAGE_A, "connection: Disconnected")).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True", "Disconnected=True/DeclaredDisconnected"]).await?;
    quiet(&operator).await?;
    assert_eq!(world.requests("DELETE", PAGE_ROWS).len(), 1, "as declared, and nothing else");
    // An API server that has just started knows no rights yet.
    world.account.pardon();
    world.gateway_account.pardon();
    Ok(())
}
