"""The drop-ins against what the original programs did."""

import importlib
import json
import sys
from pathlib import Path

import pytest
import recordings
from cartwright import protocols
from cartwright.drop_in import pages, site

FILES = ["princeton-text", "princeton-text_rich", "princeton-html", "princeton-url", "princeton-variants", "minimal",
         "verl-agent-text", "verl-agent-projection", "agentgym-http", "site"]
SLOW = ["verl-agent-vector"]
WHOLE = ["agentgym-http", "site"]
CUT = 6  # episodes of each section, unless CARTWRIGHT_REPLAY=full


@pytest.mark.parametrize("name", FILES + SLOW)
def test_a_recording_replays_identically(name, recorded, webshop, full):
    if name in SLOW and not full:
        pytest.skip("takes a minute: CARTWRIGHT_REPLAY=full")
    path = recorded / f"{name}.jsonl.gz"
    comparison = recordings.replay(path, webshop, None, None if full or name in WHOLE else CUT)
    assert not comparison.shown, "\n".join(comparison.shown)
    assert sum(comparison.equal.values()) > 20


@pytest.fixture
def foreign(monkeypatch):
    """The modules under their foreign names, as the distribution cartwright-drop-in has them."""
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "doors" / "python" / "drop_in"))
    yield importlib.import_module
    for name in [name for name in sys.modules if name.split(".")[0] in ("web_agent_site", "webshop_minimal")]:
        del sys.modules[name]


def test_modules_have_the_names_that_programs_import(foreign):
    assert foreign("web_agent_site.envs").WebAgentTextEnv is site.WebAgentTextEnv
    assert foreign("web_agent_site.utils").DEFAULT_FILE_PATH.endswith("items_shuffle_1000.json")
    minimal = foreign("webshop_minimal")
    minimal.init_basedir("small")
    assert foreign("webshop_minimal.utils").DEFAULT_FILE_PATH.endswith("items_shuffle_1000.json")
    assert foreign("webshop_minimal.engine").parse_action("click[x]") == ("click", "x")
    with pytest.raises(ValueError, match="dataset must be either"):
        minimal.init_basedir("medium")


def test_verl_agent_module_can_be_put_in_place():
    from cartwright.drop_in import verl_agent

    name = "agent_system.environments.env_package.webshop"
    verl_agent.install()
    try:
        assert sys.modules[name].build_webshop_envs is verl_agent.build_webshop_envs
    finally:
        del sys.modules[name]


