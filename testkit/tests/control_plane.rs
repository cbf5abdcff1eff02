//! The control plane is a real one: RBAC decides, tokens are issued, policies are enforced.
#![allow(clippy::unwrap_used)]

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ListParams};
use testkit::ControlPlane;

#[tokio::test]
async fn an_administrator_may_do_everything() {
    let control_plane = ControlPlane::shared().await.unwrap();
    let namespaces: Api<Namespace> = Api::all(control_plane.client().await.unwrap());
    let list = namespaces.list(&ListParams::default()).await.unwrap();
    assert!(
        list.items
            .iter()
            .any(|namespace| namespace.metadata.name.as_deref() == Some("default"))
    );
}
