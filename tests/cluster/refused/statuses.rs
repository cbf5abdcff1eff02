//! Statuses and Events that may not be written: a status is told by an Event then, an Event by the log and a metric.

use anyhow::Result;
use kube::api::{Patch, PatchParams};

use super::*;
use crate::support::grant_fixtures::*;

/// A write of the statuses of a kind.
fn of_status(namespace: &str, kind: &'static str, resource: &'static str, name: &str) -> Target {
    let (group, version, verb) = ("metachannels.io", "v1alpha1", "patch");
    Target {
        namespace: namespace.to_owned(),
        group,
        version,
        kind,
        resource,
        verb,
        rules: WATCHED,
        sample: json!(name),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_may_not_be_written_is_told_once_by_an_event_and_written_within_a_minute_once_it_may()
-> Result<()> {
    let env = Env::seeded(|seed| add_system_user(seed, "robot", 10)).await?;
    let operator = eager(&env);
    env.put_app().await?;
    env.put_grant(&text("robot"), "{}").await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.app_is(&["Ready=True"]).await?;
    env.grant_is(&["Ready=True"]).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    settled(&env, &operator).await?;
    let kinds = [
        (&env.platform, "MetaApp", "metaapps/status", "acme"),
        (&env.tenant_a, "MetaGrant", "metagrants/status", "acme"),
        (&env.tenant_a, "FacebookChannel", "facebookchannels/status", "shop"),
    ];
    for (namespace, kind, resource, name) in kinds {
        for way in BUT_QUOTA {
            quiet(&operator).await?;
            let obstacle = Obstacle::put(&env, way, &of_status(namespace, kind, resource, name)).await?;
            let generation = edit(&env, namespace, kind, name, way).await?;
            for _ in 0..2 {
                quiet(&operator).await?;
                env.advance(1);
            }
            quiet(&operator).await?;
            // Of two policies each is told; MetaGrants and channels lie in one namespace.
            let times = if way == Way::Denied { 2 } else { 1 };
            told_by_event(&env, namespace, name, way, times).await?;
            let calls = env.sandbox.ledger().len();
            env.advance(1);
            quiet(&operator).await?;
            assert_eq!(env.sandbox.ledger().len(), calls, "nothing has to be found out again");
            assert_ne!(observed(&env, namespace, kind, name).await?, generation);
            nothing_is_destroyed(&env)?;
            obstacle.remove().await?;
            env.advance(1);
            wait_for("the status to be written", PATIENCE, async || {
                let observed = observed(&env, namespace, kind, name).await?;
                ensure!(observed == generation, "{observed} of {generation}");
                Ok(())
            })
            .await?;
        }
    }
    Ok(())
}

/// Changes an object in a way that its status has to tell; its generation then.
async fn edit(env: &Env, namespace: &str, kind: &str, name: &str, way: Way) -> Result<i64> {
    let odd = matches!(way, Way::Invalid | Way::Right);
    let patch = match kind {
        "MetaApp" => format!("{{\"spec\":{{\"audience\":\"{}\"}}}}", if odd { "Testers" } else { "Everyone" }),
        "MetaGrant" => format!("{{\"spec\":{{\"renewal\":{{\"before\":\"{}\"}}}}}}", if odd { "21d" } else { "20d" }),
        _ => format!("{{\"spec\":{{\"deletionPolicy\":\"{}\"}}}}", if odd { "Orphan" } else { "Disconnect" }),
    };
    env.kubectl().run(&["-n", namespace, "patch", kind, name, "--type=merge", "-p", &patch]).await?;
    number(env, namespace, kind, name, "{.metadata.generation}").await
}

async fn observed(env: &Env, namespace: &str, kind: &str, name: &str) -> Result<i64> {
    number(env, namespace, kind, name, "{.status.observedGeneration}").await
}

async fn number(env: &Env, namespace: &str, kind: &str, name: &str, path: &str) -> Result<i64> {
    let path = format!("-o=jsonpath={path}");
    let output = env.kubectl().run(&["-n", namespace, "get", kind, name, &path]).await?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_may_not_be_published_keeps_nothing_back() -> Result<()> {
    let env = Env::new().await?;
    let operator = eager(&env);
    env.put_app().await?;
    env.put_token(&env.tenant_a, "shop", TOKEN_A).await?;
    env.app_is(&["Ready=True"]).await?;
    let event = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "probe"},
        "eventTime": "2026-11-20T09:30:00.000000Z", "reportingController": "probe", "reportingInstance": "probe",
        "action": "Probe", "reason": "Probe", "type": "Normal",
        "regarding": {"apiVersion": "v1", "kind": "Secret", "name": "shop-token", "namespace": env.tenant_a},
    });
    let target = Target {
        namespace: env.tenant_a.clone(),
        group: "events.k8s.io",
        version: "v1",
        kind: "Event",
        resource: "events",
        verb: "create",
        rules: WATCHED,
        sample: event,
    };
    // No quota counts Events.
    for way in BUT_QUOTA {
        let obstacle = Obstacle::put(&env, way, &target).await?;
        let refused = operator.count("refused_writes_total", "Event");
        env.apply(&env.channel_manifest(&env.tenant_a, "shop", PAGE_A)).await?;
        env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
        let parts = Patch::Merge(json!({"spec": {"connection": "Disconnected"}}));
        env.channels(&env.tenant_a).patch("shop", &PatchParams::default(), &parts).await?;
        env.channel_is(&env.tenant_a, "shop", &["Ready=True", "Disconnected=True"]).await?;
        quiet(&operator).await?;
        ensure!(operator.count("refused_writes_total", "Event") > refused, "{way:?} is counted");
        obstacle.remove().await?;
        env.advance(1);
        let connects = Patch::Merge(json!({"spec": {"connection": "Connected"}}));
        env.channels(&env.tenant_a).patch("shop", &PatchParams::default(), &connects).await?;
        env.channel_is(&env.tenant_a, "shop", &["Ready=True", "Connected=True"]).await?;
        quiet(&operator).await?;
        let before = told(&env, &env.tenant_a, "Normal").await?;
        ensure!(before.iter().any(|it| it == "shop Connected"), "{before:?}");
    }
    Ok(())
}
