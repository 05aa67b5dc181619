# docs/reference/plugin-interface.md says what the installed headers say.
echo 1..2
trouble=$("$srcdir/docs/update-interface" --check 2>&1) || { echo "# $trouble"; printf 'not '; }
echo "ok 1 - the page is up to date"
missing=$(sed -n '/^CARTWRIGHT_2 {/,/^}/s/^  \(cw_[a-z0-9_]*\);$/\1/p' "$srcdir/core/cartwright.map" |
  while read -r name; do grep -qw "$name" "$srcdir/docs/reference/plugin-interface.md" || echo "# $name"; done)
test -z "$missing" || { echo "$missing"; printf 'not '; }
echo "ok 2 - every public symbol is mentioned"
