//! What this program was built from.

use std::sync::LazyLock;

use crate::graph::Version;

/// Version of the release.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Git commit. Release builds name it in `META_CHANNEL_OPERATOR_COMMIT`; asking git here would compile every build of a developer anew
/// after each commit.
pub const COMMIT: &str = match option_env!("META_CHANNEL_OPERATOR_COMMIT") {
    Some(commit) if !commit.is_empty() => commit,
    _ => "unknown",
};

/// What `--version` prints behind the name of the program.
pub fn long_version() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let (oldest, newest) = Version::known();
        let default = Version::DEFAULT;
        format!("{VERSION}\ncommit: {COMMIT}\nGraph API versions: {oldest} to {newest}, default {default}")
    });
    &TEXT
}
