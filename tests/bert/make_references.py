#!/usr/bin/env python3
"""Writes tests/bert/data: a small vocabulary and what HuggingFace's BertTokenizer makes of difficult strings.

    python3 make_references.py [FOLDER]        (default: data next to this script)

Needs transformers 4 (the last with both implementations of BertTokenizer, the "fast" one in Rust and the "slow" one in
Python). The ids are the fast one's; a case where the slow one differs says so. Normalised texts are Python's.
"""
import json
import pathlib
import random
import sys

import transformers

EXTRA = ["[button]", "[button_]", "[clicked button]", "[clicked button_]"]

WORDS = """a able ac add all and back bag best big black blue bottle box brand buy by cafe case click color cream dollars
dry each er features for free gift good green gray hair i in instruction is it item kit lamp large leather light ll long
lower made medium men more naive new next no non now of oil old on one or order over pack page pair price prev queen quick
red resume search set shampoo shirt shoes size small soft strasse sugar than that the this to toy un up use water we white
with women wool works you Buy Now Size Search The""".split()
PIECES = """able al an ar ed en er es est free ful ic in ing ion ish ist it ity ive ize less ly ment ness o on or ous proof
re s st t tion ty ur us wear y""".split()
# Letters of several scripts, each as a word and as a continuation; jamo and marks because Hangul and
# accented letters are decomposed.
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEINOSTUZ0123456789" + "\u00e9\u00fc\u00df\u00f8\u0131\u0142\u00b2\u00bd" + \
    "\u03b1\u03b4\u03bf\u03c3\u03c2\u03c1\u0391\u03a3" + "\u0430\u0431\u0432\u0433\u0438\u0439\u0442\u0410" + \
    "\u1100\u1161\u11a8\u1102\u0e01\u0e34\u0905\u093e\u0628\u05d0\ufb01\u0301\u0307\u0327\u302e" + \
    "\u4e2d\u6587\u65e5\u672c\u8c48\uf900\U00020000\u3042\u30ab\u3099\U0001f600\U00010428\U0001e922\u2122\u00ae\u00b0"
PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~" + "\u00a1\u00ab\u00b7\u00bb\u00bf\u2013\u2014\u2018\u2019\u201c\u201d\u2022" + \
    "\u2026\u20ac\u00a3\u3001\u3002\u300c\uff01\u166d\u2e44\u05be\u0964"

