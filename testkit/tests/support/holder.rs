//! Starts something and ends in the way it is told to; the tests in `lifetime.rs` look at what is left.
//!
//! `testkit-holder process|family|browser|control-plane wait|drop|panic|exit|abort`

mod family;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use testkit::{ControlPlane, Process, wait_for};

use crate::family::family;

/// Installing a browser takes a minute, and a slow machine some more.
const PATIENCE: Duration = Duration::from_secs(900);

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, ending] = arguments.as_slice() else {
        bail!("wanted: what to hold, and how to end");
    };
    match what.as_str() {
        "process" => {
            let mut sleep = Command::new("sleep");
            let process = Process::spawn(sleep.arg("600"))?;
            let log = process.log().to_owned();
            end(vec![process.pid()], log, ending, process)
        }
        "family" => {
            let mut shell = Command::new("sh");
            hold(shell.args(["-c", "sleep 600 & mktemp; echo held; wait"]), 2, ending).await
        }
        "browser" => {
            // The script, its driver, the browser and at least one that draws.
            hold(&testkit::browser(&serde_json::json!({ "hold": true })), 4, ending).await
        }
        "control-plane" => {
            let held = ControlPlane::start().await?;
            let pids = vec![held.etcd().pid(), held.api_server().pid()];
            let directory = held.directory().to_owned();
            end(pids, directory, ending, held)
        }
        other => bail!("{other} cannot be held"),
    }
}

/// Holds a program and at least so many processes in all, once it says so.
async fn hold(command: &Command, count: usize, ending: &str) -> Result<()> {
    let process = Process::spawn(command)?;
    wait_for("what is held", PATIENCE, async || {
        ensure!(
            process.exit_status()?.is_none() && process.logs().lines().any(|line| line == "held"),
            "{}",
            process.logs()
        );
        Ok(())
    })
    .await?;
    let pids = family(process.pid())?;
    ensure!(pids.len() >= count, "only {pids:?}");
    let directory = process.log().parent().context("a log is in a directory")?.to_owned();
    end(pids, directory, ending, process)
}

/// Says what is held, then ends.
fn end<T>(pids: Vec<u32>, path: PathBuf, ending: &str, held: T) -> Result<()> {
    let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
    println!("{} {}", pids.join(","), path.display());
    match ending {
        // Until whoever wants to know is gone.
        "wait" => std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).map(drop)?,
        "drop" => drop(held),
        "panic" => panic!("as asked for"),
        "exit" => std::process::exit(0),
        "abort" => std::process::abort(),
        other => bail!("{other} is no way to end"),
    }
    Ok(())
}
