"""What the tests share: the shop of the original's 1,000 products, and a made-up one that needs no files."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import recordings  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """Kept shop files are the tests' own."""
    os.environ["CARTWRIGHT_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def webshop():
    if not (recordings.SHOP / "items_shuffle_1000.json").exists():
        pytest.skip(f"{recordings.SHOP} is not there: set WEBSHOP_1K to WebShop's 1,000 products")
    return recordings.SHOP


@pytest.fixture(scope="session")
def recorded():
    if not (recordings.RECORDINGS / recordings.NOUNS).exists():
        pytest.skip(f"{recordings.RECORDINGS} is not there: set CARTWRIGHT_RECORDINGS to the recordings")
    return recordings.RECORDINGS


@pytest.fixture(scope="session")
def full():
    """Whether everything is replayed: CARTWRIGHT_REPLAY=full."""
    return os.environ.get("CARTWRIGHT_REPLAY") == "full"