STRINGS = [
    "", " ", "\t\n\r ", "a", "the quick red shirt", "The QUICK Red Shirt", "unbuyable", "waterproofing", "xylophonist",
    "[SEP]", "[CLS][SEP][PAD][UNK][MASK]", "[sep]", "[Sep]", " [SEP] ", "a[SEP]b", "[[SEP]]", "[SEP", "SEP]", "[ SEP ]",
    "[button]", "[button_]", "[clicked button]", "[clicked button_]", "[Button]", "[button] Buy Now [button_]",
    "[clicked button]size[clicked button_]", "[clicked [button]", "[button][button_][button", "[clicked  button]",
    "x[button]y", "[button_]]", "[BUTTON]", "[butt\u00f3n]", "[button\u0301]", "\u4e2d[button]\u6587",
    "$12.99 to $20.5", "12,000", "3/4\"", "it's", "don't", "we'll", "50% off!!!", "a.b.c", "...", "--", "_size_", "##ing",
    "non-slip", "a+b=c", "<b>&amp;</b>", "back_to|search", "`~^", "C++", "@you", "\\n", "e-mail: a@b.no",
    "a\x01b", "a\x7fb", "a\x0bb", "a\x0cb", "a\x1cb", "a\x1fb", "\x08", "a\x85b",
    "a\u00a0b", "a\u00adb", "a\u1680b", "a\u2000b", "a\u2003b", "a\u2009b", "a\u200bb", "a\u200cb", "a\u200db", "a\u200eb",
    "a\u2028b", "a\u2029b", "a\u202fb", "a\u205fb", "a\u2060b", "a\u3000b", "a\ufeffb", "\ufeff", "a\ufffdb", "a\ufffcb",
    "a\ue000b", "a\U000f0000b", "a\u0378b", "a\u0600b", "a\u061cb", "a\u070fb", "a\u180eb", "a\ufff9b", "a\U000e0001b",
    "Caf\u00e9", "cafe\u0301", "CAFE\u0301", "na\u00efve r\u00e9sum\u00e9", "\u00dcber", "\u00e5\u00c5\u212b", "\u1ea5\u1e69",
    "e\u0301\u0327\u0323", "\u0301a", "a \u0301b", "\u0301", "\u00df\u1e9e", "stra\u00dfe STRASSE", "\u00d8\u00f8", "\u0141\u0142",
    "\u0130\u0131Ii", "I\u0307", "\u01c5", "\ufb01", "\u0149", "\u1fb3", "\u0390", "\u1f82",
    "\u0391\u03a3", "\u039f\u0394\u039f\u03a3", "\u039f\u0394\u039f\u03a3 \u03b1", "\u03a3", "a\u03a3", "\u03a3a", "\u03bf\u03b4\u03bf\u03c2", "\u1fbc",
    "\u0410\u0411\u0412", "\u0439\u0419", "\u0438\u0306", "\u0451\u0401",
    "\u4e2d\u6587", "\u4e2d\u6587abc\u65e5\u672c", "a\u4e2db", "\u8c48\uf900", "\U0002f800", "\U00020000\U0002a6df\U0002b820\U0002b740",
    "\u3400\u4dbf\u9fff\ua000", "\u3042\u30ab", "\u30ac", "\u30ab\u3099", "\uac00\uac01", "\uac01\ub098", "\u1100\u1161",
    "\u0905\u093e", "\u0915\u093c", "\u0e01\u0e34", "\u0628\u064b", "\u05d0\u05b0", "\u05be", "\u0f73\u0f71",
    "\U0001f600", "a\U0001f600b", "\U0001f468\u200d\U0001f469", "\u2764\ufe0f", "1\ufe0f\u20e3", "\U0001f1e9\U0001f1ea",
    "\u2013\u2014", "\u201cquote\u201d", "it\u2019s", "\u2026", "\u2022item", "\u00ab\u00bb", "\u20ac5", "\u00a35", "5\u20ac", "\u00b0\u2122\u00ae",
    "\u00bd\u00b2", "x\u00b2", "\uff01\uff0c", "\uff21\uff22", "\u2460", "\u00bf\u00a1", "\u0964", "\u3001\u3002\u300c",
    "\u037e", "\u0387", "\u1fef", "\u1ffd", "\u226e", "\u2260", "\u2126", "\u212a", "\u0340\u0341\u0343\u0344",
    "\u302e\u302f", "a\u302e\u0323", "a\u0323\u302e", "\U0001d15e", "a\U0001d165\U0001d16e",
    "\u166d", "\u1734", "\u1885", "\u1886", "\ua9bd", "\U000111c9", "a\U00011938b", "\u2e44", "\u08e2", "\u061d", "\u1c89", "\u1ac1",
    "\U00010400\U00010428", "\U0001e900\U0001e922", "\ua64a\u1c88", "\u10a0\u1c90", "\u13a0\uab70", "\u20dd\u0488",
    "a" * 99, "a" * 100, "a" * 101, "a" * 100 + " b", "\u4e2d" * 120, "\u00e9" * 101, "e\u0301" * 60, "\u0301" * 150 + "a",
    "waterproof" * 11, "ab" * 50, "q\u200b" * 101, "$" * 120, "a" * 50 + "\u4e2d" + "a" * 60, "a" * 98 + "\u03a3\u03a3\u03a3",
    "WebShop [SEP] Instruction: [SEP] I need a Soft wool Shirt, size: x-large [SEP] [button] Back to Search [button_]",
]
NORMALISED = [
    "Click[Buy Now]", " \t\"Quoted\" 'text' \n", "it's 12\" [sep] big", "[SEP]", "[s'ep]", "'\"'", "\u00a0\u2003x\u3000", "\x1c\x1fx\x85",
    "\u200bx\u200b", "\u039f\u0394\u039f\u03a3", "\u039f\u0394\u039f\u03a3'", "\u0391\u03a3\u0301 \u03a3", "A\u03a3B", "\u0130I", "\u1e9e\u00df", "\u01c5\u01c4",
    "CAF\u00c9", "\u201cX\u201d", "\u212b\u212a\u2126", "\U00010400", "\ufb01\u0149", "\u13a0", "\u10a0", "\u1c90", "\u1fbc\u1f88", "", "[SEP] [sep][Sep]",
]


