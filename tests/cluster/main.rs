//! The operator against a real API server and the simulated Graph API, in this process and with a clock that tests move.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod claims;
mod connect;
mod crds;
mod drift;
mod faults;
mod gateway;
mod props;
mod restraint;
mod tokens;
mod world;
