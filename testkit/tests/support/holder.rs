//! Starts something and ends in the way it is told to; the tests in `lifetime.rs` look at what is left.
//!
//! `testkit-holder process|control-plane wait|drop|panic|exit|abort`

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};
use testkit::{ControlPlane, Process};

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
        "control-plane" => {
            let held = ControlPlane::start().await?;
            let pids = vec![held.etcd().pid(), held.api_server().pid()];
            let directory = held.directory().to_owned();
            end(pids, directory, ending, held)
        }
        other => bail!("{other} cannot be held"),
    }
}

/// Says what is held, then ends.
fn end<T>(pids: Vec<u32>, path: PathBuf, ending: &str, held: T) -> Result<()> {
    let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
    println!("{} {}", pids.join(","), path.display());
    match ending {
        "wait" => loop {
            std::thread::park();
        },
        "drop" => drop(held),
        "panic" => panic!("as asked for"),
        "exit" => std::process::exit(0),
        "abort" => std::process::abort(),
        other => bail!("{other} is no way to end"),
    }
    Ok(())
}
