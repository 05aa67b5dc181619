"""Shops as Gymnasium environments: one session, and many that are stepped together in C.

Observations and actions are texts. An action is the text of a candidate, its number in ``info["candidates"]``, or any
text in the shop's grammar; an action that the page does not offer changes nothing and earns nothing, as on the site.
"""

from __future__ import annotations

import itertools
from typing import Any, Sequence

import gymnasium
import numpy
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from . import _core
from ._environment import Environment, open_environment

ENDS = ("success", "score", "parts", "facts")
LONGEST = 1 << 20  # characters of a page; the longest of WebShop's have some thousand


class Words(gymnasium.spaces.Text):
    """Any text up to a length: a Text space without an alphabet."""

    def __init__(self, max_length: int = LONGEST, seed: int | numpy.random.Generator | None = None):
        super().__init__(max_length, min_length=0, seed=seed)

    def contains(self, x: Any) -> bool:
        return isinstance(x, str) and len(x) <= self.max_length

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        letters = self.np_random.integers(97, 123, size=int(self.np_random.integers(1, 12)))
        return f"search[{bytes(letters.tolist()).decode()}]"

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Words) and other.max_length == self.max_length

    def __repr__(self) -> str:
        return f"Words({self.max_length})"


class Goals:
    """Which goal an episode is about: drawn from the split, or one after the other."""

    def __init__(self, environment: Environment, split: str, order: str):
        if order not in ("random", "in_order"):
            raise ValueError(f"goals: expected 'random' or 'in_order', found {order!r}")
        self.split, self.order, self.next = split, order, 0
        self.n = environment.n_goals(split)
        if self.n == 0:
            raise ValueError(f"split {split!r} has no goals")

    def draw(self, random: numpy.random.Generator) -> int:
        if self.order == "random":
            return int(random.integers(self.n))
        self.next += 1
        return (self.next - 1) % self.n


