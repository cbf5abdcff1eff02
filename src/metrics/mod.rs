//! Metrics. Labels are few: kinds, outcomes, path templates, and the names of MetaApps; never ids. Names of what there are
//! thousands of label only what is read from the stores at the time of a scrape.

mod api_server;
mod build;
mod forwarding;
mod gateway;
mod labels;
mod unguarded;
mod writes;

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::RwLock;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::base::key::{Key, KindName, SECRET};
use crate::base::priority::Priority;
use crate::base::watch_health::WatchHealth;
use crate::graph::CallObserver;
pub use api_server::ApiServer;
pub use forwarding::Forwarding;
pub use gateway::{Gateway, ItemResult};
use labels::{
    AppLabels, CallLabels, Durations, KindLabel, PassLabels, PriorityLabel, RepairLabels, ResultLabel, VisitLabels,
    durations,
};
use unguarded::Unguarded;
use writes::Writes;

/// All metrics of the process; clones count together.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<RwLock<Registry>>,
    api_server: ApiServer,
    passes: Durations<PassLabels>,
    calls: Durations<CallLabels>,
    batched: Family<CallLabels, Counter>,
    visits: Family<VisitLabels, Counter>,
    active: Family<KindLabel, Gauge>,
    rounds: Family<KindLabel, Counter>,
    sweep_complete: Family<KindLabel, Gauge<f64, AtomicU64>>,
    sweep_lag: Family<KindLabel, Gauge<f64, AtomicU64>>,
    unanswered: Family<KindLabel, Gauge<f64, AtomicU64>>,
    repairs: Family<RepairLabels, Counter>,
    status_writes: Family<KindLabel, Counter>,
    writes: Writes,
    invalid_objects: Family<KindLabel, Counter>,
    panics: Family<KindLabel, Counter>,
    secret_reads: Counter,
    leader: Gauge,
    grant_renewals: Family<ResultLabel, Counter>,
    unreachable_apps: Gauge,
    app_usage: Family<AppLabels, Gauge>,
    held_back: Family<PriorityLabel, Counter>,
    test_graph: Gauge,
    clock_skew: Gauge,
    unguarded: Unguarded,
    gateway: Gateway,
    forwarding: Forwarding,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::of(ApiServer::default())
    }
}

impl Metrics {
    /// Metrics of a process that notes in `hearing` when it heard the API server.
    pub fn with(hearing: WatchHealth) -> Self {
        Self::of(ApiServer::hearing_noted_in(hearing))
    }

