#!/bin/sh
# PROGRAM... DATABASE MODE COUNT: once alone, then three at once.
"$@" || exit
pids=
for _ in 1 2 3; do
  "$@" &
  pids="$pids $!"
done
failed=0
for pid in $pids; do wait "$pid" || failed=1; done
exit "$failed"
