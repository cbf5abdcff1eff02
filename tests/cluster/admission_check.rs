//! Policies are verified again while operator and gateway run: that one went is noticed, and that it came back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll};

use anyhow::{Result, ensure};
use axum::http::Request;
use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::client::{Body, ClientBuilder};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use meta_channel_operator::base::clock::Clock;
use meta_channel_operator::cluster::secret_guard::Guard;
use meta_channel_operator::metrics::Metrics;
use meta_channel_operator::ownership::freshness::FRESH;
use serde_json::json;
use testkit::{ControlPlane, wait_for};
use tokio::sync::{Mutex, MutexGuard, OnceCell};
use tower::{Layer, Service};

use crate::support::admission_policies;
use crate::support::env::*;
use crate::support::observe::*;

/// A world on a control plane whose policies come and go, so that one test at a time is on it.
async fn world() -> Result<(World, MutexGuard<'static, ()>)> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    static PLANE: OnceCell<ControlPlane> = OnceCell::const_new();
    static TURN: Mutex<()> = Mutex::const_new(());
    let turn = TURN.lock().await;
    let plane = PLANE.get_or_try_init(async || {
        let plane = ControlPlane::start().await?;
        admission_policies::prepare(&plane).await?;
        anyhow::Ok(plane)
    });
    let (plane, number) = (plane.await?, NUMBER.fetch_add(1, Ordering::Relaxed));
    Ok((World::on(plane, |role| format!("{role}-{number}"), |_| ()).await?, turn))
}

fn bindings(world: &World) -> Api<ValidatingAdmissionPolicyBinding> {
    Api::all(world.client.clone())
}

/// Takes the binding of a policy away; what puts it back.
async fn unbind(world: &World, policy: &str) -> Result<ValidatingAdmissionPolicyBinding> {
    let before = bindings(world).get(policy).await?;
    bindings(world).delete(policy, &DeleteParams::default()).await?;
    let metadata = ObjectMeta { name: before.metadata.name, ..ObjectMeta::default() };
    Ok(ValidatingAdmissionPolicyBinding { metadata, ..before })
}

/// Waits, so many minutes by the clock each time, until the gauge of a server says this. The API server itself takes a moment.
async fn says(world: &World, server: &Running, gauge: &str, value: f64, minutes: i64) -> Result<()> {
    wait_for(&format!("{gauge} to be {value}"), PATIENCE, async || {
        world.advance(minutes);
        ensure!(server.gauge(gauge) == value);
        Ok(())
    })
    .await
}

async fn claimed(world: &World) -> Result<usize> {
    Ok(world.claims().list(&Default::default()).await?.items.len())
}

