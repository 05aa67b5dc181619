# The option tables of the documentation are what the built plugins print; every plugin and every section of an
# experiment has its table on some page, and every command its row in README.
set -u
LC_ALL=C
CARTWRIGHT_PLUGIN_PATH=
export LC_ALL CARTWRIGHT_PLUGIN_PATH
docs="$srcdir/docs"
number=0

# ok STATUS NAME
ok() {
  number=$((number + 1))
  if [ "$1" -eq 0 ]; then echo "ok $number - $2"; else echo "not ok $number - $2"; fi
}

for page in $(find "$docs" -name '*.md' -exec grep -l '^<!-- options: ' {} + | sort); do
  "$docs/update-options" --check "$page" | sed 's/^/# /'
  "$docs/update-options" --check "$page" >/dev/null
  ok $? "the options of ${page#"$srcdir"/} are up to date"
done

for name in $("$builddir/cartwright" plugins | sed 1,2d | awk '{print $2}'); do
  grep -q "^<!-- options: $name -->" "$docs"/reference/plugins/*.md
  ok $? "a page under docs/reference/plugins shows the options of $name"
done

for section in $("$builddir/cartwright" plugins --core | sed -n 's/^\([a-z]*\): .*/\1/p'); do
  grep -q "^<!-- options: core $section -->" "$docs/reference/experiment.md"
  ok $? "docs/reference/experiment.md shows the keys of $section"
done
for command in $("$builddir/cartwright" --help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
  grep -q "^| .*\`cartwright $command " "$srcdir/README.md"
  ok $? "README's table of commands has $command"
done
echo "1..$number"
