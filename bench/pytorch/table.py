#!/usr/bin/env python3
"""Prints what compare measured: medians over the rounds, and what each is of PyTorch's best. Needs Python alone."""
import collections
import json
import statistics
import sys


def read(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def main():
    folder = sys.argv[1]
    lines = collections.OrderedDict()  # (work, who) -> [(decisions/s, decisions per second of the processor, peak)]

    sizes = collections.OrderedDict()  # (work, who) -> decisions, tokens

    def add(work, who, decisions, seconds, processor_seconds, peak, tokens):
        lines.setdefault((work, who), []).append((decisions / seconds, decisions / processor_seconds, peak))
        sizes[work, who] = decisions, tokens

    for run in read(folder + "/ours.jsonl"):
        whole = not any(line["work"] == "score, forgetting" for line in run["lines"])
        for line in run["lines"]:
            work = line["work"].split(",")[0]
            if work == "score" and whole:
                work = "stream"
            halves = run["policy"].get("precision") == "bf16"
            if work in ("train", "score") and halves:
                work += ", bf16"
            times = list(zip(line["seconds"], line["processor_seconds"]))
            for seconds, processor in times[-1:]:  # what came before warms up
                add(work, f"cartwright{', bf16' if halves else ''}: " + line["work"], run["decisions"], seconds, processor, line["peak_mebibytes"], run["tokens"])
    for run in read(folder + "/theirs.jsonl"):
        work = run["work"] + (", bf16" if run["bf16"] else "")
        who = "PyTorch: " + run["way"] + ("" if run["bucket"] == 512 else f" {run['bucket']}")
        if run["bf16"]:
            who += ", autocast" if run["autocast"] else ", bf16 weights"
        add(work, who + (", compiled" if run["compiled"] else ""), run["decisions"], run["seconds"], run["processor_seconds"], run["peak_mebibytes"], run["tokens"])
        versions = f"PyTorch {run['torch']}, transformers {run['transformers']}"
        libraries = run["libraries_mebibytes"]
    for work in dict.fromkeys(work for work, _ in sizes):
        if work != "stream" and len({size for (w, _), size in sizes.items() if w == work}) != 1:
            sys.exit(f"table.py: {work}: the two sides saw different decisions")
    print(f"{versions}, whose libraries take {libraries:.0f} MiB\n")
    print("Speeds are decisions/s, median (least to most), by the clock and by the processor's time in all threads.\n")
    print("| work | decisions, tokens each | rounds | by the clock | times PyTorch's best | by processor time "
          "| times PyTorch's best | peak memory |")
    print("|---|---|---|---|---|---|---|---|")
    for (work, who), values in sorted(lines.items()):
        cells = []
        for kind in (0, 1):
            speeds = [value[kind] for value in values]
            theirs = [statistics.median(v[kind] for v in others) for (w, other), others in lines.items()
                      if w == work and other.startswith("PyTorch")]
            speed = statistics.median(speeds)
            cells += [f"{speed:.1f} ({min(speeds):.1f} to {max(speeds):.1f})", f"{speed / max(theirs, default=float('nan')):.2f}"]
        decisions, tokens = sizes[work, who]
        print(f"| {work}, {who} | {decisions}, {tokens / decisions:.0f} | {len(values)} | {' | '.join(cells)} | "
              f"{statistics.median(value[2] for value in values):.0f} MiB |")


if __name__ == "__main__":
    main()
