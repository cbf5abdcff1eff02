//! Every status that the API server ever stored in a test, judged by kstatus and Flux's rules in their own code, and by Argo
//! CD's scripts.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::TryStreamExt;
use futures::future::join_all;
use kube::Api;
use kube::api::{ApiResource, DynamicObject};
use kube_runtime::{WatchStreamExt, watcher};
use meta_channel_operator::api::{FacebookChannel, MetaApp, MetaGrant};
use serde_json::Value;
use testkit::{ControlPlane, health, verdicts};
use tokio_util::sync::CancellationToken;

/// Records stored versions on a thread of its own until it is dropped, and then judges them.
pub struct StatusJudge {
    stop: CancellationToken,
    recorder: Option<JoinHandle<Result<Vec<Value>>>>,
}

impl StatusJudge {
    /// Records the MetaApps, MetaGrants and FacebookChannels of these namespaces.
    pub fn of(plane: &'static ControlPlane, namespaces: Vec<String>) -> Self {
        let stop = CancellationToken::new();
        let until = stop.clone();
        let recorder = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(record(plane, namespaces, until))
        });
        Self { stop, recorder: Some(recorder) }
    }

    fn judge(&mut self) -> Result<()> {
        self.stop.cancel();
        let recorder = self.recorder.take().context("judged before")?;
        let versions = recorder.join().map_err(|_| anyhow::anyhow!("the recorder panicked"))??;
        let versions = statuses(versions);
        let verdicts = verdicts(&versions)?;
        for (version, verdict) in versions.iter().zip(verdicts) {
            ensure!(verdict.violations.is_empty() || is_overtaken(version), "{:?} by {version:#}", verdict.violations);
            let meant = meant(version);
            ensure!(verdict.state == meant, "{} ({}), not {meant}: {version:#}", verdict.state, verdict.message);
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/argocd/health.lua");
        for (version, health) in versions.iter().zip(health(&script, &versions)?) {
            let meant = meant_by_argo_cd(version);
            ensure!(health.status == meant, "{} ({}), not {meant}: {version:#}", health.status, health.message);
        }
        Ok(())
    }
}

impl Drop for StatusJudge {
    fn drop(&mut self) {
        let judged = self.judge();
        // A failed test has its own message already.
        if !std::thread::panicking() {
            judged.unwrap();
        }
    }
}

async fn record(plane: &'static ControlPlane, namespaces: Vec<String>, stop: CancellationToken) -> Result<Vec<Value>> {
    let client = plane.client().await?;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kinds = [
        ApiResource::erase::<MetaApp>(&()),
        ApiResource::erase::<MetaGrant>(&()),
        ApiResource::erase::<FacebookChannel>(&()),
    ];
    let watches = namespaces.iter().flat_map(|namespace| {
        let (client, seen) = (&client, &seen);
        kinds.iter().map(move |kind| {
            let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, kind);
            let seen = Arc::clone(seen);
            let stream = watcher(api, watcher::Config::default()).default_backoff().applied_objects();
            stream.try_for_each(move |object| {
                seen.lock().unwrap().push(serde_json::to_value(object).unwrap());
                std::future::ready(Ok(()))
            })
        })
    });
    let last_ones = async {
        stop.cancelled().await;
        // What was stored last is on its way.
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    tokio::select! {
        _ = join_all(watches) => {}
        () = last_ones => {}
    }
    let versions = std::mem::take(&mut *seen.lock().unwrap());
    Ok(versions)
}

/// The versions in which the status of an object became another one; an edit of its spec is not ours.
fn statuses(versions: Vec<Value>) -> Vec<Value> {
    let mut last: BTreeMap<String, Value> = BTreeMap::new();
    let mut kept = Vec::new();
    // What is being deleted is Terminating, whatever its status says.
    for version in versions.into_iter().filter(|it| it["metadata"]["deletionTimestamp"].is_null()) {
        let uid = version["metadata"]["uid"].to_string();
        if last.insert(uid, version["status"].clone()).as_ref() != Some(&version["status"]) {
            kept.push(version);
        }
    }
    kept
}

