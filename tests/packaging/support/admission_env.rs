//! A cluster with controllers, the admin chart, two releases of the operator's chart, and people with roles.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt};
use meta_channel_operator::api::{AssetClaim, FacebookChannel, RELEASE_BINDING};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use testkit::{ControlPlane, client, wait_for};
use tokio::sync::OnceCell;

use crate::support::cluster::make_namespaces;
use crate::support::{Chart, helm_at};

pub(crate) const PATIENCE: Duration = Duration::from_secs(180);
pub(crate) const CLAIMS: &str = "meta-channels";

/// The cluster, and a client for everybody.
pub(crate) struct AdmissionEnv {
    pub(crate) plane: &'static ControlPlane,
    /// May do everything.
    pub(crate) root: Client,
    /// Has the role admin in tenant-a.
    pub(crate) ann: Client,
    /// Has the role edit in tenant-a.
    pub(crate) ed: Client,
    /// Has the role view in tenant-a.
    pub(crate) vic: Client,
    /// Has the role admin in the claims namespace.
    pub(crate) cleo: Client,
    /// The operator that watches platform and tenant-a.
    pub(crate) acme: Client,
    /// The gateway of its release.
    pub(crate) gateway: Client,
    /// The operator that watches tenant-b.
    pub(crate) rival: Client,
}

/// One cluster for all tests, with clients for each: a client lives no longer than the test that made it.
pub(crate) async fn admission_env() -> Result<AdmissionEnv> {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    let cluster = CLUSTER.get_or_try_init(Cluster::start).await?;
    let env = cluster.people().await?;
    static COUNTS: OnceCell<()> = OnceCell::const_new();
    let counts = async || wait_for("roles and policies to count", PATIENCE, async || env.counts().await).await;
    COUNTS.get_or_try_init(counts).await?;
    Ok(env)
}

/// The control plane, and how everybody proves who they are.
struct Cluster {
    plane: ControlPlane,
    kubeconfigs: BTreeMap<&'static str, PathBuf>,
}

impl Cluster {
    async fn start() -> Result<Self> {
        let plane = ControlPlane::start_with_controllers().await?;
        make_namespaces(&plane.kubectl(), &["acme-ops", "rival-ops", "platform", "tenant-a", "tenant-b"]).await?;
        helm_at(&plane, &["install", "admin"], &Chart::ADMIN, &Chart::ADMIN.example("default"))?;
        let mut kubeconfigs = BTreeMap::new();
        for (release, watched) in [("acme", "platform,tenant-a"), ("rival", "tenant-b")] {
            let watched = format!("--set=watchNamespaces={{{watched}}}");
            let namespace = format!("{release}-ops");
            let gateway = "--set=gateway.enabled=true,gateway.url=https://hooks.example.com";
            let install = ["install", release, "--namespace", &namespace, &watched, gateway];
            helm_at(&plane, &install, &Chart::OPERATOR, &Chart::OPERATOR.example("minimal"))?;
            let account = format!("{release}-meta-channel-operator");
            kubeconfigs.insert(release, plane.service_account_kubeconfig(&namespace, &account).await?);
        }
        let gateway = plane.service_account_kubeconfig("acme-ops", "acme-meta-channel-operator-gateway").await?;
        kubeconfigs.insert("gateway", gateway);
        let people = [
            ("ann", "admin", "tenant-a"),
            ("ed", "edit", "tenant-a"),
            ("vic", "view", "tenant-a"),
            ("cleo", "admin", CLAIMS),
        ];
        for (person, role, namespace) in people {
            let (role, user) = (format!("--clusterrole={role}"), format!("--user={person}"));
            let namespace = format!("--namespace={namespace}");
            plane.kubectl().run(&["create", "rolebinding", person, &role, &user, &namespace]).await?;
            kubeconfigs.insert(person, plane.user_kubeconfig(person, "people")?);
        }
        Ok(Self { plane, kubeconfigs })
    }

    async fn people(&'static self) -> Result<AdmissionEnv> {
        let client_of = async |name: &str| client(&self.kubeconfigs[name]).await;
        Ok(AdmissionEnv {
            plane: &self.plane,
            root: self.plane.client().await?,
            ann: client_of("ann").await?,
            ed: client_of("ed").await?,
            vic: client_of("vic").await?,
            cleo: client_of("cleo").await?,
            acme: client_of("acme").await?,
            gateway: client_of("gateway").await?,
            rival: client_of("rival").await?,
        })
    }
}

