# Compares the plugin interface of the installed headers with the one that was written down,
# tests/plugin/interface.abi: every public function's type, every struct, vtable and enum. Called by `make
# check-abi`, and with --update by `make abi-baseline`, which writes all of it down anew, the list of public
# symbols and the page of the interface too. Needs abidw and abidiff (Debian: abigail-tools), $CC, $srcdir and
# $GLIB_CFLAGS.
set -u
baseline=$srcdir/tests/plugin/interface.abi
work=$(mktemp -d "${TMPDIR:-/tmp}/cartwright-abi-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
if [ "${1:-}" = --update ]; then
  map=$srcdir/core/cartwright.map
  {
    sed '/^CARTWRIGHT_2 {/,$d' "$map"
    printf 'CARTWRIGHT_2 {\nglobal:\n'
    awk -f "$srcdir/tests/plugin/declared_symbols.awk" "$srcdir"/core/include/cartwright/*.h | LC_ALL=C sort -u |
      sed 's/.*/  &;/'
    printf '};\n\n'
    sed -n '/^CARTWRIGHT_PRIVATE {/,$p' "$map"
  } > "$work/map"
  cmp -s "$work/map" "$map" || cat "$work/map" > "$map"
  "$srcdir/docs/update-interface" || exit 1
fi
if ! abidw --version > /dev/null 2>&1; then
  echo "check-abi: skipped: abidw and abidiff are not installed (Debian: abigail-tools)"
  exit 0
fi
case $(uname -m) in
x86_64) ;;
*) echo "check-abi: skipped: the interface was written down on x86_64, and this is $(uname -m)"; exit 0 ;;
esac

# A variable for everything that is public: vtables are not reached from any function.
{
  printf '#include <cartwright/%s>\n' cartwright.h embed.h
  sed -n 's/^  \(cw_[a-z0-9_]*\);$/__typeof__(\&\1) public_\1;/p' "$srcdir/core/cartwright.map"
  sed -n 's/^} \(Cw[A-Za-z]*\);$/\1 public_\1;/p' "$srcdir"/core/include/cartwright/*.h
} > "$work/interface.c"
$CC -g -O0 -w -shared -fPIC -I"$srcdir/core/include" $GLIB_CFLAGS -o "$work/interface.so" "$work/interface.c" || exit 1
abidw --headers-dir "$srcdir/core/include/cartwright" --drop-private-types --no-corpus-path --no-comp-dir-path \
  --no-show-locs --no-elf-needed --no-write-default-sizes --no-parameter-names "$work/interface.so" |
  sed "s|$work/||" > "$work/interface.abi" ||
  exit 1
if [ "${1:-}" = --update ]; then
  cp "$work/interface.abi" "$baseline"
  echo "check-abi: $baseline, core/cartwright.map and docs/reference/plugin-interface.md were written"
  exit 0
fi
# 4: a difference, 8: one that breaks plugins.
abidiff "$baseline" "$work/interface.abi" > "$work/differences"
status=$?
[ $status -eq 0 ] && { echo "check-abi: the interface is the one that was written down"; exit 0; }
cat "$work/differences"
cat << 'END'
check-abi: the interface is not the one that was written down. What plugins were built against must stay: members
and slots are added at the end of a struct with struct_size or a vtable, and CW_ABI_MINOR is raised; functions are
added. Anything else is a new CW_ABI_MAJOR. When it is meant: make abi-baseline, and commit tests/plugin/interface.abi.
END
exit 1
