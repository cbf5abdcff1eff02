//! Commands that no test runs are at least well formed: the shell reads them, kubectl and Helm know their flags, the API server knows
//! their kinds, and what they name of the repository is there.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use testkit::pages::{Runner, blocks, pages, text};
use testkit::{Binaries, ControlPlane};

use crate::support::cluster::established;
use crate::support::{Chart, helm_at, path, run};

/// Takes the place of a program: notes its arguments, and has it judge them without doing anything. What is written
/// to it is read to its end: who writes to nobody fails.
const STUB: &str = "#!/bin/bash
{ printf '%s' \"NAME\"; printf '\\t%s' \"${@//$'\\n'/ }\"; echo; } >>\"LOG\"
case \"NAME\" in kubectl | helm) \"PROGRAM\" \"$@\" --help >/dev/null </dev/null || exit ;; esac
[[ ! -p /dev/stdin ]] || cat >/dev/null
";

/// Programs that are only noted.
const OTHERS: [&str; 16] = [
    "base64",
    "cargo",
    "cosign",
    "crane",
    "curl",
    "gh",
    "git",
    "jq",
    "k3d",
    "kind",
    "make",
    "minikube",
    "openssl",
    "rm",
    "sha256sum",
    "skopeo",
];

/// Verbs of kubectl whose first argument is a kind, or several, or an object.
const ON_KINDS: [&str; 9] = ["annotate", "delete", "describe", "edit", "explain", "get", "label", "patch", "wait"];

/// The commands that no test runs, in blocks and within the text, with their places.
fn commands() -> Result<Vec<(String, String)>> {
    let mut commands = Vec::new();
    for page in pages()? {
        for block in blocks(&page)?.into_iter().filter(|block| !matches!(block.runner, Runner::Test(_))) {
            commands.push((format!("{page}:{}", block.line), block.commands));
        }
        let text = text(&page)?;
        let in_text = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2).collect::<Vec<_>>());
        let typed = in_text.filter(|word| ["kubectl ", "helm "].iter().any(|program| word.starts_with(program)));
        // What is left out of a line has no place in a command.
        commands.extend(typed.filter(|it| !it.contains('…')).map(|command| (page.clone(), command.to_owned())));
    }
    Ok(commands)
}

/// Runs commands with stubs for all programs, and returns what each program was given.
fn judged(place: &str, commands: &str) -> Result<Vec<Vec<String>>> {
    let folder = tempfile::tempdir()?;
    let (log, binaries) = (folder.path().join("log"), Binaries::locate()?);
    fs::write(&log, "")?;
    let programs = [("kubectl", binaries.kubectl()?), ("helm", binaries.helm()?)];
    let others = OTHERS.map(|name| (name, name.into()));
    for (name, program) in programs.into_iter().chain(others) {
        let stub = folder.path().join(name);
        let text = STUB.replace("NAME", name).replace("LOG", &log.display().to_string());
        fs::write(&stub, text.replace("PROGRAM", &program.display().to_string()))?;
        fs::set_permissions(&stub, fs::Permissions::from_mode(0o755))?;
    }
    let search = format!("{}:{}", folder.path().display(), std::env::var("PATH")?);
    let mut shell = Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", commands]).current_dir(folder.path()).env("PATH", search);
    shell.env("SANDBOX", "http://127.0.0.1:8990").env_remove("KUBECONFIG");
    run(&mut shell).with_context(|| place.to_owned())?;
    let noted = fs::read_to_string(log)?;
    Ok(noted.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
}

/// The arguments of kubectl that are no flags, without the values of flags that stand apart.
fn positional(arguments: &[String]) -> Vec<&str> {
    let mut found = Vec::new();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-n" | "--namespace" | "-o" | "-p" | "-l" | "-f" | "-k" | "--filename" | "--field-selector" => {
                words.next();
            }
            flag if flag.starts_with('-') => {}
            word => found.push(word),
        }
    }
    found
}

/// The kinds that a call of kubectl names.
fn kinds(arguments: &[String]) -> Vec<String> {
    let words = positional(arguments);
    let named = match words[..] {
        [verb, kind, ..] if ON_KINDS.contains(&verb) => kind,
        ["auth", "can-i", _, kind, ..] => kind,
        _ => return Vec::new(),
    };
    let bare = |kind: &str| kind.split(['/', '.']).next().unwrap_or_default().to_lowercase();
    named.split(',').map(bare).filter(|kind| !kind.is_empty()).collect()
}

/// Every name by which the API server knows a kind.
async fn known_kinds(cluster: &ControlPlane) -> Result<BTreeSet<String>> {
    let kubectl = cluster.kubectl();
    let table = kubectl.text(&["api-resources", "--no-headers", "--output=wide"]).await?;
    let mut known = BTreeSet::new();
    for line in table.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        known.extend(words[0].split(',').map(str::to_owned));
        let namespaced = words.iter().position(|word| ["true", "false"].contains(word)).context(line.to_owned())?;
        // The columns before are short names and the group with its version, those after the kind, verbs and categories.
        known.extend(words[1..namespaced].iter().flat_map(|word| word.split(',')).map(str::to_owned));
        known.insert(words[namespaced + 1].to_lowercase());
        known.extend(words.iter().skip(namespaced + 3).flat_map(|word| word.split(',')).map(str::to_owned));
    }
    Ok(known)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_pages_is_well_formed() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    helm_at(&cluster, &["install", "admin"], &Chart::ADMIN, &Chart::ADMIN.example("default"))?;
    established(&cluster.kubectl()).await?;
    let known = known_kinds(&cluster).await?;
    let (mut calls, mut named) = (0, 0);
    for (place, commands) in commands()? {
        for call in judged(&place, &commands)? {
            calls += 1;
            if call[0] == "kubectl" {
                let kinds = kinds(&call[1..]);
                named += kinds.len();
                let unknown: Vec<_> = kinds.iter().filter(|kind| !known.contains(*kind)).collect();
                ensure!(unknown.is_empty(), "{place}: there is no kind {unknown:?}: {}", call.join(" "));
            }
            for word in call.iter().filter(|word| word.starts_with("charts/") || word.starts_with("config/")) {
                ensure!(path(word).exists(), "{place}: there is no {word}");
            }
        }
    }
    ensure!(calls > 50 && named > 20, "{calls} calls with {named} kinds");
    Ok(())
}
