//! The Lease may not be written: nobody may lead for long then, and it is told on the Lease itself.

use std::time::Duration;

use anyhow::{Result, ensure};
use kube::config::{KubeConfigOptions, Kubeconfig};
use meta_channel_operator::cluster::leader::{Candidate, Tenure, Timing, lead};
use meta_channel_operator::metrics::Metrics;
use serde_json::{Value, json};
use testkit::wait_for;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::support::service_accounts::{LEASES, bind};

/// With the renewals of an operator whose chart says nothing else, but more of them.
const TIMING: Timing = Timing {
    lease: Duration::from_secs(60),
    renew_deadline: Duration::from_secs(40),
    retry_period: Duration::from_secs(1),
};

/// An operator that stands for election and does nothing else.
struct Standing {
    metrics: Metrics,
    tenure: Tenure,
    led: CancellationToken,
    done: CancellationToken,
    task: JoinHandle<Result<Option<()>>>,
}

impl Standing {
    async fn start(env: &Env, lease: &str) -> Result<Self> {
        let kubeconfig = env.plane.service_account_kubeconfig(&env.inbox, "operator").await?;
        let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        let candidate = Candidate {
            namespace: env.inbox.clone(),
            lease: lease.to_owned(),
            identity: "first".to_owned(),
            timing: TIMING,
        };
        let (metrics, tenure) = (Metrics::default(), Tenure::default());
        let (led, done) = (CancellationToken::new(), CancellationToken::new());
        let (begun, ended) = (led.clone(), done.clone());
        let (counts, knows) = (metrics.clone(), tenure.clone());
        let task = tokio::spawn(async move {
            let work = async move {
                begun.cancel();
                ended.cancelled().await;
            };
            lead(config, &candidate, &knows, &counts, work).await
        });
        Ok(Self { metrics, tenure, led, done, task })
    }

    fn refused(&self, reason: &str) -> f64 {
        let series = format!(r#"meta_channel_operator_refused_writes_total{{kind="Lease",reason="{reason}"}}"#);
        let text = self.metrics.text();
        text.lines().find_map(|line| line.strip_prefix(&series)?.trim().parse().ok()).unwrap_or_default()
    }

    /// Waits until so many more writes were refused.
    async fn is_refused_again(&self, reason: &str, times: f64) -> Result<()> {
        let before = self.refused(reason);
        wait_for("the Lease to be refused", PATIENCE, async || {
            ensure!(self.refused(reason) >= before + times, "{} times", self.refused(reason));
            Ok(())
        })
        .await
    }

    /// Waits until it has held the Lease anew since this was called.
    async fn is_renewed(&self) -> Result<()> {
        let since = std::time::Instant::now();
        wait_for("the Lease to be renewed", Duration::from_secs(60), async || {
            ensure!(self.tenure.age().is_some_and(|age| age < since.elapsed()), "{:?}", self.tenure.age());
            Ok(())
        })
        .await
    }

    /// Ends it, still leading.
    async fn ends(self) -> Result<()> {
        self.done.cancel();
        ensure!(self.task.await??.is_some(), "the lease was lost");
        Ok(())
    }
}

fn of_leases(env: &Env, verb: &'static str, sample: Value) -> Target {
    let namespace = env.inbox.clone();
    let (group, version, kind, resource) = ("coordination.k8s.io", "v1", "Lease", "leases");
    Target { namespace, group, version, kind, resource, verb, rules: LEASES, sample }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_may_not_be_made_is_told_once_on_it_and_is_had_once_it_may() -> Result<()> {
    let env = Env::new().await?;
    env.account.is_refused_on_purpose();
    bind(&env.client, &env.inbox, "operator", LEASES, &env.inbox).await?;
    for way in ALL {
        let sample = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "probe"}});
        let obstacle = Obstacle::put(&env, way, &of_leases(&env, "create", sample)).await?;
        let lease = format!("{way:?}").to_lowercase();
        let standing = Standing::start(&env, &lease).await?;
        told_by_event(&env, &env.inbox, &lease, way, 1).await?;
        standing.is_refused_again(way.reason(), 2.0).await?;
        told_by_event(&env, &env.inbox, &lease, way, 1).await?;
        ensure!(!standing.led.is_cancelled(), "{way:?}: nobody leads without a Lease");
        obstacle.remove().await?;
        standing.is_renewed().await?;
        ensure!(standing.led.is_cancelled(), "{way:?}");
        standing.ends().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_may_not_be_renewed_is_told_once_on_it_and_the_leader_stays_if_it_soon_may() -> Result<()> {
    let env = Env::new().await?;
    env.account.is_refused_on_purpose();
    bind(&env.client, &env.inbox, "operator", LEASES, &env.inbox).await?;
    for way in BUT_QUOTA {
        let lease = format!("{way:?}").to_lowercase();
        let standing = Standing::start(&env, &lease).await?;
        standing.is_renewed().await?;
        let obstacle = Obstacle::put(&env, way, &of_leases(&env, "update", json!(lease))).await?;
        told_by_event(&env, &env.inbox, &lease, way, 1).await?;
        standing.is_refused_again(way.reason(), 2.0).await?;
        told_by_event(&env, &env.inbox, &lease, way, 1).await?;
        obstacle.remove().await?;
        standing.is_renewed().await?;
        standing.ends().await?;
    }
    Ok(())
}
