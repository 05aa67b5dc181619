"""AgentGym's environment server (agentenv-webshop) as a WSGI application, for its clients.

    python -m cartwright.drop_in.agentgym --file-path webshop-1k/items_shuffle_1000.json [--port 36001]

Two of the original's answers are of no use to anybody: /state with the names of its keys, and no /close, so that clients
that close get 404 and environments are never freed. Here both work; ``exact=True`` (--exact) answers as the original."""

from __future__ import annotations

import argparse
import json
import random
import re
import time
from collections.abc import Callable
from threading import Lock
from typing import Any, NamedTuple
from urllib.parse import parse_qs
from wsgiref.simple_server import make_server

from . import site
from .web import _Quiet, _Server

ENV_IDX = ("env_idx", "int", True)
ROUTES = {"/": ("GET", ()), "/list_envs": ("GET", ()), "/create": ("POST", ()), "/close": ("POST", (ENV_IDX,)),
          "/step": ("POST", (ENV_IDX, ("action", "str", True))),
          "/reset": ("POST", (ENV_IDX, ("session_id", "int", False))),
          "/observation": ("GET", (ENV_IDX,)), "/available_actions": ("GET", (ENV_IDX,)),
          "/instruction_text": ("GET", (ENV_IDX,)), "/state": ("GET", (ENV_IDX,))}
LARGEST_NAME = 48957600


class Answer(NamedTuple):
    status: int
    text: str
    kind: str | None = "application/json"
    more: tuple[tuple[str, str], ...] = ()


class Refused(Exception):
    """A request of the wrong form: its complaints, as the original's framework writes them."""


def dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def complaint(kind: str, where: tuple[Any, ...], message: str, value: Any) -> dict[str, Any]:
    return {"type": kind, "loc": list(where), "msg": message, "input": value,
            "url": f"https://errors.pydantic.dev/2.10/v/{kind}"}


def read_int(value: Any, where: tuple[Any, ...]) -> int:
    """A number, also as a text or without a fraction; true is 1."""
    if isinstance(value, str):
        try:
            return int(re.sub(r"\.0+$", "", value))
        except ValueError:
            raise Refused(complaint("int_parsing", where,
                                    "Input should be a valid integer, unable to parse string as an integer", value)) from None
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise Refused(complaint("finite_number", where, "Input should be a finite number", value))
        if value != int(value):
            raise Refused(complaint("int_from_float", where,
                                    "Input should be a valid integer, got a number with a fractional part", value))
        return int(value)
    if not isinstance(value, int):
        raise Refused(complaint("int_type", where, "Input should be a valid integer", value))
    return int(value)


def read_fields(given: dict[str, Any], fields: tuple[Any, ...], place: str) -> dict[str, Any]:
    found, complaints = {}, []
    for name, kind, is_required in fields:
        value = given.get(name)
        if name not in given and is_required:
            complaints.append(complaint("missing", (place, name), "Field required", given if place == "body" else None))
        elif kind == "str" and not isinstance(value, str):
            complaints.append(complaint("string_type", (place, name), "Input should be a valid string", value))
        elif kind == "str" or value is None and not is_required:
            found[name] = value
        else:
            try:
                found[name] = read_int(value, (place, name))
            except Refused as problem:
                complaints += problem.args
    if complaints:
        raise Refused(*complaints)
    return found


def read_body(body: bytes, kind: str | None, fields: tuple[Any, ...]) -> dict[str, Any]:
    if not body:
        raise Refused(complaint("missing", ("body",), "Field required", None))
    given: Any = body.decode("utf-8", "replace")
    if kind is None or kind.split(";")[0].strip() == "application/json":
        try:
            given = json.loads(body)
        except json.JSONDecodeError as problem:
            raise Refused({"type": "json_invalid", "loc": ["body", problem.pos], "msg": "JSON decode error", "input": {},
                           "ctx": {"error": problem.msg}}) from None
    if not isinstance(given, dict):
        raise Refused(complaint("model_attributes_type", ("body",),
                                "Input should be a valid dictionary or object to extract fields from", given))
    return read_fields(given, fields, "body")