/// A connected channel, and the operator that manages it: it holds one claim, and its application another one.
async fn connected(world: &World) -> Result<()> {
    world.put_app().await?;
    world.put_channel(&world.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True"]).await?;
    world.app_is(&["Ready=True"]).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_policy_of_claims_is_away_no_claim_is_taken_and_it_is_told_and_heals_by_itself() -> Result<()> {
    let (world, _turn) = world().await?;
    let operator = world.operator();
    connected(&world).await?;
    assert_eq!(operator.gauge("claims_unguarded"), 0.0);

    let binding = unbind(&world, "claims.metachannels.io").await?;
    says(&world, &operator, "claims_unguarded", 1.0, 10).await?;
    warned(&world, &world.claims, &[&format!("{} ClaimPolicyMissing", world.claims)]).await?;
    world.put_channel(&world.tenant_b, "support", PAGE_B, TOKEN_B).await?;
    let waits = ["Claimed=Unknown/ClaimPolicyMissing", "Ready=Unknown/ClaimPolicyMissing"];
    world.channel_is(&world.tenant_b, "support", &waits).await?;
    assert_eq!(claimed(&world).await?, 2);
    // What holds its claim works on.
    world.channel_is(&world.tenant_a, "shop", &["Ready=True", "Claimed=True"]).await?;

    bindings(&world).create(&PostParams::default(), &binding).await?;
    says(&world, &operator, "claims_unguarded", 0.0, 1).await?;
    world.channel_is(&world.tenant_b, "support", &["Ready=True", "Claimed=True"]).await?;

    // One that lets claims be changed protects none either.
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(world.client.clone());
    for (operations, unguarded) in [(json!(["CREATE"]), 1.0), (json!(["CREATE", "UPDATE", "DELETE"]), 0.0)] {
        let rules = json!([{
            "apiGroups": ["metachannels.io"], "apiVersions": ["v1alpha1"], "operations": operations,
            "resources": ["assetclaims", "assetclaims/status"],
        }]);
        let change = Patch::Merge(json!({"spec": {"matchConstraints": {"resourceRules": rules}}}));
        policies.patch("claims.metachannels.io", &PatchParams::default(), &change).await?;
        says(&world, &operator, "claims_unguarded", unguarded, 10).await?;
    }
    Ok(())
}

/// The offer may be taken at any moment, so that nothing is written at Meta before it is withdrawn.
#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_cannot_be_withdrawn_while_the_policy_is_away_is_told_and_withdrawn_once_it_is_back() -> Result<()>
{
    let (world, _turn) = world().await?;
    let operator = world.operator();
    connected(&world).await?;
    let binding = unbind(&world, "claims.metachannels.io").await?;
    says(&world, &operator, "claims_unguarded", 1.0, 10).await?;
    quiet(&operator).await?;
    let claim = "facebook-page-2200000000000001";
    let offer = Patch::Merge(json!({ "spec": { "transferTo": world.tenant_b } }));
    world.claims().patch(claim, &PatchParams::default(), &offer).await?;
    // What was written of it counts no more.
    tokio::time::sleep(FRESH).await;
    world.sandbox.clear_ledger();
    world.apply(&world.channel_manifest_with(&world.tenant_a, "shop", PAGE_A, "connection: Disconnected")).await?;
    let waits = ["Ready=False/ClaimPolicyMissing", "Claimed=True/ClaimHeld", "Reconciling=True"];
    let told = world.channel_is(&world.tenant_a, "shop", &waits).await?.status.unwrap_or_default();
    let step = told.next_step.unwrap_or_default();
    ensure!(step.contains("policies.enabled"), "{step}");
    assert_eq!((world.writes(), operator.gauge("writes_withheld_total")), (vec![], 0.0));

    bindings(&world).create(&PostParams::default(), &binding).await?;
    says(&world, &operator, "claims_unguarded", 0.0, 1).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True", "Disconnected=True/DeclaredDisconnected"]).await?;
    assert_eq!(world.claims().get(claim).await?.spec.transfer_to, None);
    assert_eq!(world.writes().len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn that_a_server_could_not_find_out_what_keeps_it_from_secrets_is_a_state_of_its_own() -> Result<()> {
    let (world, _turn) = world().await?;
    let shown = |metrics: &Metrics, gauge: &str| {
        let line = format!("meta_channel_operator_{gauge}");
        metrics.text().lines().any(|it| it == line)
    };
    for (client, state) in [
        (world.client_of(&world.platform, "nobody").await?, ["secrets_guard_unknown 1", "secrets_unguarded 0"]),
        (world.account.client.clone(), ["secrets_guard_unknown 0", "secrets_unguarded 0"]),
        (world.client.clone(), ["secrets_guard_unknown 0", "secrets_unguarded 1"]),
    ] {
        let metrics = Metrics::default();
        let guard = Guard {
            client,
            clock: Clock::System,
            metrics: metrics.clone(),
            policy: "secrets.metachannels.io",
            namespaces: vec![world.tenant_a.clone()],
        };
        let guard = tokio::spawn(guard.run());
        wait_for(&format!("{state:?}"), PATIENCE, async || {
            ensure!(state.iter().all(|gauge| shown(&metrics, gauge)), "{}", metrics.text());
            Ok(())
        })
        .await?;
        guard.abort();
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_proofs_that_are_renewed_a_claim_is_taken_that_nothing_protects() -> Result<()> {
    let (world, _turn) = world().await?;
    let operator = world.operator_with(|operator| operator.policy.safeguards.proofs = false);
    connected(&world).await?;
    let binding = unbind(&world, "claims.metachannels.io").await?;
    world.advance(90);
    world.put_channel(&world.tenant_b, "support", PAGE_B, TOKEN_B).await?;
    world.channel_is(&world.tenant_b, "support", &["Ready=True", "Claimed=True"]).await?;
    assert_eq!(operator.gauge("claims_unguarded"), 0.0);
    bindings(&world).create(&PostParams::default(), &binding).await.map(drop).map_err(Into::into)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_keeps_a_server_from_secrets_of_others_is_missed_and_the_work_goes_on() -> Result<()> {
    let (world, _turn) = world().await?;
    let operator = world.operator();
    connected(&world).await?;
    let (gateway, _) = world.replica().await?;
    for (policy, server) in [("secrets.metachannels.io", &operator), ("inbox.metachannels.io", &gateway)] {
        says(&world, server, "secrets_unguarded", 0.0, 1).await?;
        let binding = unbind(&world, policy).await?;
        says(&world, server, "secrets_unguarded", 1.0, 10).await?;
        bindings(&world).create(&PostParams::default(), &binding).await?;
        says(&world, server, "secrets_unguarded", 0.0, 1).await?;
    }
    world.put_channel(&world.tenant_b, "support", PAGE_B, TOKEN_B).await?;
    world.channel_is(&world.tenant_b, "support", &["Ready=True"]).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn proofs_are_renewed_every_ten_minutes_however_many_claims_are_taken() -> Result<()> {
    let (world, _turn) = world().await?;
    let operator = world.operator();
    connected(&world).await?;
    let tried = |what: &str| world.account.tried().iter().filter(|it| *it == what).count();
    let all =
        || ["create assetclaims.metachannels.io", "update assetclaims.metachannels.io", "create secrets."].map(tried);
    let before = all();
    for minutes in [9, 1, 9, 1] {
        world.advance(minutes);
        quiet(&operator).await?;
    }
    wait_for("two more of each", PATIENCE, async || {
        ensure!(all() == before.map(|it| it + 2), "{before:?}, {:?}", all());
        Ok(())
    })
    .await?;
    world.put_channel(&world.tenant_b, "support", PAGE_B, TOKEN_B).await?;
    world.channel_is(&world.tenant_b, "support", &["Ready=True"]).await?;
    assert_eq!(all(), before.map(|it| it + 2));
    Ok(())
}

/// Has nothing answered of what is only tried out, while it is told to: the API server cannot read it.
#[derive(Clone)]
struct Silence(Arc<AtomicBool>);

impl<S> Layer<S> for Silence {
    type Service = Silenced<S>;

    fn layer(&self, inner: S) -> Silenced<S> {
        Silenced { inner, silent: Arc::clone(&self.0) }
    }
}

#[derive(Clone)]
struct Silenced<S> {
    inner: S,
    silent: Arc<AtomicBool>,
}

impl<S: Service<Request<Body>>> Service<Request<Body>> for Silenced<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, task: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(task)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let trial = request.uri().query().is_some_and(|query| query.contains("dryRun=All"));
        if trial && self.silent.load(Ordering::Relaxed) {
            *request.body_mut() = Body::from(b"not to be read".to_vec());
        }
        self.inner.call(request)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_a_proof_that_is_older_than_an_hour_no_claim_is_taken() -> Result<()> {
    let (world, _turn) = world().await?;
    let silent = Arc::new(AtomicBool::new(false));
    let kubeconfig = Kubeconfig::read_from(world.plane.service_account_kubeconfig(&world.inbox, "operator").await?)?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    config.proxy_url = None;
    let client: Client = ClientBuilder::try_from(config)?.with_layer(&Silence(Arc::clone(&silent))).build();
    let _operator = world.operator_with(|operator| operator.client = client);
    connected(&world).await?;

    silent.store(true, Ordering::Relaxed);
    world.advance(50);
    world.put_channel(&world.tenant_b, "support", PAGE_B, TOKEN_B).await?;
    world.channel_is(&world.tenant_b, "support", &["Ready=True"]).await?;
    world.channels(&world.tenant_b).delete("support", &DeleteParams::default()).await?;
    world.claims().delete(&format!("facebook-page-{PAGE_B}"), &DeleteParams::default()).await?;
    world.advance(11);
    world.put_channel(&world.tenant_b, "support", PAGE_B, TOKEN_B).await?;
    world.channel_is(&world.tenant_b, "support", &["Claimed=Unknown/ClaimsUnavailable"]).await?;

    silent.store(false, Ordering::Relaxed);
    wait_for("the channel to be connected", PATIENCE, async || {
        world.advance(1);
        let channel = world.channels(&world.tenant_b).get("support").await?;
        missing(&channel.status.unwrap_or_default().conditions, &["Ready=True", "Claimed=True"])
    })
    .await
}
