# Builds for AArch64 in a folder of its own, aarch64, and runs all tests in it under qemu-user. Called by `make
# check-aarch64` with $srcdir. Installs nothing: it names the Debian packages that are missing. The last line is
# "N passed, N failed, N skipped".
set -u
host=aarch64-linux-gnu
packages=

# need PACKAGE COMMAND...: what the command fails without.
need() {
  package=$1
  shift
  "$@" >/dev/null 2>&1 || packages="$packages $package"
}

has() { "$host-pkg-config" --exists "$1"; }

runs() {
  folder=$(mktemp -d) || return 1
  echo 'int main(void) { return 0; }' >"$folder/nothing.c"
  "$host-gcc" -o "$folder/nothing" "$folder/nothing.c" && "$folder/nothing"
  status=$?
  rm -rf "$folder"
  return $status
}

need "gcc-$host" "$host-gcc" --version
need "g++-$host" "$host-g++" --version
need pkgconf:arm64 command -v "$host-pkg-config"
need libglib2.0-dev:arm64 has glib-2.0
need libyaml-dev:arm64 has yaml-0.1
need libjansson-dev:arm64 has jansson
need libicu-dev:arm64 has icu-i18n
need libcurl4-openssl-dev:arm64 has libcurl
need libcmocka-dev:arm64 has cmocka
need qemu-user-binfmt command -v qemu-aarch64
if [ -n "$packages" ]; then
  echo "check-aarch64: after 'dpkg --add-architecture arm64' and 'apt-get update' install:$packages" >&2
  exit 1
fi
runs 2>/dev/null || {
  echo "check-aarch64: qemu-aarch64 is here, but the system does not call it for a program for AArch64; as root:" \
    "mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc;" \
    "cat /usr/lib/binfmt.d/qemu-aarch64.conf >/proc/sys/fs/binfmt_misc/register" >&2
  exit 1
}

mkdir -p aarch64 && cd aarch64 || exit 1
[ -f Makefile ] || # with --build, or configure runs a program, which binfmt lets pass, and takes the build for a native one
  "$srcdir/configure" --build="$("$srcdir/build-aux/config.guess")" --host="$host" --without-cuda --enable-werror || exit 1
${MAKE:-make} check TESTS= || exit 1
find tests -name '*.trs' -exec rm -f {} +
status=0
${MAKE:-make} -k check || status=$?
results=$(find tests -name '*.trs' -exec cat {} +)
count() { printf '%s\n' "$results" | grep -c -E "^:test-result: ($1)"; }
failed=$(count 'FAIL|ERROR|XPASS')
[ "$status" = 0 ] || [ "$failed" != 0 ] || failed=1
echo "$(count 'PASS|XFAIL') passed, $failed failed, $(count SKIP) skipped"
exit "$status"
