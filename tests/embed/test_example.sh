#!/bin/sh
# The example of docs/reference and of embed.h runs as it stands.
echo 1..1
if "$builddir/examples/embed" >example.out 2>&1 && grep -q '^mean reward of 16 episodes: 0\.[0-9]*$' example.out; then
  echo "ok 1 - examples/embed.c plays sixteen episodes"
else
  sed 's/^/# /' example.out
  echo "not ok 1 - examples/embed.c plays sixteen episodes"
fi
rm -f example.out
