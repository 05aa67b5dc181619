# The plugins that were built are those of tests/plugin/expected_plugins: one
# that silently stops being built, or a new one without an entry, is noticed.
echo 1..1
built=$(ls "$builddir"/.libs/*.so | sed -n 's|.*/||; /^lib/d; s|\.so$||p' | LC_ALL=C sort)
expected=$(LC_ALL=C sort "$srcdir/tests/plugin/expected_plugins")
# Without the CUDA toolkit there is no bert_cuda.
if [ "$have_cuda" != yes ]; then
  expected=$(echo "$expected" | grep -v '^bert_cuda$')
fi
# Without libcurl there is no openai.
if [ "$have_curl" != yes ]; then
  expected=$(echo "$expected" | grep -v '^openai$')
fi
if test "$built" = "$expected"; then
  echo "ok 1 - the built plugins are the expected ones"
else
  echo "# expected: $(echo $expected)"
  echo "# built:    $(echo $built)"
  echo "not ok 1 - the built plugins are the expected ones"
fi
