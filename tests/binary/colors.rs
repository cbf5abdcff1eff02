//! Colors are for terminals, and for people who want them.

use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

const ESCAPE: char = '\u{1b}';
/// Ends at once, with a line in the log.
const RUN: &str = concat!(env!("CARGO_BIN_EXE_meta-channel-operator"), " run --log-format=human");

/// What a shell command that fails says, on a terminal if the starter gives it one.
fn said(starter: &[&str], no_color: Option<&str>) -> Result<String> {
    let mut command = Command::new(starter[0]);
    command.args(&starter[1..]).envs([("KUBECONFIG", "/nowhere"), ("TERM", "xterm")]).env_remove("NO_COLOR");
    let output = command.envs(no_color.map(|value| ("NO_COLOR", value))).stdin(Stdio::null()).output()?;
    let said = String::from_utf8([output.stdout, output.stderr].concat())?;
    ensure!(said.contains("ERROR"), "no line of the log: {said}");
    Ok(said)
}

#[test]
fn logs_for_people_have_colors_only_on_a_terminal_without_no_color() -> Result<()> {
    let terminal = ["script", "--quiet", "--command", RUN, "/dev/null"];
    let colored = said(&terminal, None)?;
    ensure!(colored.contains(ESCAPE), "no colors on a terminal: {colored}");
    let plain = said(&terminal, Some("1"))?;
    ensure!(!plain.contains(ESCAPE), "colors in spite of NO_COLOR: {plain}");
    let file = said(&["sh", "-c", RUN], None)?;
    ensure!(!file.contains(ESCAPE), "colors in a file: {file}");
    Ok(())
}
