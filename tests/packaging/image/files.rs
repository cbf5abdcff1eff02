//! The files of a release: complete, the same each time, and with what is really in them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;

use super::registry::{OPERATOR, Registry, SANDBOX, dist};
use crate::support::{Chart, helm, path, run};

/// The platforms that were built.
fn platforms() -> Vec<String> {
    let wanted = std::env::var("PLATFORMS").unwrap_or_default();
    let wanted = if wanted.is_empty() { "amd64 arm64" } else { &wanted };
    wanted.split(' ').map(str::to_owned).collect()
}

#[test]
#[ignore = "needs a release: make image-check"]
fn a_release_has_its_files_and_laid_out_again_they_are_the_same() {
    let version = env!("CARGO_PKG_VERSION");
    let mut expected = BTreeSet::new();
    for program in [OPERATOR, SANDBOX] {
        expected.insert(format!("{program}-image_{version}.oci.tar"));
        for platform in platforms() {
            expected.insert(format!("{program}_{version}_linux_{platform}.tar.gz"));
            expected.insert(format!("{program}_{version}_linux_{platform}.spdx.json"));
            expected.insert(format!("{program}-image_{version}_linux_{platform}.spdx.json"));
        }
    }
    expected.extend(Chart::ALL.map(|chart| format!("{}-{version}.tgz", chart.name())));
    let sums = fs::read_to_string(dist().unwrap().join("SHA256SUMS")).unwrap();
    let found: BTreeSet<_> = sums.lines().map(|line| line.split_once("  ").unwrap().1.to_owned()).collect();
    assert_eq!(found, expected);
    run(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(dist().unwrap())).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let again = folder.path().join("again");
    let mut build = Command::new(path("hack/release/build.sh"));
    build.arg(&again).arg("target/image").arg(helm().unwrap().get_program());
    // In another place of the Earth and by somebody with other habits.
    run(Command::new("sh")
        .args(["-c", "umask 077; exec \"$@\"", "sh"])
        .arg(build.get_program())
        .args(build.get_args())
        .env("TZ", "Asia/Tokyo"))
    .unwrap();
    assert_eq!(fs::read_to_string(again.join("SHA256SUMS")).unwrap(), sums);
}

#[test]
#[ignore = "needs a release: make image-check"]
fn what_is_in_a_program_is_what_cargo_links() {
    for platform in platforms() {
        let name = format!("{OPERATOR}-image_{}_linux_{platform}.spdx.json", env!("CARGO_PKG_VERSION"));
        let document: Value = serde_json::from_slice(&fs::read(dist().unwrap().join(name)).unwrap()).unwrap();
        let packages = document["packages"].as_array().unwrap();
        let names: BTreeSet<_> = packages.iter().filter_map(|it| it["name"].as_str()).collect();
        for linked in [OPERATOR, "tokio", "ring", "rust-std", "certifi", "meta-channel-operator-image"] {
            assert!(names.contains(linked), "{linked} is missing in {names:?}");
        }
        // For Windows, and for tests.
        for absent in ["windows-sys", "proptest", "testkit", SANDBOX] {
            assert!(!names.contains(absent), "{absent} is not in the program");
        }
        let unlicensed: Vec<_> = packages.iter().filter(|it| it["licenseDeclared"] == "NOASSERTION").collect();
        assert!(unlicensed.is_empty(), "{unlicensed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a release: make image-check"]
async fn images_charts_and_what_is_in_them_are_signed_by_their_digests() {
    let registry = Registry::filled().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (cosign, told) = (folder.path().join("cosign"), folder.path().join("told"));
    fs::write(&cosign, format!("#!/bin/sh\necho \"$@\" >> {}\n", told.display())).unwrap();
    fs::set_permissions(&cosign, fs::Permissions::from_mode(0o755)).unwrap();
    let search = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let mut sign = Command::new(path("hack/release/sign.sh"));
    run(sign.arg(dist().unwrap()).arg(registry.pushed()).env("PATH", search)).unwrap();

    let mut expected = BTreeSet::new();
    for pushed in
        [OPERATOR, SANDBOX].map(str::to_owned).into_iter().chain(Chart::ALL.map(|it| format!("charts/{}", it.name())))
    {
        let digest = registry.ask("digest", &registry.tagged(&pushed)).unwrap();
        expected.insert(format!("sign --yes --recursive {}@{}", registry.name(&pushed), digest.trim()));
    }
    for image in [OPERATOR, SANDBOX] {
        let index: Value = serde_json::from_str(&registry.ask("manifest", &registry.tagged(image)).unwrap()).unwrap();
        for manifest in index["manifests"].as_array().unwrap() {
            let platform = manifest["platform"]["architecture"].as_str().unwrap();
            let file = format!("{image}-image_{}_linux_{platform}.spdx.json", env!("CARGO_PKG_VERSION"));
            let (file, digest) = (dist().unwrap().join(file), manifest["digest"].as_str().unwrap());
            expected.insert(format!(
                "attest --yes --type spdxjson --predicate {} {}@{digest}",
                file.display(),
                registry.name(image)
            ));
        }
    }
    let sums = dist().unwrap().join("SHA256SUMS").display().to_string();
    expected.insert(format!("sign-blob --yes --bundle {sums}.sigstore.json {sums}"));
    let told = fs::read_to_string(told).unwrap();
    assert_eq!(told.lines().map(str::to_owned).collect::<BTreeSet<_>>(), expected);
}
