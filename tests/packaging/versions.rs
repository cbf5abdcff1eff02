//! A release whose parts disagree is refused, with a sentence for each of them.

use std::fs;
use std::process::Command;

use crate::support::{Chart, path, read};

/// What a release is made of, as far as it says a version.
struct Tree(tempfile::TempDir);

impl Tree {
    /// Version 1.2.3 everywhere, with a section in the changelog.
    fn new() -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        let version = format!("version = \"{}\"", env!("CARGO_PKG_VERSION"));
        tree.write("Cargo.toml", &read("Cargo.toml").unwrap().replacen(&version, "version = \"1.2.3\"", 1));
        tree.write("hack/release/check.py", &read("hack/release/check.py").unwrap());
        for chart in Chart::ALL {
            let file = format!("charts/{}/Chart.yaml", chart.name());
            tree.write(&file, &read(&file).unwrap().replace(env!("CARGO_PKG_VERSION"), "1.2.3"));
        }
        let section = "## [1.2.3] - 2026-01-02\n\n- Faster, see [why](docs/why.md#how).\n\n";
        tree.write(
            "CHANGELOG.md",
            &format!("# Changelog\n\n## [Unreleased]\n\n- Later.\n\n{section}## [1.2.2]\n\n- Before.\n"),
        );
        tree
    }

    fn write(&self, file: &str, text: &str) {
        let file = self.0.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn replace(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.0.path().join(file)).unwrap();
        assert!(text.contains(from), "{from} in {text}");
        self.write(file, &text.replace(from, to));
    }

    /// Standard output of the check, or what it refused with.
    fn check(&self, arguments: &[&str]) -> Result<String, String> {
        let mut check = Command::new("python3");
        let output = check.arg(self.0.path().join("hack/release/check.py")).args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim().to_owned();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    fn notes(&self, arguments: &[&str]) -> String {
        let file = self.0.path().join("NOTES.md");
        self.check(&[arguments, &["--notes", file.to_str().unwrap()]].concat()).unwrap();
        fs::read_to_string(file).unwrap()
    }
}

#[test]
fn a_release_is_of_one_version() {
    let tree = Tree::new();
    assert_eq!(tree.check(&[]).unwrap(), "1.2.3");
    assert_eq!(tree.check(&["--tag", "v1.2.3"]).unwrap(), "1.2.3");
    let other = "The tag is v1.2.4, but Cargo.toml says 1.2.3, whose tag is v1.2.3.";
    assert_eq!(tree.check(&["--tag", "v1.2.4"]).unwrap_err(), other);

    let chart = "charts/meta-channels/Chart.yaml";
    tree.replace(chart, "\nversion: 1.2.3", "\nversion: 1.2.2");
    let version = format!("{chart} says version 1.2.2, but Cargo.toml says 1.2.3.");
    assert_eq!(tree.check(&[]).unwrap_err(), version);
    tree.replace(chart, "appVersion: \"1.2.3\"", "appVersion: \"1.2.1\"");
    let app = format!("{chart} says appVersion 1.2.1, but Cargo.toml says 1.2.3.");
    assert_eq!(tree.check(&["--tag", "v1.2.4"]).unwrap_err(), [other, &version, &app].join("\n"));
}

#[test]
fn the_notes_are_the_section_of_the_version_with_links_that_work_outside_of_the_repository() {
    let tree = Tree::new();
    let source = "https://github.com/meta-channel-operator/meta-channel-operator/blob/v1.2.3";
    let notes = format!("- Faster, see [why]({source}/docs/why.md#how).\n");
    assert_eq!(tree.notes(&["--tag", "v1.2.3"]), notes);
    assert_eq!(tree.notes(&[]), notes);
    tree.replace("CHANGELOG.md", "[1.2.3]", "[1.2.0]");
    assert_eq!(tree.notes(&[]), "- Later.\n", "a rehearsal");
    let missing = "CHANGELOG.md has no section [1.2.3] with text: rename [Unreleased].";
    assert_eq!(tree.check(&["--tag", "v1.2.3"]).unwrap_err(), missing);
}

#[test]
fn this_tree_agrees() {
    let check = Command::new(path("hack/release/check.py")).output().unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    assert_eq!(String::from_utf8(check.stdout).unwrap().trim(), env!("CARGO_PKG_VERSION"));
    // What the images say.
    let version =
        Command::new("bash").args(["-c", ". hack/image/facts.sh; echo $version"]).current_dir(path(".")).output();
    assert_eq!(String::from_utf8(version.unwrap().stdout).unwrap().trim(), env!("CARGO_PKG_VERSION"));
}
