//! `make bench` and `make bench-leader`: what an operator takes, as a process of its own, on a machine that control plane,
//! sandbox and operator share.

mod compare;
mod crowd;
mod figures;
mod leader;
mod meter;
mod metrics;
mod percentile;
mod phases;
mod proc;
mod ready;
mod stage;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Whether a leader stays with many channels of one grant, applied before it starts.
    Leader(leader::Arguments),
    /// What channels cost from their creation to the end of the operator, phase by phase, to be compared with another build.
    Phases(phases::Arguments),
}

#[tokio::main]
async fn main() -> Result<()> {
    match Arguments::parse().what {
        What::Leader(arguments) => leader::run(arguments).await,
        What::Phases(arguments) => phases::run(arguments).await,
    }
}
