# An installation that was moved, or made in another prefix than configure was given, finds its own plugins.
. "$srcdir/tests/tap.sh"
CARTWRIGHT_PLUGIN_PATH=
unset LD_PRELOAD
abi=$(sed 's|.*/\(.*\)".*|\1|' "$builddir/core/plugin/plugin_directory.h")

# install PREFIX: the command, the library and one plugin, as `make install` lays them out.
install() {
  mkdir -p "$1/bin" "$1/lib/cartwright/$abi"
  cp -P "$builddir"/.libs/libcartwright.so* "$1/lib"
  cp "$builddir/.libs/cartwright" "$1/bin"
  cp "$builddir/.libs/linear.so" "$1/lib/cartwright/$abi"
}

# listed PREFIX: the file that the installed command takes the plugin from.
listed() { LD_LIBRARY_PATH="$1/lib" "$1/bin/cartwright" plugins linear 2>&1 | grep -o '[^ ]*/linear.so'; }

if test -f "$builddir/.libs/libcartwright.so"; then
  install "$scratch/first"
  install "$scratch/second"
  same "$scratch/first/lib/cartwright/$abi/linear.so" "$(listed "$scratch/first")" "an installation finds its plugins"
  same "$scratch/second/lib/cartwright/$abi/linear.so" "$(listed "$scratch/second")" "so does one in another prefix"
  mv first third
  same "$scratch/third/lib/cartwright/$abi/linear.so" "$(listed "$scratch/third")" "and one that was moved"
  LD_LIBRARY_PATH=third/lib third/bin/cartwright plugins linear > out 2>&1
  same "$scratch/third/lib/cartwright/$abi/linear.so" "$(grep -o '[^ ]*/linear.so' out)" "by relative paths too"
else
  ok 0 "no shared library was built # SKIP"
fi
finish
