//! Writes that were not let through: by the API server, or by us.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::Metrics;
use crate::api::Reason;
use crate::base::key::KindName;
use crate::base::key::{EVENT, LEASE, SECRET};
use crate::base::withheld::Withheld;

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RefusedLabels {
    kind: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct WithheldLabel {
    reason: &'static str,
}

/// Writes in the cluster that were refused, by kind and reason, and writes at Meta that were withheld, by reason.
#[derive(Clone, Default)]
pub(super) struct Writes {
    refused: Family<RefusedLabels, Counter>,
    withheld: Family<WithheldLabel, Counter>,
}

impl Writes {
    /// Shows all of them from the begin: of a series that begins with 1, nobody sees the increase.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("refused_writes", "Writes that the API server refused", self.refused.clone());
        for kind in KindName::ALL.iter().map(|kind| kind.as_str()).chain([SECRET, EVENT, LEASE]) {
            for reason in Reason::ALL.iter().filter(|reason| reason.is_refused_write()) {
                drop(self.refused.get_or_create(&RefusedLabels { kind, reason: reason.as_str() }));
            }
        }
        registry.register(
            "writes_withheld",
            "Writes at Meta that were not sent because this process was no longer sure of its right to send them",
            self.withheld.clone(),
        );
        for why in Withheld::ALL {
            drop(self.withheld.get_or_create(&WithheldLabel { reason: why.as_str() }));
        }
    }
}

impl Metrics {
    /// Counts a write that the API server refused.
    pub fn write_refused(&self, kind: &'static str, reason: Reason) {
        let labels = RefusedLabels { kind, reason: reason.as_str() };
        self.writes.refused.get_or_create(&labels).inc();
    }

    /// Counts a write at Meta that was not sent.
    pub fn write_withheld(&self, why: Withheld) {
        self.writes.withheld.get_or_create(&WithheldLabel { reason: why.as_str() }).inc();
    }
}
