#!/bin/sh
# A short `make check-kill`: a run that is killed, or loses its power, goes on and ends with the same bytes.
set -u
echo 1..1
# Files in memory do: nothing depends on a real disk.
test -w /dev/shm && export TMPDIR=/dev/shm
cuts=6
# A sanitizer's runtime must be loaded first, so nothing can be loaded before it.
ldd "$builddir/.libs/cartwright" | grep -qE 'lib(a|t|ub)san' && cuts=0
found=$("$builddir/tests/reliability/check_kill" "$builddir" "$srcdir" 12 $cuts "${SEED:-1}" 2>&1) || printf 'not '
echo "ok 1 - runs that are killed and resumed end with the same bytes"
echo "$found" | sed 's/^/# /'
