"""web_agent_site's classes: a server that keeps sessions by name, a browser on one of its pages, and the environment.

The server does what princeton-nlp/WebShop's SimServer does in the same order, so that what a failed search or a second
browser on the same session leaves behind is left behind here too."""

from __future__ import annotations

import json
import os
import random as python_random
import re
import string
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Callable, Iterator

from . import pages
from .draws import cumulate, draw, random_index
from .goals import Goals
from .pages import Page
from .stock import SEARCH_RETURN_N, Product, Stock, open_stock

BASE_URL = "http://127.0.0.1:3000"
SIMILARITY = {"princeton": "difflib", "verl_agent": "difflib", "agentgym": "lcs", "minimal": "lcs"}
PROTOCOLS = tuple(SIMILARITY)
ACTION = re.compile(r"(.+)\[(.+)\]")


def data_folder() -> str:
    """Where WebShop's files are looked for when a program names none: $WEBSHOP_DATA, else ./data."""
    return os.environ.get("WEBSHOP_DATA", "data")


def default_file(name: str) -> str:
    return os.path.join(data_folder(), name)


def parse_action(action: str) -> tuple[str, str | None]:
    """``name[argument]``; the whole text and None when it is not of that form."""
    match = ACTION.match(action)
    return (match[1], match[2]) if match else (action, None)


def _sibling(file_path: str, name: str) -> str:
    return os.path.join(os.path.dirname(file_path), name)


def stock_of(file_path: str, attr_path: str | None, num_products: int | None, human_goals: Any, protocol: str,
             nouns_file: str | None) -> Stock:
    if protocol not in SIMILARITY:
        raise ValueError(f"protocol: expected one of {', '.join(PROTOCOLS)}, found {protocol!r}")
    if attr_path is None:
        attr_path = _sibling(file_path, os.path.basename(file_path).replace("items_shuffle", "items_ins_v2"))
    human_path = _sibling(file_path, "items_human_ins.json")
    stock = open_stock(file_path, attr_path, human_path, num_products, bool(human_goals), SIMILARITY[protocol],
                       nouns_file or os.environ.get("CARTWRIGHT_NOUNS"))
    if num_products not in (100, 1000, 100000, None):
        raise NotImplementedError(f"num_products being {num_products} is not supported yet.")
    return stock


class ProductItems(Mapping):
    """``product_item_dict``: products as the original's dictionaries, made when they are looked at."""

    def __init__(self, stock: Stock):
        self._stock = stock

    def __getitem__(self, asin: str) -> dict[str, Any]:
        return product_item(self._stock, self._stock.product(asin))

    def __iter__(self) -> Iterator[str]:
        return (product.asin for product in self._stock.all())

    def __len__(self) -> int:
        return self._stock.n_products


def product_item(stock: Stock, product: Product) -> dict[str, Any]:
    """A product as load_products leaves it: its author's keys, and WebShop's."""
    item = dict(stock.raw(product.asin))
    item.update(name=product.title, asin=product.asin, category=product.category, query=product.query,
                product_category=product.product_category, full_description=product.description,
                small_description=product.bullets, pricing=product.prices, Title=product.title,
                Description=product.description, Reviews=[], Rating="N.A.", BulletPoints=product.bullets,
                Price=product.price, options=product.options, option_to_image=stock.option_images(product.asin),
                Attributes=product.attributes, instruction_text=product.instruction,
                instruction_attributes=product.instruction_attributes if product.instruction else None,
                MainImage=stock.image(product.asin))
    return item


