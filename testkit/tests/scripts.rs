//! The scripts that run the tests: what fails keeps nothing else from being run, and nothing outlives a run that is cut off.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::ensure;
use rustix::process::{Pid, Signal, kill_process};
use testkit::wait_for;

use crate::support::runs;

/// A watcher needs a second; compilers on the same machine may hold it up.
const PATIENCE: Duration = Duration::from_secs(60);

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../hack").join(name)
}

#[tokio::test]
async fn what_is_tied_to_a_starter_ends_with_it_however_it_ends() {
    for (signal, whom) in
        [(Signal::KILL, "starter"), (Signal::TERM, "starter"), (Signal::KILL, "tie"), (Signal::TERM, "tie")]
    {
        // A shell that has something to do afterwards stays the parent. Neither of the tied processes ends on its own.
        let mut starter = Command::new("sh")
            .args(["-c", "\"$0\" sh -c 'sleep 120 & echo $PPID $$ $!; wait'; :"])
            .arg(script("tied.sh"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(starter.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let pids: Vec<Pid> = line.split_whitespace().map(|pid| Pid::from_raw(pid.parse().unwrap()).unwrap()).collect();
        assert!(pids.len() == 3 && pids.iter().all(|pid| runs(*pid)), "{line}");
        kill_process(if whom == "tie" { pids[0] } else { Pid::from_child(&starter) }, signal).unwrap();
        wait_for(&format!("all to end after {signal:?} to the {whom}"), PATIENCE, async || {
            ensure!(pids.iter().all(|pid| !runs(*pid)), "one of {pids:?} runs");
            Ok(())
        })
        .await
        .unwrap();
        starter.wait().unwrap();
    }
}

#[tokio::test]
async fn what_a_tied_command_leaves_ends_with_it_and_its_exit_code_counts() {
    let tied = Command::new(script("tied.sh")).args(["sh", "-c", "sleep 120 & echo $!; exit 7"]).output().unwrap();
    let sleep = Pid::from_raw(String::from_utf8(tied.stdout).unwrap().trim().parse().unwrap()).unwrap();
    assert_eq!(tied.status.code(), Some(7));
    assert_eq!(String::from_utf8(tied.stderr).unwrap(), "");
    wait_for("what it left to end", PATIENCE, async || {
        ensure!(!runs(sleep), "{sleep} runs");
        Ok(())
    })
    .await
    .unwrap();
}

#[test]
fn every_part_is_run_and_told_of_whatever_becomes_of_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let make = directory.path().join("make");
    fs::write(&make, "#!/bin/sh\necho making $2\n[ $2 != \"$BROKEN\" ]\n").unwrap();
    fs::set_permissions(&make, fs::Permissions::from_mode(0o755)).unwrap();
    for (broken, code, verdict) in [("two", 1, "FAILED"), ("none", 0, "ok")] {
        let mut test = Command::new(script("test.sh"));
        let output = test.args(["one", "two", "three"]).env("MAKE", &make).env("BROKEN", broken).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..3], ["making one", "making two", "making three"]);
        let told: Vec<Vec<&str>> = lines[4..].iter().map(|line| line.split_whitespace().collect()).collect();
        let expected = [["ok", "one"], [verdict, "two"], ["ok", "three"]];
        assert!(told.len() == 3 && told.iter().zip(expected).all(|(told, expected)| told[..2] == expected), "{text}");
        assert!(told.iter().all(|told| told[3] == "min"), "{text}");
    }
}

#[test]
fn a_test_that_fails_keeps_no_suite_from_being_run() {
    let mut make = Command::new("make");
    // Not those of a make that runs this test.
    make.args(["--dry-run", "suites"]).env_remove("MAKEFLAGS").env_remove("MAKELEVEL");
    make.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    let output = make.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("cargo test") && text.contains(" --workspace ") && text.contains(" --no-fail-fast"),
        "{text}"
    );
}

#[test]
fn the_list_of_programs_may_be_cut_off() {
    for arguments in [&[][..], &["etcd"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut list = Command::new(env!("CARGO_BIN_EXE_control-plane"));
        let output = list.args(arguments).stdout(writer).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!error.contains("panicked"), "{error}");
        assert_eq!(output.status.code(), Some(141));
    }
}

#[test]
fn programs_color_nothing_for_files_and_people_who_set_no_color() {
    for program in [env!("CARGO_BIN_EXE_control-plane"), env!("CARGO_BIN_EXE_demo")] {
        let run = format!("{program} --no-such-flag");
        for starter in [&["sh", "-c", &run][..], &["script", "--quiet", "--command", &run, "/dev/null"]] {
            let mut command = Command::new(starter[0]);
            command.args(&starter[1..]).env("TERM", "xterm").env_remove("NO_COLOR").stdin(Stdio::null());
            if starter[0] == "script" {
                command.env("NO_COLOR", "1");
            }
            let output = command.output().unwrap();
            let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert!(said.contains("no-such-flag") && !said.contains('\u{1b}'), "{starter:?}: {said}");
        }
    }
}
