//! Writes in the cluster that the API server refused.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::api::Reason;
use crate::engine::refused::WriteRefused;
use crate::engine::{KindName, events, secrets};

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Labels {
    kind: &'static str,
    reason: &'static str,
}

/// Refused writes by kind and reason.
#[derive(Clone, Default)]
pub(super) struct Refused(Family<Labels, Counter>);

impl Refused {
    /// Shows all of them from the begin: of a series that begins with 1, nobody sees the increase.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("refused_writes", "Writes that the API server refused", self.0.clone());
        let kinds = [KindName::MetaApp, KindName::MetaGrant, KindName::FacebookChannel, KindName::AssetClaim];
        for kind in kinds.map(KindName::as_str).into_iter().chain([secrets::KIND, events::KIND]) {
            for reason in Reason::ALL.iter().filter(|reason| reason.is_refused_write()) {
                drop(self.0.get_or_create(&Labels { kind, reason: reason.as_str() }));
            }
        }
    }

    /// Counts one.
    pub(super) fn count(&self, refused: &WriteRefused) {
        let labels = Labels { kind: refused.write.kind, reason: refused.reason().as_str() };
        self.0.get_or_create(&labels).inc();
    }
}
