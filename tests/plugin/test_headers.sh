# Every installed header compiles by itself as C11, C17 and C++17, without a warning, and a plugin in C++ passes the
# conformance suite.
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

# A compiler that is not there is not asked.
compile() {
  command -v "$1" >/dev/null 2>&1 || return 0
  "$@" $flags "$folder/$source" 2>&1 | sed 's/^/# /'
  "$@" $flags "$folder/$source" >/dev/null 2>&1
}

for header in "$srcdir"/core/include/cartwright/*.h; do
  name=${header##*/}
  for source in header.c header.cpp; do echo "#include <cartwright/$name>" >"$folder/$source"; done
  source=header.c
  compile gcc -std=c11 && compile gcc -std=c17 && compile clang -std=c11 && compile clang -std=c17
  ok $? "cartwright/$name compiles alone as C11 and C17"
  source=header.cpp
  compile g++ -std=c++17 && compile clang++ -std=c++17
  ok $? "cartwright/$name compiles alone as C++17"
done

CARTWRIGHT_PLUGIN_PATH="$builddir/.libs" "$builddir/cartwright" check "$builddir/tests/plugin/.libs/skeleton_cpp.so" \
  >"$folder/checked" 2>&1
ok $? "a plugin in C++ passes the conformance suite"
sed 's/^/# /' "$folder/checked" | tail -n 5
echo "1..$number"
