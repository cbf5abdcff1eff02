#!/usr/bin/env bash
# Pushes the images and charts of a release: hack/release/push.sh REGISTRY DIRECTORY PUSHED
# REGISTRY is host and folder, such as ghcr.io/meta-channel-operator; DIRECTORY is what hack/release/build.sh wrote. PUSHED gets a line
# for each with its digest, as sha256sum writes them. CRANE and HELM are programs for that, or else built by Go as pinned here; a
# registry on this machine speaks no TLS. Credentials are those of `docker login`.
set -euo pipefail
cd "$(dirname "$0")/../.."
registry=$1 from=$2 pushed=$3
. hack/image/facts.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# built MODULE PACKAGE
built() {
  (cd "hack/$1" && GOWORK=off CGO_ENABLED=0 go build -mod=readonly -trimpath -buildvcs=false -ldflags="-s -w" -o "$work/bin/" "$2")
  echo "$work/bin/${2##*/}"
}
crane=${CRANE:-$(built image github.com/google/go-containerregistry/cmd/crane)}
helm=${HELM:-$(built helm3 helm.sh/helm/v3/cmd/helm)}

plain_crane=() plain_helm=()
if [[ $registry == 127.0.0.1:* ]]; then
  plain_crane=(--insecure) plain_helm=(--plain-http)
fi

: >"$pushed"
for archive in "$from"/*.oci.tar; do
  name=$(basename "$archive" "-image_$version.oci.tar")
  mkdir "$work/$name"
  tar --extract --file "$archive" --directory "$work/$name"
  # Prints name@sha256:digest.
  reference=$("$crane" push "$work/$name" "$registry/$name:$version" "${plain_crane[@]}")
  echo "${reference##*@sha256:}  $registry/$name" >>"$pushed"
done
for archive in "$from"/*.tgz; do
  name=$(basename "$archive" "-$version.tgz")
  digest=$("$helm" push "$archive" "oci://$registry/charts" "${plain_helm[@]}" 2>&1 | tee /dev/stderr | sed -n 's/^Digest: sha256://p')
  echo "${digest:?"helm names no digest"}  $registry/charts/$name" >>"$pushed"
done
cat "$pushed"
