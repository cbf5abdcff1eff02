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

/// A second release beside that of the env, in the same namespaces; it starts like any other.
fn another(env: &Env) -> Running {
    env.operator_with(|operator| operator.release = "elsewhere/other".to_owned())
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
    let env = Env::new().await?;
    let first = env.operator();
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.put_channel(&env.tenant_b, "support", PAGE_B, TOKEN_B).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    env.channel_is(&env.tenant_b, "support", &["Ready=True"]).await?;
    env.app_is(&["Ready=True"]).await?;
    quiet(&first).await?;
    env.sandbox.clear_ledger();
    let before = versions(&env).await?;

    let second = another(&env);
    let all = [&env.platform, &env.tenant_a, &env.tenant_b].map(|it| (it.as_str(), "OtherRelease"));
    refuses(&second, &all).await?;
    refuses(&first, &[]).await?;
    for namespace in env.scopes() {
        warned(&env, &namespace, &["metachannels-release NamespaceRefused"]).await?;
    }
    env.request_look(&env.tenant_a, "shop", "now").await?;
    wait_for("the look", PATIENCE, async || {
        ensure!(!env.sandbox.ledger().is_empty());
        Ok(())
    })
    .await?;
    quiet(&first).await?;
    assert_eq!(passes(&second), 0, "not one pass in a namespace of the other");
    assert_eq!(second.gauge("secret_reads_total"), 0.0);
    assert_eq!(second.gauge("status_writes_total"), 0.0);
    let asked = second.gauge("graph_request_duration_seconds_count");
    assert_eq!(asked, 0.0, "Meta is asked nothing");
    let after = versions(&env).await?;
    assert_eq!(after.len(), before.len(), "nothing was made");

    // The whole moves: app, grants and channels of an application belong to one release.
    first.stop().await;
    for namespace in env.scopes() {
        unbind(&env.client, &namespace).await?;
    }
    let unbound = [&env.platform, &env.tenant_a, &env.tenant_b].map(|it| (it.as_str(), "Unbound"));
    refuses(&second, &unbound).await?;
    assert_eq!(passes(&second), 0);
    for namespace in env.scopes() {
        bind(&env.client, &namespace, "elsewhere/other").await?;
    }
    refuses(&second, &[]).await?;
    env.sandbox.clear_ledger();
    env.put_channel(&env.tenant_a, "outlet", PAGE_C, TOKEN_C).await?;
    env.channel_is(&env.tenant_a, "outlet", &["Expired=True/PasswordChanged"]).await?;
    quiet(&second).await?;
    assert!(second.passes("FacebookChannel") >= 3 && second.passes("MetaApp") >= 1, "it begins with what was there");
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;

    // And back to the first, which is not even restarted for it.
    let first = env.operator();
    refuses(&first, &all).await?;
    let written = versions(&env).await?;
    for namespace in env.scopes() {
        unbind(&env.client, &namespace).await?;
        bind(&env.client, &namespace, &env.release).await?;
    }
    refuses(&first, &[]).await?;
    refuses(&second, &all).await?;
    quiet(&first).await?;
    quiet(&second).await?;
    let (before, ended) = (first.passes("FacebookChannel"), passes(&second));
    env.request_look(&env.tenant_a, "shop", "again").await?;
    wait_for("a pass of the first", PATIENCE, async || {
        ensure!(first.passes("FacebookChannel") > before);
        Ok(())
    })
    .await?;
    assert_eq!(passes(&second), ended, "its work there has ended");
    assert_eq!(versions(&env).await?.len(), written.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_without_a_binding_is_left_alone_and_keeps_no_other_waiting() -> Result<()> {
    let env = Env::new().await?;
    unbind(&env.client, &env.tenant_b).await?;
    let operator = env.operator();
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.put_channel(&env.tenant_b, "support", PAGE_B, TOKEN_B).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    refuses(&operator, &[(&env.tenant_b, "Unbound")]).await?;
    quiet(&operator).await?;
    advance_and_sweep(&env, &operator, 30).await?;
    let support = env.channels(&env.tenant_b).get("support").await?;
    assert_eq!(support.status.map(|status| status.observed_generation), Some(-1), "nothing was written");
    assert_eq!(made_with(&env, "page-b"), []);
    assert_eq!(made_about(&env, "page-b"), []);
    assert_eq!(operator.gauge("channel_connection{"), 1.0);

    bind(&env.client, &env.tenant_b, &env.release).await?;
    env.channel_is(&env.tenant_b, "support", &["Ready=True"]).await?;
    refuses(&operator, &[]).await?;

    // It goes again, and so does the work: neither time nor a change causes a look, and its claim is not cleaned up.
    quiet(&operator).await?;
    unbind(&env.client, &env.tenant_b).await?;
    refuses(&operator, &[(&env.tenant_b, "Unbound")]).await?;
    quiet(&operator).await?;
    env.sandbox.clear_ledger();
    let before = env.channels(&env.tenant_b).get("support").await?;
    env.request_look(&env.tenant_b, "support", "now").await?;
    advance_and_sweep(&env, &operator, 30).await?;
    let after = env.channels(&env.tenant_b).get("support").await?;
    assert_eq!(after.status, before.status);
    env.channels(&env.tenant_b).delete("support", &DeleteParams::default()).await?;
    env.advance(30);
    env.put_channel(&env.tenant_a, "outlet", PAGE_C, TOKEN_C).await?;
    env.channel_is(&env.tenant_a, "outlet", &["Expired=True"]).await?;
    quiet(&operator).await?;
    assert_eq!(made_with(&env, "page-b"), []);
    assert_eq!(env.requests("DELETE", PAGE_ROWS), []);

    // Who gets it back makes up for that.
    bind(&env.client, &env.tenant_b, &env.release).await?;
    refuses(&operator, &[]).await?;
    quiet(&operator).await?;
    env.advance(5);
    wait_for("the page to be unsubscribed", PATIENCE, async || {
        ensure!(env.requests("DELETE", PAGE_ROWS).len() == 1);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn where_all_namespaces_are_watched_one_without_a_binding_is_ours_and_one_of_another_release_is_not() -> Result<()>
{
    static PLANE: OnceCell<ControlPlane> = OnceCell::const_new();
    let env = Env::alone(PLANE.get_or_try_init(ControlPlane::start).await?, |_| ()).await?;
    for namespace in [&env.platform, &env.tenant_a] {
        unbind(&env.client, namespace).await?;
    }
    let operator = env.operator_with(|operator| {
        operator.scopes = vec![String::new()];
        operator.release = "elsewhere/all".to_owned();
        // Its own account has rights in single namespaces.
        operator.client = env.client.clone();
    });
    begun(&operator).await?;
    env.put_app().await?;
    env.put_channel(&env.tenant_b, "support", PAGE_B, TOKEN_B).await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    let refused = format!("namespaces_refused{{namespace=\"{}\",reason=\"OtherRelease\"}}", env.tenant_b);
    assert_eq!(operator.gauge(&refused), 1.0);
    quiet(&operator).await?;
    let support = env.channels(&env.tenant_b).get("support").await?;
    assert_eq!(support.status.map(|status| status.observed_generation), Some(-1));
    unbind(&env.client, &env.tenant_b).await?;
    env.channel_is(&env.tenant_b, "support", &["Ready=True"]).await?;
    Ok(())
}
