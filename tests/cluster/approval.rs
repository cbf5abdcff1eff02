//! What Meta has not approved: told by the app with an Event, and by its channels, which stay as they are.

use anyhow::{Result, ensure};
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;
use crate::support::subscriptions::connected;

fn set_permission(world: &World, status: &str) -> Result<()> {
    let change = format!("permissions: {{pages_messaging: {status}}}");
    world.sandbox.change_app(APP_ID, serde_yaml_ng::from_str(&change)?)?;
    Ok(())
}

/// Waits until the messages of both channels, and their next steps, name a permission or do not.
async fn named(world: &World, expected: bool) -> Result<()> {
    for name in ["shop", "support"] {
        wait_for(&format!("{name} to tell of the permission"), PATIENCE, async || {
            let channel =
                world.channel_is(&world.tenant_a, name, &["Ready=True/ReconcileSucceeded", "Connected=True"]).await?;
            let status = channel.status.unwrap_or_default();
            let message = &status.conditions[0].message;
            ensure!(message.contains("not approved pages_messaging") == expected, "{message}");
            ensure!(status.next_step.is_some_and(|step| step.contains("MetaApp")) == expected);
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_meta_takes_back_is_named_by_the_channels_which_stay_ready() -> Result<()> {
    let world = World::new().await?;
    let operator = world.operator();
    connected(&world).await?;
    for _ in 0..2 {
        set_permission(&world, "unapproved")?;
        advance_and_pass(&world, &operator, 61, "MetaApp", 1).await?;
        world.app_is(&["Ready=False/PermissionNotApproved", "PermissionsApproved=False", "Stalled=True"]).await?;
        named(&world, true).await?;
        // No page was asked about for it, but at its regular times.
        let before = versions(&world).await?;
        for _ in 0..3 {
            advance_and_sweep(&world, &operator, 16).await?;
        }
        assert_eq!(versions(&world).await?, before);
        set_permission(&world, "live")?;
        advance_and_pass(&world, &operator, 125, "MetaApp", 1).await?;
        world.app_is(&["Ready=True", "PermissionsApproved=True"]).await?;
        named(&world, false).await?;
    }
    warned(&world, &world.platform, &["acme PermissionNotApproved", "acme PermissionNotApproved"]).await?;
    warned(&world, &world.tenant_a, &[""; 0]).await
}
