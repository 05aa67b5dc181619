#!/bin/sh
# The paper's experiment: its files share one setting, and its driver runs agents after what they start from, goes on
# where it was stopped, and passes seeds and paths. A script that notes its arguments stands in for the program.
. "$srcdir/tests/tap.sh"
paper=$(cd "$srcdir/configs/paper" && pwd)

# What must not differ between agents that are compared. What they read is there, but empty.
for run in paper/imitation-1 paper/generated-1 paper-synthetic/imitation-1 paper-synthetic/generated-1; do
  mkdir -p "runs/$run/trajectories"
  for name in sessions generated rejected; do : >"runs/$run/trajectories/$name.jsonl"; done
done
mkdir shop
: >shop/expert_trajectories.jsonl
shared() {
  shop="--set environment.shop=$scratch/shop"
  grep -q 'plugin: webshop' "$(dirname "$1")/imitation.yaml" || shop=
  CARTWRIGHT_PLUGIN_PATH= run 0 config "$1" $shop
  sed -n -e 's/ #.*//' -e '/^environment:/,/^checkpoint:/{/^  model:/d;/^  initialize:/d;p}' \
    -e '/^evaluate:$/,${/agents:/d;p}' out
}
for configs in "$paper" "$paper-synthetic" "$paper-taught"; do
  shared "$configs/imitation.yaml" >wanted
  for file in "$configs"/*.yaml; do
    name=$(basename "$file" .yaml)
    same "name: $name" "$(grep ^name: "$file")" "$name is named as its file"
    [ "$name" = generated ] || same "$(cat wanted)" "$(shared "$file")" \
      "$(basename "$configs"), $name: environment, policy and evaluation are those of imitation"
  done
done

rm -f out err
cat >program <<'SH'
#!/bin/sh
command=$1
shift
if [ "$command" = report ]; then
  printf 'report %s\n' "$*" >>"$CALLS"
  exit
fi
config=$1
shift
line= again=
while [ $# -gt 0 ]; do
  case $1 in
  --out) run=$2; shift ;;
  --set) line="$line $2"; shift ;;
  --resume) again=' again' ;;
  esac
  shift
done
[ ! -e "$STOP" ] || [ "$(basename "$run")" != "$(cat "$STOP")" ] || { rm "$STOP"; mkdir -p "$run"; : >"$run/config.yaml"; exit 130; }
mkdir -p "$run/checkpoints/step-9/policy" "$run/checkpoints/step-10/policy"
: >"$run/config.yaml"
echo "$(basename "$run")$again:$line" >>"$CALLS"
SH
chmod +x program
export CALLS="$PWD/calls" STOP="$PWD/stop" CARTWRIGHT="$PWD/program"
out=$PWD/out
drive() { "$paper/run" --out "$out" --jobs 1 "$@" >log 2>&1; }

drive --model enc --seeds 7 --set a.b=c dpo-on-top cloning
same "imitation-7: policy.model=enc seed=7 a.b=c" "$(sed -n 1p calls | sed 's/seed=7 policy.model=enc/policy.model=enc seed=7/')" \
  "imitation comes first, with the encoder, the seed and the settings given"
same "imitation-7 generated-7 cloning-7 dpo-expert-7 dpo-on-top-7 report" \
  "$(sed 's/[: ].*//' calls | tr '\n' ' ' | sed 's/ $//')" "agents run after what they start from, asked for or not"
same "1" "$(grep -c "^cloning-7:.* policy.model=$out/imitation-7/policy stages.0.trajectories=$out/generated-7/trajectories/generated.jsonl$" calls)" \
  "cloning gets the imitation agent and its rollouts"
same "1" "$(grep -c "^dpo-on-top-7:.* policy.model=$out/dpo-expert-7/policy$" calls)" "dpo-on-top gets the agent of dpo-expert"
same "checkpoints/step-10/policy" "$(readlink "$out/imitation-7/policy")" "the newest checkpoint is linked"
same "report $out/imitation-7 $out/dpo-on-top-7 $out/cloning-7 --out $out/report --against imitation" \
  "$(tail -n 1 calls)" "the report has the agents asked for, and what they are compared with"

: >calls
echo ppo-2 >stop
drive --seeds '1 2' ppo
same "1" "$?" "a stopped run stops the driver"
same "0" "$(grep -c '^report' calls)" "no report then"
: >calls
drive --seeds '1 2' ppo
same "ppo-2 again:" "$(grep '^ppo-2' calls | sed 's/:.*/:/')" "the same command goes on with it"
same "ppo-1 again:" "$(grep '^ppo-1' calls | sed 's/:.*/:/')" "a finished run is asked for again, which is nothing to do"
drive --configs configs/paper-synthetic --seeds 3 grpo
same "2" "$(grep -c "^imitation-3:.* policy.model=models/shop-bert$\|^grpo-3:" calls)" "another folder has agents, and an encoder, of its own"
drive nonsense
same "2 configs/paper/run: no configs/paper/nonsense.yaml" "$? $(cat log)" "an unknown agent is refused"
finish
