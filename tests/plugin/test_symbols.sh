# The public symbols: the list in core/cartwright.map, what the installed headers declare and what the
# library shows are the same, and plugins need nothing else.
. "$srcdir/tests/tap.sh"
library=$builddir/.libs/libcartwright.so
awk -f "$srcdir/tests/plugin/declared_symbols.awk" "$srcdir"/core/include/cartwright/*.h | sort -u > declared
sed -n '/^CARTWRIGHT_2 {/,/^}/s/^  \(cw_[a-z0-9_]*\);$/\1/p' "$srcdir/core/cartwright.map" > listed

# difference FILE FILE NAME: the lines of one that the other does not have.
difference() { same "" "$(diff "$1" "$2" | grep '^[<>]')" "$3"; }

# shown NODE: the symbols of the library under a version node.
shown() { nm -D --defined-only --with-symbol-versions "$library" | sed -n "s/.* \(cw_[a-z0-9_]*\)@@$1\$/\1/p" | sort; }

# private FILE: the symbols of the library that it needs and that are not public.
private() {
  nm -D --undefined-only --with-symbol-versions "$1" | sed -n 's/.* \(cw_[a-z0-9_]*@.*\)/\1/p' | grep -v '@CARTWRIGHT_2$'
}

sort listed > sorted
difference listed sorted "the list is in order"
difference listed declared "what is listed (<) and what the headers declare (>) are the same"
if test -f "$library"; then
  shown CARTWRIGHT_2 > shown
  difference listed shown "what is listed (<) and what the library shows (>) are the same"
  same "" "$(nm -D --defined-only --with-symbol-versions "$library" | grep -v -e ' A CARTWRIGHT_' -e '@@\?CARTWRIGHT_\(2\|PRIVATE\)$')" \
    "the library shows nothing without a version"
  for plugin in "$builddir"/.libs/*.so; do
    case ${plugin##*/} in libcartwright.so) continue ;; esac
    same "" "$(private "$plugin")" "${plugin##*/} needs public symbols only"
  done
  test -n "$(private "$builddir/.libs/cartwright")"
  ok $? "the command, which needs private ones, would be found out"
else
  ok 0 "no shared library was built # SKIP"
fi
finish
