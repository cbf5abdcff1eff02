//! GitHub's workflows: they call what there is, take nothing that can change under them, and may do no more than they need.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_yaml_ng::Value;

use crate::support::{path, read, yaml_files};

const FOLDER: &str = ".github/workflows";

/// What a release has to be allowed: the one job that publishes, and nothing else.
const PUBLISH: [(&str, &str); 4] =
    [("contents", "write"), ("packages", "write"), ("id-token", "write"), ("attestations", "write")];

/// Name and text of each file of .github that GitHub reads as YAML.
fn files() -> Vec<(String, String)> {
    let mut files: Vec<PathBuf> = [FOLDER, ".github"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(path(folder)).unwrap())
        .map(|it| it.unwrap().path())
        .collect();
    files.retain(|file| file.extension().is_some_and(|it| it == "yml" || it == "yaml"));
    files
        .iter()
        .map(|file| (file.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(file).unwrap()))
        .collect()
}

/// Name, text and content of each workflow.
fn workflows() -> Vec<(String, String, Value)> {
    let mut found = files();
    found.retain(|(name, _)| path(FOLDER).join(name).is_file());
    assert!(found.len() >= 2, "{found:?}");
    found.into_iter().map(|(name, text)| (name, text.clone(), serde_yaml_ng::from_str(&text).unwrap())).collect()
}

/// The jobs of a workflow, by name.
fn jobs(workflow: &Value) -> BTreeMap<&str, &Value> {
    workflow["jobs"].as_mapping().unwrap().iter().map(|(name, job)| (name.as_str().unwrap(), job)).collect()
}

/// The steps of a job; one that calls another workflow has none.
fn steps(job: &Value) -> &[Value] {
    job["steps"].as_sequence().map_or(&[], Vec::as_slice)
}

/// Rights, by what they are for.
fn rights(value: &Value) -> BTreeMap<&str, &str> {
    value.as_mapping().unwrap().iter().map(|(name, right)| (name.as_str().unwrap(), right.as_str().unwrap())).collect()
}

#[test]
fn every_target_that_a_workflow_makes_exists() {
    let makefile = read("Makefile").unwrap();
    let targets: BTreeSet<_> =
        makefile.lines().find_map(|line| line.strip_prefix(".PHONY: ")).unwrap().split(' ').collect();
    let mut made = BTreeSet::new();
    for (name, _, workflow) in workflows() {
        for run in jobs(&workflow).values().flat_map(|job| steps(job)).filter_map(|step| step["run"].as_str()) {
            for command in run.lines().map(str::trim) {
                if let Some(target) = command.strip_prefix("make ").and_then(|rest| rest.split(' ').next()) {
                    assert!(targets.contains(target), "{name}: make {target}");
                    made.insert(target.to_owned());
                }
                if let Some(script) =
                    command.split(' ').next().filter(|it| it.starts_with('.') || it.starts_with("hack/"))
                {
                    assert!(path(script).is_file(), "{name}: {script}");
                }
            }
        }
    }
    assert_eq!(made, ["image-check", "release", "release-push", "release-sign"].map(str::to_owned).into());
}

#[test]
fn what_comes_from_others_is_pinned_by_commit() {
    for (name, text, _) in workflows() {
        for line in text.lines() {
            let Some((_, used)) = line.split_once("uses: ") else { continue };
            let (action, comment) = used.split_once(" # ").unwrap_or((used, ""));
            if let Some(local) = action.strip_prefix("./") {
                assert!(path(local).is_file(), "{name}: {local}");
                continue;
            }
            let (_, commit) = action.split_once('@').unwrap();
            let is_commit = commit.len() == 40 && commit.bytes().all(|it| it.is_ascii_hexdigit());
            assert!(is_commit, "{name}: {action} can become something else");
            assert!(
                comment.starts_with('v'),
                "{name}: {action}: a comment says the version, which Dependabot keeps current"
            );
        }
    }
}

#[test]
fn only_the_job_that_publishes_may_write() {
    for (name, _, workflow) in workflows() {
        assert!(rights(&workflow["permissions"]).is_empty(), "{name}: each job says what it needs");
        for (job, content) in jobs(&workflow) {
            let rights = rights(&content["permissions"]);
            if (name.as_str(), job) == ("release.yml", "publish") {
                assert_eq!(rights, PUBLISH.into());
                assert_eq!(content["needs"], Value::from(vec!["check", "build"]));
            } else {
                assert_eq!(rights, [("contents", "read")].into(), "{name}: {job}");
            }
        }
    }
}

#[test]
fn no_code_gets_a_credential_or_a_cache_that_it_could_pass_on() {
    for (name, text, workflow) in workflows() {
        assert!(!text.contains("pull_request_target"), "{name}: strangers' code would run with our rights");
        for (job, step) in
            jobs(&workflow).iter().flat_map(|(job, content)| steps(content).iter().map(move |it| (job, it)))
        {
            let action = step["uses"].as_str().unwrap_or_default();
            if action.starts_with("actions/checkout@") {
                assert_eq!(step["with"]["persist-credentials"], false, "{name}: {job}");
            }
            let released = name == "release.yml";
            assert!(!(released && action.starts_with("actions/cache")), "{job}: a cache may come from another branch");
            if action.starts_with("actions/setup-go@") {
                assert_eq!(step["with"]["cache"], false, "{name}: {job}");
                assert!(path(step["with"]["go-version-file"].as_str().unwrap()).is_file(), "{name}: {job}");
            }
            // An expression in a script is pasted into it, whatever it holds.
            assert!(!step["run"].as_str().unwrap_or_default().contains("${{"), "{name}: {job}: {step:?}");
        }
    }
}

#[test]
fn all_of_it_is_yaml() {
    for (name, text) in files() {
        serde_yaml_ng::from_str::<Value>(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    assert!(yaml_files(".github/workflows").is_err(), "one ending for all: yml");
}
