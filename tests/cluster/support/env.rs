//! An env of its own for each test: namespaces, a sandbox, a gateway and an operator, on one shared control plane.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use meta_channel_operator::api::{AssetClaim, FacebookChannel, MetaApp};
use meta_channel_operator::base::clock::Clock;
use meta_channel_operator::base::clock::Shift;
use meta_channel_operator::controller::context::Policy;
use meta_channel_operator::install_crypto_provider;
use meta_channel_operator::metrics::Metrics;
use meta_channel_operator::operator::Operator;
use meta_channel_operator::server::Readiness;
use meta_channel_operator::settings::DEFAULT_KEYRING;
use serde_json::json;
use testkit::sandbox::{LedgerEntry, Options, Sandbox, Seed, When};
use testkit::{ControlPlane, Kubectl, wait_for};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::admission_policies;
use crate::support::gateways::{graph, start_gateway};
use crate::support::release_binding::bind_all;
use crate::support::service_accounts::{Account, CLAIMS, GATEWAY, GATEWAY_MAILBOX, MAILBOX, WATCHED, rights};
use crate::support::status_judge::StatusJudge;

pub const PAGE_A: &str = "2200000000000001";
pub const PAGE_B: &str = "2200000000000002";
pub const PAGE_C: &str = "2200000000000003";
pub const TOKEN_A: &str = "EAAsandbox-page-a-000000000000000000";
pub const TOKEN_B: &str = "EAAsandbox-page-b-000000000000000000";
/// Has ended: the person behind it changed the password.
pub const TOKEN_C: &str = "EAAsandbox-page-c-000000000000000000";
pub const APP_SECRET: &str = "sandbox-app-secret-0000000000000000";
/// Longer than anything that works ever took, even while compilers hold all cores.
pub const PATIENCE: Duration = Duration::from_secs(180);

pub struct Env {
    pub plane: &'static ControlPlane,
    pub client: Client,
    pub sandbox: Sandbox,
    pub shift: Shift,
    pub platform: String,
    pub tenant_a: String,
    pub tenant_b: String,
    pub claims: String,
    pub inbox: String,
    pub release: String,
    /// Whom the operator acts as, and whom the gateway.
    pub account: Account,
    pub gateway_account: Account,
    gateway: Running,
    /// Judges what was stored when the test is over.
    _stored: StatusJudge,
}

/// A server of ours in this process; it ends when this is dropped.
pub struct Running {
    pub metrics: Metrics,
    pub shutdown: CancellationToken,
    pub task: JoinHandle<()>,
}

impl Running {
    pub async fn stop(mut self) {
        self.shutdown.cancel();
        (&mut self.task).await.unwrap();
    }

    /// Passes of a kind with an outcome, so far.
    pub fn passes(&self, kind: &str) -> u64 {
        self.count("reconcile_duration_seconds_count", kind)
    }

    /// Passes over objects of a kind and visits of them between passes, so far.
    pub fn looks(&self, kind: &str) -> u64 {
        self.passes(kind) + self.count("sweep_visits_total", kind)
    }

    /// The sum of a metric of a kind.
    pub fn count(&self, metric: &str, kind: &str) -> u64 {
        let label = format!("_{metric}{{kind=\"{kind}\"");
        let text = self.metrics.text();
        let counts = text.lines().filter(|line| line.contains(&label)).filter_map(|line| line.rsplit(' ').next());
        counts.filter_map(|count| count.parse::<u64>().ok()).sum()
    }

    /// The sum of the gauges whose names and labels begin so.
    pub fn gauge(&self, begin: &str) -> f64 {
        let text = self.metrics.text();
        let begin = format!("meta_channel_operator_{begin}");
        let values = text.lines().filter(|line| line.starts_with(&begin)).filter_map(|line| line.rsplit(' ').next());
        values.filter_map(|value| value.parse::<f64>().ok()).sum()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.cancel();
        self.task.abort();
    }
}

impl Env {
    pub async fn new() -> Result<Self> {
        Self::seeded(|_| ()).await
    }

