"""What Python pays for a shop: start-up, memory and steps per second, of Cartwright's environments and of the drop-ins, on
recorded walks of the original (their actions, in their order).

    python bench/python/bench.py [--shop FOLDER] [--recordings FOLDER] [--seconds S]

Every line is measured in a process of its own. Run it on a machine that does nothing else; steps per second of processor
time are given too, for one that does."""

import argparse
import gzip
import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def walks(folder, name="princeton-text.jsonl.gz"):
    """(goal, actions) of the recorded episodes on numbered goals."""
    found = []
    with gzip.open(folder / name, "rt") as file:
        for line in file:
            entry = json.loads(line)
            if entry["type"] == "goals" and found:
                break  # the second section's goals are others
            if entry["type"] == "episode" and isinstance(entry["reset"].get("session"), int) and entry["kind"] in (
                    "tour", "pages", "options", "expert", "partial", "random", "randomlong"):
                found.append((entry["reset"]["session"], [step["action"] for step in entry["steps"]]))
    return found


def memory():
    """(resident, private) MiB of this process."""
    fields = dict(line.split(":", 1) for line in open("/proc/self/smaps_rollup").read().splitlines()[1:])
    kib = {name: int(value.split()[0]) for name, value in fields.items()}
    return kib["Rss"] / 1024, (kib["Private_Clean"] + kib["Private_Dirty"]) / 1024


def rate(step, seconds):
    """Steps per second, and per second of processor time; `step` returns how many it made."""
    done, wall, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - wall < seconds:
        done += step()
    return done / (time.perf_counter() - wall), done / (time.process_time() - cpu)


def shop_path(options):
    return options.file or str(options.shop)


def start(options):
    import cartwright

    imported = time.perf_counter()
    env = cartwright.make("webshop", shop=shop_path(options), observation="text", step_limit=0)
    env.reset(seed=1)
    return {"import_s": imported - T0, "open_s": time.perf_counter() - imported, "rss_mib": memory()[0],
            "private_mib": memory()[1]}


def sessions(options):
    import cartwright

    envs = cartwright.make_vec("webshop", options.n, options.threads, shop=shop_path(options), observation="text",
                               step_limit=0)
    _, infos = envs.reset(seed=1)
    for _ in range(20):
        _, _, _, _, infos = envs.step([7 * i % max(1, len(c)) for i, c in enumerate(infos["candidates"])])
    return {"rss_mib": memory()[0], "private_mib": memory()[1]}


def single(options):
    import cartwright

    env = cartwright.make("webshop", split="all", shop=shop_path(options), observation="text", step_limit=0)
    turns = itertools.cycle(walks(options.recordings))

    def step():
        goal, actions = next(turns)
        env.reset(options={"goal": goal})
        n = 0
        for action in actions:
            n += 1
            if env.step(action)[2]:
                break
        return n

    step()
    return dict(zip(("per_s", "per_cpu_s"), rate(step, options.seconds)))


def schedule(options, recorded, n_batches):
    """Batches of (actions, which sessions then start the next walk, or None, and on which goals): all sessions on the
    recorded walks, each from another one on. Made before anything is timed, by playing it once."""
    import numpy

    envs = make_vector(options)
    place = [(i % len(recorded), 0) for i in range(options.n)]
    goals = [recorded[walk][0] for walk, _ in place]
    envs.reset(options={"goals": goals})
    batches = []
    for _ in range(n_batches):
        actions = [recorded[walk][1][k] for walk, k in place]
        over = envs.step(actions)[2]
        mask = over | numpy.array([k + 1 == len(recorded[walk][1]) for walk, k in place])
        place = [((walk + 1) % len(recorded), 0) if ends else (walk, k + 1) for (walk, k), ends in zip(place, mask)]
        again = [recorded[place[i][0]][0] for i in mask.nonzero()[0]]
        batches.append((actions, {"reset_mask": mask, "goals": again} if again else None))
        if again:
            envs.reset(options=batches[-1][1])
    return {"goals": goals}, batches


def make_vector(options):
    import cartwright

    return cartwright.make_vec("webshop", options.n, options.threads, split="all", autoreset_mode="Disabled",
                               shop=shop_path(options), observation="text", step_limit=0)


def vector(options):
    first, batches = schedule(options, walks(options.recordings), 200)
    envs = make_vector(options)

    def step():
        envs.reset(options=first)
        for actions, again in batches:
            envs.step(actions)
            if again:
                envs.reset(options=again)
        return options.n * len(batches)

    step()
    return dict(zip(("per_s", "per_cpu_s"), rate(step, options.seconds)))


def drop_in(options):
    from cartwright.drop_in.site import WebAgentTextEnv

    env = WebAgentTextEnv("text", str(options.shop / "items_shuffle_1000.json"), num_products=1000, human_goals=False)
    turns = itertools.cycle(walks(options.recordings))

    def step():
        goal, actions = next(turns)
        env.reset(goal)
        for action in actions:
            env.step(action)
            env.get_available_actions()
        return len(actions)

    step()
    rates = rate(step, options.seconds)
    return {"ready_s": None, "per_s": rates[0], "per_cpu_s": rates[1], "rss_mib": memory()[0]}


