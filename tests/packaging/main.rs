//! Charts, kustomize bases, samples, image and releases: that they render, agree with each other and with the program, and that a
//! real API server takes them.
#![allow(clippy::unwrap_used)]

mod access;
mod admin_chart;
mod admission;
mod argocd;
mod channels_chart;
mod chart_metadata;
mod cluster;
mod dockerfile;
#[path = "../binary/support/metric_families.rs"]
mod families;
mod flags;
mod forwarding;
mod image;
mod installed;
mod monitoring;
mod operator_chart;
mod pages;
mod readme;
mod releases;
mod routes;
mod samples;
mod side_by_side;
mod support;
mod uninstall;
mod upgrade;
mod values;
mod versions;
mod workflows;
