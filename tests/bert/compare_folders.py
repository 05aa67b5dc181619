#!/usr/bin/env python3
"""Model folders in the forms that transformers has saved since 2020, each opened by transformers and by bert_cpu:

    python3 compare_folders.py BUILD [FOLDER...]      (needs torch, transformers, safetensors)

Ids must be equal, hidden states within 1e-4 of the largest, logits and value within 1e-3; transformers computes in 64 bits. Forms that are refused must be refused with the words given here. More FOLDERs, models that
are at hand, are compared too. Ends in 1 if anything differs.
"""
import copy
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import safetensors.torch
import torch
import transformers

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "bert_cpu"))
import make_references  # noqa: E402

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
torch.set_num_threads(1)
TEXTS = ["Instruction: I need a long Cotton shirt, size x-large [SEP] price < 30.00", "click[buy now]", "Café ÜBER \u4e2d\u6587 naïve",
         "[button] red [button_]", "newtok NewTok shirts xnewtokx", "[MASK] [mask] [CLS]", "", "İstanbul ﬁne \u200b\u00a0 tab\there",
         "MyTag mytag my_tag", "supercalifragilistic " + "a" * 120]
TOKENS = make_references.vocabulary() + ["I", "##n", "Cotton", "caf", "##é", "中", "tag", "my"]
TOKENS = list(dict.fromkeys(TOKENS))


def model(kind=transformers.BertModel, **changes):
    torch.manual_seed(3)
    sizes = dict(vocab_size=len(TOKENS), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
                 max_position_embeddings=128, initializer_range=0.2)
    sizes.update(changes)
    return kind(transformers.BertConfig(**sizes)).eval()


class Folder:
    """A folder in the making."""

    def __init__(self, path):
        self.path = path
        path.mkdir()

    def text(self, name, text):
        (self.path / name).write_text(text, encoding="utf-8")

    def json(self, name, value):
        self.text(name, json.dumps(value, ensure_ascii=False))

    def edit(self, name, change):
        value = json.loads((self.path / name).read_text(encoding="utf-8"))
        change(value)
        self.json(name, value)

    def tensors(self, change, name="model.safetensors"):
        tensors = safetensors.torch.load_file(self.path / name)
        safetensors.torch.save_file(change(tensors), self.path / name, {"format": "pt"})

    def vocabulary(self, tokens=TOKENS, end="\n"):
        self.text("vocab.txt", end.join(tokens) + end)

    def whole(self, lower=True, added=(), **changes):
        """tokenizer.json as the tokenizers library saves it."""
        specials = [{"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                     "special": True} for i, t in enumerate(TOKENS[:5])]
        special = {t: {"id": t, "ids": [TOKENS.index(t)], "tokens": [t]} for t in ("[CLS]", "[SEP]")}
        frame = [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                 {"SpecialToken": {"id": "[SEP]", "type_id": 0}}]
        pair = frame + [{"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": "[SEP]", "type_id": 1}}]
        value = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": specials + list(added),
                 "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                                "strip_accents": None, "lowercase": lower},
                 "pre_tokenizer": {"type": "BertPreTokenizer"},
                 "post_processor": {"type": "TemplateProcessing", "single": frame, "pair": pair, "special_tokens": special},
                 "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
                 "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                           "max_input_chars_per_word": 100, "vocab": {t: i for i, t in enumerate(TOKENS)}}}
        value.update(changes)
        self.json("tokenizer.json", value)

    def weights(self, **changes):
        model(**changes).save_pretrained(self.path)


def added(token, number, normalized=False, single_word=False):
    return {"id": number, "content": token, "single_word": single_word, "lstrip": False, "rstrip": False,
            "normalized": normalized, "special": not normalized}


N = len(TOKENS)
FORMS = {}  # name: (function, words of the refusal or None)


def form(refused=None):
    def add(function):
        FORMS[function.__name__] = (function, refused)
        return function
    return add


@form()
def plain_vocabulary(f): f.weights(), f.vocabulary()


@form()
def windows_line_ends(f): f.weights(), f.vocabulary(end="\r\n")


@form()
def cased(f): f.weights(), f.vocabulary(), f.json("tokenizer_config.json", {"do_lower_case": False})


@form()
def cased_without_accents(f):
    f.weights(), f.vocabulary(), f.json("tokenizer_config.json", {"do_lower_case": False, "strip_accents": True})


@form()
def accents_kept(f): f.weights(), f.vocabulary(), f.json("tokenizer_config.json", {"strip_accents": False})


@form()
def ideographs_in_words(f): f.weights(), f.vocabulary(), f.json("tokenizer_config.json", {"tokenize_chinese_chars": False})


@form()
def whole_only(f): f.weights(), f.whole(), f.json("tokenizer_config.json", {"tokenizer_class": "BertTokenizer"})


@form()
def whole_only_without_settings(f): f.weights(), f.whole()


@form()
def whole_and_vocabulary(f): f.weights(), f.whole(), f.vocabulary(), f.json("tokenizer_config.json", {"do_lower_case": True})


@form()
def whole_generic_class(f):
    f.weights(), f.whole(), f.json("tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"})


