//! The modules of each crate import in one direction only.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use testkit::layers::{Layers, Modules};

/// The layers of the operator and its gateway, the lowest first.
const OPERATOR: Layers = &[
    &["base"],
    &["api", "graph", "core_dumps", "telemetry"],
    &["build_info"],
    &["metrics"],
    &["server", "cluster"],
    &["limits"],
    &["controller"],
    &["ownership"],
    &["meta_app"],
    &["asset_claim", "meta_grant"],
    &["facebook_channel"],
    &["operator", "gateway"],
    &["settings"],
];

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

/// `largest` is how many files may import each other: a thing and its parts.
fn check(sources: &str, layers: Layers, largest: usize) {
    let modules = Modules::of_crate(&Path::new(env!("CARGO_MANIFEST_DIR")).join(sources)).unwrap();
    let violations = modules.violations(layers, largest);
    assert!(violations.is_empty(), "{sources}:\n{}", violations.join("\n"));
}

#[test]
fn the_graph_sandbox_imports_downward_only() {
    check("graph-sandbox/src", GRAPH_SANDBOX, 3);
}

#[test]
fn the_operator_imports_downward_only() {
    check("src", OPERATOR, 3);
}