def vocabulary():
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    for entry in list(PUNCTUATION) + list(LETTERS) + ["##" + c for c in LETTERS] + WORDS + ["##" + p for p in PIECES]:
        if entry not in tokens:
            tokens.append(entry)
    return tokens


def fuzzed(n):
    source = random.Random(1)
    parts = WORDS + EXTRA + ["[SEP]", "[sep]", " ", "  ", "\n", "\u200d", "\u0301", "\u0323", "\u302e", "\u00a0", "12.50", "SUGAR",
                             "Free", "QuicK", "\u03a3", "\u0130", "\u1e69", "\uac01", "\U0001d15e"] + list(PUNCTUATION + LETTERS)
    strings = []
    for _ in range(n):
        strings.append("".join(source.choice(parts) + source.choice(["", "", " "]) for _ in range(source.randrange(1, 12))))
    return strings


def open_both(file, **settings):
    both = []
    for kind in (transformers.BertTokenizerFast, transformers.BertTokenizer):
        tokenizer = kind(str(file), **settings)
        tokenizer.add_tokens(EXTRA, special_tokens=True)
        tokenizer.model_max_length = 10**6
        both.append(tokenizer)
    return both


def case(both, text, most=None, side="left"):
    both[0].truncation_side = both[1].truncation_side = side
    arguments = {} if most is None else {"truncation": True, "max_length": most}
    fast = both[0](text, **arguments)["input_ids"]
    result = {"text": text}
    if most is not None:
        result.update(max_tokens=most, side=side)
        slow = fast  # the slow one does not cut down to two tokens; truncation has one definition
    else:
        slow = both[1](text)["input_ids"]
    result["ids"] = fast
    if slow != fast:
        result["slow_differs"] = True
    return result


def normalise(text):
    return text.lower().replace('"', "").replace("'", "").strip().replace("[sep]", "[SEP]")


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "data")
    folder.mkdir(exist_ok=True)
    file = folder / "vocab.txt"
    file.write_text("".join(t + "\n" for t in vocabulary()), encoding="utf-8")
    groups = []
    for settings in ({}, {"do_lower_case": False}, {"strip_accents": False}, {"do_lower_case": False, "strip_accents": True},
                     {"tokenize_chinese_chars": False}):
        both = open_both(file, **settings)
        cases = [case(both, text) for text in STRINGS + fuzzed(150 if not settings else 40)]
        if not settings:
            text = STRINGS[-1]
            cases += [case(both, text, most, side) for side in ("left", "right") for most in (2, 3, 4, 10, 27, 28, 512)]
            cases += [case(both, text, 4, side) for side in ("left", "right") for text in ("", "a", "a b", "a b c", "x" * 150)]
        groups.append({"settings": settings, "cases": cases})
        print(settings, len(cases), "cases; the slow tokenizer differs in", sum("slow_differs" in c for c in cases))
    normalised = [{"text": t, "normalised": normalise(t)} for t in NORMALISED + STRINGS]
    with open(folder / "tokenizer.json", "w", encoding="ascii") as out:
        out.write('{"made_with": %s,\n"groups": [\n' % json.dumps({"transformers": transformers.__version__}))
        for i, group in enumerate(groups):
            out.write('{"settings": %s, "cases": [\n' % json.dumps(group["settings"]))
            out.write(",\n".join(json.dumps(c) for c in group["cases"]) + "\n]}" + (",\n" if i + 1 < len(groups) else "\n"))
        out.write('],\n"normalised": [\n' + ",\n".join(json.dumps(n) for n in normalised) + "\n]}\n")


main()
