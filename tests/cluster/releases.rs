//! A namespace belongs to one release; the others leave it alone, and who may not read one begins with the rest.

use anyhow::{Result, ensure};
use kube::api::DeleteParams;
use testkit::{ControlPlane, wait_for};
use tokio::sync::OnceCell;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;
use crate::support::release_binding::*;

/// Waits until an operator refuses exactly these namespaces, as `namespace reason`.
async fn refuses(operator: &Running, expected: &[(&str, &str)]) -> Result<()> {
    wait_for(&format!("the refusal of {expected:?}"), PATIENCE, async || {
        let all = operator.gauge("namespaces_refused{");
        let counted = expected.iter().map(|(namespace, reason)| {
            operator.gauge(&format!("namespaces_refused{{namespace=\"{namespace}\",reason=\"{reason}\"}}"))
        });
        let found: f64 = counted.sum();
        ensure!(found == expected.len() as f64 && all == found, "{}", operator.metrics.text());
        Ok(())
    })
    .await
}

/// A second release beside that of the world, in the same namespaces; it starts like any other.
fn another(world: &World) -> Running {
    world.operator_with(|operator| operator.release = "elsewhere/other".to_owned())
}

/// Passes over what is refused, so far.
fn passes(operator: &Running) -> u64 {
    operator.passes("MetaApp") + operator.passes("MetaGrant") + operator.passes("FacebookChannel")
}

