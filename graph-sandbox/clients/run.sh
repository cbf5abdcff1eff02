#!/usr/bin/env bash
# Runs Graph clients that others wrote against a sandbox: graph-sandbox/clients/run.sh PROGRAM
# PROGRAM is the built graph-sandbox. The clients are pinned, and installed once into the cache of programs for tests.
set -euo pipefail
[[ ${TIED-} ]] || TIED=yes exec "$(dirname "$0")/../../hack/tied.sh" "$0" "$@"
unset TIED
sandbox=$(realpath "${1:?usage: run.sh PROGRAM}")
cd "$(dirname "$0")"

for program in python3 node npm; do
  if ! command -v "$program" >/dev/null; then
    echo "$program is missing: the client suites need Python 3.10 or newer and Node 20.10 or newer with npm" >&2
    exit 1
  fi
done

cache=${META_CHANNEL_OPERATOR_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/meta-channel-operator}/clients

# Where packages go that depend on the version of a program and on these files.
place() { # NAME VERSION FILE...
  echo "$cache/$1-$( (echo "$2" && cat "${@:3}") | cksum | cut -d' ' -f1)"
}

# One installs, the others wait. What was cut off is begun again.
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9

python=$(place python "$(python3 --version)" python/requirements.txt)
if [[ ! -e $python/installed ]]; then
  rm -rf "$python"
  python3 -m venv "$python"
  "$python/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
    --requirement python/requirements.txt
  touch "$python/installed"
fi

node=$(place node "$(node --version)" node/package.json node/package-lock.json)
if [[ ! -e $node/installed ]]; then
  rm -rf "$node"
  mkdir -p "$node"
  cp node/package.json node/package-lock.json node/.npmrc "$node"
  npm ci --prefix "$node" --ignore-scripts --no-audit --no-fund --loglevel=error
  touch "$node/installed"
fi
exec 9>&-

scratch=$(mktemp -d)
pid=
stop() {
  if [[ -n $pid ]]; then
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    pid=
  fi
}
trap 'stop; rm -rf "$scratch"' EXIT

# Runs a command with a fresh sandbox, which it finds in GRAPH_SANDBOX_URL.
with_sandbox() {
  local url status=0
  mkfifo "$scratch/url"
  RUST_LOG=${RUST_LOG:-warn} "$sandbox" --seed seed.yaml --listen 127.0.0.1:0 >"$scratch/url" &
  pid=$!
  # The end of the pipe, when the sandbox could not start, ends the wait too.
  read -r -t 30 url <"$scratch/url" || { echo "the sandbox did not start" >&2; exit 1; }
  rm "$scratch/url"
  GRAPH_SANDBOX_URL=$url "$@" || status=$?
  stop
  return "$status"
}

# Loopback is not reached through a proxy.
export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1

with_sandbox "$python/bin/python" -B -m unittest discover --start-directory python
# One file after the other, since they share the sandbox.
NODE_PATH=$node/node_modules with_sandbox node --test --test-concurrency=1 --test-reporter=spec node/*.test.js
