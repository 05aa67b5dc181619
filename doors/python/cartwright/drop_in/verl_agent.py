"""verl-agent's vector layer without actors: all workers in this process, over one shop.

    from cartwright.drop_in.verl_agent import build_webshop_envs, webshop_projection

in the place of agent_system.environments.env_package.webshop, or call :func:`install` before the trainer starts and
change nothing else. A worker has the goals, prices and random stream that its seed gives it, as in a process of its own."""

from __future__ import annotations

import random
import re
import sys
import types
from typing import Any

import numpy

from . import site
from .draws import draw

CJK = re.compile(r"[\u4e00-\u9fff]")


def webshop_projection(actions: list[str]) -> tuple[list[str], list[int]]:
    """What models say into actions: lower case, the text between the action tags, else the last 20 characters; and
    whether it was said as asked for (both tags, thoughts before, no Chinese)."""
    taken, valids = [], []
    for said in actions:
        lower = said.lower()
        start, end = lower.find("<action>"), lower.find("</action>")
        if start == -1 or end == -1:
            taken.append(lower[-20:])
            valids.append(0)
            continue
        taken.append(lower[start + len("<action>"):end].strip())
        valids.append(int("<think>" in said and "</think>" in said and not CJK.search(said)))
    return taken, valids


class WebshopWorker:
    """One environment with its own stream."""

    def __init__(self, seed: int, env_kwargs: dict[str, Any], _draw: Any = None):
        options = {"observation_mode": "text", **env_kwargs, "seed": seed, "random": random.Random(), "_draw": _draw}
        self.env = site.WebAgentTextEnv(**options)

    def step(self, action: str) -> tuple[str, float, bool, dict[str, Any]]:
        observation, score, done, info = self.env.step(action)
        won = bool(done and score == 1.0)
        info = {**(info or {}), "available_actions": self.env.get_available_actions(), "task_score": score, "won": won}
        return observation, 10.0 if won else 0, done, info

    def reset(self, index: int) -> tuple[str, dict[str, Any]]:
        observation, info = self.env.reset(session=index)
        return observation, {**(info or {}), "available_actions": self.env.get_available_actions(), "won": False}

    def render(self, mode: str = "rgb_array") -> Any:
        return self.env.render(mode=mode)

    def get_available_actions(self) -> dict[str, Any]:
        return self.env.get_available_actions()

    def get_goals(self) -> Any:
        return self.env.server.goals

    def close(self) -> None:
        self.env.close()


class WebshopMultiProcessEnv(site.Env):
    """``env_num`` groups of ``group_n`` workers; the workers of a group share a seed and, at each reset, a goal."""

    def __init__(self, seed: int, env_num: int, group_n: int, resources_per_worker: Any = None, is_train: bool = True,
                 env_kwargs: dict[str, Any] | None = None):
        self.group_n, self.env_num, self.is_train = group_n, env_num, is_train
        self.num_processes = env_num * group_n
        if not is_train:
            assert group_n == 1
        self._rng = numpy.random.RandomState(seed)
        self._env_kwargs = env_kwargs if env_kwargs is not None else {"observation_mode": "text", "num_products": None}
        self._workers = [worker for group in range(env_num) for worker in self._group(seed + group)]
        n_goals = len(self._workers[0].env.server.goals)
        self.goal_idxs = range(500, n_goals) if is_train else range(500)

    def _group(self, seed: int) -> list[WebshopWorker]:
        """Workers with one seed draw the same; it is drawn once."""
        given = self._env_kwargs
        stock = site.stock_of(given.get("file_path") or site.default_file("items_shuffle_1000.json"),
                              given.get("attr_path"), given.get("num_products"), given.get("human_goals"), "verl_agent",
                              given.get("nouns_file"))
        drawn = draw(stock, random.Random(), "verl_agent", seed)
        return [WebshopWorker(seed, given, drawn) for _ in range(self.group_n)]

    def step(self, actions: list[str]) -> tuple[list[str], list[float], list[bool], list[dict[str, Any]]]:
        if len(actions) != self.num_processes:
            raise ValueError(f"Expected {self.num_processes} actions, got {len(actions)}")
        results = [worker.step(action) for worker, action in zip(self._workers, actions)]
        observations, rewards, dones, infos = (list(column) for column in zip(*results))
        return observations, rewards, dones, infos

    def reset(self) -> tuple[list[str], list[dict[str, Any]]]:
        drawn = self._rng.choice(self.goal_idxs, size=self.env_num, replace=False)
        indices = numpy.repeat(drawn, self.group_n).tolist()
        results = [worker.reset(index) for worker, index in zip(self._workers, indices)]
        observations, infos = (list(column) for column in zip(*results))
        return observations, infos

    def render(self, mode: str = "text", env_idx: int | None = None) -> Any:
        if env_idx is not None:
            return self._workers[env_idx].render(mode)
        return [worker.render(mode) for worker in self._workers]

    def close(self) -> None:
        for worker in self._workers:
            worker.close()


def build_webshop_envs(seed: int, env_num: int, group_n: int, resources_per_worker: Any = None, is_train: bool = True,
                       env_kwargs: dict[str, Any] | None = None) -> WebshopMultiProcessEnv:
    return WebshopMultiProcessEnv(seed, env_num, group_n, resources_per_worker, is_train, env_kwargs)


def install() -> None:
    """Puts this module in the place of agent_system.environments.env_package.webshop for later imports."""
    module = types.ModuleType("agent_system.environments.env_package.webshop")
    module.build_webshop_envs, module.webshop_projection = build_webshop_envs, webshop_projection
    sys.modules[module.__name__] = module
