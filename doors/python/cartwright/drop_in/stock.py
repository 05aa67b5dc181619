"""One shop, opened once in a process: products, search, reward, and goals in load order."""

from __future__ import annotations

import json
import os
import threading
from array import array
from functools import lru_cache
from typing import Any, Iterator, Sequence

from .._environment import Environment, open_environment

SEARCH_RETURN_N = 50


class Product:
    """A product as pages and goals need it."""

    __slots__ = ("index", "asin", "title", "description", "bullets", "attributes", "category", "query",
                 "product_category", "price", "prices", "options", "instruction", "instruction_attributes", "humans",
                 "item_text", "result_text")

    def __init__(self, fields: dict[str, Any]):
        for name, value in fields.items():
            setattr(self, name, value)
        self.options = {name: values for name, values in self.options}
        self.item_text = self.result_text = None  # pages keeps its texts here

class Stock:
    """A shop's products and goals. ``goals`` are pairs (product, choice) in two arrays, in load order."""

    def __init__(self, environment: Environment, folder: str, items_file: str):
        self.environment = environment
        self._answer = environment.core.answer
        listed = environment.ask("stock", {})
        self.is_human = listed["kind"] == "human"
        self.n_products = listed["products"]
        self.prices = listed["prices"]
        self.goal_products = array("I", [product for product, _ in listed["goals"]])
        self.goal_choices = array("I", [choice for _, choice in listed["goals"]])
        self.weights = self._weigh(listed["attributes"])
        self._products: dict[str, Product] = {}
        self._by_index: dict[int, Product] = {}
        self._search = lru_cache(maxsize=4096)(self._find)
        self._images_path = os.path.join(folder, items_file)
        self._raw: dict[str, dict[str, Any]] | None = None

    @property
    def n_goals(self) -> int:
        return len(self.goal_products)

    def _weigh(self, attributes: dict[str, list[str]]) -> array:
        """A goal weighs the mean of 1 / (how many goals ask for it) over its attributes; crowd goals weigh 1."""
        if self.is_human:
            return array("d", [1.0] * self.n_goals)
        counts: dict[str, int] = {}
        for product in self.goal_products:
            for attribute in attributes[str(product)]:
                counts[attribute] = counts.get(attribute, 0) + 1
        weight = {product: sum(1.0 / counts[a] for a in asked) / len(asked) for product, asked in attributes.items()}
        return array("d", [weight[str(product)] for product in self.goal_products])

    def _remember(self, fields: dict[str, Any]) -> Product:
        known = self._by_index.get(fields["index"])
        if known is None:
            known = self._by_index[fields["index"]] = self._products[fields["asin"]] = Product(fields)
        return known

    def products(self, asins: Sequence[str]) -> list[Product]:
        missing = [asin for asin in asins if asin not in self._products]
        if missing:
            for fields in json.loads(self._answer("products", json.dumps({"asins": missing})))["products"]:
                if fields is None:
                    raise KeyError(missing)
                self._remember(fields)
        return [self._products[asin] for asin in asins]

    def product(self, asin: Any) -> Product:
        """KeyError for an ASIN that is not there, as the original's dictionary."""
        known = self._products.get(asin)
        if known is not None:
            return known
        if not isinstance(asin, str) or not self.has(asin):
            raise KeyError(asin)
        return self._products[asin]

    def has(self, asin: str) -> bool:
        if asin not in self._products:
            fields = json.loads(self._answer("products", json.dumps({"asins": [asin]})))["products"][0]
            if fields is None:
                return False
            self._remember(fields)
        return True

    def at(self, index: int) -> Product:
        known = self._by_index.get(index)
        if known is None:
            answer = json.loads(self._answer("products", json.dumps({"first": index, "count": 1})))
            known = self._remember(answer["products"][0])
        return known

    def all(self) -> Iterator[Product]:
        """Every product in load order, a part at a time."""
        step = 1000
        for first in range(0, self.n_products, step):
            count = min(step, self.n_products - first)
            if any(i not in self._by_index for i in range(first, first + count)):
                answer = self._answer("products", json.dumps({"first": first, "count": count}))
                for fields in json.loads(answer)["products"]:
                    self._remember(fields)
            for index in range(first, first + count):
                yield self._by_index[index]

    def _find(self, query: str) -> tuple[str, ...]:
        return tuple(json.loads(self._answer("search", json.dumps({"query": query, "all": True})))["asins"])

    def search(self, query: str) -> list[Product]:
        return self.products(self._search(query))

    def reward(self, goal: tuple[int, int], price_upper: float, asin: str, options: Sequence[str],
               price: float) -> tuple[float, dict[str, Any]]:
        """What a purchase is worth, and the original's verbose information."""
        request = {"goal": goal, "price_upper": price_upper, "asin": asin, "options": list(options), "price": price}
        info = json.loads(self._answer("reward", json.dumps(request)))
        return info.pop("reward"), info

    # What only WebShop's own files have: images, and products as their authors wrote them.

    def raw(self, asin: str) -> dict[str, Any]:
        """The product's entry of the items file; empty for a shop file, which keeps no images."""
        if self._raw is None:
            self._raw = {}
            if os.path.isfile(self._images_path):
                with open(self._images_path, encoding="utf-8") as file:
                    for product in json.load(file):
                        self._raw.setdefault(product["asin"], product)
        return self._raw.get(asin, {})

    def image(self, asin: str) -> str:
        images = self.raw(asin).get("images") or [""]
        return images[0]

    def option_images(self, asin: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for values in (self.raw(asin).get("customization_options") or {}).values():
            for option in values or []:
                found[clean_option(option.get("value"))] = option.get("image")
        return found


def clean_option(value: Any) -> str:
    return str(value).strip().replace("/", " | ").lower()


_stocks: dict[tuple[Any, ...], Stock] = {}
_lock = threading.Lock()


def open_stock(file_path: str, attr_path: str, human_path: str, num_products: int | None, human_goals: bool,
               similarity: str, nouns_file: str | None) -> Stock:
    """The shop of these files, opened at the first call. ``file_path`` may be a shop file made by ``cartwright
    import``."""
    key = (os.path.abspath(file_path), os.path.abspath(attr_path), os.path.abspath(human_path), num_products,
           bool(human_goals), similarity, nouns_file)
    with _lock:
        stock = _stocks.get(key)
        if stock is None:
            stock = _stocks[key] = _open(*key)
        return stock


def _open(file_path: str, attr_path: str, human_path: str, num_products: int | None, human_goals: bool,
          similarity: str, nouns_file: str | None) -> Stock:
    if not os.path.exists(file_path):
        raise FileNotFoundError(2, "No such file or directory", file_path)
    folder, items = os.path.split(file_path)
    options: dict[str, Any] = {"goals": "human" if human_goals else "synthetic", "similarity": similarity,
                               "nouns_file": nouns_file, "observation": "text"}
    if file_path.endswith(".json"):
        options.update(shop=folder, items_file=items, attributes_file=attr_path, products=num_products or 0)
        if human_goals:
            options["human_file"] = human_path
    else:
        options["shop"] = file_path
    return Stock(open_environment("webshop", **options), folder, items)