    fn of(api_server: ApiServer) -> Self {
        let mut registry = Registry::with_prefix("meta_channel_operator");
        let metrics = Self {
            registry: Arc::default(),
            api_server,
            passes: durations(),
            calls: durations(),
            batched: Family::default(),
            visits: Family::default(),
            active: Family::default(),
            rounds: Family::default(),
            sweep_complete: Family::default(),
            sweep_lag: Family::default(),
            unanswered: Family::default(),
            repairs: Family::default(),
            status_writes: Family::default(),
            writes: Writes::default(),
            invalid_objects: Family::default(),
            panics: Family::default(),
            secret_reads: Counter::default(),
            leader: Gauge::default(),
            grant_renewals: Family::default(),
            unreachable_apps: Gauge::default(),
            app_usage: Family::default(),
            held_back: Family::default(),
            test_graph: Gauge::default(),
            clock_skew: Gauge::default(),
            unguarded: Unguarded::default(),
            gateway: Gateway::default(),
            forwarding: Forwarding::default(),
        };
        registry.register("reconcile_duration_seconds", "Passes by kind and outcome", metrics.passes.clone());
        registry.register(
            "graph_request_duration_seconds",
            "Requests to the Graph API by path template and outcome",
            metrics.calls.clone(),
        );
        registry.register(
            "graph_batch_operations",
            "Operations within batch requests to the Graph API by path template and outcome",
            metrics.batched.clone(),
        );
        registry.register("sweep_visits", "Objects checked at their regular time, by result", metrics.visits.clone());
        registry.register("reconciles_active", "Passes that are running, by kind", metrics.active.clone());
        registry.register("sweep_rounds", "Finished rounds of regular checks, by kind", metrics.rounds.clone());
        registry.register(
            "sweep_complete_timestamp_seconds",
            "Time up to which every object that was due has been checked",
            metrics.sweep_complete.clone(),
        );
        registry.register(
            "sweep_lag_seconds",
            "Delay with which the objects of the last finished round were checked after they were due",
            metrics.sweep_lag.clone(),
        );
        registry.register(
            "longest_unanswered_seconds",
            "Age of the question that the Graph API has left unanswered for longest",
            metrics.unanswered.clone(),
        );
        registry.register(
            "repairs",
            "Things at Meta that someone else changed: restored, or given up after three repairs",
            metrics.repairs.clone(),
        );
        registry.register("status_writes", "Statuses written, by kind", metrics.status_writes.clone());
        metrics.writes.register(&mut registry);
        registry.register("invalid_objects", "Objects that could not be decoded", metrics.invalid_objects.clone());
        registry.register("panics", "Passes and regular checks that panicked, by kind", metrics.panics.clone());
        registry.register("secret_reads", "Secrets read from the API server", metrics.secret_reads.clone());
        registry.register(
            "grant_renewals",
            "Tokens of grants that Meta was asked to exchange for others",
            metrics.grant_renewals.clone(),
        );
        registry.register(
            "unreachable_apps",
            "MetaApps whose channels are not checked because Meta answers nothing about them",
            metrics.unreachable_apps.clone(),
        );
        registry.register(
            "app_usage_percent",
            "Share of the hourly limit of a MetaApp's application that is used, as last reported by Meta",
            metrics.app_usage.clone(),
        );
        registry.register(
            "checks_deferred",
            "Checks at Meta that were deferred because much of a limit is used, by urgency",
            metrics.held_back.clone(),
        );
        registry.register(
            "leader",
            "1 while this instance holds the lease, or works without one",
            metrics.leader.clone(),
        );
        registry.register(
            "test_graph",
            "1 if the Graph API is not Meta's (--allow-test-graph)",
            metrics.test_graph.clone(),
        );
        registry.register(
            "clock_skew_seconds",
            "Seconds by which the clock of this machine is ahead of Meta's, by the dates of its latest answers",
            metrics.clock_skew.clone(),
        );
        metrics.unguarded.register(&mut registry);
        metrics.api_server.register(&mut registry);
        metrics.gateway.register(&mut registry);
        build::register(&mut registry);
        metrics.forwarding.register(&mut registry);
        metrics.begin_with_nought();
        Self { registry: Arc::new(RwLock::new(registry)), ..metrics }
    }

    /// Shows what may be alerted on before it ever happened: of a series that begins with 1, nobody sees the increase.
    fn begin_with_nought(&self) {
        for kind in KindName::ALL.iter().map(|kind| kind.as_str()).chain([SECRET]) {
            let label = KindLabel { kind: kind.to_owned() };
            drop(self.invalid_objects.get_or_create(&label));
            self.api_server.begin_with_nought(&label);
        }
        for kind in KindName::ALL {
            for result in ["restored", "given_up"] {
                drop(self.repairs.get_or_create(&RepairLabels { kind: kind.as_str().into(), result }));
            }
        }
        for result in ["renewed", "refused", "unanswered"] {
            drop(self.grant_renewals.get_or_create(&ResultLabel { result }));
        }
        for priority in Priority::ALL {
            drop(self.held_back.get_or_create(&PriorityLabel { priority: priority.as_str() }));
        }
    }

    /// What is counted of the API server.
    pub const fn api_server(&self) -> &ApiServer {
        &self.api_server
    }

    /// What the gateway counts of the events that it forwards.
    pub const fn forwarding(&self) -> &Forwarding {
        &self.forwarding
    }

    /// What the gateway counts.
    pub const fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Counts a pass.
    pub fn reconciled(&self, kind: KindName, outcome: &'static str, elapsed: Duration) {
        self.passes.get_or_create(&PassLabels { kind: kind.as_str(), outcome }).observe(elapsed.as_secs_f64());
    }

    /// Counts a pass that begins; it runs until what is returned is dropped.
    pub fn running(&self, kind: KindName) -> Running {
        let gauge = self.active.get_or_create(&KindLabel { kind: kind.as_str().into() }).clone();
        gauge.inc();
        Running(gauge)
    }