/// Whether someone had edited the spec when this status was written, which was of the generation before.
fn is_overtaken(version: &Value) -> bool {
    version["status"]["observedGeneration"].as_i64() < version["metadata"]["generation"].as_i64()
}

/// What kstatus shall make of a version.
fn meant(version: &Value) -> &'static str {
    if version["status"]["observedGeneration"].is_i64() && is_overtaken(version) {
        return "InProgress";
    }
    let conditions = version["status"]["conditions"].as_array();
    let holds =
        |type_: &str| conditions.is_some_and(|all| all.iter().any(|it| it["type"] == type_ && it["status"] == "True"));
    if holds("Stalled") {
        "Failed"
    } else if holds("Ready") {
        "Current"
    } else {
        "InProgress"
    }
}

/// What Argo CD shall show of a version.
fn meant_by_argo_cd(version: &Value) -> &'static str {
    let conditions = version["status"]["conditions"].as_array().into_iter().flatten();
    let paused = conditions.into_iter().any(|it| it["type"] == "Ready" && it["reason"] == "Paused");
    match meant(version) {
        _ if paused => "Suspended",
        _ if is_overtaken(version) => "Progressing",
        "Failed" => "Degraded",
        "Current" => "Healthy",
        _ => "Progressing",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn version(conditions: Value) -> Value {
        json!({"apiVersion": "metachannels.io/v1alpha1", "kind": "FacebookChannel",
            "metadata": {"name": "shop", "namespace": "tenant-a", "uid": "u", "generation": 2},
            "status": {"observedGeneration": 2, "conditions": conditions}})
    }

    fn condition(type_: &str, status: &str, observed_generation: i64) -> Value {
        json!({"type": type_, "status": status, "reason": "Reason", "message": "", "observedGeneration": observed_generation,
            "lastTransitionTime": "2026-01-01T00:00:00Z"})
    }

    #[test]
    fn broken_rules_are_found() {
        let broken = [
            json!([]),
            json!([condition("Ready", "True", 2), condition("Stalled", "True", 2)]),
            json!([condition("Ready", "True", 2), condition("Expired", "True", 2)]),
            json!([
                condition("Ready", "False", 2),
                condition("Stalled", "True", 2),
                condition("Reconciling", "True", 2)
            ]),
            json!([condition("Ready", "True", 2), condition("Claimed", "True", 1)]),
        ];
        let versions: Vec<Value> = broken.into_iter().map(version).collect();
        for (version, verdict) in versions.iter().zip(verdicts(&versions).unwrap()) {
            assert!(!verdict.violations.is_empty(), "{version:#}");
        }
    }

    #[test]
    fn statuses_that_keep_the_rules_are_judged_as_they_are_meant() {
        let fresh = json!({"apiVersion": "metachannels.io/v1alpha1", "kind": "FacebookChannel",
            "metadata": {"name": "shop", "uid": "u", "generation": 1}, "status": {"observedGeneration": -1}});
        let versions = [
            (fresh, "InProgress"),
            (version(json!([condition("Ready", "True", 2)])), "Current"),
            (version(json!([condition("Ready", "Unknown", 2), condition("Reconciling", "True", 2)])), "InProgress"),
            (version(json!([condition("Ready", "False", 2), condition("Stalled", "True", 2)])), "Failed"),
            (version(json!([condition("Ready", "Unknown", 2)])), "InProgress"),
        ];
        let all: Vec<Value> = versions.iter().map(|(version, _)| version.clone()).collect();
        for ((version, state), verdict) in versions.iter().zip(verdicts(&all).unwrap()) {
            assert_eq!((verdict.state.as_str(), meant(version)), (*state, *state), "{version:#}");
            assert!(verdict.violations.is_empty(), "{:?}", verdict.violations);
        }
    }
}
