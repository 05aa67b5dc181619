"""Names of webshop_minimal.utils; the default paths are those that init_basedir has chosen."""

from cartwright.drop_in.draws import random_index
from cartwright.drop_in.minimal import get_attr_path, get_file_path, html_to_markdown, init_basedir


def random_idx(cum_weights):
    import random

    return random_index(cum_weights, random)


def __getattr__(name):
    if name == "DEFAULT_FILE_PATH":
        return get_file_path()
    if name == "DEFAULT_ATTR_PATH":
        return get_attr_path()
    raise AttributeError(name)


__all__ = ["get_attr_path", "get_file_path", "html_to_markdown", "init_basedir", "random_idx"]
