//! The README's commands, as a reader would type them.

use std::os::unix::fs::symlink;
use std::process::Command;

use anyhow::{Context, Result};
use testkit::sandbox::{Options, Sandbox, Seed};
use testkit::{Binaries, ControlPlane, Process};

use crate::support::installed::{installed_launch, run_as_installed, wait};
use crate::support::{helm, path, read, run};

/// The commands in the first block below a heading.
fn commands(heading: &str) -> Result<String> {
    let readme = read("README.md")?;
    let (_, chapter) = readme.split_once(&format!("\n## {heading}\n")).with_context(|| format!("no {heading}"))?;
    let (_, block) = chapter.split_once("```sh\n").context("no commands")?;
    Ok(block.split_once("```").context("an open end")?.0.to_owned())
}

/// Runs commands in the repository, with kubectl and helm for this cluster.
fn type_in(cluster: &ControlPlane, commands: &str) -> Result<String> {
    let programs = tempfile::tempdir()?;
    let binaries = Binaries::locate()?;
    symlink(binaries.kubectl()?, programs.path().join("kubectl"))?;
    symlink(binaries.helm()?, programs.path().join("helm"))?;
    let path_before = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", commands]).current_dir(path("."));
    for (name, value) in helm()?.get_envs().filter_map(|(name, value)| Some((name, value?))) {
        shell.env(name, value);
    }
    shell.env("KUBECONFIG", cluster.kubeconfig()).env("PATH", format!("{}:{path_before}", programs.path().display()));
    run(&mut shell)
}

/// Starts the installed operator as a process, with the simulated Graph API for Meta's.
async fn start(cluster: &ControlPlane, graph: &Sandbox) -> Result<Process> {
    let mut launch = installed_launch(cluster, "acme-system", "operator").await?.with("--graph-url", &graph.url())?;
    launch.env.insert("ALLOW_TEST_GRAPH".to_owned(), "true".to_owned());
    run_as_installed(cluster, launch).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_installed_by_the_commands_of_the_readme() {
    let commands = commands("Install").unwrap();
    let lines = commands.replace("\\\n", " ");
    let (_, tenants) = lines.split_once("\n\n").unwrap();
    let typed = tenants.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    assert_eq!(typed.count(), 3, "a tenant takes three commands: {tenants}");

    let graph = Sandbox::start(Seed::demo().unwrap(), Options::default()).await.unwrap();
    let cluster = ControlPlane::start().await.unwrap();
    type_in(&cluster, &commands).unwrap();
    let operator = start(&cluster, &graph).await.unwrap();
    for object in ["metaapp/acme", "metagrant/acme", "facebookchannel/shop"] {
        wait(&cluster, &operator, "Ready", object, "acme").await.unwrap();
    }
}
