#!/usr/bin/env python3
"""Computes the reference numbers of tests/bert_cpu/data with PyTorch and transformers.

    python3 make_references.py [FOLDER]        (default: data next to this script)

Needs torch, transformers and safetensors; the versions used are recorded in references.json. Everything is computed in
64-bit floating point and rounded at the end, so that the references are better than either side of a comparison;
the greatest differences between that and PyTorch's own 32-bit result are recorded too. The gradients of linear_2.bias
and of every key bias are zero but for rounding (a softmax does not see a constant), so compare them absolutely.

FOLDER/tiny is a model folder: 2 layers, hidden size 32, 4 heads, random weights large enough for attention to be far
from uniform. FOLDER holds
  references.json             decisions, their token ids, logits, values, losses and gradients with respect to logits and
                              values; for the activations gelu and gelu_new; losses and gradient norms of ten AdamW steps
  gradients.safetensors       every gradient of the loss (gelu)
  gradients_new.safetensors   the same with gelu_new
  trained.safetensors         the weights after ten steps without clipping (gelu)
"""
import json
import pathlib
import sys

import safetensors.torch
import torch
import transformers

EXTRA = ["[button]", "[button_]", "[clicked button]", "[clicked button_]"]
MAX_STATE, MAX_ACTION = 48, 12
OPTIMISER = {"learning_rate": 1e-3, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-6, "weight_decay": 0.01}
CLIP = 0.5

WORDS = """a an and back black blue bottle box brown buy case click clicked cotton cream dollars dry eco for free gift
green gray hair i in item kit large lamp leather light long lower made medium men new next now of oil old page pack
price prev red results search shampoo shirt shoes size small soft than the to toy under wash water white with women
wool x yellow instruction total description features reviews need looking am""".split()
PIECES = ["er", "ed", "ing", "s", "es", "ly", "able", "ness", "tion", "y", "al", "ic"]


def vocabulary():
    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + list(".,:;!?-$%&/()<>[]_")
    tokens += list(letters) + list("0123456789") + ["##" + c for c in letters + "0123456789"]
    tokens += [w for w in WORDS if len(w) > 1] + ["##" + p for p in PIECES if len(p) > 1]
    assert len(set(tokens)) == len(tokens)
    return tokens


INSTRUCTION = "Instruction: [SEP] I need a long cotton shirt, size: x-large, price lower than 30.00 dollars"
RESULTS = (INSTRUCTION + " [SEP] [button] Back to Search [button_] [SEP] Page 1 (Total results: 50) [SEP] [button] Next > "
           "[button_] [SEP] [button] B09P87V3LZ [button_] [SEP] Women's Soft Cotton Shirt, Long [SEP] $12.99 to $20.5 "
           "[SEP] [button] B00ABCDE12 [button_] [SEP] Eco Water Bottle (red) [SEP] $7.00")
ITEM = ("instruction: [SEP] am looking for leather shoes [SEP] size [SEP] [clicked button] 8 [clicked button_] [SEP] "
        "[button] 9 [button_]")

DECISIONS = [
    # (observation, candidates, label, value target)
    (ITEM, ["click[buy now]", "click[8]", "click[9]", "click[< prev]", "click[description]"], 0, 0.5),
    # Longer than MAX_STATE: the beginning is cut away.
    (RESULTS, ["click[back to search]", "click[next >]", "click[item - womens soft cotton shirt, long]",
               "click[item - eco water bottle (red)]"], 2, 1.0),
    # One candidate only: its log-probability is 0 whatever the logit.
    (INSTRUCTION, ["search[long cotton shirt]"], 0, 0.0),
    # Twelve candidates, two of them the same text, one empty, one longer than MAX_ACTION.
    ("Page 2", ["click[red]", "click[blue]", "click[black]", "click[red]", "", "click[x]", "click[white]", "click[green]",
                "click[yellow]", "click[a shampoo that is free of oil and made for dry hair and comes with a gift box]",
                "click[gray]", "click[brown]"], 9, -1.0),
    # No text at all: the two marks alone.
    ("", ["buy", "Buy 'Now'"], 1, 0.25),
    # Letters the vocabulary lacks, accents, a CJK word.
    ("Caf\u00e9 \u4e2d\u6587 \u00fcber-soft \u20ac 5 [sep] toys", ["click[caf\u00e9]", "click[\u4e2d]", "click[toys]"], 1, 0.75),
]


