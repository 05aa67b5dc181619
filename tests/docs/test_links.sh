# Every relative link of README, CONTRIBUTING and docs/ leads to a file and a heading that are there, and so does
# every page and every section of the specification that a source file names.
set -u
LC_ALL=C
export LC_ALL
number=0
scratch=$(mktemp -d "${TMPDIR:-/tmp}/cartwright-links-XXXXXX")
trap 'rm -rf "$scratch"' EXIT

# ok NAME: passes when $scratch/complaints is empty.
ok() {
  number=$((number + 1))
  sed 's/^/# /' "$scratch/complaints"
  if [ -s "$scratch/complaints" ]; then echo "not ok $number - $1"; else echo "ok $number - $1"; fi
}

# links ROOT PAGE...
links() {
  root=$1
  shift
  ${AWK:-awk} -v root="$root" -f "$srcdir/tests/docs/links.awk" "$@"
}

cd "$srcdir" || exit 99
links . README.md CONTRIBUTING.md $(find docs -name '*.md' | sort) >"$scratch/complaints"
ok "links of README, CONTRIBUTING and docs"

sources="Makefile.am bench configs core envs models plugins setup tests"
for folder in lab conformance; do
  [ ! -d "$folder" ] || sources="$sources $folder"
done
grep -rEoI 'docs/[A-Za-z0-9_/-]+\.md' $sources CONTRIBUTING.md README.md --exclude='test_links.sh' | sort -u |
  while IFS=: read -r file page; do
    [ -e "$page" ] || echo "$file: there is no $page"
  done >"$scratch/complaints"
ok "pages that sources name"

# "docs/spec 5.4", "docs/spec 1.3 to 1.5", "docs/spec 6, 9"
grep -rEoI 'docs/spec [0-9][0-9.]*((, | to | and )[0-9][0-9.]*)*' $sources docs --exclude='test_links.sh' | sort -u |
  while IFS=: read -r file citation; do
    for section in $(echo "${citation#docs/spec }" | sed 's/,//g; s/ to / /g; s/ and / /g'); do
      section=${section%.}
      grep -qE "^##* $section( |\$)" docs/spec/*.md || echo "$file: docs/spec has no section $section"
    done
  done >"$scratch/complaints"
ok "sections of the specification that sources name"

# The checker itself: a page with one link of each kind, two of which lead nowhere.
mkdir "$scratch/docs"
printf '# Top\n\n## A `b_c`: d, e\n\n[1](../READ.md) [2](#a-b_c-d-e) [3](https://x.y/z) `[4](none.md)`\n' >"$scratch/docs/a.md"
printf '```\n[5](none.md)\n```\n[6](b.md)\n[7](../docs/a.md#top-2)\n[8](../docs)\n' >>"$scratch/docs/a.md"
echo '# Read' >"$scratch/READ.md"
links "$scratch" docs/a.md >"$scratch/found"
printf 'docs/a.md:9: there is no docs/b.md\ndocs/a.md:10: docs/a.md has no heading #top-2\n' |
  diff - "$scratch/found" >"$scratch/complaints"
ok "a link that leads nowhere is found"
echo "1..$number"
