#!/usr/bin/env python3
"""WebShop's choice policy in PyTorch on decisions that `cartwright bench policy --export` wrote: how fast it scores and
trains. Needs torch, transformers and safetensors. Prints one JSON object. compare runs it next to cartwright.

    policy.py --decisions FILE --model FOLDER --work score --way webshop
    policy.py --decisions FILE --model FOLDER --work score --way bucketed --bf16-weights --compile
    policy.py --decisions FILE --model FOLDER --work train --way bucketed [--autocast]

Ways to batch:
  webshop   a decision at a time, as WebShop's code does it: its state alone, its candidates padded to the longest
  rollout   as webshop, and the state once more for its value, as WebShop's reinforcement learning does it
  padded    the states of a call padded to the longest, and its candidates likewise
  bucketed  the distinct texts of a call sorted by length and cut into batches of at most --bucket tokens, padding
            included
Texts are tokenised beforehand and not timed. Scoring gives a value too, but for `rollout` from the encoding at hand.
"""
import argparse
import json
import resource
import time

import safetensors.torch
import torch
import transformers

EXTRA = ["[button]", "[button_]", "[clicked button]", "[clicked button_]"]


class Attention(torch.nn.Module):
    def __init__(self, size):
        super().__init__()
        self.input_linear = torch.nn.Linear(size, 1, bias=False)
        self.memory_linear = torch.nn.Linear(size, 1, bias=False)
        self.dot_scale = torch.nn.Parameter(torch.ones(size))

    def forward(self, actions, mask, state):
        """actions: n x l x h and mask: n x l of one decision; state: m x h. n x l x 4h."""
        scores = self.input_linear(actions) + self.memory_linear(state).T + (actions * self.dot_scale) @ state.T
        attended = scores.softmax(-1) @ state
        weights = scores.max(-1).values.masked_fill(~mask, float("-inf")).softmax(-1)
        summary = (weights.unsqueeze(1) @ actions).expand_as(actions)
        return torch.cat([actions, attended, actions * attended, summary * attended], -1)


class Policy(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        self.bert = transformers.BertModel(config, add_pooling_layer=False)
        size = config.hidden_size
        self.attn = Attention(size)
        self.linear_1 = torch.nn.Linear(4 * size, size)
        self.linear_2 = torch.nn.Linear(size, 1)
        self.linear_3 = torch.nn.Sequential(torch.nn.Linear(size, 128), torch.nn.LeakyReLU(0.01), torch.nn.Linear(128, 1))

    def encode(self, texts):
        """Padded to the longest: n x l x h, and the mask."""
        ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(text) for text in texts], batch_first=True)
        lengths = torch.tensor([len(text) for text in texts])
        mask = torch.arange(ids.shape[1]) < lengths[:, None]
        whole = bool((lengths == ids.shape[1]).all())
        return self.bert(ids, attention_mask=None if whole else mask.long()).last_hidden_state, mask

    def choose(self, state, actions, mask):
        hidden = self.linear_1(self.attn(actions, mask, state)).relu()
        mean = (hidden * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)
        return self.linear_2(mean).squeeze(-1), self.linear_3(state[0])

    def by_decision(self, decisions, encodes_twice):
        """WebShop's way."""
        for decision in decisions:
            state, _ = self.encode([decision["state"]])
            actions, mask = self.encode(decision["actions"])
            logits, value = self.choose(state[0], actions, mask)
            if encodes_twice:
                value = self.linear_3(self.encode([decision["state"]])[0][0, 0])
            yield logits, value

    def padded(self, decisions):
        states, _ = self.encode([d["state"] for d in decisions])
        actions, mask = self.encode([a for d in decisions for a in d["actions"]])
        first = 0
        for decision, state in zip(decisions, states):
            n = len(decision["actions"])
            longest = max(len(a) for a in decision["actions"])
            yield self.choose(state[: len(decision["state"])], actions[first : first + n, :longest],
                              mask[first : first + n, :longest])
            first += n

    def bucketed(self, decisions, tokens):
        texts = sorted({tuple(t) for d in decisions for t in [d["state"], *d["actions"]]}, key=len)
        rows, batch = {}, []

        def finish():
            states, _ = self.encode(batch)
            rows.update((text, states[i, : len(text)]) for i, text in enumerate(batch))

        for text in texts:
            if batch and (len(batch) + 1) * len(text) > tokens:
                finish()
                batch = []
            batch.append(text)
        finish()
        for decision in decisions:
            pieces = [rows[tuple(a)] for a in decision["actions"]]
            actions = torch.nn.utils.rnn.pad_sequence(pieces, batch_first=True)
            mask = torch.arange(actions.shape[1]) < torch.tensor([len(p) for p in pieces])[:, None]
            yield self.choose(rows[tuple(decision["state"])], actions, mask)

    def run(self, decisions, way, tokens):
        if way in ("webshop", "rollout"):
            return self.by_decision(decisions, way == "rollout")
        return self.padded(decisions) if way == "padded" else self.bucketed(decisions, tokens)


