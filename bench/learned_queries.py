#!/usr/bin/env python3
"""Tries learned reductions of an instruction to a search query; docs/results/queries.md says what came of it.

  bench/learned_queries.py ../shared/webshop-1k/goal_query_map.json < answers.jsonl > requests.jsonl

Learns from pairs of instruction and human query which words people keep (logistic regression over hashed features of a
word, its neighbours and its place), and writes for each goal of `cartwright ask EXPERIMENT.yaml oracle` a request with the
reductions at three thresholds, alone and with the option values added. With --kinds FILE.jsonl (answers to those requests)
it prints them with their kinds instead, for bench/query_table.py.
"""
import json
import math
import random
import re
import sys
import zlib

BUCKETS = 1 << 14
WORD = re.compile(r"[^\s,.;:!?()\[\]\"]+")
THRESHOLDS = [0.5, 0.35, 0.2]
KINDS = ["without price"] + [f"kept above {t}" for t in THRESHOLDS] + ["kept above 0.35 and options"]


def bucket(text):
    return zlib.crc32(text.encode()) % BUCKETS


def features(words, i):
    word, end = words[i], len(words) - i
    before = words[i - 1] if i > 0 else "^"
    after = words[i + 1] if i + 1 < len(words) else "$"
    before2 = words[i - 2] if i > 1 else "^"
    names = ["w" + word, "p" + before, "n" + after, "s" + word[-3:], "d%d" % word.isdigit(), "i%d" % min(i, 12),
             "e%d" % min(end, 12), "pp" + before + "|" + before2, "nw" + word + after, "pw" + before + word, "b"]
    return [bucket(name) for name in names]


def without_price(text):
    return text.lower().split(", and price lower than")[0]


def learn(pairs):
    data = []
    for instruction, query in pairs:
        words, kept = WORD.findall(without_price(instruction)), set(WORD.findall(query.lower()))
        data += [(features(words, i), words[i] in kept) for i in range(len(words))]
    weights, squares = [0.0] * BUCKETS, [1e-6] * BUCKETS
    random.seed(1)
    for _ in range(6):
        random.shuffle(data)
        for active, label in data:
            error = probability(weights, active) - label
            for a in active:
                slope = error + 1e-4 * weights[a]
                squares[a] += slope * slope
                weights[a] -= 0.2 * slope / math.sqrt(squares[a])
    return weights


def probability(weights, active):
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, sum(weights[a] for a in active)))))


def reduce(weights, text, threshold):
    words = WORD.findall(text)
    return " ".join(w for i, w in enumerate(words) if probability(weights, features(words, i)) > threshold)


def add_kinds(path):
    for answer in open(path):
        row = json.loads(answer)
        for kind, query in zip(KINDS, row["queries"]):
            query["kind"] = kind
        print(json.dumps(row))


def main():
    if sys.argv[1] == "--kinds":
        return add_kinds(sys.argv[2])
    pairs = []
    for instruction, queries in json.load(open(sys.argv[1])).items():
        pairs += [(instruction, query) for query in (queries if isinstance(queries, list) else [queries])]
    weights = learn(pairs)
    for answer in sys.stdin:
        row = json.loads(answer)
        text = re.sub("^find me ", "", without_price(row["instruction"]))
        clause = re.search(r" with [^,:]*: ", text)
        body, options = (text[:clause.start()], text[clause.start() + 6:]) if clause else (text, "")
        values = " ".join(item.split(": ", 1)[-1] for item in options.split(", and "))
        queries = [text] + [reduce(weights, text, t) for t in THRESHOLDS]
        queries.append(reduce(weights, body, 0.35) + " " + values)
        print(json.dumps({"goal": row["goal"], "queries": queries}))


main()
