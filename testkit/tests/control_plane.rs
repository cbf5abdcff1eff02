//! The control plane is a real one: RBAC decides, tokens are issued, policies are enforced.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use anyhow::ensure;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams};
use testkit::{ControlPlane, wait_for};

const PATIENCE: Duration = Duration::from_secs(180);

async fn control_plane() -> &'static ControlPlane {
    ControlPlane::shared().await.unwrap()
}

#[tokio::test]
async fn it_reports_the_version_of_the_module() {
    let kubectl = control_plane().await.kubectl();
    let versions = kubectl.text(&["version", "--output=json"]).await.unwrap();
    let versions: serde_json::Value = serde_json::from_str(&versions).unwrap();
    for side in ["clientVersion", "serverVersion"] {
        assert_eq!(versions[side]["gitVersion"], "v1.36.3");
        assert_eq!(versions[side]["major"], "1");
        assert_eq!(versions[side]["minor"], "36");
    }
}

#[tokio::test]
async fn a_service_account_may_do_what_its_role_says() {
    let control_plane = control_plane().await;
    let kubectl = control_plane.kubectl();
    kubectl
        .apply(
            "
apiVersion: v1
kind: Namespace
metadata: {name: rbac}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: rbac}
rules:
- {apiGroups: [''], resources: [configmaps], verbs: [list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: rbac}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: reader, namespace: rbac}]
",
        )
        .await
        .unwrap();

    let kubeconfig = control_plane.service_account_kubeconfig("rbac", "reader").await.unwrap();
    let client = testkit::client(&kubeconfig).await.unwrap();
    let allowed: Api<ConfigMap> = Api::namespaced(client.clone(), "rbac");
    wait_for("the Role to count", PATIENCE, async || Ok(allowed.list(&ListParams::default()).await?)).await.unwrap();
    let elsewhere: Api<ConfigMap> = Api::namespaced(client, "default");
    let refused = elsewhere.list(&ListParams::default()).await.unwrap_err().to_string();
    assert!(refused.contains("system:serviceaccount:rbac:reader"), "{refused}");

    let reader = kubectl.with_kubeconfig(&kubeconfig);
    let refused = reader.run(&["get", "secrets", "--namespace=rbac"]).await.unwrap_err().to_string();
    assert!(refused.contains("kubectl get secrets") && refused.contains("forbidden"), "{refused}");
}

#[tokio::test]
async fn custom_resources_are_served_and_checked() {
    let control_plane = control_plane().await;
    let kubectl = control_plane.kubectl();
    let crds = tempfile::tempdir().unwrap();
    let crd = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.testkit.example}
spec:
  group: testkit.example
  scope: Namespaced
  names: {kind: Thing, plural: things, singular: thing}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              size: {type: integer}
            x-kubernetes-validations:
            - {rule: self.size < 10, message: a thing is small}
";
    std::fs::write(crds.path().join("things.yaml"), crd).unwrap();
    std::fs::write(crds.path().join("kustomization.yaml"), "resources: [things.yaml]").unwrap();
    control_plane.install_crds(crds.path()).await.unwrap();

    let thing = |name: &str, size: u32| {
        format!(
            "apiVersion: testkit.example/v1\nkind: Thing\nmetadata: {{name: {name}, namespace: default}}\nspec: {{size: {size}}}\n"
        )
    };
    kubectl.apply(&thing("small", 3)).await.unwrap();
    let stored = kubectl.get(&["things", "small", "--namespace=default"]).await.unwrap();
    assert_eq!(stored["spec"]["size"], 3);
    let refused = kubectl.apply(&thing("big", 30)).await.unwrap_err().to_string();
    assert!(refused.contains("a thing is small"), "{refused}");
}

#[tokio::test]
async fn admission_policies_are_enforced() {
    let kubectl = control_plane().await.kubectl();
    kubectl
        .apply(
            "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-forbidden-config-maps}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}
  validations:
  - {expression: object.metadata.name != 'forbidden', message: this name is not for you}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: no-forbidden-config-maps}
spec: {policyName: no-forbidden-config-maps, validationActions: [Deny]}
",
        )
        .await
        .unwrap();
    let create = ["create", "configmap", "forbidden", "--namespace=default", "--dry-run=server"];
    wait_for("the policy to be in force", PATIENCE, async || {
        let refused = kubectl.run(&create).await.err().map(|error| error.to_string()).unwrap_or_default();
        ensure!(refused.contains("this name is not for you"), "the answer was {refused:?}");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn two_control_planes_do_not_meet() {
    let shared = control_plane().await;
    let own = ControlPlane::start().await.unwrap();
    own.kubectl().run(&["create", "namespace", "only-here"]).await.unwrap();
    assert_ne!(own.url(), shared.url());
    let missing = shared.kubectl().run(&["get", "namespace", "only-here"]).await.unwrap_err().to_string();
    assert!(missing.contains("NotFound"), "{missing}");

    let directory = own.directory().to_owned();
    drop(own);
    assert!(!directory.exists());
}
