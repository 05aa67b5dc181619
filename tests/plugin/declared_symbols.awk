# Prints the functions and variables that headers declare, cw_ names without comments and macros, each once
# or more.
{
  line = $0
  code = ""
  while (line != "") {
    if (in_comment) {
      end = index(line, "*/")
      if (!end) break
      in_comment = 0
      line = substr(line, end + 2)
    } else {
      start = index(line, "/*")
      if (!start) { code = code line; break }
      code = code substr(line, 1, start - 1)
      in_comment = 1
      line = substr(line, start + 2)
    }
  }
  is_macro = in_macro || code ~ /^ *#/
  in_macro = is_macro && code ~ /\\$/
  if (is_macro) next
  while (match(code, /cw_[a-z0-9_]+ *[(;]/)) {
    name = substr(code, RSTART, RLENGTH)
    sub(/ *[(;]$/, "", name)
    print name
    code = substr(code, RSTART + RLENGTH)
  }
}
