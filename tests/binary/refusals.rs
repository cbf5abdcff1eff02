//! A start that cannot work ends at once, with a sentence that says what to change.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Result, ensure};
use meta_channel_operator::build_info;
use testkit::Process;

use crate::support::env::plane;
use crate::support::server::{Server, loopback, program};

const CRDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");

/// Runs a command that cannot work, to its end.
async fn refused(command: &Command) -> Result<String> {
    Server { process: Process::spawn(command)?, metrics: loopback(0) }.fails().await
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_that_cannot_work_are_refused_with_what_to_change() -> Result<()> {
    let cases: [(&str, &[&str], &str); 18] = [
        ("run", &["--no-such-flag"], "unexpected argument '--no-such-flag'"),
        ("rnu", &[], "unrecognized subcommand 'rnu'"),
        (
            "run",
            &["--metrics-addr=8080"],
            "'8080' for '--metrics-addr <ADDRESS>': must be an IP address and a port from 0 to 65535",
        ),
        (
            "run",
            &["--watch-namespaces=Foo_Bar,,x"],
            "'Foo_Bar,,x' for '--watch-namespaces <NAMESPACES>': \"Foo_Bar\" must be the name of a namespace",
        ),
        ("gateway", &["--watch-namespaces=a,,x"], "a name is missing before or after a comma"),
        ("run", &["--probe-period=0s"], "'0s' for '--probe-period <DURATION>': must be at least 1s and at most 720h"),
        ("run", &["--probe-period=1s"], "--probe-period (1s) must be at least 1m for Meta's Graph API"),
        ("run", &["--graph-timeout=soon"], "must be a duration such as 10s or 15m"),
        ("run", &["--graph-timeout=1m"], "must be at least 1s and at most 30s"),
        ("run", &["--lease-duration=30s"], "--lease-renew-deadline (40s) must be shorter than --lease-duration (30s)"),
        ("run", &["--concurrency=0"], "--concurrency"),
        ("run", &["--gateway-url=http://hooks.example.com"], "must start with https://"),
        ("run", &["--log-format=xml"], "possible values: json, human"),
        ("run", &["--log-filter=no=such=filter"], "must be a filter such as info"),
        ("run", &["--graph-url=http://127.0.0.1:9"], "add --allow-test-graph to send tokens and app secrets there"),
        ("run", &["--graph-url=https://graph.facebook.com.example.org"], "--graph-url is not Meta's"),
        ("gateway", &["--listen-addr=nowhere"], "--listen-addr"),
        ("gateway", &["--login-url=login"], "--login-url (\"login\") must be the URL of a server"),
    ];
    for (subcommand, flags, expected) in cases {
        let mut command = program(subcommand, Path::new("/nowhere"));
        command.args(flags);
        let said = refused(&command).await?;
        let first = said.lines().next().unwrap_or_default();
        ensure!(first.starts_with("error: ") && said.contains(expected), "{flags:?}: no {expected:?} in\n{said}");
    }
    Ok(())
}

/// Credentials in a URL are not repeated either.
#[tokio::test(flavor = "multi_thread")]
async fn a_graph_url_that_is_none_is_refused() -> Result<()> {
    for (url, expected) in [
        ("ftp://127.0.0.1", "--graph-url (\"ftp://127.0.0.1\") must be the URL of a server"),
        ("ftp://127.0.0.1", "its scheme is neither https nor http"),
        ("https://me:hunter2@graph.example.com", "--graph-url must be the URL of a server"),
        ("https://me:hunter2@graph.example.com", "it contains credentials"),
    ] {
        let mut command = program("run", Path::new("/nowhere"));
        command.args(["--allow-test-graph", "--metrics-addr=127.0.0.1:0"]).arg(format!("--graph-url={url}"));
        let said = refused(&command).await?;
        ensure!(said.contains(expected) && !said.contains("hunter2"), "{said}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_named() -> Result<()> {
    let taken = std::net::TcpListener::bind(loopback(0))?;
    let address = taken.local_addr()?;
    let kubeconfig = plane().await?.kubeconfig();
    let cases: [(&str, &[String]); 3] = [
        ("run", &[format!("--metrics-addr={address}")]),
        ("gateway", &[format!("--metrics-addr={address}")]),
        ("gateway", &["--metrics-addr=127.0.0.1:0".to_owned(), format!("--listen-addr={address}")]),
    ];
    for (subcommand, flags) in cases {
        let mut command = program(subcommand, kubeconfig);
        command.args(flags);
        let said = refused(&command).await?;
        ensure!(said.contains(&format!("cannot listen on {address}: Address already in use")), "{flags:?}:\n{said}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_cannot_be_reached_is_named() -> Result<()> {
    let plane = plane().await?;
    // Nobody listens on port 1.
    let text = fs::read_to_string(plane.kubeconfig())?.replace(plane.url(), "https://127.0.0.1:1");
    let nowhere = plane.directory().join("nowhere.kubeconfig");
    fs::write(&nowhere, text)?;
    let broken = plane.directory().join("broken.kubeconfig");
    fs::write(&broken, "apiVersion: [")?;
    for subcommand in ["run", "gateway"] {
        let cases = [
            (
                nowhere.as_path(),
                "no usable answer from the Kubernetes API server at https://127.0.0.1:1/; check that it runs",
            ),
            (broken.as_path(), "no access to a Kubernetes API server; run this program in a Pod, or set KUBECONFIG"),
            (
                Path::new("/nowhere"),
                "no access to a Kubernetes API server; run this program in a Pod, or set KUBECONFIG",
            ),
        ];
        for (kubeconfig, expected) in cases {
            let mut command = program(subcommand, kubeconfig);
            command.arg("--metrics-addr=127.0.0.1:0").env("RUST_BACKTRACE", "full");
            if subcommand == "gateway" {
                command.arg("--listen-addr=127.0.0.1:0");
            }
            let said = refused(&command).await?;
            ensure!(said.contains(expected), "{}:\n{said}", kubeconfig.display());
            let last = said.lines().last().unwrap_or_default();
            let last: serde_json::Value = serde_json::from_str(last)?;
            ensure!(last["level"] == "ERROR", "the last line says why:\n{said}");
            ensure!(!said.contains("backtrace") && !said.contains("stack") && !said.contains("Error("), "{said}");
        }
    }
    Ok(())
}

/// All that prints something and ends.
const PRINTING: [&[&str]; 12] = [
    &["crds"],
    &["--help"],
    &["-h"],
    &["help"],
    &["help", "gateway"],
    &["run", "--help"],
    &["gateway", "--help"],
    &["crds", "--help"],
    &["--version"],
    &["run", "--version"],
    &["gateway", "--version"],
    &["crds", "--version"],
];

#[test]
fn help_and_version_are_printed_to_standard_output_by_every_subcommand() {
    for arguments in &PRINTING[1..] {
        let output = Command::new(env!("CARGO_BIN_EXE_meta-channel-operator")).args(*arguments).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}: {output:?}");
        let printed = String::from_utf8(output.stdout).unwrap();
        if arguments.contains(&"--version") {
            let (name, version) = printed.trim_end().split_once(' ').unwrap();
            assert!(name.starts_with("meta-channel-operator"), "{printed}");
            assert_eq!(version, build_info::long_version());
            let lines: Vec<_> = version.lines().collect();
            assert_eq!(lines[0], env!("CARGO_PKG_VERSION"));
            assert!(lines[1].starts_with("commit: "), "{printed}");
            assert!(
                lines[2].starts_with("Graph API versions: v") && lines[2].ends_with(", default v25.0"),
                "{printed}"
            );
        } else {
            assert!(printed.contains("Usage: meta-channel-operator"), "{arguments:?}: {printed}");
        }
    }
}

#[test]
fn it_ends_without_a_complaint_when_nobody_reads_on() {
    for arguments in PRINTING {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_meta-channel-operator"));
        let output = command.args(arguments).stdout(writer).output().unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{arguments:?}");
        let expected = if arguments == ["crds"] { 141 } else { 0 };
        assert_eq!(output.status.code(), Some(expected), "{arguments:?}");
    }
}

#[test]
fn the_printed_kinds_are_those_that_are_shipped() {
    let shipped: BTreeMap<_, _> = fs::read_dir(CRDS)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
        .filter(|(name, _)| name != "kustomization.yaml")
        .collect();
    let run = |args: &[&str]| -> Output {
        Command::new(env!("CARGO_BIN_EXE_meta-channel-operator")).args(args).output().unwrap()
    };
    let printed = run(&["crds"]);
    assert!(printed.status.success() && printed.stderr.is_empty(), "{printed:?}");
    let documents: String = shipped.values().map(|text| format!("---\n{text}")).collect();
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), documents);

    let nowhere = run(&["crds", "--dir", "/nowhere/at/all"]);
    let said = String::from_utf8(nowhere.stderr).unwrap();
    assert!(!nowhere.status.success() && said.contains("cannot write /nowhere/at/all/metachannels.io_"), "{said}");
}
