//! Charts, kustomize bases, samples and image: that they render, agree with each other and with the program, and that a
//! real API server takes them.
#![allow(clippy::unwrap_used)]

mod access;
mod admin_chart;
mod admission;
mod cluster;
mod dockerfile;
mod flags;
mod installed;
mod launch;
mod operator_chart;
mod samples;
mod side_by_side;
mod tools;
mod values;
