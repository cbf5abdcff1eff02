//! The built program as its users meet it: child processes against a real API server and the simulated Graph API.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod browser;
mod canary;
mod colors;
mod election;
mod frozen;
mod generated;
mod growth;
mod log;
mod probes;
mod refusals;
mod shutdown;
mod silence;
mod strangers;
mod support;
