# What images and releases say of this tree, for scripts at its root to source: version, revision, time, and what is built.
version=$(sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
revision=$(git describe --always --dirty --abbrev=40 --exclude='*')
created=$(git log -1 --format=%ct)

declare -A triples=([amd64]=x86_64-unknown-linux-musl [arm64]=aarch64-unknown-linux-musl)
platforms=${PLATFORMS:-amd64 arm64}
programs=(meta-channel-operator graph-sandbox)
