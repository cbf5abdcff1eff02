//! `make demo`: a control plane, the Graph sandbox, the operator and its gateway, and three channels to look at. As in a cluster
//! that was set up as the README says, garbage is collected and policies protect what is in use.
//!
//! With `--check` it ends as soon as everything has settled, with exit code 0, or with 1 and the reason.

mod cast;
mod hints;
mod settled;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use serde_json::Value;
use testkit::sandbox::print;
use testkit::{ControlPlane, Kubectl, Progress, wait_for};
use tokio::signal::unix::{SignalKind, signal};

use crate::cast::Cast;

/// Where `crds/`, `config/` and the sandbox's seeds are.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

const OPERATOR: &str = "meta-channel-operator";

const SETTLE_TIMEOUT: Duration = Duration::from_secs(300);

/// The app, and what the README begins with.
const SHOWN: [&str; 3] =
    ["get metaapps -A", "get metachannels -A", "-n tenant-b get fbc outlet -o jsonpath='{.status.nextStep}'"];

#[derive(Parser)]
struct Arguments {
    /// End once everything has settled instead of waiting for Ctrl-C.
    #[arg(long)]
    check: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let progress = Progress::new();
    // Whichever comes first; what was started is stopped as the other one is dropped.
    let result = tokio::select! {
        result = run(&arguments, &progress) => result,
        interrupted = interrupted() => interrupted.map(|()| progress.say("stopped")),
    };
    match result {
        // The runtime would wait for a build that was interrupted.
        Ok(()) => std::process::exit(0),
        Err(error) => {
            progress.say(&format!("failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Ctrl-C, or what a supervisor sends.
async fn interrupted() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed.context("wait for Ctrl-C"),
        _ = terminate.recv() => Ok(()),
    }
}

async fn run(arguments: &Arguments, progress: &Progress) -> Result<()> {
    let root = Path::new(ROOT).canonicalize()?;

    let operator = beside_this_program(OPERATOR)?;

    progress.say("starting the control plane");
    let control_plane = ControlPlane::start_with_controllers().await?;
    control_plane.install_crds(&root.join("crds")).await?;
    apply(&control_plane.kubectl(), &root.join("config/admission")).await?;

    progress.say("starting sandbox, operator and gateway");
    let cast = Cast::start(&root, &operator, &control_plane).await?;

    let played = play(arguments, &root, &control_plane, &cast, progress).await;
    if played.is_err() {
        report_failure(&control_plane.kubectl(), &cast).await;
    }
    played
}

async fn play(
    arguments: &Arguments,
    root: &Path,
    control_plane: &ControlPlane,
    cast: &Cast,
    progress: &Progress,
) -> Result<()> {
    let kubectl = control_plane.kubectl();
    progress.say("applying config/samples");
    apply(&kubectl, &root.join("config/samples")).await?;
    wait_until_settled(&control_plane.client().await?, cast, progress).await?;
    show(&kubectl).await?;
    if arguments.check {
        return Ok(());
    }
    print(&hints::hints(root, control_plane, cast))?;
    progress.say("running; Ctrl-C stops everything");
    loop {
        if let Some(ended) = cast.ended()? {
            bail!(ended);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn apply(kubectl: &Kubectl, kustomization: &Path) -> Result<()> {
    let path = kustomization.display().to_string();
    kubectl.run(&["apply", "--server-side", "--kustomize", &path]).await.map(drop)
}

/// Cargo puts all programs of a workspace into one directory.
fn beside_this_program(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    ensure!(path.is_file(), "{} is missing: cargo build --workspace --bins makes it", path.display());
    Ok(path)
}

/// Says each time that something has changed, so that nobody looks at a silent terminal.
async fn wait_until_settled(client: &kube::Client, cast: &Cast, progress: &Progress) -> Result<()> {
    let mut said = String::new();
    let poll = async || {
        if let Some(ended) = cast.ended()? {
            return Ok(Err(ended));
        }
        let (apps, channels) = (list(client, "metaapps").await?, list(client, "facebookchannels").await?);
        settled::judge(&apps, &channels).map(Ok).inspect_err(|seen| {
            let seen = seen.to_string();
            if seen != said {
                progress.say(&seen);
                said = seen;
            }
        })
    };
    match wait_for("app and channels to settle", SETTLE_TIMEOUT, poll).await? {
        Ok(()) => {
            progress.say("app and channels have settled");
            Ok(())
        }
        Err(ended) => bail!(ended),
    }
}

/// All objects of one of our kinds.
async fn list(client: &kube::Client, plural: &str) -> Result<Value> {
    let request = http::Request::get(format!("/apis/metachannels.io/v1alpha1/{plural}"));
    Ok(client.request(request.body(Vec::new())?).await?)
}

async fn show(kubectl: &Kubectl) -> Result<()> {
    for command in SHOWN {
        let words: Vec<_> = command.split_whitespace().map(|word| word.replace('\'', "")).collect();
        let shown = kubectl.text(&words.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        print(&format!("\n$ kubectl {command}\n{}\n", shown.trim_end()))?;
    }
    Ok(())
}

/// Everything a person would ask for next. Whatever cannot be had is replaced by the reason.
async fn report_failure(kubectl: &Kubectl, cast: &Cast) {
    let describe = ["describe", "metaapps,metachannels,assetclaims", "--all-namespaces"];
    let objects = kubectl.text(&describe).await.unwrap_or_else(|error| format!("{error:#}"));
    let mut report = format!("\n$ kubectl {}\n{objects}\n", describe.join(" "));
    for (role, process) in cast.children() {
        report += &format!("\nthe {role}'s last lines:\n{}\n", process.last_lines(40));
    }
    // Nobody reads it: no reason to stop.
    let _ = std::io::stderr().write_all(report.as_bytes());
}
