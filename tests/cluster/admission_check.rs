//! Policies are verified again while operator and gateway run: that one went is noticed, and that it came back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

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

/// An env on a control plane whose policies come and go, so that one test at a time is on it.
async fn env() -> Result<(Env, MutexGuard<'static, ()>)> {
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
    Ok((Env::on(plane, |role| format!("{role}-{number}"), |_| ()).await?, turn))
}

fn bindings(env: &Env) -> Api<ValidatingAdmissionPolicyBinding> {
    Api::all(env.client.clone())
}

/// Takes the binding of a policy away; what puts it back.
async fn unbind(env: &Env, policy: &str) -> Result<ValidatingAdmissionPolicyBinding> {
    let before = bindings(env).get(policy).await?;
    bindings(env).delete(policy, &DeleteParams::default()).await?;
    let metadata = ObjectMeta { name: before.metadata.name, ..ObjectMeta::default() };
    Ok(ValidatingAdmissionPolicyBinding { metadata, ..before })
}

/// Waits, so many minutes by the clock each time, until the gauge of a server says this. The API server itself takes a moment.
async fn says(env: &Env, server: &Running, gauge: &str, value: f64, minutes: i64) -> Result<()> {
    wait_for(&format!("{gauge} to be {value}"), PATIENCE, async || {
        env.advance(minutes);
        ensure!(server.gauge(gauge) == value);
        Ok(())
    })
    .await
}

async fn claimed(env: &Env) -> Result<usize> {
    Ok(env.claims().list(&Default::default()).await?.items.len())
}

