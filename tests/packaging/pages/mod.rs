//! The commands of the documentation, typed as they stand there into a terminal of a cluster. `tests/docs.rs` sees to it that each has
//! its test.

mod claims;
mod install;
mod meta_app;
mod parsed;
mod removal;
mod running;

use std::process::Command;

use anyhow::Result;
use testkit::{Process, free_port};

use crate::support::installed::PATIENCE;
use crate::support::path;

/// Starts a bot that takes what is signed with this secret, and returns its address.
async fn bot(secret: &str) -> Result<(Process, String)> {
    let port = free_port();
    let mut bot = Command::new("python3");
    bot.arg(path("tests/packaging/data/bot.py")).args([&port.to_string(), secret]);
    let (bot, address) = (Process::spawn(&bot)?, format!("http://127.0.0.1:{port}"));
    bot.wait_ready(&address, PATIENCE).await?;
    Ok((bot, address))
}