    /// An env whose simulated Graph holds more than the demonstration's.
    pub async fn seeded(add: impl FnOnce(&mut Seed)) -> Result<Self> {
        static CRDS: OnceCell<()> = OnceCell::const_new();
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let plane = ControlPlane::shared().await?;
        CRDS.get_or_try_init(async || admission_policies::prepare(plane).await).await?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self::on(plane, |role| format!("{role}-{number}"), add).await
    }

    /// An env that has a control plane for itself, so that its namespaces bear the names of the samples.
    pub async fn alone(plane: &'static ControlPlane, add: impl FnOnce(&mut Seed)) -> Result<Self> {
        admission_policies::prepare(plane).await?;
        Self::on(plane, str::to_owned, add).await
    }

    /// An env on this control plane, whose namespaces are named so.
    pub async fn on(
        plane: &'static ControlPlane,
        name: impl Fn(&str) -> String,
        add: impl FnOnce(&mut Seed),
    ) -> Result<Self> {
        install_crypto_provider();
        let client = plane.client().await?;
        let (platform, tenant_a) = (name("platform"), name("tenant-a"));
        let (tenant_b, claims, inbox) = (name("tenant-b"), name("claims"), name("inbox"));
        let namespaces: Api<Namespace> = Api::all(client.clone());
        for name in [&platform, &tenant_a, &tenant_b, &claims, &inbox] {
            let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
            namespaces.create(&PostParams::default(), &Namespace { metadata, ..Namespace::default() }).await?;
        }
        let mut seed = Seed::demo()?;
        add(&mut seed);
        // A clock that runs out one day would bring slots by chance: a test that needs one gives it.
        for token in &mut seed.tokens {
            token.data_access_expires_at.get_or_insert(When::Never);
        }
        let options = Options { callback_limit: PATIENCE, ..Options::default() };
        let sandbox = Sandbox::start(seed, options).await?;
        let scopes = vec![platform.clone(), tenant_a.clone(), tenant_b.clone()];
        let release = format!("{inbox}/acme");
        bind_all(&client, &scopes, &release).await?;
        let stored = StatusJudge::of(plane, scopes.clone());
        let shift = Shift::default();
        let operators = rights(&scopes, WATCHED, &[(CLAIMS, &claims), (MAILBOX, &inbox)]);
        let gateways = rights(&scopes, GATEWAY, &[(GATEWAY_MAILBOX, &inbox)]);
        let (account, gateway_account) = tokio::try_join!(
            Account::new(plane, &inbox, "operator", &operators),
            Account::new(plane, &inbox, "gateway", &gateways),
        )?;
        let (gateway, url) = start_gateway(&gateway_account.client, &sandbox, &shift, scopes, &inbox).await?;
        sandbox.set_resolve(BTreeMap::from([("hooks.example.com".to_owned(), url)]))?;
        Ok(Self {
            plane,
            client,
            sandbox,
            shift,
            platform,
            tenant_a,
            tenant_b,
            claims,
            inbox,
            release,
            account,
            gateway_account,
            gateway,
            _stored: stored,
        })
    }

    pub fn operator(&self) -> Running {
        self.operator_with(|_| ())
    }

