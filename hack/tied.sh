#!/usr/bin/env bash
# Runs a command that does not outlive its starter: hack/tied.sh COMMAND [ARGUMENT...]
# The command leads a process group. When it has ended, what is left of the group is killed; when this script or its starter is
# gone, however that came, a watcher stops the whole group.
set -euo pipefail
starter=$PPID

# Stops the group once this script, or its starter, is gone.
watch_over() {
  trap '' HUP INT TERM
  while grep -q "^PPid:[[:space:]]*$starter\$" /proc/$$/status; do sleep 0.5; done
  # A script can still clean up.
  kill -TERM -- "-$1"
  for _ in {1..20}; do
    kill -0 -- "-$1" || exit 0
    sleep 0.5
  done
  kill -KILL -- "-$1"
}

# Every job gets a process group of its own.
set -m
(
  # The watcher stands before the command runs, in a group of its own, and is no child of the command.
  group=$BASHPID
  (
    set -m
    watch_over "$group" </dev/null >/dev/null 2>&1 &
  )
  exec "$@"
) </dev/null &
group=$!
set +m

trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
status=0
wait "$group" || status=$?
kill -KILL -- "-$group" 2>/dev/null || true
exit "$status"
