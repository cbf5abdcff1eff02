//! What is counted of the API server.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::labels::KindLabel;
use crate::base::watch_health::WatchHealth;

/// The counters about watches and writes, and when something was heard.
#[derive(Clone, Default)]
pub struct ApiServer {
    hearing: WatchHealth,
    watch_errors: Family<KindLabel, Counter>,
    watch_silences: Family<KindLabel, Counter>,
    write_limit: Gauge,
}

impl ApiServer {
    pub(super) fn hearing_noted_in(hearing: WatchHealth) -> Self {
        Self { hearing, ..Self::default() }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("watch_errors", "Interruptions of watches", self.watch_errors.clone());
        registry.register(
            "watch_silences",
            "Watches that were restarted because nothing was heard on them",
            self.watch_silences.clone(),
        );
        registry.register(
            "write_limit",
            "Writes to the API server that may be in flight at once; fewer while it is slow",
            self.write_limit.clone(),
        );
        registry.register_collector(Box::new(self.hearing.clone()));
    }

    pub(super) fn begin_with_nought(&self, kind: &KindLabel) {
        drop(self.watch_errors.get_or_create(kind));
        drop(self.watch_silences.get_or_create(kind));
    }

    /// When the API server was heard.
    pub fn hearing(&self) -> &WatchHealth {
        &self.hearing
    }

    /// Counts an interruption of a watch.
    pub fn watch_error(&self, kind: &str) {
        self.watch_errors.get_or_create(&KindLabel { kind: kind.into() }).inc();
    }

    /// Counts a watch on which nothing was heard for too long.
    pub fn watch_silence(&self, kind: &str) {
        self.watch_silences.get_or_create(&KindLabel { kind: kind.into() }).inc();
    }

    /// Says how many writes to the API server may be under way at once.
    pub fn write_limit(&self, limit: usize) {
        self.write_limit.set(i64::try_from(limit).unwrap_or(i64::MAX));
    }
}