@form()
def whole_generic_class_cased(f):
    f.weights(), f.whole(lower=False), f.json("tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"})


@form()
def settings_before_normalizer(f):
    f.weights(), f.whole(lower=False), f.json("tokenizer_config.json", {"tokenizer_class": "BertTokenizer", "do_lower_case": True})


@form()
def as_saved_today(f):
    f.weights(), f.vocabulary()
    tokenizer = transformers.AutoTokenizer.from_pretrained(f.path)
    (f.path / "vocab.txt").unlink()
    tokenizer.save_pretrained(f.path)


@form()
def as_saved_today_with_added_tokens(f):
    f.weights(vocab_size=N + 6), f.vocabulary()
    tokenizer = transformers.AutoTokenizer.from_pretrained(f.path)
    tokenizer.add_tokens(["[button]", "[button_]", "[clicked button]", "[clicked button_]"], special_tokens=True)
    tokenizer.add_tokens(["NewTok"])
    tokenizer.add_tokens([transformers.AddedToken("MyTag", single_word=True, normalized=False)])
    (f.path / "vocab.txt").unlink()
    tokenizer.save_pretrained(f.path)


@form()
def added_tokens_of_2020(f):
    f.weights(vocab_size=N + 2), f.vocabulary(), f.json("added_tokens.json", {"MyTag": N + 1, "NewTok": N})


@form()
def special_added_tokens_of_2020(f):
    f.weights(vocab_size=N + 4), f.vocabulary(), f.json("tokenizer_config.json", {"do_lower_case": True})
    names = ["[button]", "[button_]", "[clicked button]", "[clicked button_]"]
    f.json("added_tokens.json", {t: N + i for i, t in enumerate(names)})
    f.json("special_tokens_map.json", {"additional_special_tokens": names, "unk_token": "[UNK]"})


@form()
def added_tokens_decoder(f):
    f.weights(vocab_size=N + 2), f.vocabulary()
    f.json("tokenizer_config.json", {"added_tokens_decoder": {
        str(N): added("NewTok", N, normalized=True), str(N + 1): added("MyTag", N + 1, single_word=True)}})


@form()
def added_tokens_in_whole(f):
    f.weights(vocab_size=N + 2)
    f.whole(added=[added("NewTok", N, normalized=True), added("MyTag", N + 1, single_word=True)])
    f.json("tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"})


@form()
def added_token_that_is_a_word(f):
    f.weights(), f.whole(added=[added("shirt", TOKENS.index("shirt"), normalized=True)])
    f.json("tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"})


@form()
def named_special_tokens(f):
    f.weights(vocab_size=N + 1), f.vocabulary(), f.json("tokenizer_config.json", {"additional_special_tokens": ["NewTok"]})


@form()
def other_names(f):
    names = {"[CLS]": "<s>", "[SEP]": "</s>", "[UNK]": "<unk>", "[PAD]": "<pad>", "[MASK]": "<mask>"}
    f.weights(), f.vocabulary([names.get(t, t) for t in TOKENS])
    f.json("tokenizer_config.json", {"cls_token": "<s>", "sep_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>",
                                     "mask_token": {"content": "<mask>", "lstrip": True, "__type": "AddedToken"}})


@form()
def no_limit_of_its_own(f):
    f.weights(), f.vocabulary(), f.json("tokenizer_config.json", {"model_max_length": 1000000000000000019884624838656})


@form()
def keys_nobody_needs(f):
    f.weights(), f.vocabulary()
    f.edit("config.json", lambda c: c.update(summary={"deep": [1, {"x": None}]}))
    text = (f.path / "config.json").read_text()
    f.text("config.json", text.replace("{", '{"far": 1e400, "big": -123456789012345678901234567890, "odd": "\\ud800", '
                                       '"nan": NaN, "inf": -Infinity,', 1))


