"""Holm, rank intervals and letters: by hand, by brute force, and what must hold for any relation."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dabench.leaderboard.statistics.holm import holm
from dabench.leaderboard.statistics.ranks import best_group, competition_ranks, letters, rank_intervals
from dabench.leaderboard.statistics.stability import leave_one_task_out


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.03, 0.04]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]).tolist() == []
    assert holm([[0.01, 0.03, 0.04], [0.5, 0.001, 0.2]])[1] == pytest.approx([0.5, 0.003, 0.4])
    with pytest.raises(ValueError, match="0, 1"):
        holm([0.1, float("nan")])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_as_the_step_down_procedure(p_values: list[float]) -> None:
    """Reject in ascending order while p_(k) <= 0.05 / (m - k + 1); the rest is kept."""
    adjusted = holm(p_values)
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    rejected = set()
    for k, index in enumerate(order):
        if p_values[index] * (len(p_values) - k) > 0.05:
            break
        rejected.add(index)
    assert {index for index, p in enumerate(adjusted) if p <= 0.05} == rejected
    assert all(adjusted >= np.array(p_values))


def test_rank_intervals_by_hand() -> None:
    # Row 0 beats 2 and 3, row 1 beats 3.
    better = np.zeros((4, 4), int)
    better[0, 2] = better[0, 3] = better[1, 3] = 1
    assert rank_intervals(better) == [(1, 2), (1, 3), (2, 4), (3, 4)]
    assert best_group(better) == [True, True, False, False]
    with pytest.raises(ValueError, match="each be better"):
        rank_intervals([[0, 1], [1, 0]])


def test_piephos_example() -> None:
    """Piepho 2004, example 3: eight treatments, five significant pairs."""
    different = np.zeros((8, 8), bool)
    for i, j in ((1, 7), (1, 8), (2, 4), (2, 5), (3, 5)):
        different[i - 1, j - 1] = different[j - 1, i - 1] = True
    check(different, letters(different))


def check(different: np.ndarray, found: list[str]) -> None:
    """What defines a letter display: a shared letter exactly where two rows are not told apart."""
    parts = [set(text.split(",")) if "," in text else set(text) for text in found]
    assert all(parts)
    for i, j in combinations(range(len(found)), 2):
        assert bool(parts[i] & parts[j]) != different[i, j]


def test_letters_follow_the_order() -> None:
    assert letters(np.zeros((3, 3), bool)) == ["a", "a", "a"]
    assert letters(~np.eye(3, dtype=bool)) == ["a", "b", "c"]
    assert letters(np.zeros((0, 0), bool)) == []
    many = letters(~np.eye(30, dtype=bool))
    assert (many[25], many[26], many[29]) == ("z", "aa", "ad")
    with pytest.raises(ValueError, match="symmetric"):
        letters([[0, 1], [0, 0]])


@given(
    st.integers(1, 9).flatmap(
        lambda k: st.tuples(st.just(k), st.sets(st.tuples(*[st.integers(0, k - 1)] * 2)))
    )
)
def test_any_relation_has_a_display(drawn: tuple[int, set[tuple[int, int]]]) -> None:
    count, pairs = drawn
    different = np.zeros((count, count), bool)
    for i, j in pairs:
        if i != j:
            different[i, j] = different[j, i] = True
    found = letters(different)
    check(different, found)
    used = set("".join(found).replace(",", ""))
    for letter in used if len(used) > 1 else ():  # no letter is needless
        without = [text.replace(letter, "") for text in found]
        broken = any(not text for text in without) or any(
            not set(without[i]) & set(without[j]) and not different[i, j]
            for i, j in combinations(range(count), 2)
        )
        assert broken


def test_competition_ranks_and_rounding() -> None:
    assert competition_ranks([0.5, 0.7, 0.7 + 1e-12, 0.1], 1e-9) == [3, 1, 1, 4]
    assert competition_ranks([]) == []


def test_leave_one_task_out_by_hand() -> None:
    # Averages without task 1: 0.5, 0.6, 0.2; without task 2: 0.6, 0.5, 0.9.
    assert leave_one_task_out([[0.6, 0.5], [0.5, 0.6], [0.9, 0.2]]) == [(2, 2), (1, 3), (1, 3)]
    assert leave_one_task_out([[0.5], [0.6]]) is None
