#!/usr/bin/env bash
# Signs a release with cosign, without a key of its own (the certificate names the workflow): hack/release/sign.sh DIRECTORY PUSHED
# DIRECTORY is what hack/release/build.sh wrote, PUSHED what hack/release/push.sh did. Every image and chart gets a signature, every
# image what is in it, and the checksums a bundle beside them.
set -euo pipefail
from=$1 pushed=$2

while read -r digest name; do
  cosign sign --yes --recursive "$name@sha256:$digest"
  for sbom in "$from/${name##*/}"-image_*.spdx.json; do
    # A chart has none, unless it has the name of an image.
    [[ -e $sbom && $name != */charts/* ]] || continue
    platform=$(jq --raw-output '.packages[] | select(.primaryPackagePurpose == "CONTAINER") | .checksums[0].checksumValue' "$sbom")
    cosign attest --yes --type spdxjson --predicate "$sbom" "$name@sha256:$platform"
  done
done <"$pushed"
cosign sign-blob --yes --bundle "$from/SHA256SUMS.sigstore.json" "$from/SHA256SUMS"
