//! A start that cannot work ends at once, with a sentence that says what to change.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Result, ensure};
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
    let cases: [(&str, &[&str], &str); 13] = [
        ("run", &["--no-such-flag"], "unexpected argument '--no-such-flag'"),
        ("rnu", &[], "unrecognized subcommand 'rnu'"),
        ("run", &["--metrics-addr=8080"], "--metrics-addr"),
        ("run", &["--probe-period=0s"], "--probe-period"),
        ("run", &["--graph-timeout=soon"], "\"soon\" is not a duration such as 10s or 15m"),
        ("run", &["--graph-timeout=1m"], "--graph-timeout (60s) must be at most 30s"),
        ("run", &["--concurrency=0"], "--concurrency"),
        ("run", &["--gateway-url=http://hooks.example.com"], "must start with https://"),
        ("run", &["--log-format=xml"], "possible values: json, human"),
        ("run", &["--log-filter=no=such=filter"], "filter"),
        ("run", &["--graph-url=http://127.0.0.1:9"], "add --allow-test-graph to send tokens and app secrets there"),
        ("run", &["--graph-url=https://graph.facebook.com.example.org"], "--graph-url is not Meta's"),
        ("gateway", &["--listen-addr=nowhere"], "--listen-addr"),
    ];
    for (subcommand, flags, expected) in cases {
        let mut command = program(subcommand, Path::new("/nowhere"));
        command.args(flags);
        let said = refused(&command).await?;
        ensure!(said.contains(expected), "{flags:?}: no {expected:?} in\n{said}");
    }
    Ok(())
}

/// Credentials in a URL are not repeated either.
#[tokio::test(flavor = "multi_thread")]
async fn a_graph_url_that_is_none_is_refused() -> Result<()> {
    let kubeconfig = plane().await?.kubeconfig();
    for (url, expected) in [
        ("ftp://127.0.0.1", "--graph-url: the URL of Graph cannot be used: its scheme is neither https nor http"),
        (
            "https://me:hunter2@graph.example.com",
            "--graph-url: the URL of Graph cannot be used: it contains credentials",
        ),
    ] {
        let mut command = program("run", kubeconfig);
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
            (nowhere.as_path(), "no usable answer from the Kubernetes API server at https://127.0.0.1:1/: "),
            (broken.as_path(), "no access to a Kubernetes API server: "),
            (Path::new("/nowhere"), "no access to a Kubernetes API server: "),
        ];
        for (kubeconfig, expected) in cases {
            let mut command = program(subcommand, kubeconfig);
            command.arg("--metrics-addr=127.0.0.1:0");
            if subcommand == "gateway" {
                command.arg("--listen-addr=127.0.0.1:0");
            }
            let said = refused(&command).await?;
            ensure!(said.contains(expected), "{}:\n{said}", kubeconfig.display());
            let last = said.lines().last().unwrap_or_default();
            let last: serde_json::Value = serde_json::from_str(last)?;
            ensure!(last["level"] == "ERROR", "the last line says why:\n{said}");
        }
    }
    Ok(())
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
