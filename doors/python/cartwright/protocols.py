"""Fixed sets of evaluation episodes that others can cite, played by the shop's scripted agents.

    python -m cartwright.protocols NAME --shop FOLDER [--goals] [--agents rule reader oracle]

Prints what the protocol is, the digest of its list of episodes, with --goals the episodes themselves, and a row for each
agent. docs/reference/protocols.md says what each protocol is."""

from __future__ import annotations

import argparse
import hashlib
import math
import os
import tempfile
from typing import Any, NamedTuple

from . import _core
from ._environment import Environment, import_shop, open_environment

COMMON: dict[str, Any] = {"observation": "text", "candidates": "honest"}
NAMES = {
    "fixed-500": "goals 0 to 499 of the order after seed 233",
    "by-product": "the test split by product: no product of it is in train",
    "verl-first-validation": "the 256 episodes of verl-agent's first validation: env.seed 0, 128 workers, two resets",
    "full-human": "the first 500 crowd-written goals after seed 233; needs the full catalogue for what it is cited for",
}


class Episode(NamedTuple):
    environment: Environment
    split: str
    goal: int



def verl_draws(seed: int, n: int, resets: int) -> list[list[int]]:
    """The goal numbers that verl-agent's validation draws: RandomState(seed).choice(range(500), n, replace=False)."""
    import numpy

    stream = numpy.random.RandomState(seed)
    return [stream.choice(range(500), size=n, replace=False).tolist() for _ in range(resets)]


def episodes(name: str, shop: str, steps: int) -> list[Episode]:
    """The episodes of a protocol, in order. A folder becomes a shop file first, as every worker opens the shop."""
    if name not in NAMES:
        raise ValueError(f"there is no protocol {name!r}; there are {', '.join(NAMES)}")
    common = {**COMMON, "shop": shop, "step_limit": steps}
    if name == "verl-first-validation" and os.path.isdir(shop):
        with tempfile.TemporaryDirectory() as folder:
            import_shop(os.path.join(folder, "shop"), shop=shop)
            return episodes(name, os.path.join(folder, "shop"), steps)
    if name == "verl-first-validation":
        workers = [open_environment("webshop", protocol="verl_agent", price_seed=1000 + i, **common) for i in range(128)]
        return [Episode(worker, "all", goal) for drawn in verl_draws(1000, 128, 2) for worker, goal in zip(workers, drawn)]
    if name == "by-product":
        shop_ = open_environment("webshop", split_rule="by_product", **common)
        return [Episode(shop_, "test", goal) for goal in range(shop_.n_goals("test"))]
    shop_ = open_environment("webshop", goals="human" if name == "full-human" else "synthetic", **common)
    return [Episode(shop_, "all", goal) for goal in range(min(500, shop_.n_goals("all")))]


def digest(texts: list[str]) -> str:
    """SHA-256 over the instructions in order, a line each: its first 16 hexadecimal digits."""
    return hashlib.sha256("".join(text + "\n" for text in texts).encode()).hexdigest()[:16]


def play(played: list[Episode], agent: str) -> tuple[list[float], int]:
    """The score of each episode, and the steps of all."""
    vector = _core.Vector([episode.environment.core for episode in played], len(played), 2)
    for split in sorted({episode.split for episode in played}):
        which = [i for i, episode in enumerate(played) if episode.split == split]
        vector.reset(which, split, [played[i].goal for i in which], [0] * len(which))
    running, steps = list(range(len(played))), 0
    while running:
        vector.step(running, [vector.script(i, agent) for i in running])
        steps += len(running)
        _, over, cut = vector.outcomes()
        running = [i for i in running if not (over[i] or cut[i])]
    return [vector.info(i)["score"] for i in range(len(played))], steps


def instructions(played: list[Episode]) -> list[str]:
    vector = _core.Vector([episode.environment.core for episode in played], len(played), 1)
    for split in sorted({episode.split for episode in played}):
        which = [i for i, episode in enumerate(played) if episode.split == split]
        vector.reset(which, split, [played[i].goal for i in which], [0] * len(which))
    return [vector.task(i)[1] for i in range(len(played))]


def interval(successes: int, n: int) -> tuple[float, float]:
    """Wilson's 95% interval of a share."""
    z, share = 1.959964, successes / n
    centre, spread = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (centre - spread) / (1 + z * z / n), (centre + spread) / (1 + z * z / n)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m cartwright.protocols", description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--shop", required=True, help="WebShop's folder, or a shop file")
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--goals", action="store_true", help="print the episodes")
    parser.add_argument("--agents", nargs="*", default=["rule", "reader", "oracle"])
    options = parser.parse_args()
    played = episodes(options.name, options.shop, options.steps)
    asked = instructions(played)
    facts = played[0].environment.facts
    print(f"{options.name}: {NAMES[options.name]}")
    print(f"{len(played)} episodes, digest {digest(asked)}, {facts['products']} products (catalogue "
          f"{facts['catalogue_checksum']}), {facts['n_goals']} goals, nouns: {facts['nouns']}, similarity: "
          f"{facts['similarity']}, {options.steps} steps, candidates: {facts['candidates']}")
    if options.goals:
        for episode, text in zip(played, asked):
            print(f"{episode.environment.options.get('price_seed', 233)}\t{episode.split} {episode.goal}\t{text}")
    for agent in options.agents:
        scores, steps = play(played, agent)
        won = sum(score == 1 for score in scores)
        low, high = interval(won, len(scores))
        print(f"{agent}: score {100 * sum(scores) / len(scores):.1f}, success {100 * won / len(scores):.1f}% ({100 * low:.1f} "
              f"to {100 * high:.1f}), {steps / len(scores):.1f} steps")


if __name__ == "__main__":
    main()
