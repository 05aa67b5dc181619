# For test scripts: TAP output and a scratch folder. Sourced; needs $srcdir and $builddir.
set -u
LC_ALL=C
export LC_ALL
CARTWRIGHT_PLUGIN_PATH="$builddir/tests/toy/.libs"
export CARTWRIGHT_PLUGIN_PATH
scratch=$(mktemp -d "${TMPDIR:-/tmp}/cartwright-test-XXXXXX") || exit 99
tools=$(mktemp -d "${TMPDIR:-/tmp}/cartwright-tools-XXXXXX") || exit 99
trap 'rm -rf "$scratch" "$tools"' EXIT
cd "$scratch" || exit 99
number=0

# The command without libtool's wrapper, which takes longer to start than the command.
cat >"$tools/cartwright" <<SH
#!/bin/sh
export LD_LIBRARY_PATH="$builddir/.libs\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
exec "$builddir/.libs/cartwright" "\$@"
SH
chmod +x "$tools/cartwright"
cartwright="$tools/cartwright"

# Scripts that run many experiments draw no curves. Drawing is tested in tests/lab/test_curves.c and, with
# draws=yes, in tests/cli/test_command.sh.
if [ -z "${draws:-}" ]; then
  printf '#!/bin/sh\n' >"$tools/gnuplot"
  chmod +x "$tools/gnuplot"
  PATH="$tools:$PATH"
fi

# ok STATUS NAME: one result.
ok() {
  number=$((number + 1))
  if [ "$1" -eq 0 ]; then echo "ok $number - $2"; else echo "not ok $number - $2"; fi
}

# For scripts that compile plugins as users do: ends a build for another machine's processor.
skip_when_cross() {
  [ "${cross_compiling:-no}" = yes ] || return 0
  echo "1..0 # SKIP the compiler of this machine makes no plugins for this build"
  exit 0
}

# same EXPECTED FOUND NAME: two texts must be equal.
same() {
  if [ "$1" = "$2" ]; then
    ok 0 "$3"
  else
    ok 1 "$3"
    printf '%s\n' "expected:" "$1" "found:" "$2" | sed 's/^/# /'
  fi
}

# run STATUS ARGUMENT...: runs cartwright with stdin as it is; stdout goes to `out`, stderr to
# `err`, and `status` tells both statuses when the exit status is not STATUS.
run() {
  expected_status=$1
  shift
  "$cartwright" "$@" >out 2>err
  found_status=$?
  if [ "$found_status" -eq "$expected_status" ]; then
    status=
  else
    status="exit status $found_status instead of $expected_status; "
    sed 's/^/# /' err
  fi
}

# fails STATUS MESSAGE NAME ARGUMENT...: must fail so, with exactly that on stderr.
fails() {
  wanted_status=$1 wanted_message=$2 name=$3
  shift 3
  run "$wanted_status" "$@"
  same "$wanted_message" "$status$(cat err)" "$name"
}

finish() {
  echo "1..$number"
}
