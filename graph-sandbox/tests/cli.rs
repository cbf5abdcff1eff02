//! The program, as a child process.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Output, Stdio};

use graph_sandbox::{DEMO_SEED, SWITCHES, presets};

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_graph-sandbox"))
}

fn output(arguments: &[&str]) -> (Output, String, String) {
    let output = program().args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    (output, out, err)
}

#[test]
fn switches_are_listed_with_default_section_and_meaning() {
    let (output, text, _) = output(&["switches"]);
    assert!(output.status.success());
    for switch in SWITCHES {
        let listed = format!("{}\n    default  {}\n", switch.name, switch.default_value());
        assert!(text.contains(&listed), "{} is not listed", switch.name);
        assert!(text.contains(switch.section) && text.contains(switch.meaning));
    }
}

#[test]
fn presets_are_listed_with_what_they_play() {
    let (output, text, _) = output(&["presets"]);
    assert!(output.status.success());
    for preset in presets() {
        assert!(text.contains(&format!("{}\n    plays       {}\n", preset.name, preset.plays)), "{}", preset.name);
        assert!(text.contains(&preset.known_from));
    }
}

#[test]
fn the_demo_seed_is_printed_as_it_is() {
    let (output, text, _) = output(&["demo-seed"]);
    assert!(output.status.success());
    assert_eq!(text, DEMO_SEED);
}

#[test]
fn help_and_version_are_printed_by_every_subcommand() {
    for subcommand in [&[][..], &["switches"], &["presets"], &["demo-seed"]] {
        let (help, text, error) = output(&[subcommand, &["--help"]].concat());
        assert!(help.status.success() && text.contains("Usage: graph-sandbox") && error.is_empty(), "{text}{error}");
        let (version, text, error) = output(&[subcommand, &["--version"]].concat());
        assert!(version.status.success() && error.is_empty(), "{error}");
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("graph-sandbox") && lines[0].ends_with(env!("CARGO_PKG_VERSION")), "{text}");
        assert!(lines[1].starts_with("commit: ") && lines[2] == "Graph API versions: v21.0 to v26.0", "{text}");
    }
    let (help, text, _) = output(&["help"]);
    assert!(help.status.success() && text.contains("Usage: graph-sandbox"), "{text}");
}

#[test]
fn it_ends_without_a_complaint_when_nobody_reads_on() {
    let commands = [
        &["switches"][..],
        &["presets"],
        &["demo-seed"],
        &["--listen", "127.0.0.1:0"],
        &["--help"],
        &["help", "presets"],
        &["--version"],
    ];
    for arguments in commands {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = program().args(arguments).env("RUST_LOG", "off").stdout(writer).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(error, "", "{arguments:?}");
        let expected = if ["--help", "help", "--version"].contains(&arguments[0]) { 0 } else { 141 };
        assert_eq!(output.status.code(), Some(expected), "{arguments:?}");
    }
}

#[test]
fn bad_arguments_and_seeds_are_refused_with_the_reason() {
    let file = std::env::temp_dir().join(format!("graph-sandbox-{}.yaml", std::process::id()));
    std::fs::write(&file, "apps:\n  - id: 11110\n    nam: A\n").unwrap();
    let seed = file.to_str().unwrap();
    for (arguments, reason) in [
        (&["--seed", seed][..], "line 3"),
        (&["--seed", "/nonexistent/seed.yaml"], "cannot read /nonexistent/seed.yaml"),
        (&["--resolve", "hooks.example.com"], "expected HOST=BASEURL"),
        (&["--listen", "127.0.0.1:0", "--resolve", "a.example=https://x"], "resolve (a.example)"),
        (&["--listen", "nowhere"], "--listen"),
    ] {
        let (output, _, error) = output(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(error.contains(reason), "{arguments:?}: {error}");
    }
    std::fs::remove_file(file).unwrap();
}

#[test]
fn it_prints_its_url_and_ends_on_sigterm() {
    let mut child =
        program().args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut url = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let address = url.trim().strip_prefix("http://").unwrap();
    std::net::TcpStream::connect(address).unwrap();
    let kill = format!("kill -TERM {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.contains("the sandbox listens"), "{log}");
    assert!(std::net::TcpStream::connect(address).is_err());
}

/// What it says on a terminal, with these variables, until it listens.
fn on_a_terminal(variables: &[(&str, &str)]) -> String {
    let run = format!("echo $$; exec {} --listen 127.0.0.1:0", env!("CARGO_BIN_EXE_graph-sandbox"));
    let mut script = Command::new("script");
    script.args(["--quiet", "--flush", "--command", &run, "/dev/null"]).env("TERM", "xterm").env_remove("NO_COLOR");
    let script = script.envs(variables.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = script.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let sandbox: u32 = lines.next().unwrap().trim().parse().unwrap();
    let mut said = String::new();
    for line in lines {
        said += &line;
        if line.contains("listens") {
            break;
        }
    }
    // That its terminal is gone ends no program for which a hangup is ignored.
    assert!(Command::new("sh").args(["-c", &format!("kill -TERM {sandbox}")]).status().unwrap().success());
    child.wait().unwrap();
    said
}

#[test]
fn colors_are_for_terminals_and_for_people_who_want_them() {
    const ESCAPE: char = '\u{1b}';
    let colored = on_a_terminal(&[]);
    assert!(colored.contains("listens") && colored.contains(ESCAPE), "{colored}");
    let plain = on_a_terminal(&[("NO_COLOR", "1")]);
    assert!(plain.contains("listens") && !plain.contains(ESCAPE), "{plain}");
    let file = std::env::temp_dir().join(format!("graph-sandbox-{}.log", std::process::id()));
    let log = std::fs::File::create(&file).unwrap();
    let mut child = program().args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(text.contains("listens") && !text.contains(ESCAPE), "{text:?}");
}