    /// Counts an object that was checked in its slot.
    pub fn visited(&self, kind: KindName, outcome: &'static str) {
        self.visits.get_or_create(&VisitLabels { kind: kind.as_str(), outcome }).inc();
    }

    /// Counts a round of visits, and says how long after their slots it ended.
    pub fn swept(&self, kind: KindName, lag: Duration) {
        self.rounds.get_or_create(&KindLabel { kind: kind.as_str().into() }).inc();
        self.sweep_lag.get_or_create(&KindLabel { kind: kind.as_str().into() }).set(lag.as_secs_f64());
    }

    /// Says until when everybody was visited.
    pub fn swept_until(&self, kind: KindName, until: Timestamp) {
        let seconds = until.as_duration().as_secs_f64();
        self.sweep_complete.get_or_create(&KindLabel { kind: kind.as_str().into() }).set(seconds);
    }

    /// Says how long Meta has left open what it has not answered for longest.
    pub fn longest_unanswered(&self, kind: KindName, open: Duration) {
        self.unanswered.get_or_create(&KindLabel { kind: kind.as_str().into() }).set(open.as_secs_f64());
    }

    /// Counts something that someone else had changed at Meta: restored, or given up.
    pub fn repaired(&self, kind: KindName, restored: bool) {
        let result = if restored { "restored" } else { "given_up" };
        self.repairs.get_or_create(&RepairLabels { kind: kind.as_str().into(), result }).inc();
    }

    /// Counts a written status.
    pub fn status_written(&self, kind: KindName) {
        self.status_writes.get_or_create(&KindLabel { kind: kind.as_str().into() }).inc();
    }

    /// Counts an object that could not be decoded.
    pub fn invalid_object(&self, kind: &str) {
        self.invalid_objects.get_or_create(&KindLabel { kind: kind.into() }).inc();
    }

    /// Counts a pass or a round of visits that panicked.
    pub fn panicked(&self, kind: KindName) {
        self.panics.get_or_create(&KindLabel { kind: kind.as_str().into() }).inc();
    }

    /// Counts a Secret that was read.
    pub fn secret_read(&self) {
        self.secret_reads.inc();
    }

    /// Counts a token that Meta was asked to exchange: renewed, same, refused or unanswered.
    pub fn grant_renewed(&self, result: &'static str) {
        self.grant_renewals.get_or_create(&ResultLabel { result }).inc();
    }

    /// Says about how many applications Meta answers nothing.
    pub fn unreachable_apps(&self, count: usize) {
        self.unreachable_apps.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Says how much of what Meta allows an application is used.
    pub fn app_usage(&self, app: &Key, percent: u32) {
        self.app_usage.get_or_create(&app.into()).set(percent.into());
    }

    /// Forgets an application that is gone.
    pub fn forget_app(&self, app: &Key) {
        self.app_usage.remove(&app.into());
    }

    /// Counts a check that was put off.
    pub fn held_back(&self, priority: Priority) {
        self.held_back.get_or_create(&PriorityLabel { priority: priority.as_str() }).inc();
    }

    /// Says whether this instance holds the lease, or works without one.
    pub fn leading(&self, leading: bool) {
        self.leader.set(leading.into());
    }

    /// Says how far our clock is ahead of Meta's, in seconds.
    pub fn clock_skew(&self, ahead: i64) {
        self.clock_skew.set(ahead);
    }

    /// Says that the Graph API is not Meta's.
    pub fn uses_test_graph(&self, test: bool) {
        self.test_graph.set(test.into());
    }

    /// Adds what is looked up at the time of a scrape.
    pub fn collect(&self, collector: impl Collector) {
        self.registry.write().register_collector(Box::new(collector));
    }

    /// All metrics in the OpenMetrics text format.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.read();
        if encode(&mut text, &registry).is_err() {
            // Writing into a String does not fail; a scraper would see that the end is missing.
            let _ = writeln!(text, "# incomplete");
        }
        text
    }
}

/// A pass that is running.
pub struct Running(Gauge);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl CallObserver for Metrics {
    fn observed(&self, template: &'static str, outcome: &'static str, elapsed: Duration) {
        self.calls.get_or_create(&CallLabels { template, outcome }).observe(elapsed.as_secs_f64());
    }

    fn batched(&self, template: &'static str, outcome: &'static str) {
        self.batched.get_or_create(&CallLabels { template, outcome }).inc();
    }
}
