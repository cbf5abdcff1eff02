//! Starts what the tests and the demo need: a real control plane, the operator's processes, kubectl.

mod audit;
mod binaries;
mod certificates;
mod container;
mod control_plane;
mod controllers;
mod go_module;
mod judges;
mod kubeconfig;
mod kubectl;
mod kubernetes;
pub mod layers;
mod odd;
pub mod pages;
mod process;
mod progress;
mod proxy;
mod storage;
mod tls_front;
mod wait;

/// The simulated Graph API.
pub use graph_sandbox as sandbox;

pub use audit::{AuditEvent, AuditObject};
pub use binaries::{
    Binaries, argocd_health, browser, crane, gateway_api_crds, helm_docs, helm3, image, prometheus_operator_crds,
    promtool, status_check,
};
pub use container::Image;
pub use control_plane::{ControlPlane, client};
pub use judges::{Health, Verdict, health, verdicts};
pub use kubectl::Kubectl;
pub use odd::{ODD_MEMBERS, odd_values};
pub use process::{Exit, Process};
pub use progress::Progress;
pub use proxy::Proxy;
pub use storage::Backup;
pub use tls_front::TlsFront;
pub use wait::{free_port, wait_for};

/// Several crates below use rustls without a provider of their own.
fn install_crypto_provider() {
    // An error means that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
