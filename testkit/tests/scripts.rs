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

/// On 1.32 all is well, on 1.33 a test fails, on 1.34 none comes to run, and 1.35 cannot be built.
const CARGO: &str = r#"#!/bin/sh
case "$* $KUBERNETES_MINOR" in
*--no-run*) ;;
*" cluster "*) echo "test result: ok. 40 passed; 0 failed; 0 ignored; 0 measured; 300 filtered out; finished in 1.00s" ;;
*" 1.33") printf 'test a::b ... FAILED\ntest result: FAILED. 6 passed; 1 failed; 1 ignored; 0 measured\n'; exit 101 ;;
*" 1.34") ;;
*) echo "test result: ok. 7 passed; 0 failed; 1 ignored; 0 measured" ;;
esac
"#;

/// The program that builds, and what it built.
const CONTROL_PLANE: &str = r#"#!/bin/sh
[ "$1" = --version ] && exec echo "Kubernetes v$KUBERNETES_MINOR.9"
[ "$KUBERNETES_MINOR" != 1.35 ] && echo "$0"
"#;

/// What a table says of each version: its number, what ran of tests/cluster and of tests/packaging.
fn outcomes(table: &str) -> Vec<[String; 3]> {
    let rows = table.lines().filter(|line| line.starts_with("| 1."));
    let cells = rows.map(|row| row.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>());
    cells.map(|cells| [cells[2].clone(), cells[4].clone(), cells[5].clone()]).collect()
}

#[test]
fn each_kubernetes_is_tested_and_told_of_whatever_becomes_of_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    for (name, program) in [("cargo", CARGO), ("control-plane", CONTROL_PLANE)] {
        fs::write(file(name), program).unwrap();
        fs::set_permissions(file(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let row = |minor: &str| format!("| {minor} | old | old | old | old | old |\n");
    fs::write(file("page"), format!("Text.\n{}", ["1.32", "1.33", "1.34", "1.35", "1.36"].map(row).concat())).unwrap();
    let run = |minors: &[&str]| {
        let path = format!("{}:{}", directory.path().display(), std::env::var("PATH").unwrap());
        let mut matrix = Command::new(script("test-matrix.sh"));
        matrix.args(minors).env("PATH", path).env("LOGS", file("logs")).env("PAGE", file("page"));
        let output = matrix.env("CONTROL_PLANE", file("control-plane")).output().unwrap();
        (output.status.code(), output.stdout, String::from_utf8(output.stderr).unwrap())
    };

    let (code, table, errors) = run(&["1.32", "1.33", "1.34", "1.35"]);
    let expected = [
        ["1.32.9", "40 of 40", "7 of 7"],
        ["1.33.9", "40 of 40", "6 of 7"],
        ["1.34.9", "40 of 40", "none ran"],
        ["not built", "-", "-"],
    ];
    assert_eq!(code, Some(1), "{errors}");
    assert_eq!(outcomes(&String::from_utf8(table).unwrap()), expected);
    assert_eq!(errors, "1.33: FAILED a::b\n");
    let page = fs::read_to_string(file("page")).unwrap();
    assert_eq!(outcomes(&page)[..4], expected);
    assert!(page.starts_with("Text.\n") && page.ends_with(&row("1.36")), "{page}");
    assert_eq!(fs::read_dir(file("logs")).unwrap().count(), 6);

    assert_eq!(run(&["1.32"]).0, Some(0));
    let (code, _, errors) = run(&["1.31"]);
    assert!(code == Some(1) && errors.contains("no row of 1.31"), "{errors}");
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
