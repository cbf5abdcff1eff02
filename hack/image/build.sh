#!/usr/bin/env bash
# Builds the images of the operator and of the Graph sandbox as OCI layouts, for amd64 and arm64, without a container engine:
# static binaries linked by zig, and the files of the Dockerfile around them. hack/image/build.sh DIRECTORY TOOL
# DIRECTORY gets one layout for each image; TOOL is the program built from hack/image/cmd/image. PLATFORMS="amd64" builds fewer.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$1 tool=$2
. hack/image/facts.sh

tools=$(hack/python-tools.sh image)
certificates=$("$tools/python" -m certifi)

# The same programs wherever they are built: they do not know the folders of the machine. The crates have to be there to be named.
cargo fetch --locked
flags=("--remap-path-prefix=$PWD=/src")
for registry in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/; do
  flags+=("--remap-path-prefix=${registry%/}=/crates")
done
CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f'; echo "${flags[*]}")
export CARGO_ENCODED_RUSTFLAGS META_CHANNEL_OPERATOR_COMMIT=$revision

operator=() sandbox=()
for platform in $platforms; do
  triple=${triples[$platform]}
  rustup target add "$triple" >/dev/null 2>&1 || { echo "rustup cannot add the target $triple" >&2; exit 1; }
  PATH="$tools:$PATH" cargo zigbuild --release --locked --target "$triple" \
    "${programs[@]/#/--package=}" "${programs[@]/#/--bin=}"
  built=target/$triple/release
  operator+=("linux/$platform=$built/meta-channel-operator")
  sandbox+=("linux/$platform=$built/graph-sandbox")
done

# image NAME DESCRIPTION PLATFORM=BINARY...
image() {
  local name=$1 description=$2
  shift 2
  rm -rf "${out:?}/$name"
  mkdir -p "$out"
  "$tool" --title "$name" --description "$description" --version "$version" --revision "$revision" --created "$created" \
    --certificates "$certificates" --out "$out/$name" "$@"
  printf '%s: %s\n' "$out/$name" "$(du -sh "$out/$name" | cut -f1)"
}
image meta-channel-operator "Keeps messaging channels on Meta's Graph API the way they are declared in Kubernetes" "${operator[@]}"
image graph-sandbox "Simulates Meta's Graph API" "${sandbox[@]}"