class Attention(torch.nn.Module):
    """The cross attention of WebShop's choice model, for one action without padding."""

    def __init__(self, size):
        super().__init__()
        self.input_linear = torch.nn.Linear(size, 1, bias=False)
        self.memory_linear = torch.nn.Linear(size, 1, bias=False)
        self.dot_scale = torch.nn.Parameter(torch.zeros(size))

    def forward(self, action, state):
        scores = self.input_linear(action) + self.memory_linear(state).T + (action * self.dot_scale) @ state.T
        attended = scores.softmax(-1) @ state
        summary = scores.max(-1).values.softmax(-1) @ action
        return torch.cat([action, attended, action * attended, summary * attended], -1)


class Model(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        self.bert = transformers.BertModel(config, add_pooling_layer=False)
        size = config.hidden_size
        self.attn = Attention(size)
        self.linear_1 = torch.nn.Linear(4 * size, size)
        self.linear_2 = torch.nn.Linear(size, 1)
        self.linear_3 = torch.nn.Sequential(torch.nn.Linear(size, 128), torch.nn.LeakyReLU(0.01), torch.nn.Linear(128, 1))

    def encode(self, ids):
        return self.bert(torch.tensor([ids])).last_hidden_state[0]

    def forward(self, state_ids, actions_ids):
        state = self.encode(state_ids)
        logits = []
        for ids in actions_ids:
            mixed = self.attn(self.encode(ids), state)
            logits.append(self.linear_2(self.linear_1(mixed).relu().mean(0))[0])
        return torch.stack(logits), self.linear_3(state[0])[0]


def normalise(text):
    text = text.lower().replace('"', "").replace("'", "").strip()
    return text.replace("[sep]", "[SEP]")


def encode(tokenizer, text, most):
    return tokenizer(normalise(text), truncation=True, max_length=most)["input_ids"]


def run(model, cases):
    """Loss, and per decision logits and value. The loss is the mean over decisions of cross-entropy plus half the
    squared error of the value."""
    outputs, terms = [], []
    for case in cases:
        logits, value = model(case["state_ids"], case["action_ids"])
        logits.retain_grad() if logits.requires_grad else None
        value.retain_grad() if value.requires_grad else None
        policy = -logits.log_softmax(-1)[case["label"]]
        terms.append((policy, 0.5 * (value - case["value_target"]) ** 2))
        outputs.append((logits, value))
    policy = torch.stack([t[0] for t in terms]).mean()
    value = torch.stack([t[1] for t in terms]).mean()
    return policy, value, outputs


def parameter_groups(model):
    plain = [p for n, p in model.named_parameters() if n.endswith("bias") or "LayerNorm" in n]
    ids = {id(p) for p in plain}
    decayed = [p for p in model.parameters() if id(p) not in ids]
    return [{"params": decayed, "weight_decay": OPTIMISER["weight_decay"]}, {"params": plain, "weight_decay": 0.0}]


def train(model, cases, clip):
    optimiser = torch.optim.AdamW(parameter_groups(model), lr=OPTIMISER["learning_rate"],
                                  betas=(OPTIMISER["beta_1"], OPTIMISER["beta_2"]), eps=OPTIMISER["epsilon"])
    losses, norms = [], []
    for _ in range(10):
        optimiser.zero_grad()
        policy, value, _ = run(model, cases)
        (policy + value).backward()
        losses.append(float((policy + value).detach()))
        norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), clip if clip else float("inf"))))
        optimiser.step()
    return losses, norms


def build(config, weights, kind):
    model = Model(config)
    model.load_state_dict(weights, strict=True)
    return model.to(kind).eval()


def relative_difference(a, b):
    a, b = a.double(), b.double()
    return float((a - b).norm() / b.norm().clamp_min(1e-30))


def save(path, tensors):
    safetensors.torch.save_file({n: t.float().contiguous() for n, t in tensors.items()}, path, metadata={"format": "pt"})


def initial_weights(config):
    generator = torch.Generator().manual_seed(7)
    weights = {}
    for name, parameter in Model(config).named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if "LayerNorm.weight" in name:
            weights[name] = 1 + 0.2 * noise
        elif parameter.dim() == 1:
            weights[name] = 0.1 * noise
        elif "embeddings" in name:
            weights[name] = 0.5 * noise
        else:
            weights[name] = noise * 1.5 / parameter.shape[1] ** 0.5
    weights["attn.dot_scale"] = 0.5 + 0.2 * torch.randn(config.hidden_size, generator=generator)
    return weights


