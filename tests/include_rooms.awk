# Reads C files; prints a line for every include that goes where the file `rooms` (tests/rooms) says that it
# must not, and the edges between folders, one "FROM TO" a line, into the file `edges`.

# The room of a folder: the longest one that it is in.
function room_of(folder) {
  while (!(folder in known) && sub(/\/[^\/]*$/, "", folder))
    ;
  return folder in known ? folder : ""
}

# The folder of header `name` as a file of `folder` finds it: from the root, from the tree, or its own.
function folder_of(name, folder, tree) {
  if (!sub(/\/[^\/]*$/, "", name))
    return folder
  tree = folder
  sub(/\/.*/, "", tree)
  return name ~ /^(core|lab|conformance|envs|models|plugins|tests|bench)(\/|$)/ ? name : tree "/" name
}

BEGIN {
  while ((getline < rooms) > 0) {
    if (/^#/ || NF == 0)
      continue
    trees++
    for (i = 1; i <= NF; i++) {
      n = split($i, side, ",")
      for (j = 1; j <= n; j++) {
        known[side[j]] = 1
        level[trees, side[j]] = i
      }
    }
  }
}

/^[ \t]*#[ \t]*include[ \t]*["<]/ {
  folder = FILENAME
  sub(/\/[^\/]*$/, "", folder)
  header = $0
  sub(/^[ \t]*#[ \t]*include[ \t]*/, "", header)
  quoted = header ~ /^"/
  sub(/^["<]/, "", header)
  sub(/[">].*/, "", header)
  ours = header ~ /^(core|lab|conformance|envs|models|plugins|tests|bench|\.\.)\//
  if (header == "config.h" || (!quoted && !ours))
    next
  from = room_of(folder)
  other = folder_of(header, folder)
  to = room_of(other)
  where = FILENAME ":" FNR ": " folder " includes " header
  if (other != folder)
    print folder, other > edges
  if (from == "" || to == "")
    print where ", and " (from == "" ? folder : other) " is no room of tests/rooms"
  else if (from != to) {
    allowed = 0
    for (tree = 1; tree <= trees; tree++)
      if (((tree, from) in level) && ((tree, to) in level) && level[tree, to] < level[tree, from])
        allowed = 1
    if (!allowed)
      print where ", which is up or across"
    else if (header ~ /_private\.h$/)
      print where ", an inner header of " to
  }
}