def in_type(dtype):
    def make(f):
        model().to(dtype).save_pretrained(f.path), f.vocabulary()
    return make


form()(in_type(torch.float16)).__name__
FORMS["f16"] = FORMS.pop("make")
form()(in_type(torch.bfloat16))
FORMS["bf16"] = FORMS.pop("make")
form()(in_type(torch.float64))
FORMS["f64"] = FORMS.pop("make")


@form()
def shards(f): model().save_pretrained(f.path, max_shard_size="20KB"), f.vocabulary()


@form()
def gamma_and_beta(f):
    f.weights(), f.vocabulary()
    f.tensors(lambda t: {k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v
                         for k, v in t.items()})


def head(kind):
    def make(f):
        model(kind).save_pretrained(f.path), f.vocabulary()
    make.__name__ = kind.__name__
    return form()(make)


for kind in (transformers.BertForMaskedLM, transformers.BertForPreTraining, transformers.BertForSequenceClassification,
             transformers.BertForTokenClassification, transformers.BertForQuestionAnswering):
    head(kind)


@form()
def prefix_of_sentence_transformers(f):
    f.weights(), f.vocabulary(), f.tensors(lambda t: {"0.auto_model." + k: v for k, v in t.items()})


@form()
def prefix_of_a_wrapper(f):
    f.weights(), f.vocabulary(), f.tensors(lambda t: dict({"model.bert." + k: v for k, v in t.items()}, head=torch.zeros(3)))


@form()
def position_ids(f):
    f.weights(), f.vocabulary()
    f.tensors(lambda t: dict(t, **{"embeddings.position_ids": torch.arange(128)[None]}))


@form()
def gelu_new(f): f.weights(hidden_act="gelu_new"), f.vocabulary()


@form()
def more_rows_than_tokens(f): f.weights(vocab_size=N + 9), f.vocabulary()


@form()
def one_token_type(f): f.weights(type_vocab_size=1), f.vocabulary()


@form()
def config_of_2019(f): f.weights(), f.vocabulary(), f.edit("config.json", lambda c: (c.pop("model_type"), c.update(architectures=["BertForMaskedLM"])))


@form("pytorch_model.bin; `cartwright import bert_cpu file=")
def pickled(f):
    f.weights(), f.vocabulary()
    torch.save(model().state_dict(), f.path / "pytorch_model.bin")
    (f.path / "model.safetensors").unlink()


def other_type(name):
    def make(f):
        f.weights(), f.vocabulary(), f.edit("config.json", lambda c: c.update(model_type=name))
    make.__name__ = "type_" + name
    return form("key 'model_type': '%s' is not supported" % name)(make)


for name in ("roberta", "mpnet", "modernbert", "xlm-roberta", "distilbert", "electra", "albert", "nomic_bert", "new"):
    other_type(name)


@form("'relative_key' is not supported")
def relative_positions(f): f.weights(), f.vocabulary(), f.edit("config.json", lambda c: c.update(position_embedding_type="relative_key"))


@form("activation 'relu' is not supported")
def relu(f): f.weights(hidden_act="relu"), f.vocabulary()


@form("key 'is_decoder': true")
def decoder(f): f.weights(), f.vocabulary(), f.edit("config.json", lambda c: c.update(is_decoder=True))


@form("the files belong to different tokenizers")
def two_vocabularies(f):
    swapped = copy.copy(TOKENS)
    swapped[40], swapped[41] = swapped[41], swapped[40]
    f.weights(), f.whole(), f.vocabulary(swapped)


@form("the files belong to different tokenizers")
def two_ids_of_an_added_token(f):
    f.weights(vocab_size=N + 2), f.vocabulary(), f.json("added_tokens.json", {"NewTok": N, "MyTag": N + 1})
    f.json("tokenizer_config.json", {"added_tokens_decoder": {str(N): added("MyTag", N)}})


@form("the files belong to different tokenizers")
def an_id_twice(f): f.weights(), f.vocabulary(), f.json("added_tokens.json", {"NewTok": 17})


@form("ids may not be left out")
def a_gap(f): f.weights(vocab_size=N + 9), f.vocabulary(), f.json("added_tokens.json", {"NewTok": N + 4})


@form("the model has no row for it")
def a_token_without_row(f): f.weights(), f.vocabulary(), f.json("added_tokens.json", {"NewTok": N})


@form("are the words of two encoders")
def two_encoders(f):
    f.weights(), f.vocabulary()
    f.tensors(lambda t: {p + k: v.clone() for p in ("query.", "document.") for k, v in t.items()})


