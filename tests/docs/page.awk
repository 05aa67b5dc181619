# Takes a page apart for a test that follows it. A block of code after a line "<!-- file: NAME -->" or "<!--
# append: NAME -->" is written to NAME in `folder`; one after "<!-- run -->" is added to `folder`/commands.
/^<!-- file: .* -->$/ { name = $3; printf "" > (folder "/" name); next }
/^<!-- append: .* -->$/ { name = $3; next }
/^<!-- run -->$/ { name = "commands"; next }
/^```/ && name != "" && !inside { inside = 1; next }
/^```$/ && inside { inside = 0; name = ""; next }
inside { print > (folder "/" name) }
