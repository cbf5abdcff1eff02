//! Objects in the API server that our types refuse: what an older or newer version of the kinds may leave behind.

use anyhow::{Context, Result, ensure};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{DynamicObject, PostParams};
use kube::core::ApiResource;
use meta_channel_operator::api::FacebookChannel;
use serde_json::{Value, json};
use testkit::wait_for;
use tokio::sync::{Mutex, MutexGuard};

use crate::support::canary_secrets::{MISFIT, PAGE_B_TOKEN};
use crate::support::env::{Env, PAGE_B};
use crate::support::server::PATIENCE;

/// A page that nobody else in the story has, and the claim on it that cannot be read.
const CLAIMED_PAGE: &str = "2200000000000008";
pub const CLAIM: &str = "facebook-page-2200000000000008";

/// The kinds with the field that is loosened, as the schema has it.
const LOOSENED: [(&str, &str, &str); 3] = [
    ("facebookchannels.metachannels.io", "endpoint", "object"),
    ("metaapps.metachannels.io", "audience", "string"),
    ("assetclaims.metachannels.io", "assetKind", "string"),
];

/// How many of them there are: two channels, one of them known from better times, a MetaApp and a claim.
pub const COUNT: f64 = 4.0;

/// The kinds while their schemas accept misfits.
pub struct Loose {
    crds: Api<CustomResourceDefinition>,
    strict: Vec<CustomResourceDefinition>,
    /// The kinds belong to all tests.
    _turn: MutexGuard<'static, ()>,
}

impl Loose {
    pub async fn begin(env: &Env) -> Result<Self> {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
        let _turn = ONE_AT_A_TIME.lock().await;
        let crds: Api<CustomResourceDefinition> = Api::all(env.client.clone());
        let mut strict = Vec::new();
        for (name, field, type_) in LOOSENED {
            strict.push(crds.get(name).await?);
            let schema = match type_ {
                "object" => json!({ "type": type_, "x-kubernetes-preserve-unknown-fields": true }),
                _ => json!({ "type": type_ }),
            };
            let pointer = "/versions/0/schema/openAPIV3Schema/properties/spec/properties";
            change(&crds, name, |spec| {
                if let Some(properties) = spec.pointer_mut(pointer) {
                    properties[field] = schema.clone();
                }
            })
            .await?;
        }
        Ok(Self { crds, strict, _turn })
    }

    pub async fn store_misfits(&self, env: &Env) -> Result<()> {
        wait_for("the misfits to be accepted", PATIENCE, async || env.apply(&manifests(env)).await).await
    }

    pub async fn end(self) -> Result<()> {
        for crd in self.strict {
            let spec = serde_json::to_value(crd.spec)?;
            change(&self.crds, &crd.metadata.name.context("a name")?, |now| *now = spec.clone()).await?;
        }
        Ok(())
    }
}

async fn change(crds: &Api<CustomResourceDefinition>, name: &str, change: impl Fn(&mut Value)) -> Result<()> {
    let mut crd = serde_json::to_value(crds.get(name).await?)?;
    change(&mut crd["spec"]);
    crds.replace(name, &PostParams::default(), &serde_json::from_value(crd)?).await?;
    Ok(())
}

/// Waits until the status of one of them says so, and where it cannot be read.
pub async fn are_told(env: &Env) -> Result<()> {
    let resource = ApiResource::erase::<FacebookChannel>(&());
    let channels: Api<DynamicObject> = Api::namespaced_with(env.client.clone(), &env.tenant, &resource);
    wait_for("the misfit to be told", PATIENCE, async || {
        let ready = channels.get("misfit").await?.data["status"]["conditions"][0].clone();
        let message = ready["message"].as_str().unwrap_or_default();
        ensure!(ready["reason"] == "InvalidObject" && message.contains("spec.endpoint.direct"), "{ready}");
        Ok(())
    })
    .await
}

fn manifests(env: &Env) -> String {
    let (tenant, platform, claims) = (&env.tenant, &env.platform, &env.claims);
    let head = "---\napiVersion: metachannels.io/v1alpha1\nkind:";
    [
        of(env.channel("misfit", "2200000000000007", PAGE_B_TOKEN)),
        of(env.channel("support", PAGE_B, PAGE_B_TOKEN)),
        format!("{head} MetaApp\nmetadata: {{name: misfit, namespace: {platform}}}\nspec: {{appId: \"9999000099990000\", appSecretRef: {{name: none}}, audience: {MISFIT}}}\n"),
        format!("{head} AssetClaim\nmetadata: {{name: {CLAIM}, namespace: {claims}}}\nspec:\n  assetKind: {MISFIT}\n  assetId: \"{CLAIMED_PAGE}\"\n  appId: \"9999000099990000\"\n  holder: {{namespace: {tenant}, name: x, uid: x}}\n  proof: {{method: DebugToken, provenAt: \"2026-01-01T00:00:00Z\"}}\n"),
        // A channel that is well, on the page of that claim.
        env.channel("claimless", CLAIMED_PAGE, PAGE_B_TOKEN),
    ]
    .concat()
}

/// A channel's manifest as a misfit.
pub fn of(channel: String) -> String {
    channel.replace("direct: {}", &format!("direct: {MISFIT}"))
}
