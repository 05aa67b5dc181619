"""Shop files that are kept of folders."""

import json
import shutil

import cartwright
import pytest
from cartwright import _core

OPTIONS = {"observation": "text", "split_rule": "upstream"}


@pytest.fixture
def folder(webshop, tmp_path, monkeypatch):
    """A copy of the shop with a cache of its own."""
    monkeypatch.setenv("CARTWRIGHT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "shop").mkdir()
    for name in ("items_shuffle_1000.json", "items_ins_v2_1000.json", "items_human_ins.json"):
        shutil.copyfile(webshop / name, tmp_path / "shop" / name)
    return tmp_path / "shop"


def kept(folder):
    return sorted((folder.parent / "cache").glob("*.shop"))


def first_pages(env):
    vector = _core.Vector([env.core], 20, 1)
    vector.reset(None, "test", range(20), [0] * 20)
    vector.step(None, [0] * 20)
    return vector.texts(None)


def test_a_kept_file_is_the_folder_s_shop(folder, monkeypatch):
    first, second = (cartwright.open_environment("webshop", shop=folder, **OPTIONS) for _ in range(2))
    assert len(kept(folder)) == 1
    monkeypatch.setenv("CARTWRIGHT_CACHE", "off")
    read = cartwright.open_environment("webshop", shop=folder, **OPTIONS)
    assert first.facts == second.facts == read.facts
    assert first_pages(first) == first_pages(second) == first_pages(read)
    assert first.options["shop"] == folder


def test_it_is_made_again_when_a_file_changes(folder):
    before = cartwright.open_environment("webshop", shop=folder).n_goals()
    old = kept(folder)
    attributes = json.loads((folder / "items_ins_v2_1000.json").read_text())
    asin = next(asin for asin, one in attributes.items() if one.get("instruction"))
    attributes[asin]["instruction"] = None
    (folder / "items_ins_v2_1000.json").write_text(json.dumps(attributes))
    assert cartwright.open_environment("webshop", shop=folder).n_goals() < before
    assert len(kept(folder)) == 1 and kept(folder) != old


def test_a_broken_one_is_not_believed(folder):
    facts = cartwright.open_environment("webshop", shop=folder).facts
    kept(folder)[0].write_bytes(b"nothing")
    assert cartwright.open_environment("webshop", shop=folder).facts == facts


def test_messages_are_about_the_folder(folder):
    (folder / "items_shuffle_1000.json").write_text("[")
    with pytest.raises(RuntimeError, match="items_shuffle_1000.json"):
        cartwright.open_environment("webshop", shop=folder)
    with pytest.raises(ValueError, match="did you mean 'products'"):
        cartwright.open_environment("webshop", shop=folder, prodcts=3)
