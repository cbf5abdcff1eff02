#!/usr/bin/env bash
# Installs the Python packages of hack/NAME/requirements.txt once into .cache, and prints where their programs are: hack/python-tools.sh NAME
set -euo pipefail
cd "$(dirname "$0")/.."

requirements=hack/$1/requirements.txt
tools=.cache/$1-$(cksum <"$requirements" | cut -d' ' -f1)
if [[ ! -e $tools/installed ]]; then
  rm -rf "$tools"
  python3 -m venv "$tools"
  "$tools/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
    --requirement "$requirements" >&2
  touch "$tools/installed"
fi
echo "$PWD/$tools/bin"
