//! Several releases on one API server: tenants with a release and an application of their own, and a platform that shares
//! one application among others. Each runs as its own process with its own ServiceAccount, and the API server's audit log
//! says what each of them asked for.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testkit::sandbox::{Options, Sandbox, Seed};
use testkit::{AuditEvent, ControlPlane, Process, wait_for};

use crate::support::cluster::{established, make_namespaces};
use crate::support::installed::{PATIENCE, start_in};
use crate::support::{Chart, helm_at};

const CHANNELS: usize = 20;
const CLAIMS: &str = "meta-channels";
/// The label of namespaces whose channels may use an application.
const CHOSEN: &str = "example.com/messaging";
const SECRET: &str = "sandbox-shared-secret-00000000000000";

/// A release, its application and the namespaces that it watches. The application is declared in the first of them, and
/// its channels are in the last ones.
struct Release {
    name: &'static str,
    app: &'static str,
    secret: &'static str,
    watched: &'static [&'static str],
    tenants: &'static [&'static str],
}

const RELEASES: [Release; 3] = [
    Release {
        name: "acme",
        app: "1111000011110000",
        secret: "sandbox-app-secret-0000000000000000",
        watched: &["acme"],
        tenants: &["acme"],
    },
    Release {
        name: "bolt",
        app: "9999000099990000",
        secret: "sandbox-other-secret-000000000000000",
        watched: &["bolt"],
        tenants: &["bolt"],
    },
    Release {
        name: "shared",
        app: "1111000011119999",
        secret: SECRET,
        watched: &["platform", "cora", "dune"],
        tenants: &["cora", "dune"],
    },
];

impl Release {
    /// Where its Pods run. Tenants have no rights there.
    fn home(&self) -> String {
        format!("{}-system", self.name)
    }

    fn account(&self) -> String {
        format!("system:serviceaccount:{}:{}-meta-channel-operator", self.home(), self.name)
    }
}

/// The page of this channel, and its token.
fn page(tenant: &str, number: usize) -> (String, String) {
    let place = RELEASES.iter().flat_map(|it| it.tenants).position(|it| *it == tenant).unwrap_or_default();
    (format!("33000000000{place}{number:04}"), format!("EAAtest-{tenant}-{number:03}-0000000000000000"))
}

async fn graph() -> Result<Sandbox> {
    let mut seed = Seed::demo()?;
    let mut shared = seed.apps[1].clone();
    (shared.id, shared.secret) = ("1111000011119999".parse()?, SECRET.into());
    seed.apps.push(shared);
    for release in &RELEASES {
        for (tenant, number) in release.tenants.iter().flat_map(|it| (0..CHANNELS).map(move |number| (it, number))) {
            let (page, token) = page(tenant, number);
            seed.pages.push(serde_json::from_value(json!({"id": page, "name": format!("{tenant} {number}")}))?);
            seed.tokens.push(serde_json::from_value(json!({
                "token": token, "kind": "page", "app": release.app, "user": "6600000000000001", "page": page,
                "scopes": ["pages_show_list", "pages_manage_metadata", "pages_messaging"],
            }))?);
        }
    }
    Sandbox::start(seed, Options::default()).await
}

fn secret(namespace: &str, name: &str, purpose: &str, data: &BTreeMap<String, String>) -> String {
    let metadata = json!({"name": name, "namespace": namespace, "labels": {"metachannels.io/purpose": purpose}});
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}).to_string()
}

/// What a release's tenants declare.
fn declared(release: &Release) -> String {
    let home = release.watched[0];
    let app_secret = BTreeMap::from([("app-secret".to_owned(), release.secret.to_owned())]);
    let chosen = json!({"from": "Selector", "selector": {"matchLabels": {CHOSEN: release.name}}});
    let spec = json!({"appId": release.app, "appSecretRef": {"name": "app"}, "allowedNamespaces": chosen});
    let mut all = vec![secret(home, "app", "app-secret", &app_secret), object("MetaApp", home, "app", &spec)];
    for tenant in release.tenants {
        let pages: Vec<_> = (0..CHANNELS).map(|number| page(tenant, number)).collect();
        all.push(secret(tenant, "tokens", "page-token", &pages.iter().cloned().collect()));
        for (number, (page, _)) in pages.iter().enumerate() {
            let token =
                json!({"secretRef": {"name": "tokens", "key": page}, "appRef": {"name": "app", "namespace": home}});
            let spec = json!({"pageId": page, "credentials": {"pageToken": token}, "endpoint": {"direct": {}}});
            all.push(object("FacebookChannel", tenant, &format!("page-{number}"), &spec));
        }
    }
    all.join("\n---\n")
}

