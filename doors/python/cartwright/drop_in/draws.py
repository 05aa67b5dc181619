"""What the originals draw when they load: a price for each product with a range of them, a price bound for each goal, and
the order of the goals. All from CPython's Mersenne Twister: the module ``random`` itself, or a ``random.Random``."""

from __future__ import annotations

from array import array
from bisect import bisect
from itertools import accumulate
from typing import Any

from .stock import Stock

ORDER_SEED = 233
LADDER = [10.0 * step for step in range(1, 100)]
NO_BOUND = 1000000


class Draw:
    """The draws of one server. ``order`` lists goals by their number in load order, or, where a goal comes with several
    bounds, places in ``copies``, which are pairs (number, bound)."""

    __slots__ = ("prices", "bounds", "order", "state", "copies")

    def __init__(self, prices: array, bounds: dict[Any, float], order: array, state: Any,
                 copies: list[tuple[int, float]] | None = None):
        self.prices, self.bounds, self.order, self.state, self.copies = prices, bounds, order, state, copies

    def number(self, place: int) -> int:
        return self.copies[place][0] if self.copies else place


def draw_prices(stock: Stock, random: Any) -> array:
    uniform = random.uniform
    return array("d", [uniform(*price) if len(price) > 1 else price[0] for price in stock.prices])


def _bound(price: float, random: Any) -> float:
    """The larger of two of the next four steps above the price."""
    first = bisect(LADDER, price)
    steps = LADDER[first:first + 4]
    return sorted(random.sample(steps, 2))[1] if len(steps) >= 2 else NO_BOUND


def copy_goals(stock: Stock, prices: array) -> list[tuple[int, float]]:
    """AgentGym's crowd goals: one for each of the next four steps above the price, in load order."""
    copies = []
    for number, product in enumerate(stock.goal_products):
        first = bisect(LADDER, prices[product])
        steps = LADDER[first:first + 4]
        copies += [(number, bound) for bound in (steps if len(steps) >= 2 else [NO_BOUND] * 4)]
    return copies


def draw_bounds(stock: Stock, prices: array, random: Any) -> dict[Any, float]:
    """By product, for crowd goals by (product, choice)."""
    bounds: dict[Any, float] = {}
    for product, choice in zip(stock.goal_products, stock.goal_choices):
        key = (product, choice) if stock.is_human else product
        if key not in bounds:
            bounds[key] = _bound(prices[product], random)
    return bounds


def draw_order(n: int, random: Any) -> array:
    order = array("I", range(n))
    random.shuffle(order)
    return order


def draw(stock: Stock, random: Any, protocol: str, seed: int | None = None) -> Draw:
    """As the program that ``protocol`` names draws, with its generator: ``random`` is a module or an object.

    princeton, minimal: prices and bounds from the caller's stream, the order after ``seed(233)``.
    agentgym: the same, and 233 is seeded before the bounds too; crowd goals come once for each bound that they may have.
    verl_agent: ``seed(seed)``, prices and bounds, ``seed(seed)`` again, the order.
    """
    if protocol == "verl_agent":
        random.seed(seed)
    prices = draw_prices(stock, random)
    if protocol == "agentgym" and stock.is_human:
        copies = copy_goals(stock, prices)
        random.seed(ORDER_SEED)
        return Draw(prices, {}, draw_order(len(copies), random), random.getstate(), copies)
    if protocol == "agentgym":
        random.seed(ORDER_SEED)
    bounds = draw_bounds(stock, prices, random)
    random.seed(seed if protocol == "verl_agent" else ORDER_SEED)
    order = draw_order(stock.n_goals, random)
    return Draw(prices, bounds, order, random.getstate())


def cumulate(weights: Any) -> array:
    return array("d", accumulate(weights, initial=0.0))


def random_index(cum_weights: Any, random: Any) -> int:
    """A goal by weight, off by one as the original's: index 0 comes only when there is no other."""
    position = random.uniform(0, cum_weights[-1])
    return min(bisect(cum_weights, position), len(cum_weights) - 2)
