#!/usr/bin/env python3
"""What each kind of search query lets the choice oracle reach.

  cartwright ask EXPERIMENT.yaml oracle < goals.jsonl | bench/query_table.py

where goals.jsonl has lines like {"goal": 12}. Prints, for each kind alone, for the kinds added one after the other, and for
all but one: the mean of the best reachable reward (x 100) and the share of goals with reward 1, over the 50 results and over
the first page; and how often the goal's own product is first, on the first page, and found at all. A goal for which a kind
makes no query of its own (it equals an earlier one) counts as 0 for that kind alone.
"""
import json
import sys

rows = [json.loads(line) for line in sys.stdin]
kinds = []
for row in rows:
    for query in row["queries"]:
        if query["kind"] not in kinds:
            kinds.append(query["kind"])


def figures(chosen):
    per_goal = [[query for query in row["queries"] if query["kind"] in chosen] for row in rows]
    reward = [max([query["reward"] for query in queries], default=0) for queries in per_goal]
    page = [max([query["first_page"] for query in queries], default=0) for queries in per_goal]
    rank = [min([query["rank"] for query in queries if query["rank"]], default=99) for queries in per_goal]
    shares = [sum(reward), sum(r == 1 for r in reward), sum(page), sum(r == 1 for r in page),
              sum(r == 1 for r in rank), sum(r <= 10 for r in rank), sum(r <= 50 for r in rank)]
    return " | ".join(f"{100 * share / len(rows):.1f}" for share in shares)


def line(name, chosen):
    print(f"| {name} | {figures(chosen)} |")


certain = sum(all(query["certain"] for query in row["queries"]) for row in rows)
print(f"{len(rows)} goals; the oracle is certain for {certain}\n")
print("| queries | reach | = 1 | first page | = 1 | product first | on page 1 | in 50 |\n|---|---|---|---|---|---|---|---|")
for kind in kinds:
    line(kind, {kind})
for i in range(1, len(kinds)):
    line("+ " + kinds[i], set(kinds[:i + 1]))
for kind in kinds:
    line("all but " + kind, set(kinds) - {kind})
