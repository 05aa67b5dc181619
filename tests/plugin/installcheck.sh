# Starts from the installation alone, as strangers would: builds the installed skeletons, C and C++, with
# one compiler line each by pkg-config, and once more with the installed autoconf macro; checks and runs
# them; then the demo and a program. Called by `make installcheck` with the installation's directories.
set -e
work=$(mktemp -d "${TMPDIR:-/tmp}/cartwright-installcheck.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/plugins" "$work/pkgconfig"

# A staged installation says where it will be, not where it is.
sed "s|^\([a-z_]*\)=/|\1=$DESTDIR/|" "$DESTDIR$pkgconfigdir/cartwright.pc" > "$work/pkgconfig/cartwright.pc"
PKG_CONFIG_PATH=$work/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
LD_LIBRARY_PATH=$DESTDIR$libdir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export PKG_CONFIG_PATH LD_LIBRARY_PATH

share=$DESTDIR$pkgdatadir
installed=$DESTDIR$bindir/cartwright
cd "$work"
for name in skeleton_algorithm skeleton_environment skeleton_policy; do
  $CC $CFLAGS -shared -fPIC -o "plugins/$name.so" "$share/skeletons/$name.c" $(pkg-config --cflags --libs cartwright)
done
$CXX -std=c++17 $CXXFLAGS -shared -fPIC -o plugins/skeleton_cpp.so "$share/skeletons/skeleton_cpp.cpp" \
  $(pkg-config --cflags --libs cartwright)

# quietly ARGUMENT...: the installed command; what it printed comes to light when it fails.
quietly() { "$installed" "$@" > output 2>&1 || { cat output >&2; exit 1; }; }

# Earlier on the search path than the installed plugins, which a staged installation finds next to its
# library.
CARTWRIGHT_PLUGIN_PATH=$work/plugins
export CARTWRIGHT_PLUGIN_PATH
for name in skeleton_algorithm skeleton_environment skeleton_policy skeleton_cpp; do
  quietly plugins $name
  grep -F "$work/plugins/$name.so" output > /dev/null || {
    echo "installcheck: expected $name from $work/plugins, found:" >&2
    cat output >&2
    exit 1
  }
  quietly check "plugins/$name.so"
done
quietly run "$share/configs/skeleton.yaml" --out run
test -s run/evaluation.json
quietly run "$share/configs/skeleton.yaml" --out run-cpp --set stages.0.algorithm=skeleton_cpp
test -s run-cpp/evaluation.json

# The demo, small, from a folder with nothing in it. A staged model is not yet where the demo looks for it.
mkdir empty
cd empty
quietly run "$share/configs/demo.yaml" ${DESTDIR:+--set "policy.model=$share/models/shop-bert"} --set evaluate.episodes=2 \
  --set stages.0.generate.episodes=4 --set stages.1.epochs=1 --set stages.1.evaluate_every=0 --set environment.products=60
test -s runs/demo/evaluation.json
cd ..
$CC $CFLAGS -o shoppers "$share/examples/embed.c" $(pkg-config --cflags --libs cartwright)
./shoppers > /dev/null
test -s "$DESTDIR$docdir/docs/howto/algorithm.md"

# The macro, in a project of its own.
if autoreconf --version > /dev/null 2>&1 && libtoolize --version > /dev/null 2>&1; then
  mkdir project
  cd project
  cp "$share/skeletons/skeleton_policy.c" stranger.c
  cat > configure.ac <<'END'
AC_INIT([stranger], [1.0])
AC_CONFIG_AUX_DIR([build-aux])
AM_INIT_AUTOMAKE([foreign])
AM_PROG_AR
LT_INIT([disable-static])
AC_PROG_CC
CARTWRIGHT_PLUGIN([0.1])
AC_CONFIG_FILES([Makefile])
AC_OUTPUT
END
  cat > Makefile.am <<'END'
plugindir = $(CARTWRIGHT_PLUGIN_DIR)
plugin_LTLIBRARIES = stranger.la
stranger_la_SOURCES = stranger.c
stranger_la_CFLAGS = $(CARTWRIGHT_CFLAGS)
stranger_la_LDFLAGS = $(CARTWRIGHT_PLUGIN_LDFLAGS)
stranger_la_LIBADD = $(CARTWRIGHT_LIBS)
END
  {
    ACLOCAL_PATH=$DESTDIR$aclocaldir autoreconf -i &&
      ./configure CC="$CC" CFLAGS="$CFLAGS" LDFLAGS="$LDFLAGS" &&
      make &&
      make install DESTDIR="$work/stage"
  } > log 2>&1 || { cat log >&2; exit 1; }
  stranger=$(find "$work/stage" -name stranger.so)
  test -f "$stranger"
  test "$(nm -D --defined-only "$stranger" | sed -n 's/.* T //p')" = cw_plugin_query
else
  echo "installcheck: autoreconf or libtoolize is missing, so the autoconf macro was not tried"
fi
echo "installcheck: skeletons, demo and example build against the installation and run"
