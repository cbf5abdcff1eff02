//! What was seen of the operator.

use std::fmt::{self, Display};
use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};

use crate::stage::Operator;
use crate::{crowd, metrics, proc};

pub struct Report {
    leases: Api<Lease>,
    http: reqwest::Client,
    channels: usize,
    restarts: usize,
    /// How often the Lease went from one holder to another.
    changes: i32,
    /// The longest time between two renewals that was seen to pass.
    longest_unrenewed: Duration,
    ready: usize,
    after: Duration,
    /// Statuses of channels that were written, of processes that ended and of the one that runs.
    written: (f64, f64),
    peak_kib: u64,
}

impl Report {
    pub fn new(client: &Client, channels: usize) -> Result<Self> {
        Ok(Self {
            leases: Api::namespaced(client.clone(), crowd::RELEASE),
            http: metrics::client()?,
            channels,
            restarts: 0,
            changes: 0,
            longest_unrenewed: Duration::ZERO,
            ready: 0,
            after: Duration::ZERO,
            written: (0.0, 0.0),
            peak_kib: 0,
        })
    }

    pub fn is_complete(&self) -> bool {
        self.ready == self.channels
    }

    pub fn restarted(&mut self) {
        self.restarts += 1;
        self.written = (self.written.0 + self.written.1, 0.0);
    }

    /// Looks at the process and at the Lease. What gives no answer now is checked the next time.
    pub async fn look(&mut self, operator: &Operator, after: Duration) {
        self.after = after;
        if let Ok(Some(spec)) = self.leases.get(crowd::LEASE).await.map(|lease| lease.spec) {
            self.changes = spec.lease_transitions.unwrap_or_default();
            let renewed = spec.renew_time.map(|at| k8s_openapi::jiff::Timestamp::now().duration_since(at.0));
            let unrenewed = renewed.and_then(|it| Duration::try_from(it).ok()).unwrap_or_default();
            self.longest_unrenewed = self.longest_unrenewed.max(unrenewed);
        }
        let peak = proc::usage(operator.process.pid()).map(|usage| usage.peak_kib);
        self.peak_kib = self.peak_kib.max(peak.unwrap_or_default());
        let Ok(text) = metrics::scrape(&self.http, operator.metrics).await else { return };
        self.ready = ready(&text);
        self.written.1 = metrics::sum_of_channels(&text, "status_writes_total");
    }

    pub fn line(&self) -> String {
        let Self { ready, channels, longest_unrenewed, .. } = self;
        format!(
            "{ready} of {channels} ready, {:.1} statuses each, {} MiB, lease unrenewed for {longest_unrenewed:.1?} at most",
            self.per_channel(),
            self.peak_kib / 1024
        )
    }

    #[allow(clippy::cast_precision_loss)]
    fn per_channel(&self) -> f64 {
        (self.written.0 + self.written.1) / self.channels as f64
    }

    /// Whether one leader did it all.
    pub fn verdict(&self) -> Result<()> {
        ensure!(self.restarts == 0, "the operator ended {} times", self.restarts);
        ensure!(self.changes == 0, "the Lease went to another holder {} times", self.changes);
        Ok(())
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "channels                   {}", self.channels)?;
        writeln!(f, "restarts of the operator   {}", self.restarts)?;
        writeln!(f, "changes of the leader      {}", self.changes)?;
        writeln!(f, "longest without a renewal  {:.1?} (seen)", self.longest_unrenewed)?;
        writeln!(f, "all Ready after            {:.1?}", self.after)?;
        writeln!(f, "status writes per channel  {:.2}", self.per_channel())?;
        write!(f, "peak RSS                   {} MiB", self.peak_kib / 1024)
    }
}

/// How many channels are Ready, as the metrics tell.
fn ready(metrics: &str) -> usize {
    let of_channels =
        |line: &&str| line.starts_with("meta_channel_operator_ready{") && line.contains("FacebookChannel");
    metrics.lines().filter(of_channels).filter(|line| line.ends_with(" 1.0") || line.ends_with(" 1")).count()
}
