"""Proposals: reproducible, inside the unit cube, unmoved by an interruption; TPE learns from scores."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dabench.errors import UserError
from dabench.search import Choice, LogUniform, Range, Uniform
from dabench.tuning.samplers import find_sampler
from dabench.tuning.space import sampled
from dabench.tuning.trials import Trial

RANGES: dict[str, Range] = {
    "optimiser.lr": LogUniform(1e-3, 0.1, "ours"),
    "params.alpha": Uniform(0, 1, "ours"),
    "params.mode": Choice(("a", "b", "c"), "ours"),
}
SEEDS = st.integers(0, 2**40)
NUMBERS = st.integers(1, 10_000)


@given(SEEDS, NUMBERS, st.sampled_from(["dann", "gsda"]))
def test_random_numbers_are_reproducible_and_their_values_inside(seed: int, number: int, method: str) -> None:
    one = find_sampler("random", seed, True).propose(method, RANGES, number, [])
    again = find_sampler("random", seed, False).propose(method, RANGES, number, [Trial(trial=0, values={})])
    assert one == again
    assert all(0 <= value < 1 for value in one.values())
    values = sampled(one, RANGES)
    assert 1e-3 <= values["optimiser.lr"] <= 0.1
    assert 0 <= values["params.alpha"] <= 1
    assert values["params.mode"] in ("a", "b", "c")


def test_random_numbers_differ_by_trial_method_path_and_seed_and_by_nothing_else() -> None:
    sampler = find_sampler("random", 0, True)
    draws = [
        tuple(find_sampler("random", seed, True).propose(method, RANGES, number, []).values())
        for seed in (0, 1)
        for method in ("dann", "cdan")
        for number in (1, 2, 3)
    ]
    assert len({value for draw in draws for value in draw}) == len(draws) * len(RANGES)
    fewer = {path: RANGES[path] for path in ("params.alpha",)}  # --set took the others out
    assert sampler.propose("dann", fewer, 3, [])["params.alpha"] == draws[2][1]


def test_random_numbers_fill_the_unit_interval() -> None:
    sampler = find_sampler("random", 0, True)
    draws = [sampler.propose("dann", RANGES, number, [])["optimiser.lr"] for number in range(1, 401)]
    counts, _ = np.histogram(draws, bins=10, range=(0, 1))
    assert counts.min() >= 22  # 40 expected; below 22 has a chance of about one in a thousand
    assert counts.max() <= 60


def searched(name: str, trials: int, higher: bool = True, seed: int = 0) -> list[Trial]:
    """A search of the maximum (or minimum) of a toy score, a new sampler for each trial, as after a stop."""
    history = [Trial(trial=0, values={}, score=-10.0 if higher else 10.0)]  # outside the ranges: no numbers
    for number in range(1, trials):
        numbers = find_sampler(name, seed, higher).propose("dann", RANGES, number, history)
        values = sampled(numbers, RANGES)
        badness = (numbers["optimiser.lr"] - 0.3) ** 2 + (values["params.mode"] != "b")
        score = None if number % 5 == 4 else (-badness if higher else badness)
        history.append(Trial(trial=number, values=values, numbers=numbers, score=score))
    return history


@pytest.mark.parametrize("higher", [True, False])
def test_tpe_learns_what_random_draws_do_not(higher: bool) -> None:
    late = {name: searched(name, 60, higher)[30:] for name in ("random", "tpe")}
    shares = {
        name: np.mean([trial.values["params.mode"] == "b" for trial in trials])
        for name, trials in late.items()
    }
    assert shares["tpe"] > 0.6 > shares["random"]


def test_tpe_proposes_the_same_after_an_interruption() -> None:
    assert find_sampler("tpe", 5, True).name == "tpe"
    one = searched("tpe", 25, seed=5)
    sampler = find_sampler("tpe", 5, True)  # one object for all trials, as without an interruption
    for trial in one[1:]:
        assert sampler.propose("dann", RANGES, trial.trial, one[: trial.trial]) == trial.numbers
    assert searched("tpe", 25, seed=6)[5].numbers != one[5].numbers


def test_tpe_without_optuna_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match="needs Optuna") as caught:
        find_sampler("tpe", 0, True)
    assert "pip install 'dabench[tune]'" in caught.value.hint
    assert find_sampler("random", 0, True).about == "random"


def test_an_unknown_sampler_comes_with_a_suggestion() -> None:
    with pytest.raises(UserError, match="unknown sampler 'randon'") as caught:
        find_sampler("randon", 0, True)
    assert "did you mean 'random'?" in caught.value.hint
