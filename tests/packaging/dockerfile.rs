//! The Dockerfile, as far as it can be judged without a container engine.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{path, read, run};

/// The instructions, continued lines joined, comments gone.
fn instructions() -> Vec<String> {
    let text = read("Dockerfile").unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    let joined = lines.replace("\\\n", " ");
    joined
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|it| !it.is_empty())
        .collect()
}

fn all(instruction: &str) -> Vec<String> {
    let prefix = format!("{instruction} ");
    instructions().iter().filter_map(|line| line.strip_prefix(&prefix).map(str::to_owned)).collect()
}

/// What is copied out of the repository.
fn sources() -> BTreeSet<String> {
    let mut sources = BTreeSet::new();
    for copy in all("COPY").iter().filter(|copy| !copy.starts_with("--from")) {
        let words: Vec<_> = copy.split(' ').collect();
        sources.extend(words[..words.len() - 1].iter().map(|word| (*word).to_owned()));
    }
    assert!(!sources.is_empty());
    sources
}

#[test]
fn the_context_holds_what_is_copied_and_nothing_else() {
    for source in sources() {
        assert!(path(&source).exists(), "{source} does not exist");
    }
    let ignore = read(".dockerignore").unwrap();
    let lines: Vec<_> = ignore.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines[0], "*", "everything is left out, then single things are let in");
    let admitted: BTreeSet<_> = lines[1..].iter().map(|line| line.strip_prefix('!').unwrap().to_owned()).collect();
    assert_eq!(admitted, sources());
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        std::fs::copy(from, to).unwrap();
    }
}

/// What cargo makes of the workspace as it is inside the image, with the committed lock file and no network.
fn workspace_of_the_image() -> Value {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("image-{}", std::process::id()));
    std::fs::create_dir_all(&root).unwrap();
    for source in sources() {
        copy(&path(&source), &root.join(&source));
    }
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(&root).args(["metadata", "--format-version=1", "--no-deps", "--locked", "--offline"]);
    let metadata = run(&mut cargo);
    std::fs::remove_dir_all(&root).unwrap();
    serde_json::from_str(&metadata.unwrap()).unwrap()
}

#[test]
fn what_is_copied_is_a_whole_workspace_that_has_the_program() {
    let metadata = workspace_of_the_image();
    let package = metadata["packages"].as_array().unwrap().iter().find(|it| it["name"] == env!("CARGO_PKG_NAME"));
    let targets = package.unwrap()["targets"].as_array().unwrap();
    let program = targets.iter().find(|it| it["kind"][0] == "bin").unwrap();
    let built = format!("cp target/release/{} ", program["name"].as_str().unwrap());
    assert!(all("RUN").iter().any(|run| run.contains(&built)), "the Dockerfile does not take what cargo builds");
}

#[test]
fn no_source_includes_a_file_from_outside_the_image() {
    let mut folders = vec![path("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let file = entry.unwrap().path();
            if file.is_dir() {
                folders.push(file);
                continue;
            }
            let text = std::fs::read_to_string(&file).unwrap();
            for macro_call in ["include_str!(\"", "include_bytes!(\""] {
                for rest in text.split(macro_call).skip(1) {
                    let included = file.parent().unwrap().join(rest.split('"').next().unwrap()).canonicalize().unwrap();
                    let inside = sources().iter().any(|source| included.starts_with(path(source)));
                    assert!(inside, "{} includes {}", file.display(), included.display());
                }
            }
        }
    }
}

#[test]
fn the_image_is_built_with_the_projects_compiler_and_command() {
    let toolchain = read("rust-toolchain.toml").unwrap();
    let channel = toolchain.lines().find_map(|line| line.strip_prefix("channel = ")).unwrap().trim_matches('"');
    assert!(all("FROM")[0].starts_with(&format!("rust:{channel}-alpine")), "{:?}", all("FROM"));

    let command = "cargo build --release --locked --package meta-channel-operator";
    assert!(all("RUN").iter().any(|run| run.contains(&format!("{command} && "))), "{:?}", all("RUN"));
    assert!(read("Makefile").unwrap().contains(command), "`make build` builds something else than the image");
}

#[test]
fn release_builds_know_their_commit() {
    let told = "META_CHANNEL_OPERATOR_COMMIT=\"${REVISION}\" cargo build --release";
    assert!(all("RUN").iter().any(|run| run.contains(told)), "{:?}", all("RUN"));
    let commit = "git describe --always --dirty --abbrev=40 --exclude='*'";
    let makefile = read("Makefile").unwrap();
    assert!(makefile.contains(&format!("COMMIT_HERE = \"$$({commit} ")));
    assert!(makefile.contains("META_CHANNEL_OPERATOR_COMMIT=$(COMMIT_HERE) cargo build --release"));
    assert!(read("hack/image/facts.sh").unwrap().contains(&format!("revision=$({commit})\n")));
    let script = read("hack/image/build.sh").unwrap();
    assert!(script.contains("facts.sh") && script.contains("META_CHANNEL_OPERATOR_COMMIT=$revision\n"), "{script}");
}

#[test]
fn the_image_is_the_program_and_the_certificate_authorities_run_by_nobody() {
    assert_eq!(all("FROM").last().unwrap(), "scratch");
    assert_eq!(all("USER"), ["65532:65532"], "a number, or Kubernetes cannot tell that it is not root");
    let taken: Vec<_> =
        all("COPY").into_iter().filter_map(|copy| Some(copy.strip_prefix("--from=build ")?.to_owned())).collect();
    let into: Vec<_> = taken.iter().map(|copy| copy.split(' ').nth(1).unwrap()).collect();
    assert_eq!(into, ["/etc/ssl/certs/ca-certificates.crt", "/meta-channel-operator"]);
    assert_eq!(all("ENTRYPOINT"), [r#"["/meta-channel-operator"]"#]);
}
