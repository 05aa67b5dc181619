# A header of core/include/cartwright as Markdown: what stands in comments at the left margin becomes text,
# formulas and examples in them (indented lines) and declarations become code.

# Names as `code`, and Markdown's own characters escaped outside of it.
function escaped(text,    parts, n, i, out) {
  n = split(text, parts, "`")
  out = ""
  for (i = 1; i <= n; i++) {
    if (i % 2 == 1) gsub(/(cw_|CW_|Cw[A-Z]|G_|g_)[A-Za-z0-9_]*/, "`&`", parts[i])
    out = out (i > 1 ? "`" : "") parts[i]
  }
  n = split(out, parts, "`")
  out = ""
  for (i = 1; i <= n; i++) {
    if (i % 2 == 1) gsub(/[*_<>|\[\]\\#]/, "\\\\&", parts[i])
    out = out (i > 1 ? "`" : "") parts[i]
  }
  return out
}

function end_code() {
  if (in_code) print "```\n"
  in_code = 0
}

function code(line) {
  if (!in_code) print "```c"
  in_code = 1
  print line
}

function text(line) {
  if (line ~ /^   *[^ ]/) {
    if (!in_code && said) print ""
    code(substr(line, 3))
    return
  }
  end_code()
  sub(/^ */, "", line)
  print escaped(line)
  said = 1
}

FNR == 1 {
  name = FILENAME
  sub(/.*\//, "", name)
  print "## cartwright/" name "\n"
}

/^#(ifndef|define|include|endif) ?(CARTWRIGHT_[A-Z]*_H)?$/ || /^#include/ || /^G_(BEGIN|END)_DECLS$/ { next }
/^#ifndef G_MODULE_EXPORT/, /^#endif/ { next }

/^\/\*/ && !in_comment {
  end_code()
  said = 0
  in_comment = 1
  line = substr($0, 3)
  if (sub(/ *\*\/ *$/, "", line)) in_comment = 0
  text(line)
  if (!in_comment) { end_code(); print "" }
  next
}
in_comment {
  line = $0
  last = sub(/ *\*\/ *$/, "", line)
  sub(/^ \*/, "", line)
  if (line != "") text(line)
  else if (!last) { end_code(); print "" }
  if (last) { end_code(); print ""; in_comment = 0 }
  next
}
/^$/ { end_code(); next }
{ code($0) }
END { end_code() }
