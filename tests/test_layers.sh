# Who may include whom (tests/rooms says it, include_rooms.awk reads every include), and that the core names no
# plugin outside of its comments.
cd "$srcdir" || exit 1
edges=$(mktemp) && made=$(mktemp -d) || exit 1
trap 'rm -rf "$edges" "$made"' EXIT

# The complaints about a tree by some rooms; the edges between its folders go to $edges.
complaints() {
  : > "$edges"
  (cd "$1" && find core lab conformance envs models plugins \
    \( -name '*.[ch]' -o -name '*.cu' -o -name '*.cuh' -o -name '*.cpp' \) -print 2>/dev/null | sort |
    xargs awk -v rooms="$2" -v edges="$edges" -f "$srcdir/tests/include_rooms.awk")
}

# Folders that include each other in a circle, as tsort names them.
circles() { sort -u "$edges" | tsort 2>&1 >/dev/null | sed 's/^tsort: //'; }

echo 1..4

trouble=$(complaints . "$srcdir/tests/rooms" | sed 's/^/# /')
test -z "$trouble" || { echo "$trouble"; printf 'not '; }
echo "ok 1 - no include goes up or across"

trouble=$(circles | sed 's/^/# /')
test -z "$trouble" || { echo "$trouble"; printf 'not '; }
echo "ok 2 - no circle between folders"

# A tree with one fault of each kind.
mkdir -p "$made/core/a" "$made/core/b" "$made/core/c" "$made/core/d"
echo 'core/a core/b,core/c' > "$made/rooms"
echo '#include "core/b/b.h"' > "$made/core/a/up.c"
echo '#include "core/c/c.h"' > "$made/core/b/across.c"
printf '#include "core/a/a.h"\n#include "b_private.h"\n#include "core/a/a_private.h"\n' > "$made/core/b/inner.c"
echo '#include <core/a/a.h>' > "$made/core/d/unknown.c"
found=$(complaints "$made" "$made/rooms"; circles)
expected='core/a/up.c:1: core/a includes core/b/b.h, which is up or across
core/b/across.c:1: core/b includes core/c/c.h, which is up or across
core/b/inner.c:3: core/b includes core/a/a_private.h, an inner header of core/a
core/d/unknown.c:1: core/d includes core/a/a.h, and core/d is no room of tests/rooms
-: input contains a loop:
core/a
core/b'
test "$found" = "$expected" || { echo "$found" | sed 's/^/# /'; printf 'not '; }
echo "ok 3 - includes up, across and in circles, inner headers and unknown rooms are found"

# Strings of the core and of what stands above it, without comments, that hold the name of a plugin as a word of its own.
names=$(tr '\n' '|' < tests/plugin/expected_plugins | sed 's/|$//')
trouble=$(
  find core lab conformance -name '*.[ch]' ! -path 'core/sdk/learn*' | sort | while read -r file; do
    awk '{
      line = $0; code = ""
      while (line != "") {
        if (inside) {
          end = index(line, "*/")
          if (!end) break
          inside = 0; line = substr(line, end + 2)
        } else {
          start = index(line, "/*")
          if (!start) { code = code line; break }
          code = code substr(line, 1, start - 1); inside = 1; line = substr(line, start + 2)
        }
      }
      print code
    }' "$file" | grep -nE "\"([^\"]*[^a-z_\"])?($names)([^a-z_\"][^\"]*)?\"" | sed "s|^|# $file:|"
  done
)
test -z "$trouble" || { echo "$trouble"; printf 'not '; }
echo "ok 4 - the core names no plugin"
