"""Plays recordings of the original WebShop programs through the drop-ins and compares everything that was recorded.

    python tests/python/recordings.py [FOLDER] [--shop FOLDER] [--sample N] [--show N]

A line per file: what was compared and what differs. --sample N plays every N-th section's episodes up to the first that is
left out only where the sections allow it: sessions live on, so a section is played from its start; N cuts its length."""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import random
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
RECORDINGS = Path(os.environ.get("CARTWRIGHT_RECORDINGS", HERE.parents[2] / "shared" / "recordings"))
SHOP = Path(os.environ.get("WEBSHOP_1K", HERE.parents[2] / "shared" / "webshop-1k"))
NOUNS = "nouns-spacy-3.6.1-sm-3.6.0.json.gz"


def lines(path):
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def digest(value):
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


TAGS = {"button", "a", "input", "label", "form", "img", "pre", "h1", "h2", "h3", "h4", "h5", "h6"}
WITH_TEXT = {"button", "a", "label", "pre", "h1", "h2", "h3", "h4", "h5", "h6"}
ATTRIBUTES = ("id", "name", "type", "value", "placeholder", "data-url", "for", "href", "src", "action", "method")


def read_html(html):
    """A page as the recordings hold it."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(html, "html.parser")
    title = soup.title.extract().get_text() if soup.title else None
    elements = []
    for element in soup.find_all(True):
        if element.name not in TAGS and not element.get("id") and not element.get("class"):
            continue
        entry = {"tag": element.name}
        entry.update({name: element[name] for name in ATTRIBUTES if element.has_attr(name)})
        if element.get("class"):
            entry["class"] = element["class"]
        if element.name in WITH_TEXT:
            entry["text"] = element.get_text().strip()
        elements.append(entry)
    texts = [text.strip() for text in soup.find_all(string=True)
             if text.strip() and type(text).__name__ == "NavigableString"]
    return {"html": {"title": title, "texts": texts, "elements": elements}}


def is_page(text):
    return isinstance(text, str) and text.startswith("<!DOCTYPE html>")


def plain(value):
    """A value as JSON has it, pages read."""
    if is_page(value):
        return read_html(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def same(recorded, found):
    """Equal, with 0 and 0.0 and False kept apart; object keys in any order."""
    if isinstance(recorded, dict) and isinstance(found, dict):
        return recorded.keys() == found.keys() and all(same(recorded[key], found[key]) for key in recorded)
    if isinstance(recorded, list) and isinstance(found, list):
        return len(recorded) == len(found) and all(map(same, recorded, found))
    return type(recorded) is type(found) and recorded == found


class Comparison:
    """Counts what is equal, keeps the first differences of each kind."""

    def __init__(self, show=3):
        self.equal, self.different, self.shown, self.show = Counter(), Counter(), [], show
        self.place = ""

    def check(self, what, recorded, found):
        recorded, found = plain(recorded), plain(found)
        if same(recorded, found):
            self.equal[what] += 1
            return True
        self.different[what] += 1
        if self.different[what] <= self.show:
            self.shown.append(f"{self.place}: {what}\n  recorded {shorten(recorded, found)}\n  found    "
                              f"{shorten(found, recorded)}")
        return False


def shorten(value, other, around=150):
    text, rest = json.dumps(value), json.dumps(other)
    i = next((i for i, (a, b) in enumerate(zip(text, rest)) if a != b), min(len(text), len(rest)))
    return ("…" if i > around else "") + text[max(0, i - around):i + around]


def attempt(call):
    """(result, exception as recorded)."""
    try:
        return call(), None
    except Exception as problem:  # noqa: BLE001
        return None, {"type": type(problem).__name__, "message": str(problem)}


def seed_of(entry):
    if entry.get("random_seed") is not None:
        random.seed(entry["random_seed"])


def check_goals(comparison, recorded, server):
    goals = list(server.goals)
    each = [digest(goal)[:16] for goal in goals]
    comparison.check("goal count", recorded["count"], len(goals))
    if recorded.get("each_sha256_16"):
        wanted = recorded["each_sha256_16"]
        comparison.check("goals, each digest in order", [wanted[i:i + 16] for i in range(0, len(wanted), 16)], each)
    comparison.check("goals, digest of all", recorded["all_sha256"], hashlib.sha256("\n".join(each).encode()).hexdigest())
    comparison.check("goals in full", recorded["first"], goals[:len(recorded["first"])])
    if "weights_sha256" in recorded:
        comparison.check("weights", recorded["weights_sha256"], digest(server.weights))
        comparison.check("cumulative weights", recorded["cum_weights_first"],
                         server.cum_weights[:len(recorded["cum_weights_first"])])
        comparison.check("cumulative weights, last", recorded["cum_weights_last"], server.cum_weights[-1])
    if "product_prices" in recorded:
        comparison.check("hidden prices", recorded["product_prices"], server.product_prices)


def check_session(comparison, episode, env):
    session = dict(env.server.user_sessions.get(episode.get("env_session", env.session), {}))
    goal = session.pop("goal", None)
    if "asins" in session:
        session["asins"] = sorted(session["asins"])
    comparison.check("user_session", episode["user_session"], session)
    if goal is not None and "goal_sha256_16" in episode:
        comparison.check("goal of the session", episode["goal_sha256_16"], digest(goal)[:16])


def play(comparison, episode, env, step, reset):
    """One episode. `step` and `reset` call what was recorded: the environment's, or a worker's."""
    seed_of(episode)
    returned, exception = attempt(lambda: reset(**episode["reset"]))
    if "reset_exception" in episode:
        comparison.check("reset exception", episode["reset_exception"], exception)
    else:
        comparison.check("reset", episode["reset_returned"], returned)
    comparison.check("session", episode["env_session"], env.session)
    after(comparison, episode, env)
    session = env.session
    for number, recorded in enumerate(episode["steps"]):
        comparison.place = f"{comparison.place.split(' step')[0]} step {number} {recorded['action']!r}"
        check_step(comparison, recorded, env, step)
    if "user_session" in episode:
        check_session(comparison, {**episode, "env_session": session}, env)


def check_step(comparison, recorded, env, step):
    seed_of(recorded)
    result, exception = attempt(lambda: step(recorded["action"]))
    if "exception" in recorded or exception:
        comparison.check("exception", recorded.get("exception"), exception)
    else:
        for name, value in zip(("obs", "reward", "done", "info"), result):
            comparison.check({"obs": "observation"}.get(name, name), recorded.get(name), value)
    after(comparison, recorded, env)


def after(comparison, recorded, env):
    if "available_actions" in recorded:
        comparison.check("available actions", recorded["available_actions"], env.get_available_actions())
    if "url" in recorded:
        comparison.check("url", recorded["url"], env.state["url"])
    text, exception = attempt(env.get_instruction_text)
    if "get_instruction_text_exception" in recorded:
        comparison.check("get_instruction_text exception", recorded["get_instruction_text_exception"], exception)
    elif "get_instruction_text" in recorded:
        comparison.check("get_instruction_text", recorded["get_instruction_text"], text)


def constructor(given, shop):
    options = dict(given)
    if isinstance(options.get("filter_goals"), str):
        options["filter_goals"] = eval(options["filter_goals"])  # noqa: S307  (recorded by ourselves)
    for name in ("file_path", "attr_path"):
        if name in options and not os.path.isabs(options[name]):
            options[name] = str(shop / options[name])
    return options


def make(path, given, shop, nouns, server=None, fresh=True):
    """(environment, step, reset) as the program of the file has them."""
    from cartwright.drop_in import minimal, site, verl_agent

    options = {"nouns_file": nouns, **constructor(given, shop)}
    options.setdefault("file_path", str(shop / "items_shuffle_1000.json"))
    if path.name.startswith("verl"):
        worker = verl_agent.WebshopWorker(options.pop("seed"), options)
        return worker.env, worker.step, lambda session: worker.reset(session)
    if path.name.startswith("minimal"):
        if fresh:
            minimal.SimServer._instance = None
        env = minimal.WebAgentTextEnv(**options)
    else:
        env = site.WebAgentTextEnv(server=server, **options)
    return env, env.step, env.reset


def play_pair(comparison, first, second):
    """Two environments that take turns: [(episode, (environment, step, reset)), ...]."""
    for episode, (env, step, reset) in (first, second):
        comparison.check("reset", episode["reset_returned"], reset(**episode["reset"]))
        after(comparison, episode, env)
    for steps in zip(first[0]["steps"], second[0]["steps"]):
        for recorded, (env, step, reset) in zip(steps, (first[1], second[1])):
            check_step(comparison, recorded, env, step)
    for episode, (env, step, reset) in (first, second):
        check_session(comparison, episode, env)


def check_misc(comparison, recorded, env):
    comparison.check("state", recorded["state"], env.state)
    comparison.check("previous observations", recorded["prev_obs"], env.prev_obs)
    comparison.check("previous actions", recorded["prev_actions"], env.prev_actions)
    comparison.check("render, close", [recorded["render"], recorded["close"]], [env.render(), env.close()])
    for name, owner in (("attributes", env), ("server_attributes", env.server), ("browser_attributes", env.browser)):
        comparison.check(name, [], [a for a in recorded[name] if not hasattr(owner, a)])


def check_product(comparison, recorded, env):
    item = env.server.all_products[recorded["index"]]
    comparison.check("a product in full", recorded["product_item"], item)


def replay_environment(comparison, path, shop, nouns, cut):
    """princeton-*, minimal and verl-agent-text: sections that begin with a header."""
    envs, waiting, n_played = {}, None, 0
    for entry in lines(path):
        kind = entry["type"]
        comparison.place = f"{path.name} {kind} {entry.get('n', '')} {entry.get('kind', '')}"
        seed_of({"random_seed": entry.get("random_seed_before_constructor")})
        if kind == "header":
            n_played = 0
            envs = {None: make(path, entry["constructor"], shop, nouns)}
            env = envs[None][0]
            comparison.check("first session", entry["first_session"], env.session)
            comparison.check("first observation", entry["first_observation"], env.observation)
            comparison.check("first goal", entry.get("first_goal_sha256_16"), None if "first_goal_sha256_16" not in entry
                             else digest(env.server.user_sessions[env.session]["goal"])[:16])
        elif kind == "singleton":
            envs = {name: make(path, given, shop, nouns, fresh=name == "first")
                    for name, given in zip(("first", "second"), entry["constructors"])}
            servers = [envs[name][0].server for name in envs]
            comparison.check("one server", [entry["same_server"], entry["goals"]],
                             [servers[0] is servers[1], [len(server.goals) for server in servers]])
        elif kind == "shared_server":
            given = {"num_products": 1000, "human_goals": False}
            envs = {"A": make(path, {"observation_mode": "text", **given}, shop, nouns)}
            envs["B"] = make(path, {"observation_mode": "text_rich", **given}, shop, nouns, envs["A"][0].server)
            comparison.check("sessions", entry["sessions"], [envs[name][0].session for name in envs])
        elif kind == "constructor":
            _, exception = attempt(lambda: make(path, entry["constructor"], shop, nouns))
            comparison.check("constructor exception", entry["exception"], exception)
        elif kind == "goals":
            check_goals(comparison, entry, envs[None][0].server)
        elif kind == "misc":
            check_misc(comparison, entry, envs["A"][0])
        elif kind == "product":
            check_product(comparison, entry, envs["A"][0])
        elif kind == "episode" and entry["kind"] == "interleaved":
            if waiting:
                play_pair(comparison, waiting, (entry, envs[entry["env"]]))
            waiting = None if waiting else (entry, envs[entry["env"]])
        elif kind == "episode" and (cut is None or n_played < cut or None not in envs):
            n_played += 1
            env, step, reset = envs[entry.get("env")]
            if "A" in envs:
                env.server.assigned_instruction_text = "find a thing"
            play(comparison, entry, env, step, reset)


def replay_vector(comparison, path, shop, nouns, cut):
    """verl-agent-vector: draws, goals and steps of its vector environment."""
    from cartwright.drop_in import verl_agent

    vector = None
    seeds = {}
    for entry in lines(path):
        kind = entry["type"]
        comparison.place = f"{path.name} {kind} {entry.get('n', entry.get('seed', ''))}"
        if kind in ("header", "constructor_error"):
            given = dict(entry["constructor"])
            given["env_kwargs"] = {"nouns_file": nouns, **constructor(given.get("env_kwargs") or {}, shop)}
            built, exception = attempt(lambda: verl_agent.build_webshop_envs(resources_per_worker={}, **given))
            if kind == "constructor_error":
                comparison.check("constructor exception", entry["exception"], exception)
                continue
            vector = built
            if "goal_idxs" in entry:
                comparison.check("goal_idxs", entry["goal_idxs"], [vector.goal_idxs[0], vector.goal_idxs[-1] + 1])
            seeds.update({given["seed"] + i // given["group_n"]: worker for i, worker in enumerate(vector._workers)})
        elif kind == "reset":
            observations, infos = vector.reset()
            firsts = vector._workers[::vector.group_n]
            comparison.check("draws", entry["draws"], [int(worker.env.session) for worker in firsts])
            comparison.check("info", [entry["info_of_each"]] * vector.num_processes, infos)
            for group, recorded in enumerate(entry["workers"]):
                env = firsts[group].env
                goal = env.server.user_sessions[env.session]["goal"]
                comparison.check("goal", [recorded["goal_sha256_16"], recorded["asin"]], [digest(goal)[:16], goal["asin"]])
                comparison.check("observation", [recorded["obs"]] * vector.group_n,
                                 observations[group * vector.group_n:(group + 1) * vector.group_n])
        elif kind == "worker_goals":
            goals = seeds[entry["seed"]].get_goals()
            each = [digest(goal)[:16] for goal in goals]
            comparison.check("goals of a worker", [entry["count"], entry["all_sha256"], entry["first3"]],
                             [len(goals), hashlib.sha256("\n".join(each).encode()).hexdigest(),
                              [goal["asin"] for goal in goals[:3]]])
        elif kind == "vector_reset":
            observations, infos = vector.reset()
            comparison.check("vector reset", [entry["obs"], entry["infos"]], [observations, infos])
        elif kind == "vector_step":
            result = vector.step(entry["actions"])
            for name, value in zip(("obs", "rewards", "dones", "infos"), result):
                comparison.check(f"vector step, {name}", entry[name], value)
        elif kind == "vector_step_error":
            _, exception = attempt(lambda: vector.step(["search[a]"] * entry["n_actions"]))
            comparison.check("vector step exception", entry["exception"], exception)
        elif kind == "render":
            comparison.check("render", [entry["returned"], entry["one"]], [vector.render(), vector.render(env_idx=0)])


def replay_projection(comparison, path, *ignored):
    from cartwright.drop_in.verl_agent import webshop_projection

    for entry in lines(path):
        if entry["type"] == "call":
            actions, valids = webshop_projection(entry["input"])
            for said, *pairs in zip(entry["input"], zip(entry["actions"], entry["valids"]), zip(actions, valids)):
                comparison.place = repr(said)
                comparison.check("projection", list(pairs[0]), list(pairs[1]))


def replay_agentgym(comparison, path, shop, nouns, cut):
    """The requests to AgentGym's server, in order, and what was behind it. Its documentation pages are not compared."""
    from itertools import count
    from urllib.parse import urlsplit

    from cartwright.drop_in import agentgym

    created = count()
    server = agentgym.Server(str(shop / "items_shuffle_1000.json"), exact=True, nouns_file=nouns,
                             now=lambda: 1700000000.0 + next(created))
    for number, entry in enumerate(lines(path)):
        comparison.place = f"{path.name} line {number + 1} {entry.get('method')} {entry.get('path')} {entry.get('body')}"
        if entry["type"] == "behind":
            env = server.environments[entry["env_idx"]]
            check_goals(comparison, entry, env.server)
            sessions = {name: {**held, "asins": sorted(held["asins"])}
                        for name, held in env.server.user_sessions.items()}
            comparison.check("goals of sessions", entry["session_goals"],
                             {name: digest(held.pop("goal"))[:16] for name, held in sessions.items()})
            comparison.check("user_sessions", entry["sessions"], sessions)
        elif entry["type"] == "request" and entry["path"] not in ("/openapi.json", "/docs"):
            where = urlsplit("http://host" + entry["path"])
            answer = server.answer(entry["method"], where.path, where.query, (entry["body"] or "").encode(),
                                   entry["content_type"])
            comparison.check("status", entry["status"], answer.status)
            comparison.check("type", entry["response_content_type"], answer.kind)
            comparison.check("allow", entry["allow"], dict(answer.more).get("Allow"))
            comparison.check("answer", entry["response"], "" if entry["method"] == "HEAD" else answer.text)