fn object(kind: &str, namespace: &str, name: &str, spec: &serde_json::Value) -> String {
    let metadata = json!({"name": name, "namespace": namespace});
    json!({"apiVersion": "metachannels.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}).to_string()
}

/// Every release installed by Helm and started as its Deployment says.
async fn install(cluster: &ControlPlane, graph: &str) -> Result<Vec<Process>> {
    helm_at(cluster, &["install", "admin"], &Chart::ADMIN, &Chart::ADMIN.example("default"))?;
    let kubectl = cluster.kubectl();
    established(&kubectl).await?;
    let mut processes = Vec::new();
    for release in &RELEASES {
        let home = release.home();
        make_namespaces(&kubectl, release.watched).await?;
        make_namespaces(&kubectl, &[&home]).await?;
        for tenant in release.tenants {
            kubectl.run(&["label", "namespace", tenant, &format!("{CHOSEN}={}", release.name)]).await?;
        }
        let set = format!(
            "--set=graph.url={graph},graph.loginUrl={graph},gateway.enabled=false,operator.leaderElection.enabled=true,watchNamespaces={{{}}}",
            release.watched.join(",")
        );
        let namespace = format!("--namespace={home}");
        let install = ["install", release.name, &namespace, &set];
        helm_at(cluster, &install, &Chart::OPERATOR, &Chart::OPERATOR.example("sandbox"))?;
        processes.push(start_in(cluster, &home, "operator", None).await?);
    }
    Ok(processes)
}

async fn every_channel_is_ready(cluster: &ControlPlane) -> Result<()> {
    wait_for("every channel to be connected", PATIENCE * 4, async || {
        let channels = cluster.kubectl().get(&["metachannels", "--all-namespaces"]).await?;
        let channels = channels["items"].as_array().context("a list")?.clone();
        let ready = channels.iter().filter(|it| it["status"]["connection"] == "Connected").count();
        ensure!(ready == 4 * CHANNELS, "{ready} of {}: {:?}", channels.len(), channels.first().map(|it| &it["status"]));
        Ok(())
    })
    .await
}

/// Where a release may ask for what. The API server's version is no object, nor are a release's own rights.
fn is_its_business(release: &Release, event: &AuditEvent) -> bool {
    let namespace = event.object_ref.namespace.as_str();
    event.request_uri == "/version"
        || event.request_uri.contains("/selfsubjectaccessreviews")
        || release.watched.contains(&namespace)
        || namespace == CLAIMS
        || namespace == release.home()
}

#[tokio::test(flavor = "multi_thread")]
async fn releases_side_by_side_connect_all_channels_and_ask_for_nothing_elsewhere() {
    let graph = graph().await.unwrap();
    let cluster = ControlPlane::start().await.unwrap();
    let operators = install(&cluster, &graph.url()).await.unwrap();
    for release in &RELEASES {
        cluster.kubectl().apply(&declared(release)).await.unwrap();
    }
    let settled = every_channel_is_ready(&cluster).await;
    let logs = || operators.iter().map(|it| it.last_lines(5)).collect::<Vec<_>>();
    settled.with_context(|| format!("{:#?}", logs())).unwrap();

    let audit = cluster.audit().unwrap();
    for release in &RELEASES {
        let asked: Vec<_> = audit.iter().filter(|it| it.user.username == release.account()).collect();
        let (at_home, elsewhere): (Vec<&AuditEvent>, Vec<_>) =
            asked.iter().copied().partition(|it| is_its_business(release, it));
        let mut places: BTreeSet<_> = at_home.iter().map(|it| it.object_ref.namespace.as_str()).collect();
        places.remove("");
        assert!(places.len() == release.watched.len() + 2, "{} asked in {places:?} only", release.name);
        assert!(elsewhere.is_empty(), "{} asked for {elsewhere:#?}", release.name);
        // The one that is only tried out is meant to be.
        let is_forbidden = |it: &&&AuditEvent| it.response_status.code == 403 && !it.request_uri.contains("dryRun=All");
        let forbidden: Vec<_> = asked.iter().filter(is_forbidden).collect();
        assert!(forbidden.is_empty(), "{} was forbidden {forbidden:#?}", release.name);
    }
    for (operator, release) in operators.iter().zip(&RELEASES) {
        let exit = operator.terminate(PATIENCE).await.unwrap();
        assert!(exit.status.success(), "{}: {}\n{}", release.name, exit.status, operator.last_lines(20));
    }
    uses_their_lease(&cluster.audit().unwrap());
}

/// The only rights that no test in one process sees used. The last update gives the lease back.
fn uses_their_lease(audit: &[AuditEvent]) {
    for release in &RELEASES {
        let asked = audit.iter().filter(|it| it.user.username == release.account());
        let used: BTreeSet<_> = asked.map(|it| it.right()).collect();
        for verb in ["get", "create", "update"] {
            let right = format!("{verb} leases.coordination.k8s.io");
            assert!(used.contains(&right), "{}: no {right} in {used:?}", release.name);
        }
    }
}
