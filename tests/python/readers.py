"""Recordings of the original programs through the shop's own reader: `cartwright replay` steps every recorded walk again and
compares each page, the done page with its reward too. The drop-ins are compared by recordings.py.

    python tests/python/readers.py PROGRAM [FOLDER]      (PROGRAM: build/cartwright)

A line per section: how many pages were compared, how many differ."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import recordings

PROTOCOLS = {"princeton": "princeton", "verl-agent": "verl_agent", "minimal": "minimal"}
FILES = ("princeton-text", "princeton-text_rich", "princeton-variants", "verl-agent-text", "minimal")
# What the shop has no option for: the drop-ins have.
BEYOND = {"limit_goals", "filter_goals", "num_prev_obs", "num_prev_actions"}


def experiment(name, given, seed, shop, nouns):
    """The environment that a section was recorded in, as options; None when the shop has none like it."""
    if given.get("observation_mode") not in ("text", "text_rich") or BEYOND & set(given):
        return None
    options = {"plugin": "webshop", "shop": str(shop), "nouns_file": nouns, "step_limit": 0, "price_seed": seed,
               "protocol": next(protocol for prefix, protocol in PROTOCOLS.items() if name.startswith(prefix)),
               "goals": "human" if given.get("human_goals") else "synthetic",
               "products": 100 if given.get("num_products") == 100 else 0,
               "show_attributes": bool(given.get("show_attrs"))}
    return {"name": "readers", "environment": options}


def first_page(episode, mode):
    """What reset shows; webshop_minimal returns something else."""
    task = episode["instruction"]
    return (f"WebShop [SEP] Instruction: [SEP] {task} [SEP] Search" if mode == "text"
            else f"WebShop\nInstruction: \n{task}\n[button] Search [button_]\n")


def walk(episode, name, mode):
    """An episode up to its purchase, or to what the original answered with an exception; None without a goal's number."""
    goal = episode["reset"].get("session")
    if not isinstance(goal, int) or goal < 0 or set(episode["reset"]) != {"session"} or "reset_returned" not in episode:
        return None
    first = first_page(episode, mode) if name.startswith("minimal") else episode["reset_returned"][0]
    turns = [{"from": "site", "text": first}]
    for step in episode["steps"]:
        if "obs" not in step or "random_seed" in step:
            break
        turns += [{"from": "agent", "text": "Action: " + step["action"]}, {"from": "site", "text": step["obs"]}]
        if step["done"]:
            break
    return {"goal_id": f"webshop_{goal}", "turns": turns} if len(turns) > 1 else None


def sections(path):
    """(header, walks) of each section; a session that an earlier episode has used goes on as that left it, so it is left
    out, and so are those of two environments on one server."""
    held, walks, used = None, [], set()
    for entry in recordings.lines(path):
        if entry["type"] in ("header", "singleton", "shared_server"):
            if held:
                yield held, walks
            held, walks, used = (entry if entry["type"] == "header" else None), [], set()
        elif entry["type"] == "episode" and held:
            if (found := walk(entry, path.name, held["constructor"].get("observation_mode"))) and found["goal_id"] not in used:
                walks.append(found)
            used.add(f"webshop_{entry['reset'].get('session')}")
    if held:
        yield held, walks


def replay(program, path, shop, nouns, cut=None):
    """(what, pages, different, text) for each section of a file."""
    for header, walks in sections(path):
        given = header["constructor"]
        seed = given["seed"] if "seed" in given else header["random_seed_before_constructor"]
        found = experiment(path.name, given, seed, shop, nouns)
        if not found or not walks:
            continue
        with tempfile.TemporaryDirectory() as folder:
            config, sessions = Path(folder, "experiment.yaml"), Path(folder, "sessions.jsonl")
            config.write_text(json.dumps(found))
            sessions.write_text("".join(json.dumps(one) + "\n" for one in walks[:cut]))
            done = subprocess.run([program, "replay", config, sessions], capture_output=True, text=True, check=False)
        words = done.stdout.strip().rsplit("\n", 1)[-1].replace(",", "").split()
        if len(words) != 6:
            raise RuntimeError(done.stderr + done.stdout[-2000:])
        yield f"{path.name.split('.')[0]} {json.dumps(given)}", int(words[1]), int(words[5]), done.stdout


def main():
    program = sys.argv[1]
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else recordings.RECORDINGS
    nouns, total, bad = recordings.nouns_file(folder), 0, 0
    for name in FILES:
        for what, pages, different, text in replay(program, folder / f"{name}.jsonl.gz", recordings.SHOP, nouns):
            print(f"{what}: {pages} pages, {different} different")
            if different:
                print(text[:3000])
            total, bad = total + pages, bad + different
    logs = sorted((folder / "site-logs").glob("*/*.jsonl"))
    for log in logs:
        pages, different, text = replay_log(program, log, nouns)
        if different:
            print(f"{log.relative_to(folder)}: {pages} pages, {different} different\n{text[:2000]}")
        total, bad = total + pages, bad + different
    print(f"{len(logs)} logs of the site; in all {total} pages, {bad} different")
    return 1 if bad else 0


def replay_log(program, log, nouns):
    """(pages, different, text) of a log of the site."""
    goals = "synthetic" if log.parent.name == "synthetic" else "human"
    found = {"name": "readers", "environment": {"plugin": "webshop", "shop": str(recordings.SHOP), "goals": goals,
                                                "nouns_file": nouns, "step_limit": 0}}
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "experiment.yaml")
        config.write_text(json.dumps(found))
        done = subprocess.run([program, "replay", config, os.fspath(log)], capture_output=True, text=True, check=False)
    words = done.stdout.strip().rsplit("\n", 1)[-1].replace(",", "").split()
    if len(words) != 6:
        return 0, 1, done.stderr + done.stdout
    return int(words[1]), int(words[5]), done.stdout


if __name__ == "__main__":
    sys.exit(main())
