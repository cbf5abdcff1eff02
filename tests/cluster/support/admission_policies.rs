//! The policies of config/admission, as far as tests here are about them.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use kube::Api;
use kube::api::PostParams;
use meta_channel_operator::api::AssetClaim;
use serde_json::json;
use testkit::{ControlPlane, wait_for};

use crate::support::env::PATIENCE;

const CLAIMS: &str = include_str!("../../../config/admission/policies/claims.yaml");
const MAIL: &str = include_str!("../../../config/admission/policies/inbox.yaml");
const INBOUND: &str = include_str!("../../../config/admission/policies/inbound.yaml");
const SECRETS: &str = include_str!("../../../config/admission/policies/secrets.yaml");
const OWN_SECRETS: &str = include_str!("../../../config/admission/policies/own_secrets.yaml");
const DELETION: &str = include_str!("../../../config/admission/policies/deletion.yaml");

/// Brings the kinds, and what protects claims and Secrets.
pub async fn prepare(plane: &ControlPlane) -> Result<()> {
    plane.install_crds(&Path::new(env!("CARGO_MANIFEST_DIR")).join("crds")).await?;
    bind(plane, MAIL, "inbox.metachannels.io").await?;
    bind(plane, INBOUND, "inbound.metachannels.io").await?;
    bind(plane, SECRETS, "secrets.metachannels.io").await?;
    bind(plane, OWN_SECRETS, "own-secrets.metachannels.io").await?;
    of_claims(plane).await
}

/// Protects claims, and waits until it counts. Every env has a claims namespace of its own, so all of them are protected.
async fn of_claims(plane: &ControlPlane) -> Result<()> {
    bind(plane, CLAIMS, "claims.metachannels.io").await?;
    let claims: Api<AssetClaim> = Api::namespaced(plane.client().await?, "default");
    let misnamed = serde_json::from_value(json!({
        "metadata": {"name": "misnamed"},
        "spec": {
            "assetKind": "FacebookPage", "assetId": "2200000000000001", "appId": "1111000011110000",
            "holder": {"namespace": "default", "name": "shop", "uid": "u1"},
            "proof": {"method": "DebugToken", "provenAt": "2026-11-20T09:30:00Z"},
        },
    }))?;
    wait_for("claims to be protected", PATIENCE, async || {
        let trial = PostParams { dry_run: true, ..PostParams::default() };
        let refusal = claims.create(&trial, &misnamed).await.err().context("a claim of any name is let in")?;
        ensure!(refusal.to_string().contains("must be named facebook-page-2200000000000001"), "{refusal}");
        Ok(())
    })
    .await
}

/// Protects what is in use. It comes to count a moment later.
pub async fn of_what_is_in_use(plane: &ControlPlane) -> Result<()> {
    bind(plane, DELETION, "deletion.metachannels.io").await
}

async fn bind(plane: &ControlPlane, policy: &str, name: &str) -> Result<()> {
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    });
    plane.kubectl().apply(&format!("{policy}\n---\n{binding}\n")).await.map(drop)
}
