# Builds the skeletons as strangers would: against the installed headers, found
# by pkg-config, with one compiler line each, and once more with the installed
# autoconf macro. Then the installed command runs an experiment with them.
# Called by `make installcheck` with the installation's directories.
set -e
work=$(mktemp -d "${TMPDIR:-/tmp}/cartwright-installcheck.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/plugins" "$work/pkgconfig"

# A staged installation says where it will be, not where it is.
sed "s|^\([a-z_]*\)=/|\1=$DESTDIR/|" "$DESTDIR$pkgconfigdir/cartwright.pc" > "$work/pkgconfig/cartwright.pc"
PKG_CONFIG_PATH=$work/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
LD_LIBRARY_PATH=$DESTDIR$libdir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export PKG_CONFIG_PATH LD_LIBRARY_PATH

for source in plugins/skeleton/skeleton_algorithm envs/skeleton/skeleton_environment models/skeleton/skeleton_policy; do
  $CC $CFLAGS -shared -fPIC -o "$work/plugins/${source##*/}.so" "$srcdir/$source.c" $(pkg-config --cflags --libs cartwright) -lm
done

# Earlier on the search path than the installed plugins, which a staged installation finds next to its library.
CARTWRIGHT_PLUGIN_PATH=$work/plugins
export CARTWRIGHT_PLUGIN_PATH
cp "$srcdir/configs/skeleton.yaml" "$work"
cd "$work"
for name in skeleton_algorithm skeleton_environment skeleton_policy; do
  "$DESTDIR$bindir/cartwright" plugins $name > "$name.txt"
  grep -F "$work/plugins/$name.so" "$name.txt" > /dev/null || {
    echo "installcheck: expected $name from $work/plugins, found:" >&2
    cat "$name.txt" >&2
    exit 1
  }
  "$DESTDIR$bindir/cartwright" check "$work/plugins/$name.so" > "$name.txt" || { cat "$name.txt" >&2; exit 1; }
done
"$DESTDIR$bindir/cartwright" run skeleton.yaml --out run 2> progress.txt || { cat progress.txt >&2; exit 1; }
test -s run/evaluation.json

# The macro, in a project of its own.
if autoreconf --version > /dev/null 2>&1 && libtoolize --version > /dev/null 2>&1; then
  mkdir project
  cd project
  cp "$srcdir/models/skeleton/skeleton_policy.c" stranger.c
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
stranger_la_LIBADD = $(CARTWRIGHT_LIBS) -lm
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
echo "installcheck: the skeletons build against the installation and run"
