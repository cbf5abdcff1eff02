//! What a gateway writes into channels.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use meta_channel_operator::api::FacebookChannel;
use serde_json::{Value, json};
use testkit::wait_for;

use crate::support::admission_env::*;
use crate::support::cluster::check;

fn heard(evidence: &str) -> Value {
    json!({"appId": "1111000011110000", "evidence": evidence, "observedAt": "2026-11-20T09:30:00Z"})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_reports_what_events_show_and_changes_nothing_else_of_a_channel() -> Result<()> {
    let cluster = admission_env().await?;
    let conditions = json!([{
        "type": "Ready", "status": "False", "reason": "Pending", "message": "", "observedGeneration": 1,
        "lastTransitionTime": "2026-11-20T09:30:00Z",
    }]);
    cluster.holding("tenant-a", "heard", json!({"conditions": conditions, "connection": "Pending"})).await?;
    let write = async |who: &Client, status: Value| {
        let channels: Api<FacebookChannel> = Api::namespaced(who.clone(), "tenant-a");
        let status = json!({ "status": status });
        channels.patch_status("heard", &PatchParams::default(), &Patch::Merge(&status)).await
    };
    for evidence in ["StandbyOnly", "PrimaryReceiverRole"] {
        write(&cluster.gateway, json!({"inbound": heard(evidence)})).await?;
    }
    write(&cluster.gateway, json!({"inbound": null})).await?;
    let mut ready = conditions.clone();
    ready[0]["status"] = "True".into();
    for (forged, field) in [
        (json!({"conditions": ready, "inbound": heard("StandbyOnly")}), "conditions"),
        (json!({"conditions": []}), "conditions"),
        (json!({"connection": "Connected"}), "connection"),
        (json!({"claimName": null}), "claimName"),
        (json!({"pageName": "Acme"}), "pageName"),
        (
            json!({"primaryReceiver": {"evidence": "ThreadsOwned", "observedAt": "2026-11-20T09:30:00Z"}}),
            "primaryReceiver",
        ),
    ] {
        let words = format!("a gateway may change only status.inbound, not {field};");
        refused(write(&cluster.gateway, forged).await, &words)?;
    }

    // The right to report is for nothing else, and for the gateway's own namespaces.
    let (channels, elsewhere) = (
        Api::<FacebookChannel>::namespaced(cluster.gateway.clone(), "tenant-a"),
        Api::<FacebookChannel>::namespaced(cluster.gateway.clone(), "tenant-b"),
    );
    let change = Patch::Merge(json!({"metadata": {"annotations": {"x": "y"}}}));
    let tried = PatchParams { dry_run: true, ..PatchParams::default() };
    let forbidden = [
        channels.patch("heard", &tried, &change).await.err(),
        channels.delete("heard", &DeleteParams::default().dry_run()).await.err(),
        elsewhere.patch_status("heard", &tried, &Patch::Merge(json!({"status": {}}))).await.err(),
    ];
    for (number, error) in forbidden.into_iter().enumerate() {
        let error = error.with_context(|| format!("{number} is let in"))?.to_string();
        ensure!(error.contains(" cannot "), "{number}: {error}");
    }

    // Whoever else may write a status writes all of it.
    for who in [&cluster.acme, &cluster.root] {
        write(who, json!({"connection": "Pending", "pageName": "Acme", "inbound": null})).await?;
    }
    Ok(())
}

/// The namespace of a release may be one of those that it watches.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_reports_in_the_namespace_of_its_release_leaves_mail_there_all_the_same() -> Result<()> {
    let cluster = admission_env().await?;
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "reports", "namespace": "acme-ops"},
        "rules": [
            {"apiGroups": ["metachannels.io"], "resources": ["facebookchannels/status"], "verbs": ["patch"]},
            {"apiGroups": ["metachannels.io"], "resources": ["facebookchannels/inbound"], "verbs": ["report"]},
        ],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "reports", "namespace": "acme-ops"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reports"},
        "subjects": [{"kind": "ServiceAccount", "name": "acme-meta-channel-operator-gateway", "namespace": "acme-ops"}],
    });
    cluster.plane.kubectl().apply(&format!("{role}\n---\n{binding}\n")).await?;
    let patches = ("patch", "facebookchannels/status.metachannels.io", "acme-ops", true);
    wait_for("the role to count", PATIENCE, async || check(&cluster.gateway, &[patches]).await).await?;
    let secrets: Api<Secret> = Api::namespaced(cluster.gateway.clone(), "acme-ops");
    let trial = PostParams { dry_run: true, ..PostParams::default() };
    let message = json!({"metadata": {"name": "grant-token-1"}, "type": "metachannels.io/grant-inbox"});
    secrets.create(&trial, &object(message)).await?;
    // Of no type that another policy speaks of: whichever refuses first is the one that is heard.
    let other = json!({"metadata": {"name": "other"}, "type": "Opaque"});
    refused(secrets.create(&trial, &object::<Secret>(other)).await, "is not an inbox message")
}
