//! What tests ask of a real API server, and put into it.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::json;
use testkit::Kubectl;

/// Whether this client may do this; asked of the API server.
async fn allowed(client: &Client, verb: &str, resource: &str, namespace: &str) -> Result<bool> {
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let review: SelfSubjectAccessReview = serde_json::from_value(json!({
        "metadata": {},
        "spec": {"resourceAttributes": {
            "verb": verb,
            "group": group,
            "resource": resource,
            "subresource": subresource,
            "namespace": namespace,
        }},
    }))?;
    let answer = Api::all(client.clone()).create(&PostParams::default(), &review).await?;
    Ok(answer.status.context("a review has an answer")?.allowed)
}

/// Compares what an account may do with what is meant: verb, resource, namespace, answer.
pub(crate) async fn check(account: &Client, expected: &[(&str, &str, &str, bool)]) -> Result<()> {
    for (verb, resource, namespace, answer) in expected {
        let found = allowed(account, verb, resource, namespace).await?;
        ensure!(found == *answer, "may {verb} {resource} in {namespace:?}: {found}, expected {answer}");
    }
    Ok(())
}

pub(crate) async fn make_namespaces(kubectl: &Kubectl, names: &[&str]) -> Result<()> {
    for name in names {
        kubectl.run(&["create", "namespace", name]).await?;
    }
    Ok(())
}

/// Waits until the kinds that were applied can be used.
pub(crate) async fn established(kubectl: &Kubectl) -> Result<()> {
    let crds = ["wait", "--for=condition=Established", "--timeout=180s", "customresourcedefinition", "--all"];
    kubectl.run(&crds).await?;
    Ok(())
}
