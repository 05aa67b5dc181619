# The mistakes that authors of algorithms make, one at a time, and the check that finds each.
. "$srcdir/tests/tap.sh"
CARTWRIGHT_PLUGIN_PATH=$builddir/.libs
export CARTWRIGHT_PLUGIN_PATH
plugin=$builddir/tests/conformance/.libs/faulty_algorithm.so

# failures OPTION...: the checks that fail with these options, sorted.
failures() {
  printf '%s\n' "$@" > options.yaml
  "$builddir/cartwright" check "$plugin" --options options.yaml 2> errors |
    sed -n 's/^FAILED  algorithm faulty_algorithm: //p' > failed
  sed 's/:.*//' failed | tr '\n' ' '
}

same '' "$(failures 'fault: none')" "imitation without a mistake passes"
same '' "$(failures 'fault: none' 'episodes: true')" "so does reinforcement"

same 'learns_the_made_up_task slopes_match_finite_differences ' "$(failures 'fault: flipped_slope')" \
  "a slope with the wrong sign is found, twice"
grep -q 'the returned loss changes by .* per unit of logit 0, and the slopes amount to' failed
ok $? "the message has both numbers"
same 'learns_the_made_up_task slopes_match_finite_differences ' \
  "$(failures 'fault: flipped_slope' 'episodes: true')" "also where rewards are followed"

same 'learns_the_made_up_task ' "$(failures 'fault: flipped_loss')" \
  "a loss with the wrong sign is found, though its slopes fit it"
grep -q 'the mean reward was 0.25 and is 0.0.*; look for a wrong sign' failed
ok $? "the message has the reward before and after"
same 'learns_the_made_up_task ' "$(failures 'fault: flipped_loss' 'episodes: true')" "also where rewards are followed"

same 'slopes_match_finite_differences ' "$(failures 'fault: flipped_entropy')" \
  "an entropy bonus with the wrong sign is found, though the algorithm learns"

same 'learns_the_made_up_task slopes_match_finite_differences ' "$(failures 'fault: no_slope')" \
  "slopes that were forgotten are found"

same 'learns_the_made_up_task ' "$(failures 'fault: no_backward')" "a missing backward is found"
grep -q 'changed no weight of the policy; see that every forward is followed by backward' failed
ok $? "the message says what to look for"

same 'losses_are_pure ' "$(failures 'fault: impure')" "a loss that remembers its calls is found"
grep -q 'item .*: called again, alone and in another order, the loss is' failed
ok $? "the message names the item"

case $(failures 'fault: stray_metric') in runs_to_its_end_with_declared_metrics*) true ;; *) false ;; esac
ok $? "a number that is no declared metric is found"
grep -q 'update recorded metric number 7, and its table has numbers below 1' failed
ok $? "the message names the number"

# details OPTION...: how many lines of g_info and of g_debug are shown; of either, the first.
details() {
  "$builddir/cartwright" check "$plugin" "$@" 2> errors > /dev/null
  echo "$(grep -c '^cartwright: info: faulty: done after 20 updates$' errors | sed 's/^[1-9].*/some/')" \
    "$(grep -c '^cartwright: debug: faulty: update [0-9]* has the loss' errors | sed 's/^[1-9].*/some/')"
}
same '0 0' "$(details)" "details of a plugin are not shown unasked"
same 'some 0' "$(details --verbose)" "--verbose shows g_info"
same 'some some' "$(details --debug faulty)" "--debug DOMAIN shows g_debug too"
same '0 0' "$(details --debug other)" "but not of other domains"
same 'some some' "$(G_MESSAGES_DEBUG=all details)" "G_MESSAGES_DEBUG is honoured"
finish
