#!/usr/bin/env bash
# Writes the Go module that pins an older Kubernetes for `make test-matrix`, in place of that of the same minor version:
# hack/kubernetes-module.sh VERSION [MODULE@VERSION...], such as 1.32.13. Modules are named where that release of one is not to be had.
set -euo pipefail
version=${1:?usage: kubernetes-module.sh VERSION [MODULE@VERSION...]}
shift
minor=${version%.*}
directory=$(cd "$(dirname "$0")" && pwd)/kubernetes-$minor

# Upstream's own go.mod finds the staging modules beside it. Elsewhere, each has to be replaced by its release.
upstream=$(go mod download -json "k8s.io/kubernetes@v$version" | sed -n 's/^\t"GoMod": "\(.*\)",*$/\1/p')
mkdir -p "$directory"
{
  cat <<MODULE
module github.com/meta-channel-operator/kubernetes-$minor

go $(sed -n 's/^go //p' "$(dirname "$0")/control-plane/go.mod")

$(grep '^godebug default=' "$upstream")

tool (
	k8s.io/kubernetes/cmd/kube-apiserver
	k8s.io/kubernetes/cmd/kube-controller-manager
	k8s.io/kubernetes/cmd/kubectl
)

require k8s.io/kubernetes v$version

replace (
MODULE
  sed -n "s|^\t\(k8s.io/.*\) => ./staging/.*|\t\1 => \1 v0.${version#*.}|p" "$upstream"
  echo ")"
} >"$directory/go.mod"
rm -f "$directory/go.sum"
cd "$directory"
for other; do
  go mod edit -replace="${other%@*}=$other"
done
go mod tidy
