#!/usr/bin/env bash
# Carries crds/, which `meta-channel-operator crds --dir crds` writes, to the two other places that need it:
# crds/kustomization.yaml lists the files (kustomize takes a folder from outside its root only with a list of its own),
# and the admin chart holds copies (Helm reads nothing outside a chart).
set -euo pipefail
cd "$(dirname "$0")/.."

chart=charts/meta-channel-operator-admin/files/crds
files=(crds/metachannels.io_*.yaml)
if [[ ! -e ${files[0]} ]]; then
  echo "crds/ holds no metachannels.io_*.yaml: run 'meta-channel-operator crds --dir crds' first" >&2
  exit 1
fi

{
  echo "# Written by hack/sync-crds.sh."
  echo "apiVersion: kustomize.config.k8s.io/v1beta1"
  echo "kind: Kustomization"
  echo "resources:"
  printf '  - %s\n' "${files[@]##*/}"
} >crds/kustomization.yaml

mkdir -p "$chart"
rm -f "$chart"/*.yaml
cp "${files[@]}" "$chart"/