def evaluate(config, weights, cases, gradients_file):
    model = build(config, weights, torch.float64)
    policy, value, outputs = run(model, cases)
    (policy + value).backward()
    gradients = {n: p.grad for n, p in model.named_parameters()}
    save(gradients_file, gradients)
    single = build(config, weights, torch.float32)
    single_policy, single_value, single_outputs = run(single, cases)
    (single_policy + single_value).backward()
    differences = {n: relative_difference(p.grad, gradients[n]) for n, p in single.named_parameters()
                   if gradients[n].norm() > 1e-9}
    worst = max(differences, key=differences.get)
    return {
        "policy_loss": float(policy.detach()), "value_loss": float(value.detach()),
        "decisions": [{"logits": o[0].tolist(), "value": float(o[1].detach()), "dlogits": o[0].grad.tolist(),
                       "dvalue": float(o[1].grad)} for o in outputs],
        "pytorch_float32": {
            "largest_logit_difference": max(float((a[0].double() - b[0]).abs().max())
                                            for a, b in zip(single_outputs, outputs)),
            "largest_relative_gradient_difference": differences[worst], "in_tensor": worst},
    }


def activations():
    x = torch.cat([torch.linspace(-9, 9, 73, dtype=torch.float64), torch.tensor([-20.0, 20.0, 1e-4, -1e-4])])
    table = {"x": x.tolist()}
    for name, approximate in (("gelu", "none"), ("gelu_new", "tanh")):
        argument = x.clone().requires_grad_()
        result = torch.nn.functional.gelu(argument, approximate=approximate)
        result.sum().backward()
        table[name] = result.tolist()
        table[name + "_derivative"] = argument.grad.tolist()
    return table


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "data")
    tiny = folder / "tiny"
    tiny.mkdir(parents=True, exist_ok=True)
    tokens = vocabulary()
    (tiny / "vocab.txt").write_text("".join(t + "\n" for t in tokens), encoding="utf-8")
    tokenizer = transformers.BertTokenizer(str(tiny / "vocab.txt"), truncation_side="left")
    tokenizer.add_tokens(EXTRA, special_tokens=True)

    shape = dict(vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                 intermediate_size=64, max_position_embeddings=64, type_vocab_size=2, layer_norm_eps=1e-12,
                 hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    (tiny / "config.json").write_text(json.dumps(dict(shape, model_type="bert", hidden_act="gelu"), indent=2) + "\n")
    configs = {act: transformers.BertConfig(**shape, hidden_act=act, attn_implementation="eager")
               for act in ("gelu", "gelu_new")}
    weights = initial_weights(configs["gelu"])
    save(tiny / "model.safetensors", weights)

    cases = [{"observation": o, "candidates": c, "label": label, "value_target": target,
              "state_ids": encode(tokenizer, o, MAX_STATE), "action_ids": [encode(tokenizer, t, MAX_ACTION) for t in c]}
             for o, c, label, target in DECISIONS]
    result = {
        "made_with": {"torch": torch.__version__, "transformers": transformers.__version__},
        "max_state_tokens": MAX_STATE, "max_action_tokens": MAX_ACTION, "decisions": cases,
        "gelu": evaluate(configs["gelu"], weights, cases, folder / "gradients.safetensors"),
        "gelu_new": evaluate(configs["gelu_new"], weights, cases, folder / "gradients_new.safetensors"),
        "activations": activations(),
    }
    model = build(configs["gelu"], weights, torch.float64)
    losses, norms = train(model, cases, 0.0)
    save(folder / "trained.safetensors", dict(model.named_parameters()))
    clipped = build(configs["gelu"], weights, torch.float64)
    clipped_losses, clipped_norms = train(clipped, cases, CLIP)
    single = build(configs["gelu"], weights, torch.float32)
    single_losses, _ = train(single, cases, 0.0)
    exact = dict(model.named_parameters())
    differences = {n: float((p.double() - exact[n]).abs().max().detach()) for n, p in single.named_parameters()}
    worst = max(differences, key=differences.get)
    result["training"] = dict(OPTIMISER, losses=losses, gradient_norms=norms)
    result["training"]["pytorch_float32"] = {
        "largest_loss_difference": max(abs(a - b) for a, b in zip(losses, single_losses)),
        "largest_weight_difference": differences[worst], "in_tensor": worst}
    result["training_clipped"] = dict(OPTIMISER, max_norm=CLIP, losses=clipped_losses, gradient_norms=clipped_norms)
    (folder / "references.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({k: result[k]["pytorch_float32"] for k in ("gelu", "gelu_new", "training")}, indent=1))


if __name__ == "__main__":
    main()
