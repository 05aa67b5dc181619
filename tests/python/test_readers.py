"""The shop's own reader of recorded walks against what the original programs showed."""

import os

import pytest
import readers
import recordings

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