class SimServer:
    """A shop with its goals and every session that was ever opened in it."""

    def __init__(self, base_url: str = BASE_URL, file_path: str | None = None, filter_goals: Callable | None = None,
                 limit_goals: int = -1, num_products: int | None = None, human_goals: Any = False,
                 show_attrs: bool = False, *, attr_path: str | None = None, protocol: str = "princeton",
                 seed: int | None = None, random: Any = python_random, nouns_file: str | None = None, _draw: Any = None):
        file_path = default_file("items_shuffle_1000.json") if file_path is None else file_path
        self.base_url = base_url
        self._stock = stock_of(file_path, attr_path, num_products, human_goals, protocol, nouns_file)
        self._random = random
        if _draw is None:
            _draw = draw(self._stock, random, protocol, seed)
        else:
            random.setstate(_draw.state)
        self._draw = _draw
        self.search_engine = self._stock
        self.goals: Any = Goals(self._stock, _draw)
        self.show_attrs = show_attrs
        self._choose(filter_goals, limit_goals)
        self.user_sessions: dict[str, dict[str, Any]] = {}
        self.search_time = self.render_time = self.sample_time = 0
        self.assigned_instruction_text: str | None = None

    def _choose(self, filter_goals: Callable | None, limit_goals: int) -> None:
        if filter_goals is not None:
            self.goals = [goal for i, goal in enumerate(self.goals) if filter_goals(i, goal)]
        if limit_goals != -1 and limit_goals < len(self.goals):
            cum_weights = cumulate(self._weights())
            chosen: list[int] = []
            while len(chosen) < limit_goals:
                i = random_index(cum_weights, self._random)
                if i not in chosen:
                    chosen.append(i)
            self.goals = [self.goals[i] for i in chosen]
        self._cum_weights = cumulate(self._weights())

    def _weights(self) -> Iterator[float]:
        return self.goals.weights() if isinstance(self.goals, Goals) else (goal["weight"] for goal in self.goals)

    def _numbers(self, values: Any) -> list[float]:
        """Crowd goals weigh 1, an int."""
        return [int(value) for value in values] if self._stock.is_human else list(values)

    @property
    def weights(self) -> list[float]:
        return self._numbers(self._weights())

    @property
    def cum_weights(self) -> list[float]:
        return [0, *self._numbers(self._cum_weights[1:])]

    @property
    def product_item_dict(self) -> ProductItems:
        return ProductItems(self._stock)

    @property
    def all_products(self) -> list[dict[str, Any]]:
        return [product_item(self._stock, product) for product in self._stock.all()]

    @property
    def product_prices(self) -> dict[str, float]:
        return {product.asin: self._draw.prices[product.index] for product in self._stock.all()}

    def get_page_name(self, url: str) -> str:
        """The first of these words that the address holds, wherever it stands."""
        return next((name for name in ("search_results", "item_page", "item_sub_page", "done") if name in url), "")

    # Pages. Each returns the page and its address.

    def _instruction(self, session_id: str) -> str:
        return self.user_sessions[session_id]["goal"]["instruction_text"]

    def index(self, session_id: str) -> tuple[Page, str]:
        return pages.SearchPage(session_id, self._instruction(session_id)), f"{self.base_url}/{session_id}"

    def _find(self, keywords: list[str]) -> list[Product]:
        stock, first = self._stock, keywords[0]
        if first == "<r>":
            return [stock.at(i) for i in self._random.sample(range(stock.n_products), k=SEARCH_RETURN_N)]
        if first == "<a>":
            raise TypeError("'NoneType' object is not subscriptable")  # the original has no map of attributes
        if first == "<c>":
            category = keywords[1].strip()
            return [product for product in stock.all() if product.category == category]
        if first == "<q>":
            query = " ".join(keywords[1:]).strip()
            return [product for product in stock.all() if product.query == query]
        return stock.search(" ".join(keywords))

    def search_results(self, session_id: str, keywords: list[str], page: int = 1) -> tuple[Page, str]:
        session = self.user_sessions[session_id]
        session["page"], session["keywords"] = page, keywords
        session["actions"]["search"] += 1
        session["asin"], session["options"] = None, {}
        found = self._find(keywords)
        url = f"{self.base_url}/search_results/{session_id}/{'+'.join(keywords)}/{page}"
        shown = found[(page - 1) * pages.ITEMS_PER_PAGE:page * pages.ITEMS_PER_PAGE]
        return pages.ResultsPage(session_id, self._instruction(session_id), self._stock, keywords, page, shown,
                                 len(found)), url

    def item_page(self, session_id: str, name: str, clickable: Mapping) -> tuple[Page, str]:
        session = self.user_sessions[session_id]
        if clickable.get("class") and clickable["class"][0] == "product-link":
            session["asin"] = name.upper()
            session["actions"]["asin"] += 1
            session["asins"].add(session["asin"])
        elif clickable.get("name") is not None:
            session["options"][clickable["name"].lower()] = name
            session["actions"]["options"] += 1
        product = self._stock.product(session["asin"])
        keywords, page, options = session["keywords"], session["page"], session["options"]
        url = (f"{self.base_url}/item_page/{session_id}/{session['asin']}/{'+'.join(keywords)}/{page}/"
               f"{json.dumps(options)}")
        return pages.ItemPage(session_id, self._instruction(session_id), self._stock, product, keywords, page, options,
                              self.show_attrs), url

    def item_sub_page(self, session_id: str, name: str) -> tuple[Page, str]:
        session = self.user_sessions[session_id]
        name = next(sub for sub in pages.SUB_PAGES if sub.lower() == name)
        product = self._stock.product(session["asin"])
        session["actions"][name] += 1
        keywords, page, options = session["keywords"], session["page"], session["options"]
        url = (f"{self.base_url}/item_sub_page/{session_id}/{session['asin']}/{'+'.join(keywords)}/{page}/{name}/"
               f"{options}")
        return pages.SubPage(session_id, self._instruction(session_id), product, name, keywords, page, options), url

    def done(self, session_id: str) -> tuple[Page, str, float]:
        session = self.user_sessions[session_id]
        product = self._stock.product(session["asin"])
        session["actions"]["purchase"] += 1
        goal, options = session["goal"], session["options"]
        reward, info = self._stock.reward(goal.key, goal["price_upper"], product.asin, list(options.values()),
                                          self._draw.prices[product.index])
        session.update(verbose_info=info, done=True, reward=reward)
        url = f"{self.base_url}/done/{session_id}/{product.asin}/{options}"
        return pages.DonePage(session_id, self._instruction(session_id), product.asin, options, reward), url, reward

    def _open(self, session_id: str, session_int: int | None) -> dict[str, Any]:
        if session_id not in self.user_sessions:
            i = session_int if isinstance(session_int, int) else random_index(self._cum_weights, self._random)
            self.user_sessions[session_id] = {"goal": self.goals[i], "done": False}
        session = self.user_sessions[session_id]
        if self.assigned_instruction_text is not None:
            session["goal"]["instruction_text"] = self.assigned_instruction_text
        return session

    def receive(self, session_id: str, current_url: str, session_int: int | None = None,
                **act: Any) -> tuple[Page, str, dict[str, Any]]:
        """One request of a browser: ``keywords`` to search, ``clickable_name`` with ``text_to_clickable`` to click, or
        neither, for the search page."""
        session = self._open(session_id, session_int)
        status: dict[str, Any] = {"reward": 0.0, "done": False}
        if not act:
            page, url = self.index(session_id)
            session.update(keywords=None, page=None, asin=None, asins=set(), options={}, actions=defaultdict(int))
            return page, url, status
        if "keywords" in act:
            return *self.search_results(session_id, act["keywords"], act.get("page", 1)), status
        name, place = act["clickable_name"].lower(), self.get_page_name(current_url)
        if name == pages.END_BUTTON.lower():
            page, url, reward = self.done(session_id)
            return page, url, {"reward": reward, "done": True, "info": session["verbose_info"]}
        if name == pages.BACK_TO_SEARCH.lower():
            return self.receive(session_id, current_url)
        if name in (pages.NEXT_PAGE.lower(), pages.PREV_PAGE.lower()) and place == "search_results":
            turned = session["page"] + (1 if name == pages.NEXT_PAGE.lower() else -1)
            return self.receive(session_id, current_url, keywords=session["keywords"], page=turned)
        if name == pages.PREV_PAGE.lower() and place == "item_page":
            return *self.search_results(session_id, session["keywords"], session["page"]), status
        if name in (sub.lower() for sub in pages.SUB_PAGES):
            return *self.item_sub_page(session_id, name), status
        return *self.item_page(session_id, name, act["text_to_clickable"][name]), status