    pub fn operator_with(&self, change: impl FnOnce(&mut Operator)) -> Running {
        let (metrics, shutdown) = (Metrics::default(), CancellationToken::new());
        let mut operator = Operator {
            client: self.account.client.clone(),
            graph: graph(&self.sandbox, &metrics),
            clock: Clock::Shifted(self.shift.clone()),
            policy: Policy {
                panic_over: Default::default(),
                safeguards: Default::default(),
                claims_namespace: self.claims.clone(),
                inbox_namespace: self.inbox.clone(),
                keyring: DEFAULT_KEYRING.to_owned(),
                graph_url: self.sandbox.url(),
                gateway_url: Some("https://hooks.example.com".into()),
                forwarding: true,
                channel_period: Duration::from_secs(15 * 60),
                // So long that no slot of a token comes by chance within the minutes of a test.
                token_period: Duration::from_secs(100 * 365 * 24 * 60 * 60),
                app_period: Duration::from_secs(60 * 60),
                count_period: Duration::from_secs(365 * 24 * 60 * 60),
                broken_period: Duration::from_secs(2 * 60 * 60),
                edit_interval: Duration::from_secs(60),
                staleness_limit: Duration::from_secs(60 * 60),
            },
            scopes: self.scopes(),
            max_objects: 20_000,
            release: self.release.clone(),
            concurrency: 8,
            instance: "test".into(),
            metrics: metrics.clone(),
            ready: Readiness::default(),
            lease: None,
            shutdown: shutdown.clone(),
        };
        change(&mut operator);
        let metrics = operator.metrics.clone();
        // On the heap at once: it is most of the stack of a thread.
        let run = Box::pin(operator.run());
        Running { metrics, shutdown, task: tokio::spawn(async move { run.await.unwrap() }) }
    }

    /// The time of the operator.
    pub fn now(&self) -> jiff::Timestamp {
        Clock::Shifted(self.shift.clone()).now()
    }

    /// Moves the clocks of operator and sandbox.
    pub fn advance(&self, minutes: i64) {
        let span = jiff::SignedDuration::from_mins(minutes);
        self.sandbox.advance_clock(span).unwrap();
        self.shift.advance(span);
    }

    /// Sets the clocks of operator and sandbox; they run on from there.
    pub fn set_clock(&self, moment: Timestamp) -> Result<()> {
        self.sandbox.set_clock(moment)?;
        self.shift.advance(moment.duration_since(self.now()));
        Ok(())
    }

    pub fn kubectl(&self) -> Kubectl {
        self.plane.kubectl()
    }

    /// Applies manifests as someone with kubectl would.
    pub async fn apply(&self, yaml: &str) -> Result<()> {
        self.kubectl().apply(yaml).await.map(|_| ())
    }

    pub fn app_manifest(&self) -> String {
        self.app_manifest_with("webhook: {}")
    }

    pub fn app_manifest_with(&self, more: &str) -> String {
        format!(
            "apiVersion: metachannels.io/v1alpha1\nkind: MetaApp\nmetadata: {{name: acme, namespace: {}}}\nspec:\n  appId: \"1111000011110000\"\n  appSecretRef: {{name: acme-app}}\n  allowedNamespaces: {{from: All}}\n  {more}\n",
            self.platform
        )
    }

    pub fn channel_manifest(&self, namespace: &str, name: &str, page: &str) -> String {
        format!(
            "apiVersion: metachannels.io/v1alpha1\nkind: FacebookChannel\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  pageId: \"{page}\"\n  credentials:\n    pageToken:\n      secretRef: {{name: {name}-token, key: token}}\n      appRef: {{name: acme, namespace: {}}}\n  endpoint: {{direct: {{}}}}\n",
            self.platform
        )
    }

    /// The manifest of a channel that declares more.
    pub fn channel_manifest_with(&self, namespace: &str, name: &str, page: &str, more: &str) -> String {
        format!("{}  {more}\n", self.channel_manifest(namespace, name, page))
    }

    pub async fn put_app(&self) -> Result<()> {
        self.put_secret(&self.platform, "acme-app", "app-secret", "app-secret", APP_SECRET).await?;
        self.apply(&self.app_manifest()).await
    }

    pub async fn put_channel(&self, namespace: &str, name: &str, page: &str, token: &str) -> Result<()> {
        self.put_token(namespace, name, token).await?;
        self.apply(&self.channel_manifest(namespace, name, page)).await
    }

    /// Puts channels, each with its token, and applies them at once.
    pub async fn put_channels(&self, namespace: &str, channels: &[(&str, &str, &str)]) -> Result<()> {
        let mut manifests = Vec::new();
        for (name, page, token) in channels {
            self.put_token(namespace, name, token).await?;
            manifests.push(self.channel_manifest(namespace, name, page));
        }
        self.apply(&manifests.join("---\n")).await
    }