def test_the_site_is_served(webshop, monkeypatch, tmp_path):
    import threading
    from http.client import HTTPConnection
    from wsgiref.simple_server import make_server

    from cartwright.drop_in import web

    application = web.Site(str(webshop / "items_shuffle_1000.json"), log=str(tmp_path))
    with make_server("127.0.0.1", 0, application, web._Server, web._Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        connection = HTTPConnection("127.0.0.1", server.server_port)
        connection.request("POST", "/fixed_3", "search_query=red+shoes", {"Content-Type": "application/x-www-form-urlencoded"})
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Location")) == (302, "/search_results/fixed_3/%5B'red',%20'shoes'%5D/1")
        answer.read()
        connection.request("GET", answer.getheader("Location"))
        page = connection.getresponse().read().decode()
        server.shutdown()
    assert "Page 1 (Total results:" in page and 'class="product-link"' in page
    assert '"keywords": ["red", "shoes"]' in (tmp_path / "fixed_3.jsonl").read_text()


def test_agentgym_environments_can_be_closed(webshop):
    from cartwright.drop_in import agentgym

    server = agentgym.Server(str(webshop / "items_shuffle_1000.json"))
    name = int(server.answer("POST", "/create").text)
    state = json.loads(server.answer("GET", "/state", f"env_idx={name}").text)
    assert state["html"].startswith("<!DOCTYPE html>") and state["instruction_text"].startswith("Instruction: ")
    body = json.dumps({"env_idx": name}).encode()
    assert server.answer("POST", "/close", "", body, "application/json") == (200, "true", "application/json", ())
    assert server.answer("GET", "/observation", f"env_idx={name}").status == 500 and not server.environments


def test_images_have_their_features(webshop, tmp_path):
    torch = pytest.importorskip("torch")
    for name in ("items_shuffle_1000.json", "items_ins_v2_1000.json"):
        (tmp_path / name).symlink_to(webshop / name)
    env = site.WebAgentTextEnv("text", str(tmp_path / "items_shuffle_1000.json"), num_products=1000, get_image=1)
    product = env.server._stock.at(7)
    torch.save([env.server._stock.image(product.asin)], tmp_path / "feat_ids.pt")
    torch.save(torch.ones(1, 512), tmp_path / "feat_conv.pt")
    assert env.get_image().sum() == 0
    env.step(f"search[{product.title}]")
    env.step(f"click[{product.asin.lower()}]")
    assert env.get_image().sum() == 512


def test_actions_are_parsed_as_the_original_does():
    assert site.parse_action("search[a][b]") == ("search[a]", "b")
    assert site.parse_action("click[description]x") == ("click", "description")
    assert site.parse_action(" click[x]") == (" click", "x")
    assert site.parse_action("think") == ("think", None)


def test_addresses_keep_what_the_original_keeps():
    assert pages.address(keywords=["men's", '42"', "a&b"], options={"size": "s"}) == (
        "/?keywords=men's&keywords=42%22&keywords=a%26b&options=%7B'size'%3A+'s'%7D")


def test_unknown_protocols_are_named(webshop):
    with pytest.raises(ValueError, match="protocol: expected one of princeton, verl_agent, agentgym, minimal"):
        site.WebAgentTextEnv("text", str(webshop / "items_shuffle_1000.json"), protocol="unknown")


@pytest.mark.parametrize("protocol", ["princeton", "verl_agent", "agentgym", "minimal"])
def test_the_shop_draws_as_the_drop_in_does(protocol, webshop):
    """The option `protocol` of the plugin, against the draws made in Python."""
    import random

    import cartwright
    from cartwright.drop_in.draws import draw
    from cartwright.drop_in.goals import Goals

    stock = site.stock_of(str(webshop / "items_shuffle_1000.json"), None, 1000, False, protocol, None)
    stream = random.Random(1003)
    goals = Goals(stock, draw(stock, stream, protocol, 1003))
    shop = cartwright.open_environment("webshop", shop=str(webshop), protocol=protocol, price_seed=1003)
    assert shop.facts["protocol"] == protocol
    for i in (0, 1, 17, 4000, 6909):
        goal = shop.ask("goal", i)
        assert (goal["asin"], goal["instruction"], goal["options"], goal["price_upper"]) == (
            goals[i]["asin"], goals[i]["instruction_text"], goals[i]["goal_options"], goals[i]["price_upper"])


def test_agentgym_makes_a_crowd_goal_for_each_bound(webshop):
    import random

    import cartwright
    from cartwright.drop_in.draws import draw
    from cartwright.drop_in.goals import Goals

    stock = site.stock_of(str(webshop / "items_shuffle_1000.json"), None, 1000, True, "agentgym", None)
    goals = Goals(stock, draw(stock, random.Random(1003), "agentgym"))
    shop = cartwright.open_environment("webshop", shop=str(webshop), protocol="agentgym", price_seed=1003, goals="human")
    assert len(goals) == shop.n_goals("all") == 52 and len({goal["instruction_text"] for goal in goals}) == 52
    for i in range(52):
        goal = shop.ask("goal", i)
        assert (goal["asin"], goal["instruction"], goal["price_upper"]) == (
            goals[i]["asin"], goals[i]["instruction_text"], goals[i]["price_upper"])


def test_the_first_validation_of_verl_agent_is_the_recorded_one(recorded, webshop):
    """Goals, bounds and instructions of all 256 episodes, against the two resets that were recorded."""
    shown, goals, wanted = [], [], False
    for entry in recordings.lines(recorded / "verl-agent-vector.jsonl.gz"):
        if entry["type"] == "header":
            wanted = entry["constructor"]["seed"] == 1000 and not entry["constructor"]["is_train"]
        elif entry["type"] == "reset" and wanted and entry["n"] < 2:
            shown += [worker["obs"].split(" [SEP] ")[2] for worker in entry["workers"]]
            goals += [worker["asin"] for worker in entry["workers"]]
    episodes = protocols.Episodes("verl-first-validation", str(webshop))
    assert episodes.instructions() == shown
    assert [episodes.environment.ask("goal", i)["asin"] for i in range(256)] == goals


@pytest.mark.parametrize("name, n, digest", [("fixed-500", 500, "944ac8c751b8571e"),
                                             ("by-product", 252, "782a4880410b3485"),
                                             ("verl-first-validation", 256, "b0f6c4ee76d413a1"),
                                             ("full-human", 13, None)])
def test_protocols_have_their_digests(name, n, digest, webshop):
    episodes = protocols.Episodes(name, str(webshop))
    assert episodes.n == n and digest in (None, protocols.digest(episodes.instructions()))


def test_the_validation_of_verl_agent_wants_its_protocol(webshop):
    with pytest.raises(ValueError, match="set 'protocol: verl_agent'"):
        protocols.Episodes("verl-first-validation", str(webshop), protocol="princeton")
