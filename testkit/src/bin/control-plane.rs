//! Builds what demo and tests need of a control plane, and what judges statuses, and prints where it is.

use anyhow::Result;
use testkit::Binaries;

fn main() -> Result<()> {
    let binaries = Binaries::locate()?;
    println!("etcd            {}", binaries.etcd()?.display());
    println!("kube-apiserver  {}", binaries.kube_apiserver()?.display());
    println!("kubectl         {}", binaries.kubectl()?.display());
    println!("helm            {}", binaries.helm()?.display());
    println!("controllers     {}", binaries.kube_controller_manager()?.display());
    println!("status-check    {}", testkit::status_check()?.display());
    Ok(())
}