class SimBrowser:
    """One page of a server."""

    def __init__(self, server: SimServer):
        self.server = server
        self.current_url: str | None = None
        self.session_id: str | None = None
        self.page: Page | None = None

    @property
    def page_source(self) -> str | None:
        return self.page.html if self.page else None

    def get(self, url: str, session_id: str | None = None, session_int: int | None = None) -> None:
        self.session_id = url.split("/")[-1] if session_id is None else session_id
        self.page, _, _ = self.server.receive(self.session_id, self.current_url, session_int=session_int)
        self.current_url = url

    def click(self, clickable_name: str, text_to_clickable: Mapping) -> dict[str, Any]:
        self.page, self.current_url, status = self.server.receive(
            self.session_id, self.current_url, clickable_name=clickable_name, text_to_clickable=text_to_clickable)
        return status

    def search(self, keywords: str | list[str]) -> dict[str, Any]:
        if isinstance(keywords, str):
            keywords = keywords.split(" ")
        self.page, self.current_url, status = self.server.receive(self.session_id, self.current_url, keywords=keywords)
        return status


try:
    from gym import Env
except ImportError:
    Env = object


class WebAgentTextEnv(Env):
    """The environment that agents step, in princeton's and in verl-agent's signature (which has ``attr_path`` and
    ``seed``). ``protocol=``, ``nouns_file=`` and ``random=`` are ours."""

    observation_space = action_space = None

    def __init__(self, observation_mode: str = "html", file_path: str | None = None, attr_path: str | None = None,
                 server: SimServer | None = None, **kwargs: Any):
        if isinstance(attr_path, SimServer):  # princeton's third argument
            attr_path, server = None, attr_path
        self.observation_mode = observation_mode
        self.kwargs = kwargs
        self.file_path = default_file("items_shuffle_1000.json") if file_path is None else file_path
        self.base_url = BASE_URL
        is_verl = attr_path is not None or "seed" in kwargs
        protocol = kwargs.get("protocol") or os.environ.get("CARTWRIGHT_PROTOCOL") or (
            "verl_agent" if is_verl else self._protocol)
        self._resets = protocol == "verl_agent"
        self.server = server if server is not None else self._make_server(attr_path, protocol)
        self._random = self.server._random
        self.browser = SimBrowser(self.server)
        self._features: Any = None
        self.session: str | None = None
        self.session_prefix = kwargs.get("session_prefix")
        self.num_prev_obs = kwargs.get("num_prev_obs", 0)
        self.num_prev_actions = kwargs.get("num_prev_actions", 0)
        self.reset()

    _protocol = "princeton"
    _server_class: Any = SimServer

    def _make_server(self, attr_path: str | None, protocol: str) -> SimServer:
        given = self.kwargs
        return self._server_class(
            self.base_url, self.file_path, given.get("filter_goals"), given.get("limit_goals", -1),
            given.get("num_products"), given.get("human_goals"), given.get("show_attrs", False), attr_path=attr_path,
            protocol=protocol, seed=given.get("seed", 42), random=given.get("random", python_random),
            nouns_file=given.get("nouns_file"), _draw=given.get("_draw"))

    def step(self, action: str) -> tuple[str, float, bool, Any]:
        self.text_to_clickable = self.browser.page.clickables
        name, argument = parse_action(action)
        if argument is not None:
            argument = argument.lower()
        if name == "search" and argument is not None and argument != "":
            status = self.browser.search(argument)
        elif name == "click" and argument in self.text_to_clickable and argument != "search":
            status = self.browser.click(argument, self.text_to_clickable)
        else:
            status = {"reward": 0, "done": False}
        observation = self.observation
        seen = self._with_history(action, observation)
        if status["done"] and self._resets:
            self.reset()
        return seen, status["reward"], status["done"], self._info(status)

    def _info(self, status: dict[str, Any]) -> Any:
        return None

    def _with_history(self, action: str, observation: str) -> str:
        """The observation after older actions and pages, as many as asked for, oldest first."""
        self.prev_actions.append(action)
        texts = [observation]
        for i in range(1, 1 + max(self.num_prev_obs, self.num_prev_actions)):
            if len(self.prev_actions) >= i and self.num_prev_actions >= i:
                texts.append(self.prev_actions[-i])
            if len(self.prev_obs) >= i and self.num_prev_obs >= i:
                texts.append(self.prev_obs[-i])
        self.prev_obs.append(observation)
        return pages.SEPARATOR.join(texts[::-1])

    def get_available_actions(self) -> dict[str, Any]:
        page = self.browser.page
        self.text_to_clickable = page.clickables
        return {"has_search_bar": page.has_search_bar, "clickables": list(self.text_to_clickable)}

    def get_instruction_text(self) -> str:
        return self.browser.page.instruction_text()

    def get_image(self) -> Any:
        """The features of the shown product's image, from the files feat_conv.pt and feat_ids.pt next to the products when
        the environment was made with ``get_image``; zeros where there are none."""
        import torch

        page = self.browser.page
        if not self.kwargs.get("get_image") or not isinstance(page, pages.ItemPage):
            return torch.zeros(512)
        if self._features is None:
            folder = os.path.dirname(self.file_path)
            names = torch.load(os.path.join(folder, "feat_ids.pt"))
            self._features = torch.load(os.path.join(folder, "feat_conv.pt")), {name: i for i, name in enumerate(names)}
        features, places = self._features
        place = places.get(self.server._stock.image(page.product.asin))
        return torch.zeros(512) if place is None else features[place]

    @property
    def state(self) -> dict[str, Any]:
        return {"url": self.browser.current_url, "html": self.browser.page_source,
                "instruction_text": self.instruction_text}

    @property
    def observation(self) -> str:
        page, mode = self.browser.page, self.observation_mode
        if mode == "text":
            return page.text
        if mode == "text_rich":
            return page.rich_text(self.server.user_sessions[self.session]["asins"], self.browser.current_url)
        if mode == "html":
            return page.html
        if mode == "url":
            return self.browser.current_url
        raise ValueError(f"Observation mode {mode} not supported.")

    def reset(self, session: Any = None, instruction_text: str | None = None) -> tuple[str, None]:
        session_int = None
        if session is not None:
            self.session = str(session)
            if isinstance(session, int):
                session_int = session
        else:
            self.session = "".join(self._random.choices(string.ascii_lowercase, k=10))
        if self.session_prefix is not None:
            self.session = self.session_prefix + self.session
        self.browser.get(f"{self.base_url}/{self.session}", session_id=self.session, session_int=session_int)
        self.text_to_clickable = None
        self.instruction_text = self.get_instruction_text() if instruction_text is None else instruction_text
        observation = self.observation
        self.prev_obs, self.prev_actions = [observation], []
        return observation, None

    def render(self, mode: str = "human") -> None:
        pass

    def close(self) -> None:
        pass