def replay_site(comparison, path, shop, nouns, cut):
    """The requests to the web site, in order, and what it logged. Style sheets are not compared."""
    import tempfile
    from io import BytesIO
    from urllib.parse import unquote

    from cartwright.drop_in import web

    with tempfile.TemporaryDirectory() as folder:
        site = logs = None
        for number, entry in enumerate(lines(path)):
            comparison.place = f"{path.name} line {number + 1} {entry.get('method')} {entry.get('path')} {entry.get('body')}"
            if entry["type"] == "header":
                logs = Path(folder, str(number))
                random.seed(entry["random_seed_before_first_request"])
                site = web.Site(str(shop / "items_shuffle_1000.json"), human_goals=entry["goals"] == "human",
                                show_attrs="--attrs" in entry["arguments"], nouns_file=nouns,
                                log=str(logs) if "--log" in entry["arguments"] else None)
            elif entry["type"] == "log":
                comparison.check("log", entry["text"], (logs / entry["file"]).read_text())
            elif entry["type"] == "behind":
                check_goals(comparison, entry, site.server)
            elif entry["type"] == "request" and not entry["path"].startswith("/static/"):
                sent = {}
                body = (entry["body"] or "").encode()
                answer = b"".join(site(
                    {"REQUEST_METHOD": entry["method"], "wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body)),
                     "PATH_INFO": unquote(entry["path"].split("?")[0]).encode().decode("latin-1"),
                     "HTTP_HOST": "127.0.0.1:3000"},
                    lambda status, headers: sent.update({k.lower(): v for k, v in headers}, status=status)))
                comparison.check("status", entry["status"], int(sent["status"].split()[0]))
                comparison.check("type", entry["content_type"], sent["content-type"])
                comparison.check("location", entry["location"], sent.get("location"))
                comparison.check("page", entry["response"], read_html(answer.decode()) if answer else "")


