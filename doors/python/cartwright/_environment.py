"""The opened shared part of an environment: one catalogue, index and goal list for any number of sessions."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import _cache, _core

Sequence.register(_core.Candidates)

# The plugins that came with the package. $CARTWRIGHT_PLUGIN_PATH and the installed folder are looked in afterwards.
PLUGINS = Path(__file__).parent / "plugins"


def option_words(options: dict[str, Any]) -> list[str]:
    """Options as "key=value" words, values in YAML."""
    words = []
    for key, value in options.items():
        if value is None:
            continue
        if isinstance(value, os.PathLike):
            value = os.fspath(value)
        words.append(f"{key}={value if isinstance(value, str) and _is_plain(value) else json.dumps(value)}")
    return words


def _is_plain(text: str) -> bool:
    return bool(text) and text.isascii() and all(c.isalnum() or c in "_./-+@" for c in text)


class Environment:
    """A shop: what sessions share. Make sessions with :func:`cartwright.make` and :func:`cartwright.make_vec`, or from
    :attr:`core` directly."""

    def __init__(self, core: _core.Environment, plugin: str, options: dict[str, Any]):
        self.core = core
        self.plugin = plugin
        self.options = options

    def __repr__(self) -> str:
        return f"Environment({self.plugin!r}, {self.options!r})"

    @property
    def facts(self) -> dict[str, str]:
        """What every result made with it must state: catalogue, goals, split, limits, seeds."""
        return self.core.facts()

    @property
    def scripts(self) -> list[str]:
        """The scripted agents: rule, reader, expert, oracle."""
        return self.core.scripts()

    def n_goals(self, split: str = "all") -> int:
        """How many goals a split has: train, dev, test or all."""
        return self.core.n_goals(split)

    def ask(self, verb: str, request: Any = None, /, **keys: Any) -> Any:
        """Asks in the shop's own terms: ``ask("search", query="red shoes")``, ``ask("goal", 3)``."""
        return json.loads(self.core.answer(verb, json.dumps(keys if request is None else request)))


def open_environment(plugin: str, *, seed: int = 233, **options: Any) -> Environment:
    """Opens an environment by the name of its plugin. ``ValueError`` names every option that is wrong. The shop of a folder
    is kept as a shop file (see ``_cache``), which gives the same episodes and is there at once the next time."""
    if plugin in ("webshop", "shop") and (file := _cache.kept(options, _plugin_file(), _import)):
        try:
            return Environment(_core.Environment(plugin, option_words(file), [str(PLUGINS)], seed), plugin, options)
        except (OSError, RuntimeError, ValueError):
            pass  # the message should be about the folder
    return Environment(_core.Environment(plugin, option_words(options), [str(PLUGINS)], seed), plugin, options)


def _plugin_file() -> Path:
    own = PLUGINS / "webshop.so"
    return own if own.exists() else Path(_core.__file__)


def _import(into: str, options: dict[str, Any]) -> None:
    import_shop(into, overwrite=True, **options)


def import_shop(into: str | os.PathLike, plugin: str = "webshop", *, overwrite: bool = False, **options: Any) -> None:
    """What ``cartwright import`` does: ``import_shop("1k.shop", shop="webshop-1k")`` makes a shop file, which opens at
    once; ``import_shop("my-shop", "shop", products_file="products.csv")`` a shop of a table of products."""
    _core.import_files(plugin, option_words(options), [str(PLUGINS)], os.fspath(into), overwrite)
