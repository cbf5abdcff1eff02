//! What the API server does not keep others, or this process, from.

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Metrics;

/// 1 each while nothing guards it, or that is not known.
#[derive(Clone, Default)]
pub(super) struct Unguarded {
    claims: Gauge,
    secrets: Gauge,
    secrets_unknown: Gauge,
}

impl Unguarded {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "claims_unguarded",
            "1 while the API server would let any release claim pages for any other, so the operator claims none",
            self.claims.clone(),
        );
        registry.register(
            "secrets_unguarded",
            "1 while the API server would let this process write Secrets that it has no business writing",
            self.secrets.clone(),
        );
        registry.register(
            "secrets_guard_unknown",
            "1 while this process cannot find out whether the API server prevents it from writing Secrets that it has no business writing",
            self.secrets_unknown.clone(),
        );
    }
}

impl Metrics {
    /// Says whether anybody could take claims, so that none is taken.
    pub fn claims_unguarded(&self, unguarded: bool) {
        self.unguarded.claims.set(unguarded.into());
    }

    /// Says whether the API server would let this process write Secrets that are none of its business; `None` if that could not be
    /// found out, which is not to be read as that it would not: what was known of it before stays.
    pub fn secrets_unguarded(&self, unguarded: Option<bool>) {
        self.unguarded.secrets_unknown.set(unguarded.is_none().into());
        if let Some(unguarded) = unguarded {
            self.unguarded.secrets.set(unguarded.into());
        }
    }
}
