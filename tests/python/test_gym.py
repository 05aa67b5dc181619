"""Shops as Gymnasium environments, in the made-up shop."""

import threading
import warnings

import cartwright
import gymnasium
import numpy
import pytest
from gymnasium.utils.env_checker import check_env

SHOP = {"products": 60, "observation": "text", "step_limit": 15}


def play(env, seed):
    seen = [env.reset(seed=seed)]
    while True:
        seen.append(env.step(env.scripted_action("rule")))
        if seen[-1][2] or seen[-1][3]:
            return seen


def test_check_env_passes():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".*alternative render modes.*")
        check_env(cartwright.make("synthetic", **SHOP))


def test_equal_seeds_give_equal_episodes():
    first, second, other = (play(cartwright.make("synthetic", **SHOP), seed) for seed in (4, 4, 5))
    assert first == second
    assert first != other


def test_actions_are_candidates_numbers_or_words():
    env = cartwright.make("synthetic", **SHOP)
    _, info = env.reset(seed=1, options={"goal": 3})
    by_text = env.step(info["candidates"][0])
    env.reset(seed=1, options={"goal": 3})
    assert env.step(0) == by_text
    text = by_text[0]
    assert env.step("nothing of the kind")[:2] == (text, 0.0)
    with pytest.raises(ValueError, match="there is no candidate 999: the view has"):
        env.step(999)
    with pytest.raises(TypeError):
        env.step(None)


def test_candidates_are_like_a_tuple():
    import copy
    import pickle
    from collections.abc import Sequence

    _, info = cartwright.make("synthetic", **SHOP).reset(seed=1)
    candidates = info["candidates"]
    texts = tuple(candidates)
    assert isinstance(candidates, Sequence) and len(candidates) == len(texts) > 2
    assert candidates == texts and candidates != texts[1:] and hash(candidates) == hash(texts)
    assert candidates[-1] == texts[-1] and candidates[1:3] == texts[1:3]
    assert texts[1] in candidates and candidates.index(texts[1]) == 1 and candidates.count("none") == 0
    assert repr(candidates) == repr(texts)
    assert copy.deepcopy(candidates) == pickle.loads(pickle.dumps(candidates)) == texts
    for beyond in (len(texts), -len(texts) - 1):
        with pytest.raises(IndexError, match="there is no candidate"):
            candidates[beyond]


def test_what_was_given_away_does_not_change():
    envs = cartwright.make_vec("synthetic", 4, autoreset_mode="Disabled", **SHOP)
    texts, infos = envs.reset(seed=1)
    before = list(texts), [tuple(c) for c in infos["candidates"]]
    envs.step([0] * 4)
    envs.reset(options={"reset_mask": numpy.array([True, False, False, False])})
    envs.step([0] * 4, sessions=[1])
    assert before == (list(texts), [tuple(c) for c in infos["candidates"]])


def test_the_end_says_what_came_out():
    last = play(cartwright.make("synthetic", **SHOP), 2)[-1]
    info = last[4]
    assert last[2] and info["score"] == last[1] and info["candidates"] == ()
    assert set(info["parts"]) == {"attributes", "options", "type", "price"}
    assert {"category", "target", "item"} <= set(info["facts"])


def test_bad_options_are_named():
    with pytest.raises(ValueError, match="did you mean 'products'"):
        cartwright.make("synthetic", prodcts=60)
    with pytest.raises(ValueError, match="no split 'nowhere'"):
        cartwright.make("synthetic", split="nowhere", **SHOP)
    with pytest.raises(ValueError, match="goals: expected 'random' or 'in_order'"):
        cartwright.make("synthetic", goals="backwards", **SHOP)


def test_a_vector_plays_as_its_sessions_do_alone():
    vector = cartwright.make_vec("synthetic", 12, threads=3, goals="in_order", autoreset_mode="Disabled", **SHOP)
    texts, infos = vector.reset(seed=7)
    alone = [cartwright.make("synthetic", **SHOP) for _ in range(12)]
    for i, env in enumerate(alone):
        assert env.reset(options={"goal": i})[0] == texts[i]
    for _ in range(4):
        actions = [len(c) // 2 for c in infos["candidates"]]
        texts, rewards, over, cut, infos = vector.step(actions)
        for i, env in enumerate(alone):
            assert env.step(actions[i])[:4] == (texts[i], rewards[i], over[i], cut[i])
        if over.any() or cut.any():
            break


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
def test_autoreset_as_gymnasium_has_it(mode):
    vector = cartwright.make_vec("synthetic", 6, autoreset_mode=mode, **SHOP)
    vector.reset(seed=1)
    n_over = 0
    for _ in range(40):
        before = vector._over.copy()
        texts, rewards, over, cut, infos = vector.step(vector.scripted_actions("oracle"))
        ended = over | cut
        n_over += ended.sum()
        assert len(texts) == 6 and rewards.shape == (6,)
        if mode == "NextStep":
            assert not (ended & before).any() and (rewards[before] == 0).all()
            assert all(texts[i].startswith("WebShop") for i in numpy.flatnonzero(before))
        elif mode == "SameStep" and ended.any():
            i = int(numpy.flatnonzero(ended)[0])
            assert texts[i].startswith("WebShop") and infos["final_obs"][i].startswith("Thank you")
            assert infos["final_info"]["score"][i] == rewards[i]
        elif mode == "Disabled" and ended.any():
            with pytest.raises(RuntimeError, match="reset_mask"):
                vector.step([0] * 6)
            vector.reset(options={"reset_mask": ended})
    assert n_over >= 6


def test_wrong_numbers_of_actions_are_refused():
    vector = cartwright.make_vec("synthetic", 3, **SHOP)
    vector.reset(seed=1)
    with pytest.raises(ValueError, match="expected 3 actions, one for each session, found 2"):
        vector.step([0, 0])


def test_some_sessions_can_be_stepped_alone():
    vector = cartwright.make_vec("synthetic", 4, autoreset_mode="Disabled", **SHOP)
    before, _ = vector.reset(seed=1)
    after = vector.step([0, 0, 0, 0], sessions=[1, 3])[0]
    assert [a == b for a, b in zip(before, after)] == [True, False, True, False]
    with pytest.raises(ValueError, match="autoreset_mode='Disabled'"):
        cartwright.make_vec("synthetic", 2, **SHOP).step([0, 0], sessions=[0])


def test_gymnasium_makes_it_by_name():
    assert "cartwright/WebShop-v0" in gymnasium.registry


def test_threads_have_vectors_of_their_own():
    env = cartwright.open_environment("synthetic", **SHOP)
    results = [None] * 4

    def work(i):
        vector = cartwright.ShopVectorEnv(env, 20)
        vector.reset(seed=3)
        results[i] = [vector.step(vector.scripted_actions("rule"))[0] for _ in range(5)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results[0] is not None and all(result == results[0] for result in results)