class ShopEnv(gymnasium.Env):
    """One shopper.

    ``reset(options={"goal": 3})`` starts on a goal of the split; without, goals are drawn with the environment's own
    generator (``seed``) or, with ``goals="in_order"``, taken one after the other. ``info`` holds ``candidates`` always,
    ``goal`` and ``instruction`` at reset, and at the end ``success``, ``score``, ``parts`` (of the reward) and
    ``facts``.
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 1}

    def __init__(self, environment: Environment, *, split: str = "train", goals: str = "random",
                 render_mode: str | None = None):
        self.environment = environment
        self.render_mode = render_mode
        self.observation_space = Words()
        self.action_space = Words(4096)
        self.goals = Goals(environment, split, goals)
        self._vector = _core.Vector([environment.core], 1, 1)
        self._text = ""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        super().reset(seed=seed)
        options = options or {}
        goal = options.get("goal")
        if goal is None:
            goal = self.goals.draw(self.np_random)
        episode = options.get("episode", int(self.np_random.integers(1 << 62)))
        self._vector.reset(None, options.get("split", self.goals.split), [goal], [episode])
        self._text = self._vector.texts(None)[0]
        return self._text, self._vector.info(0)

    def step(self, action: str | int) -> tuple[str, float, bool, bool, dict[str, Any]]:
        self._text, reward, terminated, truncated, candidates = self._vector.step_one(0, action)
        info = self._vector.info(0) if terminated or truncated else {"candidates": candidates}
        return self._text, reward, terminated, truncated, info

    def scripted_action(self, script: str) -> int:
        """The candidate that a scripted agent ("rule", "reader", "oracle") takes now; ask once a step."""
        return self._vector.script(0, script)

    def render(self) -> str | None:
        return self._text if self.render_mode == "ansi" else None


class ShopVectorEnv(VectorEnv):
    """Many shoppers in one shop, stepped in C by a few threads without the interpreter's lock.

    ``step`` takes a sequence of actions (texts or candidates' numbers) and returns ``(texts, rewards, terminations,
    truncations, infos)``; ``infos["candidates"]`` is an object array with a sequence of texts each. Autoreset as Gymnasium has it:
    ``NextStep`` (the default: the step after the end resets and ignores its action), ``SameStep`` (with ``final_obs``
    and ``final_info``) or ``Disabled`` (``reset(options={"reset_mask": mask})``).
    """

    def __init__(self, environment: Environment, num_envs: int, threads: int = 1, *, split: str = "train",
                 goals: str = "random", autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP):
        self.environment = environment
        self.num_envs = num_envs
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {"autoreset_mode": self.autoreset_mode}
        self.single_observation_space, self.single_action_space = Words(), Words(4096)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.goals = Goals(environment, split, goals)
        self._vector = _core.Vector([environment.core], num_envs, threads)
        self._over = numpy.zeros(num_envs, dtype=bool)
        self._texts: list[str] = [""] * num_envs
        self._candidates = numpy.empty(num_envs, dtype=object)

    def reset(self, *, seed: int | Sequence[int] | None = None,
              options: dict[str, Any] | None = None) -> tuple[tuple[str, ...], dict[str, Any]]:
        """``options``: ``goals`` (a sequence, one for each environment that is reset), ``reset_mask``."""
        if seed is not None and not isinstance(seed, int):
            seed = int(numpy.random.SeedSequence(list(seed)).generate_state(1)[0])
        super().reset(seed=seed)
        options = options or {}
        mask = options.get("reset_mask")
        chosen = range(self.num_envs) if mask is None else numpy.flatnonzero(mask).tolist()
        self._begin(chosen, options.get("goals"))
        self._look(chosen)
        return tuple(self._texts), self._infos(chosen)

    def step(self, actions: Sequence[str | int], sessions: Sequence[int] | None = None) -> tuple[
            tuple[str, ...], numpy.ndarray, numpy.ndarray, numpy.ndarray, dict[str, Any]]:
        """``sessions`` (ours, with autoreset disabled): step only these; the others' actions are ignored."""
        again: list[int] = []
        if sessions is not None:
            if self.autoreset_mode is not AutoresetMode.DISABLED:
                raise ValueError("sessions: expected autoreset_mode='Disabled'")
            sessions = [int(i) for i in sessions]
            self._vector.step(sessions, [actions[i] for i in sessions])
        elif not self._over.any():
            self._vector.step(None, actions)
        elif self.autoreset_mode is AutoresetMode.NEXT_STEP:
            again = numpy.flatnonzero(self._over).tolist()
            running = numpy.flatnonzero(~self._over).tolist()
            if len(actions) != self.num_envs:
                raise ValueError(f"expected {self.num_envs} actions, one for each session, found {len(actions)}")
            self._vector.step(running, [actions[i] for i in running])
            self._begin(again, None)
        else:
            raise RuntimeError("some episodes are over: reset(options={'reset_mask': ...}) first")
        rewards, terminated, truncated = self._outcomes()
        self._over = terminated | truncated
        over = numpy.flatnonzero(self._over).tolist() if self._over.any() else []
        infos: dict[str, Any] = {}
        if over and self.autoreset_mode is AutoresetMode.SAME_STEP:
            infos = self._final(over)
            self._begin(over, None)
            self._look(None)
            infos.update(self._infos(over))
        else:
            self._look(sessions)
            infos = self._infos(again)
            if over:
                infos.update(self._columns(over, [self._vector.end(i) for i in over], ENDS))
        return tuple(self._texts), rewards, terminated, truncated, infos

    def scripted_actions(self, script: str) -> list[int]:
        """What a scripted agent does in every session whose episode runs, and 0 elsewhere; ask once a step."""
        return [0 if self._over[i] else self._vector.script(i, script) for i in range(self.num_envs)]

    def _begin(self, sessions: Sequence[int], goals: Sequence[int] | None) -> None:
        if goals is None:
            goals = [self.goals.draw(self.np_random) for _ in sessions]
        episodes = self.np_random.integers(1 << 62, size=len(sessions)).tolist()
        self._vector.reset(list(sessions), self.goals.split, list(goals), episodes)
        self._over[list(sessions)] = False

    def _look(self, sessions: Sequence[int] | None) -> None:
        """Takes what some sessions show, or all; the others have not changed."""
        if sessions is None or len(sessions) == self.num_envs:
            self._texts = self._vector.texts(None)
            self._candidates = numpy.fromiter(self._vector.candidates(None), dtype=object, count=self.num_envs)
            return
        self._candidates = self._candidates.copy()  # the last one was given away
        for i, text, candidates in zip(sessions, self._vector.texts(sessions), self._vector.candidates(sessions)):
            self._texts[i], self._candidates[i] = text, candidates

    def _outcomes(self) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
        rewards, terminated, truncated = self._vector.outcomes()
        return (numpy.frombuffer(rewards).copy(), numpy.frombuffer(terminated, dtype=bool).copy(),
                numpy.frombuffer(truncated, dtype=bool).copy())

    def _infos(self, started: Sequence[int]) -> dict[str, Any]:
        n = self.num_envs
        infos: dict[str, Any] = {"candidates": self._candidates, "_candidates": numpy.ones(n, dtype=bool)}
        if started:
            mask = numpy.zeros(n, dtype=bool)
            mask[list(started)] = True
            goals, instructions = numpy.empty(n, dtype=object), numpy.empty(n, dtype=object)
            for i in started:
                goals[i], instructions[i] = self._vector.task(i)
            infos.update(goal=goals, _goal=mask, instruction=instructions, _instruction=mask.copy())
        return infos

    def _columns(self, sessions: list[int], infos: list[dict[str, Any]], names: Sequence[str]) -> dict[str, Any]:
        """Infos of some sessions as Gymnasium's vectors have them: an array and a mask for each name, dictionaries
        inside likewise. Names that the same sessions have share a mask."""
        columns: dict[str, Any] = {}
        whole = numpy.zeros(self.num_envs, dtype=bool)
        whole[sessions] = True
        for name in names:
            which, values, mask = sessions, [info.get(name) for info in infos], whole
            if None in values:
                which = [i for i, value in zip(sessions, values) if value is not None]
                values = [value for value in values if value is not None]
                mask = numpy.zeros(self.num_envs, dtype=bool)
                mask[which] = True
            if not which:
                continue
            first = values[0]
            if isinstance(first, dict):
                keys = dict.fromkeys(itertools.chain.from_iterable(values))
                columns[name] = self._columns(which, values, list(keys))
            elif isinstance(first, (bool, int, float)):
                columns[name] = numpy.zeros(self.num_envs, dtype=type(first))
                columns[name][which] = values
            else:
                columns[name] = numpy.empty(self.num_envs, dtype=object)
                for i, value in zip(which, values):
                    columns[name][i] = value
            columns["_" + name] = mask
        return columns

    def _final(self, over: list[int]) -> dict[str, Any]:
        final = numpy.empty(self.num_envs, dtype=object)
        mask = numpy.zeros(self.num_envs, dtype=bool)
        mask[over] = True
        for i, text in zip(over, self._vector.texts(over)):
            final[i] = text
        infos = [self._vector.info(i) for i in over]
        return {"final_obs": final, "_final_obs": mask, "final_info": self._columns(over, infos, list(infos[0])),
                "_final_info": mask.copy()}


def _one(**options: Any) -> ShopEnv:
    own = {k: options.pop(k) for k in ("split", "goals", "render_mode") if k in options}
    return ShopEnv(open_environment("webshop", **options), **own)


def _many(num_envs: int = 1, threads: int = 1, **options: Any) -> ShopVectorEnv:
    own = {k: options.pop(k) for k in ("split", "goals", "autoreset_mode") if k in options}
    options.pop("vectorization_mode", None)
    return ShopVectorEnv(open_environment("webshop", **options), num_envs, threads, **own)


def register() -> None:
    """Makes ``gymnasium.make("cartwright/WebShop-v0", shop=...)`` and ``make_vec`` work; ``import cartwright`` calls
    it."""
    if "cartwright/WebShop-v0" not in gymnasium.registry:
        gymnasium.register("cartwright/WebShop-v0", entry_point="cartwright.gym:_one",
                           vector_entry_point="cartwright.gym:_many", order_enforce=True)
