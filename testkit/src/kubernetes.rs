//! The versions of Kubernetes that tests can run on: the current one, which `hack/control-plane` pins, and older ones, each with a
//! module `hack/kubernetes-<minor version>`.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::go_module::{GoModule, read};

/// The variable that names the minor version, such as 1.32.
pub(crate) const MINOR: &str = "KUBERNETES_MINOR";

/// What the folder of an older version begins with.
const FOLDER: &str = "kubernetes-";

/// The programs of Kubernetes and their packages.
const PROGRAMS: [(&str, &str); 3] = [
    ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
    ("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
    ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
];

/// The programs of this minor version, each with the module that pins it; none if it is the current one.
pub(crate) fn older(minor: &str, hack: &Path, cache: &Path) -> Result<Vec<(&'static str, GoModule)>> {
    let current = required(&hack.join("control-plane/go.mod"), "k8s.io/kubernetes")?;
    let current = current.trim_start_matches('v').rsplit_once('.').map_or("", |(minor, _)| minor);
    if minor == current {
        return Ok(Vec::new());
    }
    let known = minors(hack)?;
    ensure!(
        known.iter().any(|known| known == minor),
        "{MINOR} is {minor}, which is none of {}, {current}",
        known.join(", ")
    );

    let name = format!("{FOLDER}{minor}");
    let (source, cache) = (hack.join(&name), cache.join(&name));
    let link_flags = link_flags(&source.join("go.mod"))?;
    let module = |(program, import)| {
        let module = GoModule::pinning_linked(&source, &cache, import, "", &link_flags)?;
        Ok((program, module))
    };
    PROGRAMS.into_iter().map(module).collect()
}

/// The older minor versions that there are modules of.
fn minors(hack: &Path) -> Result<Vec<String>> {
    let mut minors = Vec::new();
    for entry in hack.read_dir().with_context(|| format!("read {}", hack.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let minor = name.to_str().and_then(|name| name.strip_prefix(FOLDER));
        minors.extend(minor.filter(|_| entry.path().is_dir()).map(str::to_owned));
    }
    minors.sort();
    Ok(minors)
}

/// The version of a module that a `go.mod` requires.
pub(crate) fn required(go_mod: &Path, module: &str) -> Result<String> {
    let text = read(go_mod)?;
    let line = text.lines().find_map(|line| line.trim().strip_prefix(module)?.strip_prefix(' '));
    let version = line.and_then(|line| line.split(' ').next());
    Ok(version.with_context(|| format!("{} does not require {module}", go_mod.display()))?.to_owned())
}

/// Makes the programs report the version that `go.mod` requires, as upstream's release builds do.
pub(crate) fn link_flags(go_mod: &Path) -> Result<String> {
    let version = required(go_mod, "k8s.io/kubernetes")?;
    let mut numbers = version.trim_start_matches('v').split('.');
    let (Some(major), Some(minor)) = (numbers.next(), numbers.next()) else {
        bail!("{version} is no version of k8s.io/kubernetes");
    };
    let mut flags = vec!["-s".to_owned(), "-w".to_owned()];
    for package in ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"] {
        for (name, value) in [
            ("gitVersion", version.as_str()),
            ("gitMajor", major),
            ("gitMinor", minor),
            ("gitTreeState", "clean"),
            ("gitCommit", ""),
        ] {
            flags.push(format!("-X={package}.{name}={value}"));
        }
    }
    Ok(flags.join(" "))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    /// A folder with the current version and an older one.
    fn hack() -> tempfile::TempDir {
        let hack = tempfile::tempdir().unwrap();
        for (folder, requirement) in [
            ("control-plane", "require (\n\tk8s.io/kubernetes v1.36.3\n)\n"),
            ("kubernetes-1.32", "require (\n\tk8s.io/kubectl v0.0.0\n\tk8s.io/kubernetes v1.32.13 // indirect\n)\n"),
        ] {
            let folder = hack.path().join(folder);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("go.mod"), requirement).unwrap();
            fs::write(folder.join("go.sum"), "").unwrap();
        }
        // In the compiler's place, a shell runs this for `build ...`.
        let build = "echo \"$@\" > ../arguments; while [ \"$1\" != -o ]; do shift; done; : > $2\n";
        fs::write(hack.path().join("kubernetes-1.32/build"), build).unwrap();
        hack
    }

    #[test]
    fn programs_of_an_older_version_are_built_from_its_module_and_report_it() {
        let hack = hack();
        let programs = older("1.32", hack.path(), &hack.path().join("cache")).unwrap();
        assert_eq!(programs.len(), 3);
        for (program, mut module) in programs {
            module.go = PathBuf::from("/bin/sh");
            assert!(module.program(program).unwrap().is_file());
            let arguments = fs::read_to_string(hack.path().join("arguments")).unwrap();
            assert!(arguments.ends_with(&format!(" k8s.io/kubernetes/cmd/{program}\n")), "{arguments}");
            assert!(arguments.contains("-X=k8s.io/component-base/version.gitVersion=v1.32.13 "), "{arguments}");
            assert!(arguments.contains("-X=k8s.io/client-go/pkg/version.gitMinor=32 "), "{arguments}");
        }
    }

    #[test]
    fn the_current_version_is_that_of_the_control_plane_and_an_unknown_one_is_refused_with_those_that_there_are() {
        let hack = hack();
        let older = |minor| older(minor, hack.path(), hack.path());
        assert!(older("1.36").unwrap().is_empty());
        for unknown in ["1.31", "1.32.13", "../control-plane"] {
            let error = older(unknown).unwrap_err().to_string();
            assert_eq!(error, format!("KUBERNETES_MINOR is {unknown}, which is none of 1.32, 1.36"));
        }
    }
}