class Server:
    """The application. Each environment has prices and bounds of its own, from the time at which it is made."""

    def __init__(self, file_path: str | None = None, *, num_products: int | None = 1000, exact: bool = False,
                 now: Callable[[], float] = time.time, **options: Any):
        self._make = lambda: site.WebAgentTextEnv("text", file_path, num_products=num_products, protocol="agentgym",
                                                  **options)
        self.exact, self._now, self._lock = exact, now, Lock()
        self.environments: dict[int, site.WebAgentTextEnv] = {}

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> list[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        with self._lock:
            answer = self.answer(environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("QUERY_STRING", ""),
                                 environ["wsgi.input"].read(length), environ.get("CONTENT_TYPE") or None)
        headers = [("Content-Type", answer.kind)] if answer.kind else []
        start_response(f"{answer.status} -", [*headers, *answer.more])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.text.encode()]

    def answer(self, method: str, path: str, query: str = "", body: bytes = b"", kind: str | None = None) -> Answer:
        if path.endswith("/") and path[:-1] in ROUTES and path != "//":
            return Answer(307, "", None, (("Location", path[:-1]),))
        if path not in ROUTES or path == "/close" and self.exact:
            return Answer(404, dump({"detail": "Not Found"}))
        allowed, fields = ROUTES[path]
        if method != allowed:
            return Answer(405, dump({"detail": "Method Not Allowed"}), more=(("Allow", allowed),))
        try:
            if not fields:
                given: dict[str, Any] = {}
            elif allowed == "POST":
                given = read_body(body, kind, fields)
            else:
                last = {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}
                given = read_fields(last, fields, "query")
            text = dump(getattr(self, "_" + (path[1:] or "home"))(**given))
            text.encode()
            return Answer(200, text)
        except Refused as problem:
            try:
                return Answer(422, dump({"detail": list(problem.args)}))
            except ValueError:  # a number that JSON has not
                return Answer(500, "Internal Server Error", "text/plain; charset=utf-8")
        except Exception:  # noqa: BLE001  (the original's framework answers so whatever it was)
            return Answer(500, "Internal Server Error", "text/plain; charset=utf-8")

    def _home(self) -> str:
        return "ok"

    def _list_envs(self) -> list[int]:
        return list(self.environments)

    def _create(self) -> int:
        random.seed(self._now())
        name = random.randint(0, LARGEST_NAME)
        env = self._make()
        env.reset()
        self.environments[name] = env
        return name

    def _close(self, env_idx: int) -> bool:
        return self.environments.pop(env_idx, None) is not None

    def _step(self, env_idx: int, action: str) -> dict[str, Any]:
        action.encode()  # half a character is refused, as by the original's JSON
        state, reward, done, info = self.environments[env_idx].step(action)
        return {"state": state, "reward": float(reward), "done": done, "info": info}

    def _reset(self, env_idx: int, session_id: int | None = None) -> list[Any]:
        return list(self.environments[env_idx].reset(session_id))

    def _observation(self, env_idx: int) -> str:
        return self.environments[env_idx].observation

    def _available_actions(self, env_idx: int) -> dict[str, Any]:
        return self.environments[env_idx].get_available_actions()

    def _instruction_text(self, env_idx: int) -> str:
        return self.environments[env_idx].get_instruction_text()

    def _state(self, env_idx: int) -> dict[str, Any]:
        state = self.environments[env_idx].state
        return {name: name for name in state} if self.exact else state


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m cartwright.drop_in.agentgym", description=__doc__)
    parser.add_argument("--file-path", help="the items file, or a shop file; default: in $WEBSHOP_DATA")
    parser.add_argument("--exact", action="store_true", help="/state and /close as the original's")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    with make_server(options.host, options.port, Server(options.file_path, exact=options.exact), _Server, _Quiet) as server:
        print(f"http://{options.host}:{server.server_port}/")
        server.serve_forever()


if __name__ == "__main__":
    main()
