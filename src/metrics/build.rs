//! What the process was built from.

use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::build_info::{COMMIT, VERSION};
use crate::graph::Version;

/// Registers a gauge that is always 1, with what the process was built from as its labels.
pub(super) fn register(registry: &mut Registry) {
    let labels = [
        ("version", VERSION.to_owned()),
        ("commit", COMMIT.to_owned()),
        ("graph_version", Version::DEFAULT.to_string()),
    ];
    registry.sub_registry_with_labels(labels.into_iter().map(|(name, value)| (name.into(), value.into()))).register(
        "build_info",
        "1, labeled with the version and the commit of the program, and its default version of the Graph API",
        ConstGauge::new(1_i64),
    );
}
