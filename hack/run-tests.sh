#!/usr/bin/env bash
# Runs one program of tests, for cargo. The tests in tests/cluster share their control planes, and wait more than those of the
# other suites, so that more of them run at once.
set -euo pipefail
if [[ ${1##*/} == cluster-* ]]; then
  export RUST_TEST_THREADS=$CLUSTER_TEST_THREADS
fi
exec "$@"
