//! The programs of the control plane: found, or built once from the Go module in `hack/control-plane`, or in part from that of
//! an older Kubernetes.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::go_module::GoModule;
use crate::kubernetes::{self, MINOR, required};
use crate::process::PROXY_VARIABLES;

/// Where the Go modules are, and that of the control plane.
const HACK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../hack");
const CONTROL_PLANE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../hack/control-plane");

const ETCD: &str = "etcd";
const KUBE_APISERVER: &str = "kube-apiserver";
const KUBECTL: &str = "kubectl";
const HELM: &str = "helm";
const KUBE_CONTROLLER_MANAGER: &str = "kube-controller-manager";

/// What a directory in the layout of controller-runtime's envtest holds.
const ENVTEST: [&str; 3] = [ETCD, KUBE_APISERVER, KUBECTL];

/// Programs of the control plane.
const PROGRAMS: [&str; 5] = [ETCD, KUBE_APISERVER, KUBECTL, HELM, KUBE_CONTROLLER_MANAGER];

/// Paths of the control plane's programs.
///
/// etcd, kube-apiserver and kubectl come from `KUBEBUILDER_ASSETS` if that is set, and so does what else lies there. The programs
/// of Kubernetes are those of an older minor version if `KUBERNETES_MINOR` names one, such as 1.32; etcd and Helm stay the same.
/// Everything else is built on first use, which takes minutes, into a cache that is keyed by the sources:
/// `${META_CHANNEL_OPERATOR_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/meta-channel-operator}/control-plane/<key>/`.
///
/// The methods block while they build.
#[derive(Debug, Clone)]
pub struct Binaries {
    assets: Option<PathBuf>,
    /// Of an older Kubernetes, each with the module that pins it.
    older: Vec<(&'static str, GoModule)>,
    control_plane: GoModule,
}

impl Binaries {
    /// Reads the environment; builds nothing yet.
    pub fn locate() -> Result<Self> {
        let (assets, minor) = (variable("KUBEBUILDER_ASSETS"), variable(MINOR));
        ensure!(assets.is_none() || minor.is_none(), "KUBEBUILDER_ASSETS and {MINOR} are both set; unset one of them");
        let cache = cache_root()?;
        let mut binaries = Self::new(assets, Path::new(CONTROL_PLANE), &cache)?;
        if let Some(minor) = minor {
            binaries.older = kubernetes::older(&minor.to_string_lossy(), Path::new(HACK), &cache)?;
        }
        Ok(binaries)
    }

    fn new(assets: Option<PathBuf>, source: &Path, cache: &Path) -> Result<Self> {
        let link_flags = link_flags(&source.join("go.mod"))?;
        let control_plane = GoModule::new(source, &cache.join("control-plane"), &PROGRAMS, link_flags)?;
        Ok(Self { assets, older: Vec::new(), control_plane })
    }

    /// The storage.
    pub fn etcd(&self) -> Result<PathBuf> {
        self.path(ETCD)
    }

    /// The API server.
    pub fn kube_apiserver(&self) -> Result<PathBuf> {
        self.path(KUBE_APISERVER)
    }

    /// The client.
    pub fn kubectl(&self) -> Result<PathBuf> {
        self.path(KUBECTL)
    }

    /// The package manager.
    pub fn helm(&self) -> Result<PathBuf> {
        self.path(HELM)
    }

    /// The controllers for namespaces, garbage collection and more.
    pub fn kube_controller_manager(&self) -> Result<PathBuf> {
        self.path(KUBE_CONTROLLER_MANAGER)
    }

