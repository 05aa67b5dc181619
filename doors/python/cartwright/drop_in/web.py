"""The web site: web_agent_site/app.py as a WSGI application, for agents that talk to it over HTTP.

    python -m cartwright.drop_in.web --file-path webshop-1k/items_shuffle_1000.json [--log] [--attrs] [--port 3000]

Sessions live in the server: /fixed_3 is goal 3 of the order after seed 233, any other name a goal drawn by weight. As the
original it takes keywords and options in Python's notation, and answers 500 where that fails."""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import pprint
import random as python_random
from collections.abc import Callable
from html import escape
from socketserver import ThreadingMixIn
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, quote
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from . import pages, site
from .pages import DonePage, ItemPage, Page, ResultsPage, SearchPage, SubPage

LOGS = os.path.join("user_session_logs", "mturk")
PARTS = ("r_type", "r_att", "w_att", "query_match", "category_match", "title_score", "r_option", "w_option", "r_price",
         "w_price")
MESSAGES = {
    404: ("Not Found", "The requested URL was not found on the server. If you entered the URL manually please check your "
          "spelling and try again."),
    405: ("Method Not Allowed", "The method is not allowed for the requested URL."),
    500: ("Internal Server Error", "The server encountered an internal error and was unable to complete your request. "
          "Either the server is overloaded or there is an error in the application."),
}
STYLE = "body { font-family: sans-serif; margin: 2em; } form { display: inline; } .product-info { max-width: 60em; }\n"


SAFE = "/:-._~$'()*+,;"


def path(*parts: Any) -> str:
    return "".join("/" + quote(str(part), safe=SAFE) for part in parts)


class Links(pages.Links):
    def index(self, session: str) -> str:
        return path(session)

    def results(self, session: str, keywords: Any, page: Any) -> str:
        return path("search_results", session, keywords, page)

    def item(self, session: str, asin: str, keywords: Any, page: Any, options: dict[str, str]) -> str:
        return path("item_page", session, asin, keywords, page, options)

    def sub_page(self, session: str, asin: str, keywords: Any, page: Any, name: str, options: dict[str, str]) -> str:
        return path("item_sub_page", session, asin, keywords, page, name, options)

    def done(self, session: str, asin: str, options: dict[str, str]) -> str:
        return path("done", session, asin, options)


