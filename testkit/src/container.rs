//! Containers without a container engine: an image of an OCI layout is unpacked by umoci and run by runc, with a read-only root, as a
//! user that the image does not know, and with the network of this machine.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binaries::{runc, umoci};

/// Nobody on this machine or in the image, as platforms choose it that give each namespace users of its own.
const ANYBODY: u32 = 1_000_650_000;

/// An image, unpacked.
#[derive(Debug)]
pub struct Image {
    home: TempDir,
    entrypoint: Vec<String>,
    started: AtomicU32,
}

impl Image {
    /// Unpacks an image of an OCI layout, for the platform of this machine.
    ///
    /// # Errors
    /// If there is none, or it says that it runs as root.
    pub fn unpack(layout: &Path, tag: &str) -> Result<Self> {
        let home = tempfile::Builder::new().prefix("testkit-image-").tempdir()?;
        let mut umoci = Command::new(umoci()?);
        umoci.args(["unpack", "--rootless", "--image"]).arg(format!("{}:{tag}", layout.display()));
        let output = umoci.arg(home.path().join("bundle")).output()?;
        ensure!(output.status.success(), "umoci: {}", String::from_utf8_lossy(&output.stderr));
        let config: Value = serde_json::from_slice(&fs::read(home.path().join("bundle/config.json"))?)?;
        let user = &config["process"]["user"];
        ensure!(user["uid"].as_u64().is_some_and(|uid| uid > 0), "the image runs as {user}");
        let entrypoint = serde_json::from_value(config["process"]["args"].clone()).context("an entry point")?;
        Ok(Self { home, entrypoint, started: AtomicU32::new(0) })
    }

    /// The files of the image.
    pub fn root(&self) -> PathBuf {
        self.home.path().join("bundle/rootfs")
    }

    /// How a container is run: these arguments for the entry point, these variables and no others, and these folders of the machine
    /// read-only under the same paths.
    ///
    /// # Errors
    /// If runc cannot be built, or its files cannot be written.
    pub fn command(&self, args: &[String], env: &[(String, String)], folders: &[&Path]) -> Result<Command> {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let bundle = self.home.path().join(format!("container-{number}"));
        fs::create_dir(&bundle)?;
        let owner = fs::metadata(&bundle)?;
        let config = config(&self.root(), &[&self.entrypoint[..], args].concat(), env, folders, &owner);
        fs::write(bundle.join("config.json"), serde_json::to_vec(&config)?)?;
        let mut command = Command::new(runc()?);
        command.arg("--root").arg(self.home.path().join("state")).args(["run", "--bundle"]).arg(&bundle);
        // Its name is that of the folder, which no other run has.
        let name = self.home.path().file_name().context("a folder has a name")?.to_string_lossy().into_owned();
        command.arg(format!("{name}-{number}"));
        Ok(command)
    }
}

fn config(root: &Path, args: &[String], env: &[(String, String)], folders: &[&Path], owner: &fs::Metadata) -> Value {
    let env: Vec<_> = env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut mounts = vec![
        json!({"destination": "/proc", "type": "proc", "source": "proc"}),
        json!({"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=64k"]}),
    ];
    mounts.extend(
        folders
            .iter()
            .map(|folder| json!({"destination": folder, "source": folder, "type": "bind", "options": ["bind", "ro"]})),
    );
    let mut namespaces: Vec<_> = ["pid", "ipc", "uts", "mount"].iter().map(|kind| json!({"type": kind})).collect();
    let mut linux = json!({});
    if owner.uid() != 0 {
        // Who is not root here may become somebody else only in a user namespace.
        namespaces.push(json!({"type": "user"}));
        linux["uidMappings"] = json!([{"containerID": ANYBODY, "hostID": owner.uid(), "size": 1}]);
        linux["gidMappings"] = json!([{"containerID": 0, "hostID": owner.gid(), "size": 1}]);
    }
    linux["namespaces"] = json!(namespaces);
    json!({
        "ociVersion": "1.2.0",
        "process": {
            "terminal": false, "user": {"uid": ANYBODY, "gid": 0}, "args": args, "env": env, "cwd": "/",
            "noNewPrivileges": true,
        },
        "root": {"path": root, "readonly": true},
        "mounts": mounts,
        "linux": linux,
    })
}