impl AdmissionEnv {
    /// Whether the roles are aggregated and each policy refuses something. They come to count one after another.
    async fn counts(&self) -> Result<()> {
        let trial = PostParams { dry_run: true, ..PostParams::default() };
        let try_out = async |who: &Client, channel: Value| {
            Api::namespaced(who.clone(), "tenant-a").create(&trial, &object::<FacebookChannel>(channel)).await
        };
        ensure!(try_out(&self.ed, channel("trial")).await.is_ok(), "edit is not aggregated");
        let mut annotated = channel("trial");
        annotated["metadata"]["annotations"] = json!({"metachannels.io/allow-deletion": "true"});
        ensure!(try_out(&self.ann, annotated.clone()).await.is_ok(), "admin is not aggregated");
        refused(try_out(&self.ed, annotated).await, "purge")?;
        let mut given = channel("trial");
        given["spec"]["transferTo"] = "tenant-b".into();
        refused(try_out(&self.ed, given).await, "transfer")?;
        let claim = |namespace: &str, holder: &str| {
            let claims = Api::namespaced(self.root.clone(), namespace);
            let claims = if namespace == CLAIMS { Api::namespaced(self.acme.clone(), CLAIMS) } else { claims };
            let claim = object::<AssetClaim>(page_claim("2200000000000001", holder));
            async move { claims.create(&PostParams { dry_run: true, ..PostParams::default() }, &claim).await }
        };
        refused(claim(CLAIMS, "tenant-b").await, "a claim for namespace tenant-b")?;
        refused(claim("tenant-a", "tenant-a").await, "no operator reads them")?;
        let secret = object::<Secret>(json!({"metadata": {"name": "trial"}}));
        let secrets = |who: &Client, namespace| Api::<Secret>::namespaced(who.clone(), namespace);
        refused(secrets(&self.gateway, "acme-ops").create(&trial, &secret).await, "is not an inbox message")?;
        refused(secrets(&self.acme, "tenant-a").create(&trial, &secret).await, "not created by an operator")?;
        let bindings: Api<ConfigMap> = Api::namespaced(self.ed.clone(), "tenant-a");
        let tried = DeleteParams::default().dry_run();
        refused(bindings.delete(RELEASE_BINDING, &tried).await.map(drop), "needs the verb bind")?;
        self.holding("tenant-a", "trial", json!({})).await?;
        let channels: Api<FacebookChannel> = Api::namespaced(self.ed.clone(), "tenant-a");
        refused(channels.delete("trial", &tried).await, "is not deleted")
    }

    /// Makes a channel that holds its page and whose status says this besides.
    pub(crate) async fn holding(&self, namespace: &str, name: &str, status: Value) -> Result<()> {
        let channels: Api<FacebookChannel> = Api::namespaced(self.root.clone(), namespace);
        if channels.get_opt(name).await?.is_none() {
            channels.create(&PostParams::default(), &object(channel(name))).await?;
        }
        let mut status = status;
        status["claimName"] = "facebook-page-2200000000000001".into();
        self.status::<FacebookChannel>(namespace, name, status).await
    }

    /// Writes a status as the operator would.
    pub(crate) async fn status<K>(&self, namespace: &str, name: &str, status: Value) -> Result<()>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(self.root.clone(), namespace);
        let status = json!({ "status": status });
        api.patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await?;
        Ok(())
    }
}

/// An object of a kind.
pub(crate) fn object<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

/// The manifest of a channel.
pub(crate) fn channel(name: &str) -> Value {
    json!({
        "apiVersion": "metachannels.io/v1alpha1",
        "kind": "FacebookChannel",
        "metadata": {"name": name},
        "spec": {
            "pageId": "2200000000000001",
            "credentials": {"grantRef": {"name": "acme"}},
            "endpoint": {"direct": {}},
        },
    })
}

/// The manifest of a claim on a page for this namespace, through a MetaApp in namespace platform.
pub(crate) fn page_claim(page: &str, namespace: &str) -> Value {
    json!({
        "apiVersion": "metachannels.io/v1alpha1",
        "kind": "AssetClaim",
        "metadata": {"name": format!("facebook-page-{page}")},
        "spec": {
            "assetKind": "FacebookPage",
            "assetId": page,
            "appId": "1111000011110000",
            "appRef": {"name": "acme", "namespace": "platform"},
            "holder": {"namespace": namespace, "name": "shop", "uid": "u1"},
            "proof": {"method": "DebugToken", "provenAt": "2026-11-20T09:30:00Z"},
        },
    })
}

/// That the API server refused by a policy, in these words.
pub(crate) fn refused<T>(answer: kube::Result<T>, words: &str) -> Result<()> {
    match answer {
        Ok(_) => bail!("let through; expected a refusal with {words:?}"),
        Err(kube::Error::Api(status)) => {
            ensure!(status.message.contains("ValidatingAdmissionPolicy"), "{status:?}");
            ensure!(status.message.contains(words), "no {words:?} in {}", status.message);
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Merges this into an object as someone.
pub(crate) async fn patch<K>(who: &Client, namespace: &str, name: &str, change: Value) -> kube::Result<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Serialize,
{
    let api: Api<K> = Api::namespaced(who.clone(), namespace);
    api.patch(name, &PatchParams::default(), &Patch::Merge(&change)).await
}

/// Waits until an object is gone.
pub(crate) async fn gone<K>(api: &Api<K>, name: &str) -> Result<()>
where
    K: Clone + std::fmt::Debug + DeserializeOwned + Resource<DynamicType = ()>,
{
    wait_for(&format!("{name} to be gone"), PATIENCE, async || match api.get_opt(name).await? {
        None => Ok(()),
        Some(there) => bail!("it is there: {:?}", there.meta().finalizers),
    })
    .await
}

/// The names of all that is left of a kind.
pub(crate) async fn names<K>(api: &Api<K>) -> Result<Vec<String>>
where
    K: Clone + std::fmt::Debug + DeserializeOwned + Resource<DynamicType = ()>,
{
    let list = api.list(&Default::default()).await.context("list")?;
    Ok(list.iter().map(ResourceExt::name_any).collect())
}
