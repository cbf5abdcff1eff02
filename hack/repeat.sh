#!/usr/bin/env bash
# Runs the cluster tests again and again, and says which failed how often: hack/repeat.sh TIMES LOAD [FILTER...]
# LOAD is how many loops keep the machine busy meanwhile. The output of each run is kept in target/repeat.
set -euo pipefail
[[ ${TIED-} ]] || TIED=yes exec "$(dirname "$0")/tied.sh" "$0" "$@"
unset TIED
times=${1:?usage: repeat.sh TIMES LOAD [FILTER...]} load=${2:?usage: repeat.sh TIMES LOAD [FILTER...]}
shift 2
cd "$(dirname "$0")/.."

cargo test --locked --test cluster --no-run
logs=target/repeat
rm -rf "$logs"
mkdir -p "$logs"
failed=0
for ((run = 1; run <= times; run++)); do
  start=$SECONDS
  loops=()
  for ((loop = 0; loop < load; loop++)); do
    while ((SECONDS - start < 3600)); do :; done &
    loops+=($!)
  done
  verdict=ok
  cargo test --locked --test cluster -- "$@" >"$logs/$run.log" 2>&1 || verdict=FAILED failed=1
  echo "run $run: $verdict after $((SECONDS - start)) s"
  if ((load)); then
    kill "${loops[@]}"
    wait "${loops[@]}" 2>/dev/null || true
  fi
done
cat "$logs"/*.log | sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' | sort | uniq -c | sort --reverse --numeric-sort
exit "$failed"