    fn path(&self, program: &str) -> Result<PathBuf> {
        if let Some(assets) = &self.assets {
            let path = assets.join(program);
            if path.is_file() {
                return Ok(path);
            }
            ensure!(
                !ENVTEST.contains(&program),
                "KUBEBUILDER_ASSETS is {}, which holds no {program}; correct or unset it",
                assets.display()
            );
        }
        let older = self.older.iter().find(|(name, _)| *name == program).map(|(_, module)| module);
        older.unwrap_or(&self.control_plane).program(program).with_context(|| {
            format!("without a Go toolchain, set KUBEBUILDER_ASSETS to a directory with {}", ENVTEST.join(", "))
        })
    }
}

/// The program that judges stored statuses as GitOps tools would, built on first use.
///
/// # Errors
/// If it cannot be built.
pub fn status_check() -> Result<PathBuf> {
    own("status-check")
}

/// The judge of Prometheus' rules: promtool, without the service discoveries, built on first use.
///
/// # Errors
/// If it cannot be built.
pub fn promtool() -> Result<PathBuf> {
    pinned("promtool", "github.com/prometheus/prometheus/cmd/promtool", "remove_all_sd")
}

/// Helm 3, which many still install charts with, built on first use.
///
/// # Errors
/// If it cannot be built.
pub fn helm3() -> Result<PathBuf> {
    pinned("helm3", "helm.sh/helm/v3/cmd/helm", "")
}

/// The writer of the charts' READMEs, built on first use.
///
/// # Errors
/// If it cannot be built.
pub fn helm_docs() -> Result<PathBuf> {
    pinned("helm-docs", "github.com/norwoodj/helm-docs/cmd/helm-docs", "")
}

/// What unpacks images of an OCI layout, built on first use.
pub(crate) fn umoci() -> Result<PathBuf> {
    let source = Path::new(HACK).join("container");
    GoModule::pinning(&source, &cache_root()?.join("umoci"), "github.com/opencontainers/umoci/cmd/umoci", "")?
        .program("umoci")
}

/// What runs containers, built on first use.
pub(crate) fn runc() -> Result<PathBuf> {
    let source = Path::new(HACK).join("container");
    let module = GoModule::pinning(&source, &cache_root()?.join("runc"), "github.com/opencontainers/runc", "")?;
    module.with_c().program("runc")
}

/// What copies images, and serves them as a registry does, built on first use.
///
/// # Errors
/// If it cannot be built.
pub fn crane() -> Result<PathBuf> {
    let source = Path::new(HACK).join("image");
    GoModule::pinning(&source, &cache_root()?.join("crane"), "github.com/google/go-containerregistry/cmd/crane", "")?
        .program("crane")
}

/// What puts binaries into an OCI layout, built on first use.
///
/// # Errors
/// If it cannot be built.
pub fn image() -> Result<PathBuf> {
    own("image")
}

/// A program of others, at the version that the module `hack/NAME` pins.
fn pinned(name: &str, import: &'static str, tags: &'static str) -> Result<PathBuf> {
    GoModule::pinning(&Path::new(HACK).join(name), &cache_root()?.join(name), import, tags)?.program(name)
}

/// Where the kinds of the Prometheus operator are, one file each: in its module, at the version that `hack/prometheus-operator` pins.
///
/// # Errors
/// If it cannot be had.
pub fn prometheus_operator_crds() -> Result<PathBuf> {
    let module = downloaded("prometheus-operator", "github.com/prometheus-operator/prometheus-operator")?;
    Ok(module.join("example/prometheus-operator-crd"))
}

/// Where the kinds of the Gateway API are, one file each, at the version that `hack/gateway-api` pins.
///
/// # Errors
/// If it cannot be had.
pub fn gateway_api_crds() -> Result<PathBuf> {
    Ok(downloaded("gateway-api", "sigs.k8s.io/gateway-api")?.join("config/crd/standard"))
}

/// The folder of a Go module, at the version that the module `hack/NAME` pins.
fn downloaded(name: &str, module: &str) -> Result<PathBuf> {
    let mut go = Command::new("go");
    go.args(["mod", "download", "-json", module]).current_dir(Path::new(HACK).join(name));
    let output = go.env("GOWORK", "off").output().context("the Go toolchain cannot be started")?;
    ensure!(output.status.success(), "{module}: {}", String::from_utf8_lossy(&output.stdout));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    Ok(answer["Dir"].as_str().context("the module has no folder")?.into())
}

/// The program that computes the health of objects as Argo CD does, built on first use.
///
/// # Errors
/// If it cannot be built.
pub fn argocd_health() -> Result<PathBuf> {
    own("argocd-health")
}

/// A program of ours in the module `hack/NAME`.
fn own(name: &str) -> Result<PathBuf> {
    GoModule::new(&Path::new(HACK).join(name), &cache_root()?.join(name), &[name], "-s -w".to_owned())?.program(name)
}

/// Authorizes again in a real browser; `scene` as in `hack/browser/reauthorize.js`. The browser is installed on first use, which may
/// need the proxies of the environment.
pub fn browser(scene: &serde_json::Value) -> Command {
    let mut driver = Command::new(Path::new(HACK).join("browser/run.sh"));
    let proxies = std::env::vars_os().filter(|(name, _)| PROXY_VARIABLES.iter().any(|proxy| name == proxy));
    driver.arg(scene.to_string()).envs(proxies);
    driver
}

/// Where built programs are kept.
fn cache_root() -> Result<PathBuf> {
    match (variable("META_CHANNEL_OPERATOR_CACHE"), variable("XDG_CACHE_HOME"), variable("HOME")) {
        (Some(cache), _, _) => Ok(cache),
        (None, Some(cache), _) => Ok(cache.join("meta-channel-operator")),
        (None, None, Some(home)) => Ok(home.join(".cache/meta-channel-operator")),
        (None, None, None) => bail!("no place for built programs: set META_CHANNEL_OPERATOR_CACHE or HOME"),
    }
}

/// Makes the programs report the versions that `go.mod` requires, as upstream's release builds do.
fn link_flags(go_mod: &Path) -> Result<String> {
    let helm = required(go_mod, "helm.sh/helm/v4")?;
    Ok(format!("{} -X=helm.sh/helm/v4/internal/version.version={helm}", kubernetes::link_flags(go_mod)?))
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;
    use crate::go_module::key;

    /// A module, a cache and a compiler that does what `script` says with `$output`.
    struct Fixture {
        directory: tempfile::TempDir,
        binaries: Binaries,
    }

    impl Fixture {
        fn new(script: &str) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let source = directory.path().join("module");
            for program in [ETCD, KUBE_APISERVER, KUBECTL, HELM, KUBE_CONTROLLER_MANAGER] {
                let folder = source.join("cmd").join(program);
                fs::create_dir_all(&folder).unwrap();
                fs::write(folder.join("main.go"), "package main").unwrap();
            }
            let requirements = "require (\n\thelm.sh/helm/v4 v4.5.6\n\tk8s.io/kubernetes v1.22.3\n)\n";
            fs::write(source.join("go.mod"), requirements).unwrap();
            fs::write(source.join("go.sum"), "").unwrap();

            // A shell in the compiler's place takes `build -o …` for a script of that name in the module.
            let build = "while [ \"$1\" != -o ]; do shift; done; output=$2";
            fs::write(source.join("build"), format!("{build}\n{script}\n")).unwrap();
            let mut binaries = Binaries::new(None, &source, &directory.path().join("cache")).unwrap();
            binaries.control_plane.go = PathBuf::from("/bin/sh");
            Self { directory, binaries }
        }

        fn key(&self) -> String {
            let source = self.directory.path().join("module");
            key(&source, &PROGRAMS, &link_flags(&source.join("go.mod")).unwrap()).unwrap()
        }
    }