REPLAYS = (("princeton", replay_environment), ("minimal", replay_environment), ("verl-agent-text", replay_environment),
           ("verl-agent-vector", replay_vector), ("verl-agent-projection", replay_projection),
           ("agentgym", replay_agentgym), ("site", replay_site))


def replay(path, shop=SHOP, nouns=None, cut=None, show=3):
    """The comparison of one file; None for a file that is not played through the drop-ins."""
    for prefix, play_file in REPLAYS:
        if path.name.startswith(prefix):
            comparison = Comparison(show)
            play_file(comparison, path, shop, nouns or nouns_file(path.parent), cut)
            return comparison
    return None


def report(name, comparison, out=sys.stdout):
    equal, different = sum(comparison.equal.values()), sum(comparison.different.values())
    print(f"{name}: {equal} equal, {different} different", dict(comparison.different) or "", file=out)
    for text in comparison.shown:
        print("  " + text.replace("\n", "\n  "), file=out)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", default=RECORDINGS, type=Path)
    parser.add_argument("--shop", default=SHOP, type=Path)
    parser.add_argument("--cut", type=int, help="play so many episodes of each section; default: all")
    parser.add_argument("--show", type=int, default=3, help="differences of each kind to show")
    parser.add_argument("--only", default="", help="files whose names hold this")
    options = parser.parse_args()
    bad = 0
    for path in sorted(options.folder.glob("*.jsonl.gz")):
        comparison = replay(path, options.shop, None, options.cut, options.show) if options.only in path.name else None
        if comparison:
            report(path.name, comparison)
            print("   ", dict(comparison.equal))
            bad += sum(comparison.different.values())
    return 1 if bad else 0


def nouns_file(folder):
    """The nouns of the recordings, unpacked."""
    import tempfile

    target = Path(tempfile.gettempdir()) / f"cartwright-{NOUNS[:-3]}"
    with gzip.open(folder / NOUNS) as file:
        target.write_bytes(file.read())
    return str(target)


if __name__ == "__main__":
    sys.exit(main())
