"""The shop's own reader of recorded walks against what the original programs showed."""

import os
import subprocess

import pytest
import readers
import recordings
from cartwright import protocols

CUT = 4  # walks of each section, unless CARTWRIGHT_REPLAY=full


@pytest.fixture
def program():
    path = os.environ.get("CARTWRIGHT_PROGRAM")
    if not path:
        pytest.skip("CARTWRIGHT_PROGRAM names no built cartwright")
    return path


@pytest.mark.parametrize("name", readers.FILES)
def test_recorded_walks_replay_in_the_shop(name, program, recorded, webshop, full):
    nouns = recordings.nouns_file(recorded)
    path = recorded / f"{name}.jsonl.gz"
    compared = 0
    for what, pages, different, text in readers.replay(program, path, webshop, nouns, None if full else CUT):
        assert not different, f"{what}\n{text}"
        compared += pages
    assert compared > 50


@pytest.mark.parametrize("name", ["fixed-500", "by-product", "verl-first-validation"])
def test_the_command_and_the_package_have_the_same_protocols(name, program, webshop):
    done = subprocess.run([program, "protocol", name, "--set", f"environment.shop={webshop}"], capture_output=True, text=True,
                          check=True)
    episodes = protocols.Episodes(name, str(webshop))
    digest = protocols.digest(episodes.instructions())
    assert done.stdout.splitlines()[0] == f"{name}: {episodes.n} episodes of split test, digest {digest}"
