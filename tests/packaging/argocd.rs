//! What Argo CD shows of objects, computed by its scripts in the Lua that it runs.

use std::process::Command;

use anyhow::Result;
use meta_channel_operator::api::Reason;
use meta_channel_operator::api::conditions::{Finding, Status};
use meta_channel_operator::api::readiness::{Readiness, paused, readiness};
use meta_channel_operator::api::reasons::Actor;
use serde_json::{Value, json};
use testkit::{ControlPlane, health};

use crate::support::{kustomize, path, run};

const KINDS: &str = "config/argocd/health.lua";
const CLAIMS: &str = "config/argocd/assetclaim_health.lua";

/// Status and message of what a script makes of an object.
fn judged(script: &str, object: Value) -> (String, String) {
    let mut verdicts = health(&path(script), &[object]).unwrap();
    assert_eq!(verdicts.len(), 1);
    let verdict = verdicts.remove(0);
    (verdict.status, verdict.message)
}

/// An object of this generation with what readiness makes of it.
fn object(generation: i64, observed: i64, readiness: &Readiness) -> Value {
    let conditions: Vec<_> = readiness
        .findings
        .iter()
        .map(|(type_, finding)| {
            json!({"type": type_.as_str(), "status": finding.status.as_str(), "reason": finding.reason.as_str(),
                "message": finding.message(), "observedGeneration": finding.observed_generation})
        })
        .collect();
    json!({"apiVersion": "metachannels.io/v1alpha1", "kind": "FacebookChannel",
        "metadata": {"name": "shop", "generation": generation},
        "status": {"observedGeneration": observed, "conditions": conditions, "nextStep": readiness.next_step}})
}

fn finding(status: Status, reason: Reason) -> Finding {
    Finding { status, reason, seen: "Seen.".into(), next_step: "Next.".into(), words: None, observed_generation: 2 }
}

fn blocked_by(status: Status, reason: Reason) -> Value {
    let blocking = finding(status, reason);
    object(2, 2, &readiness(&[&blocking], 2, finding(Status::True, Reason::ReconcileSucceeded)))
}

#[test]
fn every_reason_shows_who_is_waited_for() {
    for reason in Reason::ALL {
        let expected = match reason.actor() {
            Actor::Person => "Degraded",
            // Nothing stays False for a reason that is well, but if it did the operator would check again.
            Actor::Operator | Actor::Nobody => "Progressing",
        };
        if *reason == Reason::Paused {
            continue;
        }
        let (status, message) = judged(KINDS, blocked_by(Status::False, *reason));
        assert_eq!((status.as_str(), message), (expected, format!("{}: Next.", reason.as_str())));
    }
}

#[test]
fn what_is_reached_is_healthy_and_what_is_paused_is_suspended() {
    let reached = object(2, 2, &readiness(&[], 2, finding(Status::True, Reason::ReconcileSucceeded)));
    assert_eq!(judged(KINDS, reached).0, "Healthy");
    let warned = object(2, 2, &readiness(&[], 2, finding(Status::True, Reason::ExpiresSoon)));
    assert_eq!(judged(KINDS, warned), ("Healthy".into(), "ExpiresSoon: Seen. Next.".into()));
    let (status, message) = judged(KINDS, object(2, 2, &paused(&[], &[], 2)));
    assert_eq!(status, "Suspended");
    assert!(message.starts_with("Paused: ") && message.contains("spec.managementPolicy"), "{message}");
}

#[test]
fn what_the_operator_has_not_looked_at_is_in_progress() {
    let reached = readiness(&[], 2, finding(Status::True, Reason::ReconcileSucceeded));
    let stalled =
        readiness(&[&finding(Status::False, Reason::WrongPage)], 2, finding(Status::True, Reason::ReconcileSucceeded));
    let fresh = json!({"metadata": {"name": "shop", "generation": 1}, "status": {"observedGeneration": -1}});
    let empty =
        json!({"metadata": {"name": "shop", "generation": 1}, "status": {"observedGeneration": 1, "conditions": []}});
    let bare = json!({"metadata": {"name": "shop", "generation": 1}});
    for object in [fresh, empty, bare, object(3, 2, &reached), object(3, 2, &stalled)] {
        let (status, message) = judged(KINDS, object.clone());
        assert_eq!((status.as_str(), message.contains("has not checked")), ("Progressing", true), "{object}");
    }
    assert_eq!(judged(KINDS, blocked_by(Status::Unknown, Reason::GraphUnavailable)).0, "Progressing");
}

#[test]
fn claims_show_what_is_left_to_do() {
    let claim = |status: Value| json!({"kind": "AssetClaim", "metadata": {"name": "page"}, "status": status});
    let ready =
        json!([{"type": "Ready", "status": "False", "reason": "LeftBehind", "message": "The MetaApp is missing."}]);
    let rows = [
        (json!({"state": "Held"}), "Healthy", "Held"),
        (json!({"state": "Tombstone"}), "Healthy", "Tombstone"),
        (json!({"state": "AwaitingHolder"}), "Progressing", "AwaitingHolder"),
        (json!({"state": "CleanupPending"}), "Progressing", "CleanupPending"),
        (json!({"state": "LeftBehind", "conditions": ready}), "Degraded", "LeftBehind: The MetaApp is missing."),
        (json!({"state": "OfAnotherVersion"}), "Unknown", "OfAnotherVersion"),
        (json!({}), "Healthy", "Held"),
    ];
    for (status, expected, message) in rows {
        assert_eq!(judged(CLAIMS, claim(status)), (expected.to_owned(), message.to_owned()));
    }
}

#[test]
fn every_kind_has_its_script() -> Result<()> {
    let manifests = kustomize("config/argocd")?;
    let map = manifests.one("ConfigMap", "argocd-cm")?;
    assert_eq!(map["metadata"]["labels"]["app.kubernetes.io/part-of"], "argocd");
    for crd in kustomize("config/crd")?.of_kind("CustomResourceDefinition") {
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap();
        let script = map["data"][format!("resource.customizations.health.metachannels.io_{kind}")].as_str();
        assert!(script.is_some_and(|script| script.contains("return health")), "{kind}");
    }
    assert_eq!(map["data"].as_object().unwrap().len(), 4);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scripts_join_what_stands_in_argo_cds_configuration() {
    let cluster = ControlPlane::shared().await.unwrap();
    let kubectl = cluster.kubectl();
    kubectl.run(&["create", "namespace", "argocd"]).await.unwrap();
    let literal =
        ["create", "configmap", "argocd-cm", "--namespace=argocd", "--from-literal=url=https://argocd.example.com"];
    kubectl.run(&literal).await.unwrap();
    let folder = path("config/argocd").display().to_string();
    let apply = ["apply", "--server-side", "--field-manager=meta-channel-operator", "--kustomize", &folder];
    kubectl.run(&apply).await.unwrap();
    let map = kubectl.get(&["configmap", "argocd-cm", "--namespace=argocd"]).await.unwrap();
    assert_eq!(map["data"]["url"], "https://argocd.example.com");
    assert_eq!(map["data"].as_object().unwrap().len(), 5);
}

#[test]
fn a_script_that_does_not_end_is_stopped() {
    let script = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(script.path(), "while true do end").unwrap();
    let error = health(script.path(), &[json!({})]).unwrap_err().to_string();
    assert!(error.contains("context deadline exceeded"), "{error}");
    let mut program = Command::new(testkit::argocd_health().unwrap());
    assert!(run(&mut program).unwrap_err().to_string().contains("usage"));
}