    #[test]
    fn a_program_is_built_once_however_many_ask() {
        let fixture = Fixture::new("echo build >> ../builds; sleep 0.3; echo program > $output");
        let paths: Vec<PathBuf> = std::thread::scope(|scope| {
            let builders: Vec<_> = (0..4).map(|_| scope.spawn(|| fixture.binaries.helm().unwrap())).collect();
            builders.into_iter().map(|builder| builder.join().unwrap()).collect()
        });
        for path in paths {
            assert_eq!(fs::read_to_string(path).unwrap(), "program\n");
        }
        let builds = fs::read_to_string(fixture.directory.path().join("builds")).unwrap();
        assert_eq!(builds, "build\n");
    }

    #[test]
    fn a_failed_build_says_why_and_leaves_nothing() {
        let fixture = Fixture::new("echo half > $output; echo main.go:1: no such thing >&2; exit 1");
        let error = format!("{:#}", fixture.binaries.etcd().unwrap_err());
        assert!(error.contains("etcd cannot be built") && error.contains("no such thing"), "{error}");
        let left: Vec<_> = fs::read_dir(&fixture.binaries.control_plane.cache)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["lock"]);
    }

    #[test]
    fn a_missing_compiler_is_named() {
        let mut fixture = Fixture::new("");
        fixture.binaries.control_plane.go = PathBuf::from("/nowhere/go");
        let error = format!("{:#}", fixture.binaries.etcd().unwrap_err());
        assert!(error.contains("Go toolchain") && error.contains("KUBEBUILDER_ASSETS"), "{error}");
    }

    #[test]
    fn given_programs_are_used_and_helm_is_built_beside_them() {
        let mut fixture = Fixture::new("echo built > $output");
        let assets = fixture.directory.path().join("assets");
        fs::create_dir(&assets).unwrap();
        for program in [ETCD, KUBE_CONTROLLER_MANAGER] {
            fs::write(assets.join(program), "given").unwrap();
        }
        fixture.binaries.assets = Some(assets.clone());

        assert_eq!(fixture.binaries.etcd().unwrap(), assets.join(ETCD));
        let controllers = fixture.binaries.kube_controller_manager().unwrap();
        assert_eq!(controllers, assets.join(KUBE_CONTROLLER_MANAGER));
        let error = format!("{:#}", fixture.binaries.kubectl().unwrap_err());
        assert!(error.contains("holds no kubectl"), "{error}");
        assert_eq!(fs::read_to_string(fixture.binaries.helm().unwrap()).unwrap(), "built\n");
    }

    #[test]
    fn a_program_of_others_is_built_by_its_import_path_without_what_tags_leave_out() {
        let fixture = Fixture::new("");
        let source = fixture.directory.path().join("module");
        fs::write(source.join("build"), "echo \"$@\" > ../arguments; while [ \"$1\" != -o ]; do shift; done; : > $2")
            .unwrap();
        let cache = fixture.directory.path().join("cache");
        let pinned = |tags| GoModule::pinning(&source, &cache, "example.com/tool/cmd/tool", tags).unwrap();
        let mut tool = pinned("small");
        tool.go = PathBuf::from("/bin/sh");
        assert!(tool.program("tool").unwrap().is_file());
        let arguments = fs::read_to_string(fixture.directory.path().join("arguments")).unwrap();
        assert!(
            arguments.contains(" -tags=small ") && arguments.ends_with(" example.com/tool/cmd/tool\n"),
            "{arguments}"
        );
        assert_ne!(tool.cache, pinned("").cache, "other tags are another build");
    }

    #[test]
    fn other_sources_are_another_build() {
        let fixture = Fixture::new("");
        let before = fixture.key();
        assert_eq!(before, fixture.key());
        for file in ["go.sum", "go.mod", "cmd/helm/main.go"] {
            let path = fixture.directory.path().join("module").join(file);
            let old = fs::read_to_string(&path).unwrap();
            fs::write(&path, format!("{old}\n// changed\n")).unwrap();
            assert_ne!(before, fixture.key(), "{file} counts");
            fs::write(&path, old).unwrap();
        }
    }

    #[test]
    fn programs_report_the_versions_of_the_module() {
        let fixture = Fixture::new("");
        let flags = &fixture.binaries.control_plane.link_flags;
        for expected in [
            "-X=k8s.io/component-base/version.gitVersion=v1.22.3",
            "-X=k8s.io/component-base/version.gitMinor=22",
            "-X=helm.sh/helm/v4/internal/version.version=v4.5.6",
        ] {
            assert!(flags.contains(expected), "{expected} in {flags}");
        }
    }
}
