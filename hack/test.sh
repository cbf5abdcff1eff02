#!/usr/bin/env bash
# Makes every one of these targets, whatever becomes of the others, and says in the end what came of each: hack/test.sh TARGET...
set -euo pipefail
[[ ${TIED-} ]] || TIED=yes exec "$(dirname "$0")/tied.sh" "$0" "$@"
unset TIED

failed=0
summary=
for target in "$@"; do
  verdict=ok
  start=$SECONDS
  "${MAKE:-make}" --no-print-directory "$target" || verdict=FAILED failed=1
  tenths=$(((SECONDS - start) / 6))
  summary+=$(printf '%-7s %-14s %3d.%d min' "$verdict" "$target" $((tenths / 10)) $((tenths % 10)))$'\n'
done
printf '\n%s' "$summary"
exit "$failed"
