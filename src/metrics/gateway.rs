//! What the gateway counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::{Metrics, ResultLabel};

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// The counters of the gateway.
#[derive(Clone, Default)]
pub(super) struct Gateway {
    signatures: Family<ResultLabel, Counter>,
    challenges: Family<ResultLabel, Counter>,
    reauthorisations: Family<OutcomeLabel, Counter>,
}

impl Gateway {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("webhook_signatures", "Signatures of webhook events checked", self.signatures.clone());
        registry.register("webhook_challenges", "Verification requests answered", self.challenges.clone());
        registry.register(
            "reauthorisations",
            "Steps of authorising again in a browser, by what came of them",
            self.reauthorisations.clone(),
        );
        for result in ["valid", "invalid"] {
            drop(self.signatures.get_or_create(&ResultLabel { result }));
            drop(self.challenges.get_or_create(&ResultLabel { result }));
        }
    }
}

impl Metrics {
    /// Counts a checked signature of a webhook event.
    pub fn signature(&self, valid: bool) {
        self.gateway.signatures.get_or_create(&checked(valid)).inc();
    }

    /// Counts an answered verification request.
    pub fn challenge(&self, valid: bool) {
        self.gateway.challenges.get_or_create(&checked(valid)).inc();
    }

    /// Counts a step of authorising again in a browser.
    pub fn reauthorisation(&self, outcome: &'static str) {
        self.gateway.reauthorisations.get_or_create(&OutcomeLabel { outcome }).inc();
    }
}

const fn checked(valid: bool) -> ResultLabel {
    ResultLabel { result: if valid { "valid" } else { "invalid" } }
}