/// A connected channel, and the operator that manages it: it holds one claim, and its application another one.
async fn connected(env: &Env) -> Result<()> {
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    env.app_is(&["Ready=True"]).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_policy_of_claims_is_away_no_claim_is_taken_and_it_is_told_and_heals_by_itself() -> Result<()> {
    let (env, _turn) = env().await?;
    let operator = env.operator();
    connected(&env).await?;
    assert_eq!(operator.gauge("claims_unguarded"), 0.0);

    let binding = unbind(&env, "claims.metachannels.io").await?;
    says(&env, &operator, "claims_unguarded", 1.0, 10).await?;
    warned(&env, &env.claims, &[&format!("{} ClaimPolicyMissing", env.claims)]).await?;
    env.put_channel(&env.tenant_b, "support", PAGE_B, TOKEN_B).await?;
    let waits = ["Claimed=Unknown/ClaimPolicyMissing", "Ready=Unknown/ClaimPolicyMissing"];
    env.channel_is(&env.tenant_b, "support", &waits).await?;
    assert_eq!(claimed(&env).await?, 2);
    // What holds its claim works on.
    env.channel_is(&env.tenant_a, "shop", &["Ready=True", "Claimed=True"]).await?;

    bindings(&env).create(&PostParams::default(), &binding).await?;
    says(&env, &operator, "claims_unguarded", 0.0, 1).await?;
    env.channel_is(&env.tenant_b, "support", &["Ready=True", "Claimed=True"]).await?;

    // One that lets claims be changed protects none either.
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(env.client.clone());
    for (operations, unguarded) in [(json!(["CREATE"]), 1.0), (json!(["CREATE", "UPDATE", "DELETE"]), 0.0)] {
        let rules = json!([{
            "apiGroups": ["metachannels.io"], "apiVersions": ["v1alpha1"], "operations": operations,
            "resources": ["assetclaims", "assetclaims/status"],
        }]);
        let change = Patch::Merge(json!({"spec": {"matchConstraints": {"resourceRules": rules}}}));
        policies.patch("claims.metachannels.io", &PatchParams::default(), &change).await?;
        says(&env, &operator, "claims_unguarded", unguarded, 10).await?;
    }
    Ok(())
}

/// The offer may be taken at any moment, so that nothing is written at Meta before it is withdrawn.
#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_cannot_be_withdrawn_while_the_policy_is_away_is_told_and_withdrawn_once_it_is_back() -> Result<()>
{
    let (env, _turn) = env().await?;
    let operator = env.operator();
    connected(&env).await?;
    let binding = unbind(&env, "claims.metachannels.io").await?;
    says(&env, &operator, "claims_unguarded", 1.0, 10).await?;
    quiet(&operator).await?;
    let claim = "facebook-page-2200000000000001";
    let offer = Patch::Merge(json!({ "spec": { "transferTo": env.tenant_b } }));
    let before = operator.passes("AssetClaim");
    env.claims().patch(claim, &PatchParams::default(), &offer).await?;
    wait_for("the operator to see the offer", PATIENCE, async || {
        ensure!(operator.passes("AssetClaim") > before);
        Ok(())
    })
    .await?;
    quiet(&operator).await?;
    // What was written of it counts no more.
    tokio::time::sleep(FRESH).await;
    env.sandbox.clear_ledger();
    env.apply(&env.channel_manifest_with(&env.tenant_a, "shop", PAGE_A, "connection: Disconnected")).await?;
    let waits = ["Ready=False/ClaimPolicyMissing", "Claimed=True/ClaimHeld", "Reconciling=True"];
    let told = env.channel_is(&env.tenant_a, "shop", &waits).await?.status.unwrap_or_default();
    let step = told.next_step.unwrap_or_default();
    ensure!(step.contains("policies.enabled"), "{step}");
    assert_eq!(env.writes(), vec![]);
    // By then the pauses between tries are long.
    for _ in 0..8 {
        advance_and_pass(&env, &operator, 8, "FacebookChannel", 1).await?;
    }

    bindings(&env).create(&PostParams::default(), &binding).await?;
    // The API server takes a moment: the clock shall go on by less than such a pause until it is seen.
    tokio::time::sleep(Duration::from_secs(2)).await;
    says(&env, &operator, "claims_unguarded", 0.0, 1).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True", "Disconnected=True/DeclaredDisconnected"]).await?;
    assert_eq!(env.claims().get(claim).await?.spec.transfer_to, None);
    assert_eq!(env.writes().len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn that_a_server_could_not_find_out_what_keeps_it_from_secrets_is_a_state_of_its_own() -> Result<()> {
    let (env, _turn) = env().await?;
    let shown = |metrics: &Metrics, gauge: &str| {
        let line = format!("meta_channel_operator_{gauge}");
        metrics.text().lines().any(|it| it == line)
    };
    for (client, state) in [
        (env.client_of(&env.platform, "nobody").await?, ["secrets_guard_unknown 1", "secrets_unguarded 0"]),
        (env.account.client.clone(), ["secrets_guard_unknown 0", "secrets_unguarded 0"]),
        (env.client.clone(), ["secrets_guard_unknown 0", "secrets_unguarded 1"]),
    ] {
        let metrics = Metrics::default();
        let guard = Guard {
            client,
            clock: Clock::System,
            metrics: metrics.clone(),
            policy: "secrets.metachannels.io",
            namespaces: vec![env.tenant_a.clone()],
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
    let (env, _turn) = env().await?;
    let operator = env.operator_with(|operator| operator.policy.safeguards.proofs = false);
    connected(&env).await?;
    let binding = unbind(&env, "claims.metachannels.io").await?;
    env.advance(90);
    env.put_channel(&env.tenant_b, "support", PAGE_B, TOKEN_B).await?;
    env.channel_is(&env.tenant_b, "support", &["Ready=True", "Claimed=True"]).await?;
    assert_eq!(operator.gauge("claims_unguarded"), 0.0);
    bindings(&env).create(&PostParams::default(), &binding).await.map(drop).map_err(Into::into)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_keeps_a_server_from_secrets_of_others_is_missed_and_the_work_goes_on() -> Result<()> {
    let (env, _turn) = env().await?;
    let operator = env.operator();
    connected(&env).await?;
    let (gateway, _) = env.replica().await?;
    for (policy, server) in [("secrets.metachannels.io", &operator), ("inbox.metachannels.io", &gateway)] {
        says(&env, server, "secrets_unguarded", 0.0, 1).await?;
        let binding = unbind(&env, policy).await?;
        says(&env, server, "secrets_unguarded", 1.0, 10).await?;
        bindings(&env).create(&PostParams::default(), &binding).await?;
        says(&env, server, "secrets_unguarded", 0.0, 1).await?;
    }
    env.put_channel(&env.tenant_b, "support", PAGE_B, TOKEN_B).await?;
    env.channel_is(&env.tenant_b, "support", &["Ready=True"]).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn proofs_are_renewed_every_ten_minutes_however_many_claims_are_taken() -> Result<()> {
    let (env, _turn) = env().await?;
    let operator = env.operator();
    connected(&env).await?;
    let tried = |what: &str| env.account.tried().iter().filter(|it| *it == what).count();
    let all =
        || ["create assetclaims.metachannels.io", "update assetclaims.metachannels.io", "create secrets."].map(tried);
    let before = all();
    for minutes in [9, 1, 9, 1] {
        env.advance(minutes);
        quiet(&operator).await?;
    }
    wait_for("two more of each", PATIENCE, async || {
        ensure!(all() == before.map(|it| it + 2), "{before:?}, {:?}", all());
        Ok(())
    })
    .await?;
    env.put_channel(&env.tenant_b, "support", PAGE_B, TOKEN_B).await?;
    env.channel_is(&env.tenant_b, "support", &["Ready=True"]).await?;
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
    let (env, _turn) = env().await?;
    let silent = Arc::new(AtomicBool::new(false));
    let kubeconfig = Kubeconfig::read_from(env.plane.service_account_kubeconfig(&env.inbox, "operator").await?)?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    config.proxy_url = None;
    let client: Client = ClientBuilder::try_from(config)?.with_layer(&Silence(Arc::clone(&silent))).build();
    let _operator = env.operator_with(|operator| operator.client = client);
    connected(&env).await?;

    silent.store(true, Ordering::Relaxed);
    env.advance(50);
    env.put_channel(&env.tenant_b, "support", PAGE_B, TOKEN_B).await?;
    env.channel_is(&env.tenant_b, "support", &["Ready=True"]).await?;
    env.channels(&env.tenant_b).delete("support", &DeleteParams::default()).await?;
    env.claims().delete(&format!("facebook-page-{PAGE_B}"), &DeleteParams::default()).await?;
    env.advance(11);
    env.put_channel(&env.tenant_b, "support", PAGE_B, TOKEN_B).await?;
    env.channel_is(&env.tenant_b, "support", &["Claimed=Unknown/ClaimsUnavailable"]).await?;

    silent.store(false, Ordering::Relaxed);
    wait_for("the channel to be connected", PATIENCE, async || {
        env.advance(1);
        let channel = env.channels(&env.tenant_b).get("support").await?;
        missing(&channel.status.unwrap_or_default().conditions, &["Ready=True", "Claimed=True"])
    })
    .await
}
