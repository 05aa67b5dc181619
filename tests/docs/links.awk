# Checks the links of Markdown pages: awk -f links.awk -v root=FOLDER PAGE... , pages and links relative to FOLDER.
# Prints "PAGE:LINE: complaint" for each relative link whose file, or whose heading, is not there. Code is skipped.

# The anchor that GitHub gives a heading: lower case, punctuation gone, blanks as hyphens.
function anchor(heading)
{
  sub(/^#+ */, "", heading)
  heading = tolower(heading)
  gsub(/\]\([^)]*\)/, "", heading)
  gsub(/[][!"#$%&'()*+,.\/:;<=>?@\\^`{|}~]/, "", heading)
  gsub(/ /, "-", heading)
  return heading
}

# Whether the file at `path` can be read; a page's anchors are kept.
function look(path,    line, code)
{
  if (path in found)
    return found[path]
  found[path] = system("test -d '" root "/" path "'") == 0
  if (found[path])
    return 1
  while ((getline line < (root "/" path)) > 0) {
    found[path] = 1
    if (line ~ /^```/)
      code = !code
    else if (!code && line ~ /^#/)
      anchors[path, anchor(line)] = 1
  }
  close(root "/" path)
  return found[path]
}

function join_path(page, target,    parts, n, i, out, m, path)
{
  sub(/[^\/]*$/, "", page)
  n = split(page target, parts, "/")
  for (i = 1; i <= n; i++) {
    if (parts[i] == ".." && m > 0)
      m--
    else if (parts[i] != "." && parts[i] != "")
      out[++m] = parts[i]
  }
  for (i = 1; i <= m; i++)
    path = path (i > 1 ? "/" : "") out[i]
  return path
}

function check(page, number, target,    place, path)
{
  if (target ~ /^[a-z]+:/)
    return
  place = ""
  if (match(target, /#.*/)) {
    place = substr(target, RSTART + 1)
    target = substr(target, 1, RSTART - 1)
  }
  path = target == "" ? page : join_path(page, target)
  if (!look(path))
    print page ":" number ": there is no " path
  else if (place != "" && !((path, place) in anchors))
    print page ":" number ": " path " has no heading #" place
}

BEGIN {
  for (i = 1; i < ARGC; i++) {
    page = ARGV[i]
    look(page) # now, since a file has one place to read from
    number = code = 0
    while ((getline line < (root "/" page)) > 0) {
      number++
      if (line ~ /^```/)
        code = !code
      if (code)
        continue
      gsub(/`[^`]*`/, "", line)
      while (match(line, /\]\([^) ]+\)/)) {
        target = substr(line, RSTART + 2, RLENGTH - 3)
        line = substr(line, RSTART + RLENGTH)
        check(page, number, target)
      }
    }
    close(root "/" page)
  }
  exit
}
