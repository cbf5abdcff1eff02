//! meta-channel-operator: keeps messaging channels on Meta's Graph API the way they are declared in Kubernetes.
//!
//! Where to find what, from the outside in:
//!
//! - [`settings`], [`telemetry`], [`server`], [`metrics`], [`core_dumps`]: flags, logs, probes, numbers, no image of the memory;
//!   [`build_info`]: what the program was built from
//! - [`operator`] wires stores, watches and kinds together; [`gateway`] answers Meta's webhook requests
//! - [`meta_app`], [`meta_grant`], [`facebook_channel`]: a kind each, always as observe → decide → act (→ report)
//! - [`ownership`]: which namespace owns a page; [`asset_claim`]: what is cleaned up after its channel
//! - [`controller`]: what all kinds share: the loop, the pass, timers, what wakes whom; below it [`limits`]: whether Meta may be asked now, and
//!   [`cluster`]: the API server, watches, Secrets, statuses, Events
//! - [`base`]: times, keys, the one door for foreign text
//! - [`graph`]: the client of the Graph API; knows nothing of Kubernetes
//! - [`api`]: the kinds themselves; know nothing of controllers or HTTP

// An instant or a duration from outside must not end the process: see `base::clock::Moment`.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

pub mod api;
pub mod asset_claim;
pub mod base;
pub mod build_info;
pub mod cluster;
pub mod controller;
pub mod core_dumps;
pub mod facebook_channel;
pub mod gateway;
pub mod graph;
pub mod limits;
pub mod meta_app;
pub mod meta_grant;
pub mod metrics;
pub mod operator;
pub mod ownership;
pub mod server;
pub mod settings;
pub mod telemetry;
#[cfg(test)]
pub(crate) mod testing;

/// Installs the one provider of cryptography; to be called once, before any TLS connection is made.
pub fn install_crypto_provider() {
    // An error means that one is installed already, by a test of the same process.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
