"""Cartwright's shops in Python.

    import cartwright

    env = cartwright.make("webshop", shop="path/to/webshop-1k")         # a gymnasium.Env
    text, info = env.reset(seed=0)
    text, reward, terminated, truncated, info = env.step(info["candidates"][0])

    envs = cartwright.make_vec("webshop", 256, threads=2, shop="...")   # a gymnasium.vector.VectorEnv

An action is one of ``info["candidates"]`` (its text, or its number), or any text in the shop's grammar:
``search[red shoes]``, ``click[buy now]``. Options are the plugin's own (``cartwright plugins webshop`` lists them).
"""

from ._environment import Environment, import_shop, open_environment
from .gym import ShopEnv, ShopVectorEnv, register as _register

__version__ = "0.1.0"
__all__ = ["Environment", "import_shop", "make", "make_vec", "open_environment", "__version__"]


def make(plugin: str = "webshop", *, split: str = "train", goals: str = "random", seed: int = 233, **options):
    """One session as a :class:`gymnasium.Env`; see :class:`cartwright.gym.ShopEnv`."""
    return ShopEnv(open_environment(plugin, seed=seed, **options), split=split, goals=goals)


def make_vec(plugin: str = "webshop", n: int = 1, threads: int = 1, *, split: str = "train", goals: str = "random",
             seed: int = 233, autoreset_mode: str = "NextStep", **options):
    """``n`` sessions over one catalogue as a :class:`gymnasium.vector.VectorEnv`; see
    :class:`cartwright.gym.ShopVectorEnv`."""
    return ShopVectorEnv(open_environment(plugin, seed=seed, **options), n, threads, split=split, goals=goals,
                         autoreset_mode=autoreset_mode)


_register()  # gymnasium.make("cartwright/WebShop-v0", shop=...)
