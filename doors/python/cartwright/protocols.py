"""Fixed sets of evaluation episodes that others can cite, played by the shop's scripted agents.

    python -m cartwright.protocols NAME --shop FOLDER [--goals] [--agents rule reader oracle]

Prints what the protocol is, the digest of its list of episodes, with --goals the episodes themselves, and a row for each
agent. docs/reference/protocols.md says what each protocol is; `cartwright protocol` prints the same digests."""

from __future__ import annotations

import argparse
import hashlib
import math
from typing import Any, NamedTuple

from . import _core
from ._environment import Environment, open_environment


class Protocol(NamedTuple):
    summary: str
    options: dict[str, Any]
    episodes: int = 500  # at most so many of the split `test`


PROTOCOLS = {
    "fixed-500": Protocol("goals 0 to 499 of the order after seed 233", {"split_rule": "upstream"}),
    "by-product": Protocol("the test split by product: no product of it is in train", {"split_rule": "by_product"}, 252),
    "verl-first-validation": Protocol(
        "the 256 episodes of verl-agent's first validation: env.seed 0, 128 workers, two resets",
        {"protocol": "verl_agent", "split_rule": "verl_first_validation", "price_seed": 0}),
    "full-human": Protocol(
        "the first 500 crowd-written goals after seed 233; needs the full catalogue for what it is cited for",
        {"goals": "human", "split_rule": "upstream"}),
}


class Episodes:
    """A protocol's episodes: ``environment``, and how many of the goals of its split ``test``."""

    def __init__(self, name: str, shop: str, steps: int = 15, **options: Any):
        if name not in PROTOCOLS:
            raise ValueError(f"there is no protocol {name!r}; there are {', '.join(PROTOCOLS)}")
        self.protocol = PROTOCOLS[name]
        self.environment: Environment = open_environment("webshop", shop=shop, step_limit=steps,
                                                         **{**self.protocol.options, **options})
        self.n = min(self.protocol.episodes, self.environment.n_goals("test"))

    def begin(self, threads: int = 1, split: str = "test", n: int | None = None) -> _core.Vector:
        """A session at the start of each episode."""
        n = self.n if n is None else n
        vector = _core.Vector([self.environment.core], n, threads)
        vector.reset(None, split, range(n), [0] * n)
        return vector

    def products(self, split: str = "test") -> list[str]:
        """The ASIN that each episode, or each goal of another split, is about."""
        n = self.n if split == "test" else self.environment.n_goals(split)
        vector = self.begin(split=split, n=n)
        return [self.environment.ask("goal", vector.task(i)[0])["asin"] for i in range(n)]

    def instructions(self) -> list[str]:
        vector = self.begin()
        return [vector.task(i)[1] for i in range(self.n)]

    def play(self, agent: str) -> tuple[list[float], int]:
        """The score of each episode, and the steps of all."""
        vector = self.begin(2)
        running, steps = list(range(self.n)), 0
        while running:
            vector.step(running, [vector.script(i, agent) for i in running])
            steps += len(running)
            _, over, cut = vector.outcomes()
            running = [i for i in running if not (over[i] or cut[i])]
        return [vector.info(i)["score"] for i in range(self.n)], steps


def digest(texts: list[str]) -> str:
    """SHA-256 over the instructions in order, a line each: its first 16 hexadecimal digits."""
    return hashlib.sha256("".join(text + "\n" for text in texts).encode()).hexdigest()[:16]


def interval(successes: int, n: int) -> tuple[float, float]:
    """Wilson's 95% interval of a share."""
    z, share = 1.959964, successes / n
    centre, spread = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (centre - spread) / (1 + z * z / n), (centre + spread) / (1 + z * z / n)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m cartwright.protocols", description=__doc__)
    parser.add_argument("name", choices=PROTOCOLS)
    parser.add_argument("--shop", required=True, help="WebShop's folder, or a shop file")
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--goals", action="store_true", help="print the episodes")
    parser.add_argument("--agents", nargs="*", default=["rule", "reader", "oracle"])
    options = parser.parse_args()
    episodes = Episodes(options.name, options.shop, options.steps)
    asked, facts = episodes.instructions(), episodes.environment.facts
    print(f"{options.name}: {episodes.protocol.summary}")
    print(f"{episodes.n} episodes, digest {digest(asked)}, {facts['products']} products (catalogue "
          f"{facts['catalogue_checksum']}), {facts['n_goals']} goals, nouns: {facts['nouns']}, similarity: "
          f"{facts['similarity']}, {options.steps} steps, candidates: {facts['candidates']}")
    products = episodes.products()
    learnt = set(Episodes("by-product", options.shop, options.steps).products("train"))
    print(f"{len(set(products))} products; of the episodes {sum(asin in learnt for asin in products)} are about one that the "
          "train split of by-product has")
    for number, text in enumerate(asked if options.goals else []):
        print(f"{number}\t{text}")
    for agent in options.agents:
        scores, steps = episodes.play(agent)
        won = sum(score == 1 for score in scores)
        low, high = interval(won, len(scores))
        print(f"{agent}: score {100 * sum(scores) / len(scores):.1f}, success {100 * won / len(scores):.1f}% ({100 * low:.1f} "
              f"to {100 * high:.1f}), {steps / len(scores):.1f} steps")


if __name__ == "__main__":
    main()
