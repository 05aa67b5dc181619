#!/bin/sh
# The Python package: built against this build tree into a virtual environment of its own, then its pytest. A line of TAP
# for each test. CARTWRIGHT_REPLAY=full replays every recording to its end.
skip() {
  echo "1..0 # SKIP $*"
  exit 0
}
[ "${cross_compiling:-no}" != yes ] || skip "Python here cannot load a build for another processor"
command -v python3 >/dev/null 2>&1 || skip "no python3"
python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
  skip "python3 is older than 3.10 or has no venv (Debian: python3-venv)"
ldd "$builddir/.libs/libcartwright.so" | grep -q libasan && skip "the build has sanitizers, which Python cannot load"
venv=$builddir/python-venv
if ! [ -e "$venv/ready" ]; then
  rm -rf "$venv"
  python3 -m venv "$venv" && "$venv/bin/pip" install -q --retries 1 'setuptools>=70.1' numpy 'gymnasium>=1.1' pytest \
    beautifulsoup4 >python-venv.log 2>&1 || skip "the package index is out of reach: $(tail -n 1 python-venv.log)"
  touch "$venv/ready"
fi
# A copy, because the source tree may be read-only.
rm -rf "$builddir/python-package"
cp -R "$srcdir/doors/python" "$builddir/python-package" && chmod -R u+w "$builddir/python-package"
rm -rf "$builddir/python-package/build" "$builddir/python-package"/*.egg-info # what an installation has left there
if ! CARTWRIGHT_SOURCE=$srcdir CARTWRIGHT_BUILD=$builddir "$venv/bin/pip" install -q --no-deps --no-build-isolation \
  --force-reinstall "$builddir/python-package" >python-install.log 2>&1; then
  grep -q 'Python.h' python-install.log && skip "no Python headers (Debian: python3-dev)"
  sed 's/^/# /' python-install.log
  echo 1..1
  echo "not ok 1 - pip install doors/python"
  exit 0
fi
unset CARTWRIGHT_PLUGIN_PATH
CARTWRIGHT_RECORDINGS=${CARTWRIGHT_RECORDINGS:-$srcdir/../shared/recordings}
CARTWRIGHT_PROGRAM=$builddir/cartwright
export CARTWRIGHT_RECORDINGS CARTWRIGHT_PROGRAM
PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" -m pytest -p no:cacheprovider -q -rA --tb=short "$srcdir/tests/python" \
  >pytest.log 2>&1
status=$?
awk '
  /^(PASSED|FAILED|ERROR) / { n++; name = $2; sub(/.*::/, "", name)
    print ($1 == "PASSED" ? "ok " : "not ok ") n " - " name; next }
  /^SKIPPED / { n++; text = $0; sub(/^SKIPPED \[[0-9]*\] /, "", text); print "ok " n " # SKIP " text; next }
  { held = held "# " $0 "\n" }
  END { if (failed) printf "%s", held; print "1.." n }
' pytest.log
[ "$status" = 0 ] || sed 's/^/# /' pytest.log
[ "$status" -lt 2 ] || echo "Bail out! pytest ended with status $status"
