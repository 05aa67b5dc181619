# docs/howto/algorithm.md word for word: its files, its commands, and the result that it promises.
. "$srcdir/tests/tap.sh"
skip_when_cross
page=$srcdir/docs/howto/algorithm.md

# An installation, as the page wants one, that leads into the build tree.
mkdir bin pkgconfig
printf '#!/bin/sh\nexec "%s/cartwright" "$@"\n' "$builddir" > bin/cartwright
chmod +x bin/cartwright
sed -e "s|@includedir@|$srcdir/core/include|" -e "s|@libdir@|$builddir/.libs|" -e 's/@[A-Za-z_]*@/1/' \
  "$srcdir/core/cartwright.pc.in" > pkgconfig/cartwright.pc
PATH=$scratch/bin:$PATH
PKG_CONFIG_PATH=$scratch/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
CARTWRIGHT_PLUGIN_PATH=
export PATH PKG_CONFIG_PATH CARTWRIGHT_PLUGIN_PATH
mkdir reader
awk -v folder="$scratch/reader" -f "$srcdir/tests/docs/page.awk" "$page"
cd reader || exit 99

# score NAME: of the agent `final` in the table that a run printed.
score() { sed -n 's/^final *sample *\([0-9.]*\) .*/\1/p' "$1" | head -n 1; }

if ! test -f "$builddir/.libs/libcartwright.so"; then
  ok 0 "no shared library was built # SKIP"
  finish
  exit 0
fi
same 4 "$(grep -c . commands)" "the page has its four commands"
number_of_command=0
while read -r command; do
  number_of_command=$((number_of_command + 1))
  sh -c "$command" > "out.$number_of_command" 2> "err.$number_of_command" < /dev/null
  ok $? "$(echo "$command" | cut -c1-60)"
  sed 's/^/# /' "err.$number_of_command" | tail -n 3
done < commands
same "" "$(grep -v -e '^passed ' -e ' 0 failed, 0 skipped$' out.3)" "the plugin passes every check"
baseline=$(score out.1) weighted=$(score out.4)
same "$baseline $weighted" "$(sed -n -e 's/.*a score of \([0-9.]*\) (.*/\1/p' "$page" | tr '\n' ' ' | sed 's/ $//')" \
  "the scores are those that the page names"
awk -v a="$baseline" -v b="$weighted" 'BEGIN { exit !(b > a + 5) }'
ok $? "and the algorithm beats its baseline"
finish