/// Waits until an operator has begun its work.
async fn begun(operator: &Running) -> Result<()> {
    wait_for("the begin of the work", PATIENCE, async || {
        ensure!(operator.metrics.text().contains("namespaces_refused"), "the gauges come with it");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_belongs_to_another_release_is_left_alone_until_it_is_handed_over() -> Result<()> {
    let world = World::new().await?;
    let first = world.operator();
    world.put_app().await?;
    world.put_channel(&world.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    world.put_channel(&world.tenant_b, "support", PAGE_B, TOKEN_B).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True"]).await?;
    world.channel_is(&world.tenant_b, "support", &["Ready=True"]).await?;
    world.app_is(&["Ready=True"]).await?;
    quiet(&first).await?;
    world.sandbox.clear_ledger();
    let before = versions(&world).await?;

    let second = another(&world);
    let all = [&world.platform, &world.tenant_a, &world.tenant_b].map(|it| (it.as_str(), "OtherRelease"));
    refuses(&second, &all).await?;
    refuses(&first, &[]).await?;
    for namespace in world.scopes() {
        warned(&world, &namespace, &["metachannels-release NamespaceRefused"]).await?;
    }
    world.request_look(&world.tenant_a, "shop", "now").await?;
    wait_for("the look", PATIENCE, async || {
        ensure!(!world.sandbox.ledger().is_empty());
        Ok(())
    })
    .await?;
    quiet(&first).await?;
    assert_eq!(passes(&second), 0, "not one pass in a namespace of the other");
    assert_eq!(second.gauge("secret_reads_total"), 0.0);
    assert_eq!(second.gauge("status_writes_total"), 0.0);
    let asked = second.gauge("graph_request_duration_seconds_count");
    assert_eq!(asked, 0.0, "Meta is asked nothing");
    let after = versions(&world).await?;
    assert_eq!(after.len(), before.len(), "nothing was made");

    // The whole moves: app, grants and channels of an application belong to one release.
    first.stop().await;
    for namespace in world.scopes() {
        unbind(&world.client, &namespace).await?;
    }
    let unbound = [&world.platform, &world.tenant_a, &world.tenant_b].map(|it| (it.as_str(), "Unbound"));
    refuses(&second, &unbound).await?;
    assert_eq!(passes(&second), 0);
    for namespace in world.scopes() {
        bind(&world.client, &namespace, "elsewhere/other").await?;
    }
    refuses(&second, &[]).await?;
    world.sandbox.clear_ledger();
    world.put_channel(&world.tenant_a, "outlet", PAGE_C, TOKEN_C).await?;
    world.channel_is(&world.tenant_a, "outlet", &["Expired=True/PasswordChanged"]).await?;
    quiet(&second).await?;
    assert!(second.passes("FacebookChannel") >= 3 && second.passes("MetaApp") >= 1, "it begins with what was there");
    world.channel_is(&world.tenant_a, "shop", &["Ready=True"]).await?;

    // And back to the first, which is not even restarted for it.
    let first = world.operator();
    refuses(&first, &all).await?;
    let written = versions(&world).await?;
    for namespace in world.scopes() {
        unbind(&world.client, &namespace).await?;
        bind(&world.client, &namespace, &world.release).await?;
    }
    refuses(&first, &[]).await?;
    refuses(&second, &all).await?;
    quiet(&first).await?;
    quiet(&second).await?;
    let (before, ended) = (first.passes("FacebookChannel"), passes(&second));
    world.request_look(&world.tenant_a, "shop", "again").await?;
    wait_for("a pass of the first", PATIENCE, async || {
        ensure!(first.passes("FacebookChannel") > before);
        Ok(())
    })
    .await?;
    assert_eq!(passes(&second), ended, "its work there has ended");
    assert_eq!(versions(&world).await?.len(), written.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_without_a_binding_is_left_alone_and_keeps_no_other_waiting() -> Result<()> {
    let world = World::new().await?;
    unbind(&world.client, &world.tenant_b).await?;
    let operator = world.operator();
    world.put_app().await?;
    world.put_channel(&world.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    world.put_channel(&world.tenant_b, "support", PAGE_B, TOKEN_B).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True"]).await?;
    refuses(&operator, &[(&world.tenant_b, "Unbound")]).await?;
    quiet(&operator).await?;
    advance_and_sweep(&world, &operator, 30).await?;
    let support = world.channels(&world.tenant_b).get("support").await?;
    assert_eq!(support.status.map(|status| status.observed_generation), Some(-1), "nothing was written");
    assert_eq!(made_with(&world, "page-b"), []);
    assert_eq!(made_about(&world, "page-b"), []);
    assert_eq!(operator.gauge("channel_connection{"), 1.0);

    bind(&world.client, &world.tenant_b, &world.release).await?;
    world.channel_is(&world.tenant_b, "support", &["Ready=True"]).await?;
    refuses(&operator, &[]).await?;

    // It goes again, and so does the work: neither time nor a change causes a look, and its claim is not cleaned up.
    quiet(&operator).await?;
    unbind(&world.client, &world.tenant_b).await?;
    refuses(&operator, &[(&world.tenant_b, "Unbound")]).await?;
    quiet(&operator).await?;
    world.sandbox.clear_ledger();
    let before = world.channels(&world.tenant_b).get("support").await?;
    world.request_look(&world.tenant_b, "support", "now").await?;
    advance_and_sweep(&world, &operator, 30).await?;
    let after = world.channels(&world.tenant_b).get("support").await?;
    assert_eq!(after.status, before.status);
    world.channels(&world.tenant_b).delete("support", &DeleteParams::default()).await?;
    world.advance(30);
    world.put_channel(&world.tenant_a, "outlet", PAGE_C, TOKEN_C).await?;
    world.channel_is(&world.tenant_a, "outlet", &["Expired=True"]).await?;
    quiet(&operator).await?;
    assert_eq!(made_with(&world, "page-b"), []);
    assert_eq!(world.requests("DELETE", PAGE_ROWS), []);

    // Who gets it back makes up for that.
    bind(&world.client, &world.tenant_b, &world.release).await?;
    refuses(&operator, &[]).await?;
    quiet(&operator).await?;
    world.advance(5);
    wait_for("the page to be unsubscribed", PATIENCE, async || {
        ensure!(world.requests("DELETE", PAGE_ROWS).len() == 1);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn where_all_namespaces_are_watched_one_without_a_binding_is_ours_and_one_of_another_release_is_not() -> Result<()>
{
    static PLANE: OnceCell<ControlPlane> = OnceCell::const_new();
    let world = World::alone(PLANE.get_or_try_init(ControlPlane::start).await?, |_| ()).await?;
    for namespace in [&world.platform, &world.tenant_a] {
        unbind(&world.client, namespace).await?;
    }
    let operator = world.operator_with(|operator| {
        operator.scopes = vec![String::new()];
        operator.release = "elsewhere/all".to_owned();
        // Its own account has rights in single namespaces.
        operator.client = world.client.clone();
    });
    begun(&operator).await?;
    world.put_app().await?;
    world.put_channel(&world.tenant_b, "support", PAGE_B, TOKEN_B).await?;
    world.put_channel(&world.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True"]).await?;
    let refused = format!("namespaces_refused{{namespace=\"{}\",reason=\"OtherRelease\"}}", world.tenant_b);
    assert_eq!(operator.gauge(&refused), 1.0);
    quiet(&operator).await?;
    let support = world.channels(&world.tenant_b).get("support").await?;
    assert_eq!(support.status.map(|status| status.observed_generation), Some(-1));
    unbind(&world.client, &world.tenant_b).await?;
    world.channel_is(&world.tenant_b, "support", &["Ready=True"]).await?;
    Ok(())
}