    pub async fn put_token(&self, namespace: &str, channel: &str, token: &str) -> Result<()> {
        self.put_secret(namespace, &format!("{channel}-token"), "page-token", "token", token).await
    }

    pub async fn put_secret(&self, namespace: &str, name: &str, purpose: &str, key: &str, value: &str) -> Result<()> {
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(name.into()),
                labels: Some(BTreeMap::from([("metachannels.io/purpose".into(), purpose.into())])),
                ..ObjectMeta::default()
            },
            string_data: Some(BTreeMap::from([(key.into(), value.into())])),
            ..Secret::default()
        };
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        api.patch(name, &PatchParams::apply("test").force(), &Patch::Apply(&secret)).await?;
        Ok(())
    }

    pub fn channels(&self, namespace: &str) -> Api<FacebookChannel> {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub fn apps(&self) -> Api<MetaApp> {
        Api::namespaced(self.client.clone(), &self.platform)
    }

    pub fn claims(&self) -> Api<AssetClaim> {
        Api::namespaced(self.client.clone(), &self.claims)
    }

    /// Asks for a look now, as a person would.
    pub async fn request_look(&self, namespace: &str, name: &str, at: &str) -> Result<()> {
        let patch = json!({ "metadata": { "annotations": { "metachannels.io/requested-at": at } } });
        self.channels(namespace).patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await?;
        Ok(())
    }

    /// Waits until the conditions of a channel are as listed, `Type=Status/Reason`.
    pub async fn channel_is(&self, namespace: &str, name: &str, expected: &[&str]) -> Result<FacebookChannel> {
        wait_for(&format!("channel {name} to be {expected:?}"), PATIENCE, async || {
            let channel = self.channels(namespace).get(name).await?;
            let status = channel.status.as_ref().context("no status")?;
            let generation = channel.metadata.generation;
            ensure!(Some(status.observed_generation) == generation, "observed {}", status.observed_generation);
            missing(&status.conditions, expected)?;
            Ok(channel)
        })
        .await
    }

    pub async fn app_is(&self, expected: &[&str]) -> Result<MetaApp> {
        wait_for(&format!("the MetaApp to be {expected:?}"), PATIENCE, async || {
            let app = self.apps().get("acme").await?;
            let status = app.status.as_ref().context("no status")?;
            ensure!(Some(status.observed_generation) == app.metadata.generation, "not observed");
            missing(&status.conditions, expected)?;
            Ok(app)
        })
        .await
    }

    pub fn requests(&self, method: &str, template: &str) -> Vec<LedgerEntry> {
        let entries = self.sandbox.ledger().into_iter();
        entries.filter(|it| it.method == method && it.template.as_deref() == Some(template)).collect()
    }

    /// Writes in the ledger. A batch is none: it is sent with POST, but holds reads only.
    pub fn writes(&self) -> Vec<LedgerEntry> {
        let is_batch = |entry: &LedgerEntry| entry.template.as_deref() == Some("/{version}/");
        self.sandbox.ledger().into_iter().filter(|entry| entry.method != "GET" && !is_batch(entry)).collect()
    }

    pub fn gateway_metrics(&self) -> &Metrics {
        &self.gateway.metrics
    }
}

/// The conditions as `Type=Status/Reason`.
pub fn shown(conditions: &[Condition]) -> Vec<String> {
    conditions.iter().map(|it| format!("{}={}/{}", it.type_, it.status, it.reason)).collect()
}

pub fn missing(conditions: &[Condition], expected: &[&str]) -> Result<()> {
    let shown = shown(conditions);
    for expected in expected {
        let there = match expected.strip_prefix('!') {
            Some(absent) => !shown.iter().any(|it| it.starts_with(absent)),
            None => shown.iter().any(|it| it == expected || it.split('/').next() == Some(expected)),
        };
        let messages: Vec<_> = conditions.iter().map(|it| format!("{}: {}", it.type_, it.message)).collect();
        ensure!(there, "no {expected} in {shown:?}; {messages:?}");
    }
    Ok(())
}
