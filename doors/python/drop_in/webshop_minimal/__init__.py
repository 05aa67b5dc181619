"""webshop_minimal over Cartwright. See cartwright.drop_in.minimal."""

from cartwright.drop_in.minimal import SimServer, WebAgentTextEnv, init_basedir


def init_search_engine(num_products=None, **_):
    """The shop brings its own index; nothing is to be started."""
    return None


__all__ = ["SimServer", "WebAgentTextEnv", "init_basedir", "init_search_engine"]