def load(folder):
    policy = Policy(transformers.BertConfig.from_pretrained(folder))
    weights = safetensors.torch.load_file(folder + "/model.safetensors")
    weights = {k if k.split(".")[0] in ("bert", "attn", "linear_1", "linear_2", "linear_3") else "bert." + k: v.float()
               for k, v in weights.items()}
    words = weights["bert.embeddings.word_embeddings.weight"]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.truncation_side = "right"
    tokenizer.add_special_tokens({"additional_special_tokens": EXTRA})
    policy.bert.resize_token_embeddings(max(len(words), len(tokenizer)), mean_resizing=False)
    if len(words) < len(tokenizer):
        fresh = policy.bert.embeddings.word_embeddings.weight.detach().clone()
        fresh[: len(words)] = words
        weights["bert.embeddings.word_embeddings.weight"] = fresh
    missing, _ = policy.load_state_dict(weights, strict=False)
    if any(name.startswith("bert.") for name in missing):
        raise SystemExit(f"policy.py: {folder}: the encoder is not whole: {missing}")
    return policy, tokenizer


def compiled(policy):
    """The encoder through torch.compile, for texts of any length, its weights frozen into the code."""
    import torch._inductor.config

    torch._inductor.config.freezing = True
    policy.eval()
    policy.bert = torch.compile(policy.bert, dynamic=True)


def tokenise(tokenizer, text, most):
    text = text.lower().replace('"', "").replace("'", "").strip().replace("[sep]", "[SEP]")
    return tokenizer(text, truncation=True, max_length=most)["input_ids"]


def clocks():
    return time.perf_counter(), time.process_time()


def since(start):
    """Seconds on the clock, and of the processor in all threads."""
    return tuple(now - then for now, then in zip(clocks(), start))


def score(policy, decisions, arguments):
    policy.eval()
    calls = {}
    for decision in decisions:
        calls.setdefault(decision["call"], []).append(decision)
    start = clocks()
    logits = []
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=arguments.autocast):
        for call in calls.values():
            logits += [one for one, _ in policy.run(call, arguments.way, arguments.bucket)]
    return since(start), logits


def train(policy, decisions, arguments):
    policy.train()
    optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-9, eps=1e-6, weight_decay=0, fused=True)
    start = clocks()
    for first in range(0, len(decisions), arguments.batch):
        batch = decisions[first : first + arguments.batch]
        if arguments.way == "webshop":  # gradients of one decision at a time
            for decision in batch:
                with torch.autocast("cpu", torch.bfloat16, enabled=arguments.autocast):
                    logits, _ = next(policy.by_decision([decision], False))
                (-logits.float().log_softmax(-1)[decision["chosen"]] / len(batch)).backward()
        else:
            with torch.autocast("cpu", torch.bfloat16, enabled=arguments.autocast):
                outputs = list(policy.run(batch, arguments.way, arguments.bucket))
            terms = [-logits.float().log_softmax(-1)[d["chosen"]] for (logits, _), d in zip(outputs, batch)]
            (sum(terms) / len(batch)).backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return since(start), []


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--decisions", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--work", choices=["score", "train"], required=True)
    parser.add_argument("--way", choices=["webshop", "rollout", "padded", "bucketed"], required=True)
    parser.add_argument("--bucket", type=int, default=512)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--max-state-tokens", type=int, default=512)
    parser.add_argument("--max-action-tokens", type=int, default=64)
    parser.add_argument("--autocast", action="store_true", help="bf16")
    parser.add_argument("--bf16-weights", action="store_true", help="bf16 throughout; scoring only")
    parser.add_argument("--compile", action="store_true", help="the encoder by torch.compile; scoring only")
    parser.add_argument("--most", type=int, default=0, help="so many decisions only")
    parser.add_argument("--every", type=int, default=1, help="only one in so many: what remembers nothing is as fast on them")
    parser.add_argument("--label", help="what the table calls the work")
    parser.add_argument("--logits", action="store_true", help="print the logits too")
    arguments = parser.parse_args()
    if arguments.work == "train" and (arguments.bf16_weights or arguments.compile):
        parser.error("--bf16-weights and --compile are for scoring")
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    libraries = peak()
    policy, tokenizer = load(arguments.model)
    if arguments.bf16_weights:
        policy.bfloat16()
    if arguments.compile:
        compiled(policy)
    decisions = [json.loads(line) for line in open(arguments.decisions, encoding="utf-8")]
    decisions = decisions[: arguments.most] if arguments.most else decisions
    if arguments.every > 1:
        decisions = decisions[arguments.every // 2 :: arguments.every]
        for i, decision in enumerate(decisions):
            decision["call"] = i // 16
    known = {}
    for decision in decisions:
        for text in decision["candidates"]:
            if text not in known:
                known[text] = tokenise(tokenizer, text, arguments.max_action_tokens)
        decision["state"] = tokenise(tokenizer, decision["observation"], arguments.max_state_tokens)
        decision["actions"] = [known[text] for text in decision["candidates"]]
    tokens = sum(len(d["state"]) + sum(map(len, d["actions"])) for d in decisions)
    run = score if arguments.work == "score" else train
    # Warm up; what is compiled is compiled for each new shape.
    run(policy, decisions if arguments.compile else decisions[: 2 if arguments.work == "score" else arguments.batch], arguments)
    (seconds, processor_seconds), logits = run(policy, decisions, arguments)
    result = {"work": arguments.label or arguments.work, "way": arguments.way,
              "bf16": arguments.autocast or arguments.bf16_weights, "autocast": arguments.autocast,
              "compiled": arguments.compile, "bucket": arguments.bucket, "decisions": len(decisions),
              "tokens": tokens, "seconds": seconds, "processor_seconds": processor_seconds, "peak_mebibytes": peak(), "libraries_mebibytes": libraries,
              "torch": torch.__version__, "transformers": transformers.__version__}
    if arguments.logits:
        result["logits"] = [[float(x) for x in one] for one in logits]
    print(json.dumps(result))


if __name__ == "__main__":
    main()