@form("is not finite")
def nan(f):
    f.weights(), f.vocabulary()
    f.tensors(lambda t: dict(t, **{"encoder.layer.1.output.dense.bias": torch.full((32,), float("nan"))}))


@form("BPE")
def bpe(f):
    f.weights(), f.whole()
    f.edit("tokenizer.json", lambda t: t["model"].update(type="BPE", merges=[]))


@form("'normalizer'")
def other_normalizer(f): f.weights(), f.whole(normalizer={"type": "NFKC"})


@form("'RobertaTokenizer' is not supported")
def other_tokenizer(f): f.weights(), f.vocabulary(), f.json("tokenizer_config.json", {"tokenizer_class": "RobertaTokenizer"})


@form("cannot be opened")
def missing_shard(f):
    shards(f)
    next(f.path.glob("model-00002*")).unlink()


def compare(program, folder, scratch):
    """None, or what differs."""
    out = scratch / "out"
    shutil.rmtree(out, ignore_errors=True)
    answer = subprocess.run([program, folder, out], input="\n".join(TEXTS) + "\n", capture_output=True, text=True)
    if answer.returncode != 0:
        return "refused: " + answer.stderr.strip()
    found = json.loads(answer.stdout)
    typed = "model_type" in json.loads((folder / "config.json").read_text())
    tokenizer = (transformers.AutoTokenizer if typed else transformers.BertTokenizer).from_pretrained(folder)
    known = tokenizer.get_vocab()
    missing = [t for t in make_references.EXTRA if t not in known]
    if missing:  # as the baseline does, before it loads the model
        tokenizer.add_tokens(missing, special_tokens=True)
    ids = [tokenizer(text)["input_ids"] for text in TEXTS]
    for text, expected, got in zip(TEXTS, ids, found["ids"]):
        if expected != got:
            return "ids of %r: %s, transformers: %s" % (text, tokenizer.convert_ids_to_tokens(got), tokenizer.convert_ids_to_tokens(expected))
    # The saved folder is f32 and has the head; the encoder is compared with the original.
    reference = make_references.Model(transformers.BertConfig.from_pretrained(out))
    missing, unexpected = reference.load_state_dict(safetensors.torch.load_file(out / "model.safetensors"), strict=False)
    if missing or unexpected:
        return "the saved folder: %s %s" % (missing, unexpected)
    reference.eval()
    original = model()  # what the forms with a prefix hold, which transformers does not look behind
    if not folder.name.startswith("prefix"):
        original = transformers.BertModel.from_pretrained(folder, add_pooling_layer=False)
    original = original.double().eval()
    n_rows = original.get_input_embeddings().num_embeddings
    with torch.no_grad():
        for text, row, got in zip(TEXTS, ids, found["states"]):
            if max(row) >= n_rows:
                continue
            states = original(torch.tensor([row])).last_hidden_state[0]
            difference = (torch.tensor(got).reshape(states.shape).double() - states).abs().max() / states.abs().max()
            if not difference < 1e-4:
                return "hidden states of %r differ by %g" % (text, difference)
        logits, value = reference.double()(ids[0], ids[1:])
    for name, expected, got in (("logits", logits, torch.tensor(found["logits"])), ("value", value, torch.tensor(found["value"]))):
        if not (expected - got).abs().max() < 1e-3:
            return "%s differ by %g" % (name, (expected - got).abs().max())
    again = subprocess.run([program, out, scratch / "again"], input="\n".join(TEXTS) + "\n", capture_output=True, text=True)
    if again.returncode != 0 or json.loads(again.stdout)["ids"] != found["ids"]:
        return "the saved folder has other ids: " + again.stderr
    return None


def main():
    program = os.path.join(sys.argv[1], "tests/bert/try_folder")
    bad = 0
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        for name, (make, refused) in FORMS.items():
            make(Folder(scratch / name))
            said = compare(program, scratch / name, scratch)
            good = said is None if refused is None else said is not None and said.startswith("refused:") and refused in said
            bad += not good
            print("%s %s%s" % ("ok    " if good else "not ok", name, "" if said is None else ": " + said.replace(str(scratch), "")), flush=True)
        for folder in sys.argv[2:]:
            said = compare(program, pathlib.Path(folder), scratch)
            bad += said is not None
            print("%s %s%s" % ("ok    " if said is None else "not ok", folder, "" if said is None else ": " + said))
    print("%d folders, %d bad" % (len(FORMS) + len(sys.argv[2:]), bad))
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
