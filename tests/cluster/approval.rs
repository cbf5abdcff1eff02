//! What Meta has not approved: told by the app with an Event, and by its channels, which stay as they are.

use anyhow::{Result, ensure};
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;
use crate::support::subscriptions::connected;

fn set_permission(env: &Env, status: &str) -> Result<()> {
    let change = format!("permissions: {{pages_messaging: {status}}}");
    env.sandbox.change_app(APP_ID, serde_yaml_ng::from_str(&change)?)?;
    Ok(())
}

/// Waits until the messages of both channels, and their next steps, name a permission or do not.
async fn named(env: &Env, expected: bool) -> Result<()> {
    for name in ["shop", "support"] {
        wait_for(&format!("{name} to tell of the permission"), PATIENCE, async || {
            let channel =
                env.channel_is(&env.tenant_a, name, &["Ready=True/ReconcileSucceeded", "Connected=True"]).await?;
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
    let env = Env::new().await?;
    let operator = env.operator();
    connected(&env).await?;
    for _ in 0..2 {
        set_permission(&env, "unapproved")?;
        advance_and_pass(&env, &operator, 61, "MetaApp", 1).await?;
        env.app_is(&["Ready=False/PermissionNotApproved", "PermissionsApproved=False", "Stalled=True"]).await?;
        named(&env, true).await?;
        // No page was asked about for it, but at its regular times.
        let before = versions(&env).await?;
        for _ in 0..3 {
            advance_and_sweep(&env, &operator, 16).await?;
        }
        assert_eq!(versions(&env).await?, before);
        set_permission(&env, "live")?;
        advance_and_pass(&env, &operator, 125, "MetaApp", 1).await?;
        env.app_is(&["Ready=True", "PermissionsApproved=True"]).await?;
        named(&env, false).await?;
    }
    warned(&env, &env.platform, &["acme PermissionNotApproved", "acme PermissionNotApproved"]).await?;
    warned(&env, &env.tenant_a, &[""; 0]).await
}