class Log:
    """A file of JSON lines for each session: a line for each page that was served, up to the purchase."""

    def __init__(self, folder: str | None):
        self.folder = folder
        self.open: set[str] = set()

    def begin(self, session: str) -> None:
        if self.folder:
            os.makedirs(self.folder, exist_ok=True)
            self.open.add(session)

    def write(self, session: str, page: str, url: str, goal: Any, content: Any = None, **more: Any) -> None:
        if session not in self.open:
            return
        entry = {"page": page, "url": url, "goal": goal, **({} if content is None else {"content": content}), **more}
        with open(os.path.join(self.folder or "", f"{session}.jsonl"), "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def end(self, session: str) -> None:
        self.open.discard(session)


class Site:
    """The application. Prices, bounds and goals are drawn at the first request, from ``random``."""

    def __init__(self, file_path: str | None = None, *, human_goals: bool = True, show_attrs: bool = False,
                 log: str | None = None, random: Any = python_random, **options: Any):
        self._make = lambda: site.SimServer("", file_path, human_goals=human_goals, show_attrs=show_attrs, random=random,
                                            **options)
        self._server: Any = None
        self._random, self._log, self._lock = random, Log(log), Lock()
        self.links = Links()
        self.sessions: dict[str, dict[str, Any]] = {}
        self.url = ""

    @property
    def server(self) -> Any:
        """The shop behind the site."""
        if self._server is None:
            self._server = self._make()
        return self._server

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> list[bytes]:
        method = environ["REQUEST_METHOD"]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) if method == "POST" else b""
        where = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        host = environ.get("HTTP_HOST", f"{environ.get('SERVER_NAME')}:{environ.get('SERVER_PORT')}")
        with self._lock:
            self.url = f"http://{host}" + "".join(c if ord(c) > 127 else quote(c, safe=SAFE) for c in where)
            status, text, location = self.answer(method, where, body.decode("utf-8", "replace"))
        kind = "text/css" if where.startswith("/static/") and status == 200 else "text/html"
        headers = [("Content-Type", f"{kind}; charset=utf-8")] + ([("Location", location)] if location else [])
        start_response(f"{status} {'Found' if status == 302 else MESSAGES.get(status, ['OK'])[0]}", headers)
        return [] if method == "HEAD" else [text.encode()]

    def answer(self, method: str, where: str, body: str = "") -> tuple[int, str, str | None]:
        """(status, page, address that it redirects to)."""
        parts = where[1:].split("/")
        known = {"search_results": (self.results, 4), "item_page": (self.item, 6), "item_sub_page": (self.sub_page, 7),
                 "done": (self.done, 4)}
        if where == "/static/style.css":
            return 200, STYLE, None
        call, length = known.get(parts[0], (None, 0))
        if len(parts) == 1:
            call, parts = self.index, ["index", *parts]
        elif len(parts) != length:
            return self._failed(404)
        if "" in parts and where != "/" or call is None:
            return self._failed(404)
        if method not in ("GET", "HEAD", "POST", "OPTIONS"):
            return self._failed(405)
        if where == "/":
            return self._redirect(path("abc"))
        try:
            found = self.index(parts[1], method, body) if call == self.index else call(*parts[1:])
        except Exception:  # noqa: BLE001  (the original's framework answers so whatever it was)
            return self._failed(500)
        if isinstance(found, str):
            return self._redirect(found)
        found.links = self.links
        return 200, found.html, None

    def _failed(self, status: int) -> tuple[int, str, None]:
        name, text = MESSAGES[status]
        return status, f"<!doctype html><title>{status} {name}</title><h1>{name}</h1><p>{text}</p>", None

    def _redirect(self, to: str) -> tuple[int, str, str]:
        text = ("<!doctype html><title>Redirecting...</title><h1>Redirecting...</h1><p>You should be redirected "
                f'automatically to the target URL: <a href="{escape(to)}">{escape(to)}</a>. If not, click the link.')
        return 302, text, to

    def _goal(self, session: str) -> Any:
        return self.sessions[session]["goal"]

    def index(self, session: str, method: str, body: str) -> Page | str:
        goals = self.server.goals
        if session not in self.sessions:
            if "fixed" in session:
                goal = goals[int(session.split("_")[-1])]
            else:
                goal = self._random.choices(goals, cum_weights=self.server.cum_weights[1:])[0]
            self.sessions[session] = {"goal": goal, "done": False}
            self._log.begin(session)
        form = parse_qs(body, keep_blank_values=True)
        if method == "POST" and "search_query" in form:
            return self.links.results(session, form["search_query"][0].lower().split(" "), 1)
        self._log.write(session, "index", self.url, self._goal(session))
        return SearchPage(session, self._goal(session)["instruction_text"])

    def _find(self, keywords: list[str]) -> Any:
        stock = self.server._stock
        if keywords[0] == "<a>":
            wanted = " ".join(keywords[1:]).strip()
            return [product for product in stock.all() if wanted in product.attributes]
        return self.server._find(keywords)

    def results(self, session: str, keywords: str, page: str) -> Page:
        goal, number = self._goal(session), int(page)
        words = ast.literal_eval(keywords) if keywords.startswith("[") else [keywords]
        found = self._find(words)
        shown = found[(number - 1) * pages.ITEMS_PER_PAGE:number * pages.ITEMS_PER_PAGE]
        self._log.write(session, "search_results", self.url, goal, {
            "keywords": words, "search_result_asins": [product.asin for product in shown], "page": number})
        return ResultsPage(session, goal["instruction_text"], self.server._stock, words, number, shown, len(found))

    def item(self, session: str, asin: str, keywords: str, page: str, options: str) -> Page:
        chosen, product = ast.literal_eval(options), self.server._stock.product(asin)
        goal = self._goal(session)
        self._log.write(session, "item_page", self.url, goal,
                        {"keywords": keywords, "page": page, "asin": asin, "options": chosen})
        return ItemPage(session, goal["instruction_text"], self.server._stock, product, keywords, page, chosen,
                        self.server.show_attrs)

    def sub_page(self, session: str, asin: str, keywords: str, page: str, name: str, options: str) -> Page:
        chosen, product = ast.literal_eval(options), self.server._stock.product(asin)
        goal = self._goal(session)
        if name not in pages.SUB_PAGES:
            raise KeyError(name)
        self._log.write(session, "item_sub_page", self.url, goal,
                        {"keywords": keywords, "page": page, "asin": asin, "options": chosen})
        return SubPage(session, goal["instruction_text"], product, name, keywords, page, chosen)

    def done(self, session: str, asin: str, options: str) -> Page:
        chosen, stock = ast.literal_eval(options), self.server._stock
        goal, product = self._goal(session), stock.product(asin)
        price = self.server._draw.prices[product.index]
        reward, found = stock.reward(goal.key, goal["price_upper"], asin, list(chosen.values()), price)
        info = {name: found[name] for name in PARTS if name in found}
        self.sessions[session].update(done=True, reward=reward)
        self._log.write(session, "done", self.url, goal, {"asin": asin, "options": chosen, "price": price}, reward=reward,
                        reward_info=info)
        self._log.end(session)
        code = hashlib.sha1(session.encode()).hexdigest()[:10].upper()
        purchase = {"code": code, "attrs": str(product.attributes), "category": product.category, "query": product.query,
                    "product category": product.product_category}
        target = {"asin": goal["asin"], "options": str(goal["goal_options"]), "attrs": str(goal["attributes"]),
                  "price upper": str(goal["price_upper"]), "instuction text": goal["instruction_text"],
                  "category": goal["category"], "product category": goal["product_category"], "query": goal["query"]}
        return DonePage(session, goal["instruction_text"], asin, chosen, reward, purchase, target,
                        (pprint.pformat(dict(goal)), pprint.pformat(info)))


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m cartwright.drop_in.web", description=__doc__)
    parser.add_argument("--file-path", help="the items file, or a shop file; default: in $WEBSHOP_DATA")
    parser.add_argument("--log", action="store_true", help=f"write the sessions into {LOGS}")
    parser.add_argument("--attrs", action="store_true", help="items have a page of attributes")
    parser.add_argument("--goals", choices=("human", "synthetic"), default="human")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=3000)
    options = parser.parse_args()
    application = Site(options.file_path, human_goals=options.goals == "human", show_attrs=options.attrs,
                       log=LOGS if options.log else None)
    application.server  # noqa: B018  (opened before the first request)
    with make_server(options.host, options.port, application, _Server, _Quiet) as server:
        print(f"http://{options.host}:{server.server_port}/")
        server.serve_forever()


if __name__ == "__main__":
    main()
