//! Builds what demo and tests need of a control plane, and what judges statuses, rules and charts, and prints where it is; with
//! the name of one of them, only its path.

use std::path::PathBuf;

use anyhow::{Result, bail};
use testkit::Binaries;
use testkit::sandbox::print;

type Program = (&'static str, fn(&Binaries) -> Result<PathBuf>);

const PROGRAMS: [Program; 9] = [
    ("etcd", Binaries::etcd),
    ("kube-apiserver", Binaries::kube_apiserver),
    ("controllers", Binaries::kube_controller_manager),
    ("kubectl", Binaries::kubectl),
    ("helm", Binaries::helm),
    ("status-check", |_| testkit::status_check()),
    ("argocd-health", |_| testkit::argocd_health()),
    ("helm-docs", |_| testkit::helm_docs()),
    ("promtool", |_| testkit::promtool()),
];

/// Needed for images alone, and so built only by name.
const FOR_IMAGES: [Program; 1] = [("image", |_| testkit::image())];

fn main() -> Result<()> {
    let binaries = Binaries::locate()?;
    let Some(wanted) = std::env::args().nth(1) else {
        for (name, path) in PROGRAMS {
            print(&format!("{name:<15} {}\n", path(&binaries)?.display()))?;
        }
        print(&format!("{:<15} {}\n", "helm 3", testkit::helm3()?.display()))?;
        return Ok(());
    };
    let Some((_, path)) = PROGRAMS.iter().chain(&FOR_IMAGES).find(|(name, _)| *name == wanted) else {
        bail!("{wanted} is none of {}", PROGRAMS.map(|(name, _)| name).join(", "));
    };
    print(&format!("{}\n", path(&binaries)?.display()))?;
    Ok(())
}
