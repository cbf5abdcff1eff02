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
    let world = World::seeded(|seed| add_system_user(seed, "robot", 10)).await?;
    let operator = eager(&world);
    world.put_app().await?;
    world.put_grant(&text("robot"), "{}").await?;
    world.put_channel(&world.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    world.app_is(&["Ready=True"]).await?;
    world.grant_is(&["Ready=True"]).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True"]).await?;
    settled(&world, &operator).await?;
    let kinds = [
        (&world.platform, "MetaApp", "metaapps/status", "acme"),
        (&world.tenant_a, "MetaGrant", "metagrants/status", "acme"),
        (&world.tenant_a, "FacebookChannel", "facebookchannels/status", "shop"),
    ];
    for (namespace, kind, resource, name) in kinds {
        for way in BUT_QUOTA {
            quiet(&operator).await?;
            let obstacle = Obstacle::put(&world, way, &of_status(namespace, kind, resource, name)).await?;
            let generation = edit(&world, namespace, kind, name, way).await?;
            for _ in 0..2 {
                quiet(&operator).await?;
                world.advance(1);
            }
            quiet(&operator).await?;
            // Of two policies each is told; MetaGrants and channels lie in one namespace.
            let times = if way == Way::Denied { 2 } else { 1 };
            told_by_event(&world, namespace, name, way, times).await?;
            let calls = world.sandbox.ledger().len();
            world.advance(1);
            quiet(&operator).await?;
            assert_eq!(world.sandbox.ledger().len(), calls, "nothing has to be found out again");
            assert_ne!(observed(&world, namespace, kind, name).await?, generation);
            nothing_is_destroyed(&world)?;
            obstacle.remove().await?;
            world.advance(1);
            wait_for("the status to be written", PATIENCE, async || {
                let observed = observed(&world, namespace, kind, name).await?;
                ensure!(observed == generation, "{observed} of {generation}");
                Ok(())
            })
            .await?;
        }
    }
    Ok(())
}

/// Changes an object in a way that its status has to tell; its generation then.
async fn edit(world: &World, namespace: &str, kind: &str, name: &str, way: Way) -> Result<i64> {
    let odd = matches!(way, Way::Invalid | Way::Right);
    let patch = match kind {
        "MetaApp" => format!("{{\"spec\":{{\"audience\":\"{}\"}}}}", if odd { "Testers" } else { "Everyone" }),
        "MetaGrant" => format!("{{\"spec\":{{\"renewal\":{{\"before\":\"{}\"}}}}}}", if odd { "21d" } else { "20d" }),
        _ => format!("{{\"spec\":{{\"deletionPolicy\":\"{}\"}}}}", if odd { "Orphan" } else { "Disconnect" }),
    };
    world.kubectl().run(&["-n", namespace, "patch", kind, name, "--type=merge", "-p", &patch]).await?;
    number(world, namespace, kind, name, "{.metadata.generation}").await
}

async fn observed(world: &World, namespace: &str, kind: &str, name: &str) -> Result<i64> {
    number(world, namespace, kind, name, "{.status.observedGeneration}").await
}

async fn number(world: &World, namespace: &str, kind: &str, name: &str, path: &str) -> Result<i64> {
    let path = format!("-o=jsonpath={path}");
    let output = world.kubectl().run(&["-n", namespace, "get", kind, name, &path]).await?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_may_not_be_published_keeps_nothing_back() -> Result<()> {
    let world = World::new().await?;
    let operator = eager(&world);
    world.put_app().await?;
    world.put_token(&world.tenant_a, "shop", TOKEN_A).await?;
    world.app_is(&["Ready=True"]).await?;
    let event = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "probe"},
        "eventTime": "2026-11-20T09:30:00.000000Z", "reportingController": "probe", "reportingInstance": "probe",
        "action": "Probe", "reason": "Probe", "type": "Normal",
        "regarding": {"apiVersion": "v1", "kind": "Secret", "name": "shop-token", "namespace": world.tenant_a},
    });
    let target = Target {
        namespace: world.tenant_a.clone(),
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
        let obstacle = Obstacle::put(&world, way, &target).await?;
        let refused = operator.count("refused_writes_total", "Event");
        world.apply(&world.channel_manifest(&world.tenant_a, "shop", PAGE_A)).await?;
        world.channel_is(&world.tenant_a, "shop", &["Ready=True"]).await?;
        let parts = Patch::Merge(json!({"spec": {"connection": "Disconnected"}}));
        world.channels(&world.tenant_a).patch("shop", &PatchParams::default(), &parts).await?;
        world.channel_is(&world.tenant_a, "shop", &["Ready=True", "Disconnected=True"]).await?;
        quiet(&operator).await?;
        ensure!(operator.count("refused_writes_total", "Event") > refused, "{way:?} is counted");
        obstacle.remove().await?;
        world.advance(1);
        let connects = Patch::Merge(json!({"spec": {"connection": "Connected"}}));
        world.channels(&world.tenant_a).patch("shop", &PatchParams::default(), &connects).await?;
        world.channel_is(&world.tenant_a, "shop", &["Ready=True", "Connected=True"]).await?;
        quiet(&operator).await?;
        let before = told(&world, &world.tenant_a, "Normal").await?;
        ensure!(before.iter().any(|it| it == "shop Connected"), "{before:?}");
    }
    Ok(())
}
