#!/usr/bin/env bash
# Runs tests on real API servers of these minor versions of Kubernetes, whatever becomes of the others, and ends with a table:
# hack/test-matrix.sh MINOR...
# CONTROL_PLANE is the program that builds the servers. The output of each run is kept in LOGS, target/matrix if not said. With
# PAGE, the rows of these versions on that page are written anew.
set -euo pipefail
[[ ${TIED-} ]] || TIED=yes exec "$(dirname "$0")/tied.sh" "$0" "$@"
unset TIED KUBEBUILDER_ASSETS
: "${1:?usage: test-matrix.sh MINOR...}" "${CONTROL_PLANE:?the program control-plane}"
cd "$(dirname "$0")/.."
logs=${LOGS:-target/matrix}

# Of tests/cluster, what relies most on the API server: admission, races for a name, finalizers, owners, kinds, rights. All of
# tests/packaging does.
smoke=(admission_check:: claims:: cleanup:: connect:: controllers:: crds:: deletion_protection:: rights::)

# Builds the programs of the version and says which it is.
build() {
  local program path
  for program in controllers kubectl kube-apiserver; do
    path=$("$CONTROL_PLANE" "$program") || return 1
  done
  "$path" --version | sed 's/.* v//'
}

# Runs a suite and says how many of its tests passed.
suite() { # NAME LOG [FILTER...]
  local verdict=0
  cargo test --locked --test "$1" -- "${@:3}" >"$2" 2>&1 || verdict=$?
  sed -n "s/^test \(.*\) \.\.\. FAILED$/$KUBERNETES_MINOR: FAILED \1/p" "$2" >&2
  awk '/^test result: / { passed = $4; failed = $6 }
    END { if (passed == "") { print "none ran"; exit 1 } print passed " of " passed + failed }' "$2" || verdict=1
  return "$verdict"
}

for minor in ${PAGE:+"$@"}; do
  grep -q "^| $minor |" "$PAGE" || { echo "$PAGE has no row of $minor" >&2; exit 1; }
done
cargo test --locked --test cluster --test packaging --no-run
rm -rf "$logs"
mkdir -p "$logs"
failed=0
rows=
for minor in "$@"; do
  export KUBERNETES_MINOR=$minor
  cluster=- packaging=- minutes=-
  if version=$(build); then
    start=$SECONDS
    cluster=$(suite cluster "$logs/$minor-cluster.log" "${smoke[@]}") || failed=1
    packaging=$(suite packaging "$logs/$minor-packaging.log") || failed=1
    minutes=$(((SECONDS - start + 30) / 60))
  else
    version="not built" failed=1
  fi
  row="| $minor | $version | $(date +%F) | $cluster | $packaging | $minutes |"
  rows+=$row$'\n'
  [[ ! ${PAGE-} ]] || sed -i "s/^| $minor |.*/$row/" "$PAGE"
done
printf '\n| Kubernetes | Version | Date | tests/cluster | tests/packaging | Minutes |\n|---|---|---|---|---|---|\n%s' "$rows"
exit "$failed"
