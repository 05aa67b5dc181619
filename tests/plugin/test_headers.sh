# Every installed header compiles by itself as C11 and C++17, and all together as C17, without a warning; a plugin in
# C++ passes the conformance suite.
set -u
number=0

# ok STATUS NAME
ok() {
  number=$((number + 1))
  if [ "$1" -eq 0 ]; then echo "ok $number - $2"; else echo "not ok $number - $2"; fi
}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
flags="-pedantic -Wall -Wextra -Werror -fsyntax-only -I$srcdir/core/include $(pkg-config --cflags glib-2.0 gmodule-2.0)"

# compile COMPILER STANDARD SOURCE. A compiler that is not there is not asked.
compile() {
  command -v "$1" >/dev/null 2>&1 || return 0
  "$1" "-std=$2" $flags "$folder/$3" >"$folder/said" 2>&1 || { sed 's/^/# /' "$folder/said"; return 1; }
}

: >"$folder/all.c"
for header in "$srcdir"/core/include/cartwright/*.h; do
  name=${header##*/}
  for source in header.c header.cpp; do echo "#include <cartwright/$name>" >"$folder/$source"; done
  echo "#include <cartwright/$name>" >>"$folder/all.c"
  compile gcc c11 header.c && compile clang c11 header.c
  ok $? "cartwright/$name compiles alone as C11"
  compile g++ c++17 header.cpp
  ok $? "cartwright/$name compiles alone as C++17"
done
cp "$folder/all.c" "$folder/all.cpp"
compile gcc c17 all.c && compile clang c17 all.c && compile clang++ c++17 all.cpp
ok $? "all together compile as C17 and, with Clang, as C++17"

CARTWRIGHT_PLUGIN_PATH="$builddir/.libs" "$builddir/cartwright" check "$builddir/tests/plugin/.libs/skeleton_cpp.so" \
  >"$folder/checked" 2>&1
ok $? "a plugin in C++ passes the conformance suite"
sed 's/^/# /' "$folder/checked" | tail -n 5
echo "1..$number"
