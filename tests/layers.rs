//! The modules of each crate import in one direction only.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use testkit::layers::{Layers, Modules};

/// How many files may import each other: a thing and its parts.
const LARGEST_CIRCLE: usize = 3;

/// The layers of the Graph sandbox, the lowest first.
const GRAPH_SANDBOX: Layers = &[
    &["id", "when", "locked", "switches", "output", "connection"],
    &["clock", "usage", "protocol"],
    &["faults"],
    &["seed"],
    &["world", "ledger"],
    &["auth", "foreign", "callback"],
    &["webhooks"],
    &["messaging", "core"],
    &["calls", "delivery", "control"],
    &["graph", "presets"],
    &["control_api"],
    &["server"],
    &["sandbox"],
];

fn check(sources: &str, layers: Layers) {
    let modules = Modules::of_crate(&Path::new(env!("CARGO_MANIFEST_DIR")).join(sources)).unwrap();
    let violations = modules.violations(layers, LARGEST_CIRCLE);
    assert!(violations.is_empty(), "{sources}:\n{}", violations.join("\n"));
}

#[test]
fn the_graph_sandbox_imports_downward_only() {
    check("graph-sandbox/src", GRAPH_SANDBOX);
}