def drop_in_vector(options):
    from cartwright.drop_in.verl_agent import build_webshop_envs

    files = {"file_path": str(options.shop / "items_shuffle_1000.json"),
             "attr_path": str(options.shop / "items_ins_v2_1000.json"), "num_products": None, "human_goals": False,
             "observation_mode": "text"}
    before = time.perf_counter()
    train = build_webshop_envs(0, 16, 8, {}, True, files)
    validation = build_webshop_envs(1000, 128, 1, {}, False, files)
    ready = time.perf_counter() - before
    train.reset()
    validation.reset()

    def step():
        train.reset()
        for _ in range(15):
            train.step(["search[red shoes]"] * 128)
        return 15 * 128

    rates = rate(step, options.seconds)
    return {"ready_s": ready, "rss_mib": memory()[0], "per_s": rates[0], "per_cpu_s": rates[1]}


def original(options):
    """princeton's program in the place of ours, where it is installed with all it needs (pyserini, a Java machine, spaCy):
    WEBSHOP_ORIGINAL names its work tree."""
    sys.path.insert(0, os.environ["WEBSHOP_ORIGINAL"])
    from web_agent_site.envs import WebAgentTextEnv

    imported = time.perf_counter()
    env = WebAgentTextEnv("text", str(options.shop / "items_shuffle_1000.json"), num_products=1000, human_goals=False)
    ready = time.perf_counter()
    turns = itertools.cycle(walks(options.recordings))

    def step():
        goal, actions = next(turns)
        env.reset(goal)
        for action in actions:
            env.step(action)
            env.get_available_actions()
        return len(actions)

    step()
    rates = rate(step, 10 * options.seconds)
    return {"import_s": imported - T0, "ready_s": ready - imported, "per_s": rates[0], "per_cpu_s": rates[1],
            "rss_mib": memory()[0]}


CASES = {"original": original, "start": start, "sessions": sessions, "single": single, "vector": vector, "drop_in": drop_in,
         "drop_in_vector": drop_in_vector}


def run(case, options, **more):
    words = [sys.executable, __file__, "--case", case, "--shop", options.shop, "--recordings", options.recordings,
             "--seconds", options.seconds]
    for name, value in more.items():
        words += [f"--{name}", value]
    began = time.perf_counter()
    output = subprocess.run(list(map(str, words)), check=True, capture_output=True, text=True).stdout
    return {**json.loads(output.splitlines()[-1]), "process_s": time.perf_counter() - began}


def table(options):
    file = {"file": options.file} if options.file else {}
    print(f"python {sys.version.split()[0]}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    for name, more in (("JSON files, read every time", {"cache": "off"}), ("JSON files, kept before", {}),
                       ("shop file", file)):
        if name == "shop file" and not file:
            continue
        found = [run("start", options, **more) for _ in range(3)]
        best = min(found, key=lambda f: f["import_s"] + f["open_s"])
        print(f"start from {name}: import {best['import_s']:.2f} s, ready {best['open_s']:.3f} s, "
              f"RSS {best['rss_mib']:.0f} MiB, private {best['private_mib']:.0f} MiB")
    for n in (1, 128, 256, 1024):
        found = run("sessions", options, n=n, **file)
        print(f"{n} sessions: RSS {found['rss_mib']:.0f} MiB, private {found['private_mib']:.0f} MiB")
    found = run("single", options, **file)
    print(f"1 session, recorded walks: {found['per_s']:.0f} steps/s, {found['per_cpu_s']:.0f} per CPU s")
    for n, threads in ((256, 1), (256, 2)):
        found = run("vector", options, n=n, threads=threads, **file)
        print(f"{n} sessions, {threads} threads: {found['per_s']:.0f} steps/s, {found['per_cpu_s']:.0f} per CPU s")
    found = run("drop_in", options)
    print(f"web_agent_site drop-in, get_available_actions after each step: {found['per_s']:.0f} steps/s, "
          f"{found['per_cpu_s']:.0f} per CPU s, RSS {found['rss_mib']:.0f} MiB")
    found = run("drop_in_vector", options)
    if "WEBSHOP_ORIGINAL" in os.environ:
        theirs = run("original", options)
        print(f"original, get_available_actions after each step: import {theirs['import_s']:.1f} s, ready "
              f"{theirs['ready_s']:.1f} s, RSS {theirs['rss_mib']:.0f} MiB, {theirs['per_s']:.0f} steps/s, "
              f"{theirs['per_cpu_s']:.0f} per CPU s")
    else:
        print("original: not measured; WEBSHOP_ORIGINAL names no work tree of it")
    print(f"verl-agent's 256 workers: ready in {found['ready_s']:.1f} s, RSS {found['rss_mib']:.0f} MiB, "
          f"{found['per_s']:.0f} steps/s")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shop", type=Path, default=os.environ.get("WEBSHOP_1K", ROOT.parent / "shared/webshop-1k"))
    parser.add_argument("--file", help="a shop file made by `cartwright import webshop`")
    parser.add_argument("--recordings", type=Path,
                        default=os.environ.get("CARTWRIGHT_RECORDINGS", ROOT.parent / "shared/recordings"))
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--case", choices=CASES)
    parser.add_argument("--cache", help="where shop files of folders are kept; off: nowhere")
    parser.add_argument("--n", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    if options.cache:
        os.environ["CARTWRIGHT_CACHE"] = options.cache
    if options.case:
        print(json.dumps(CASES[options.case](options)))
    else:
        table(options)


T0 = time.perf_counter()
if __name__ == "__main__":
    main()
