# Who may include whom. A file of plugins/, envs/ or models/ includes the
# installed headers, libraries and headers of its own folder; envs/shop is the
# shared code of the two shop environments, models/bert that of the BERT
# backends, plugins/common that of the algorithms. The core names no plugin outside of its comments.
cd "$srcdir" || exit 1

# The folder, from the root, of header $2 as file $1 finds it: beside itself, beside
# its folder, or from the root.
folder_of() {
  test "$2" = config.h && { echo .; return; }
  for place in "$(dirname "$1")" "${1%%/*}" .; do
    test -f "$place/$2" && { (cd "$(dirname "$place/$2")" && pwd) | sed "s|^$(pwd)/||"; return; }
  done
  echo nowhere
}

# Whether files of folder $1 may include headers of folder $2.
may_include() {
  case "$1:$2" in
    *:.) return 0 ;;
    envs/webshop:envs/shop | envs/synthetic:envs/shop | models/bert_*:models/bert) return 0 ;;
    plugins/*:plugins/common) return 0 ;;
  esac
  test "$1" = "$2"
}

echo 1..3

trouble=$(
  find plugins envs models -name '*.[ch]' | sort | while read -r file; do
    own=$(echo "$file" | cut -d/ -f1,2)
    sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\(.*\)".*/\1/p' "$file" | while read -r header; do
      folder=$(folder_of "$file" "$header" | cut -d/ -f1,2)
      may_include "$own" "$folder" || echo "# $file includes \"$header\" of $folder"
    done
  done
)
test -z "$trouble" || { echo "$trouble"; printf 'not '; }
echo "ok 1 - plugins include only their own quoted headers"

trouble=$(grep -rnE --include='*.[ch]' '^[[:space:]]*#[[:space:]]*include[[:space:]]*<(core|tests|plugins|envs|models|\.\.)/' \
  plugins envs models | sed 's/^/# /')
test -z "$trouble" || { echo "$trouble"; printf 'not '; }
echo "ok 2 - plugins reach the core through its installed headers only"

# Strings of the core, without comments, that hold the name of a plugin as a word of its own.
names=$(tr '\n' '|' < tests/plugin/expected_plugins | sed 's/|$//')
trouble=$(
  find core -name '*.[ch]' | sort | while read -r file; do
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
echo "ok 3 - the core names no plugin"
