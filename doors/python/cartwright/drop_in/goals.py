"""A server's goals as its users read them: a sequence of dictionaries, written when they are first looked at."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product as combinations
from typing import Any, Iterator

from .draws import NO_BOUND, Draw
from .stock import Product, Stock


class Goal(dict):
    """A goal's dictionary, with the pair (product, choice) that the shop knows it by."""

    __slots__ = ("key",)


def _combination(product: Product, choice: int) -> dict[str, str]:
    names = sorted(product.options)
    values: list[str] = []
    for name in reversed(names):
        choice, i = divmod(choice, len(product.options[name]))
        values.append(product.options[name][i])
    return dict(zip(names, reversed(values)))


def make_goal(stock: Stock, draw: Draw, place: int) -> Goal:
    """The goal that the draw's order has as ``place``."""
    number = draw.number(place)
    key = index, choice = stock.goal_products[number], stock.goal_choices[number]
    product = stock.at(index)
    bound = draw.copies[place][1] if draw.copies else draw.bounds[key if stock.is_human else index]
    price = f", and price lower than {bound:.2f} dollars" if bound < NO_BOUND else ""
    if stock.is_human:
        record = product.humans[choice]
        text, attributes = record["instruction"].strip("."), record["attributes"]
        options: Any = record["option_values"]
        if record["option_names"]:
            options = dict(zip(record["option_names"], options))
        weight: float = 1
    else:
        options, attributes = _combination(product, choice), product.instruction_attributes
        wanted = ", and ".join(f"{name}: {value}" for name, value in options.items())
        text = product.instruction + (f" with {wanted}" if wanted else "")
        weight = stock.weights[number]
    goal = Goal(asin=product.asin, category=product.category, query=product.query, name=product.title,
                product_category=product.product_category, instruction_text=text + price, attributes=list(attributes),
                price_upper=bound, goal_options=options, weight=weight)
    goal.key = key
    return goal


class Goals(Sequence):
    """The goals of a draw in its order."""

    def __init__(self, stock: Stock, draw: Draw):
        self._stock, self._draw = stock, draw
        self._made: dict[int, Goal] = {}

    def __len__(self) -> int:
        return len(self._draw.order)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        try:
            place = self._draw.order[i]
        except IndexError:
            raise IndexError("list index out of range") from None
        goal = self._made.get(place)
        if goal is None:
            goal = self._made[place] = make_goal(self._stock, self._draw, place)
        return goal

    def __iter__(self) -> Iterator[Goal]:
        return (self[i] for i in range(len(self)))

    def weights(self) -> Iterator[float]:
        weights = self._stock.weights
        return (weights[self._draw.number(place)] for place in self._draw.order)
