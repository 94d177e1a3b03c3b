"""The test of pairs: scipy's for each plain one, the equations for the moderated one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dabench.leaderboard.statistics.moderated import MOST_WEIGHT, squeeze_variances
from dabench.leaderboard.statistics.pairs import (
    NO_SPREAD,
    Family,
    compare,
    family,
    pair_variances,
    usual_freedom,
)

LEFT = {0: 0.70, 1: 0.71, 2: 0.74, 3: 0.69}
RIGHT = {0: 0.66, 1: 0.65, 2: 0.71, 5: 0.70}


def test_paired_over_shared_seeds() -> None:
    found = compare(LEFT, RIGHT, Family())
    assert found is not None
    expected = stats.ttest_rel([0.70, 0.71, 0.74], [0.66, 0.65, 0.71])
    assert found.p == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval()
    assert (found.interval.low, found.interval.high) == (
        pytest.approx(interval.low), pytest.approx(interval.high),
    )  # fmt: skip
    assert (found.test, found.seeds, found.paired) == ("paired t, 3 shared seeds", (0, 1, 2), True)


@pytest.mark.parametrize("how", [Family("Welch's t"), Family()])
def test_welch_where_nothing_is_paired(how: Family) -> None:
    right = RIGHT if how.kind == "Welch's t" else {10 + seed: value for seed, value in RIGHT.items()}
    found = compare(LEFT, right, how)
    assert found is not None
    expected = stats.ttest_ind([*LEFT.values()], [*right.values()], equal_var=False)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.interval.high == pytest.approx(expected.confidence_interval().high)
    assert (found.test, found.paired) == ("Welch's t, 4 and 4 seeds", False)


def test_few_seeds() -> None:
    one = compare({0: 0.7}, {0: 0.5}, Family())
    assert one is not None
    assert (one.interval.half_width, one.p, one.paired) == (None, None, True)
    assert compare({}, {0: 0.5}, Family()) is None
    apart = compare({0: 0.7}, {1: 0.5}, Family())
    assert apart is not None
    assert (apart.interval.half_width, apart.p, apart.paired) == (None, None, False)


def test_two_shared_seeds_of_several_are_too_few_to_pair() -> None:
    """One degree of freedom makes a t interval wider than Welch's over all seeds."""
    left = {0: 0.70, 1: 0.71, 2: 0.74, 3: 0.72}
    right = {2: 0.64, 3: 0.63, 4: 0.66, 5: 0.65}
    found = compare(left, right, Family())
    assert found is not None
    expected = stats.ttest_ind([*left.values()], [*right.values()], equal_var=False)
    assert (found.test, found.p) == ("Welch's t, 4 and 4 seeds", pytest.approx(expected.pvalue))
    both = compare({2: 0.74, 3: 0.72}, {2: 0.64, 3: 0.63}, Family())  # all that either has
    assert both is not None
    assert both.test == "paired t, 2 shared seeds"


def test_equal_rows_and_rows_without_spread() -> None:
    same = compare({0: 0.1 + 0.2, 1: 0.5}, {0: 0.3, 1: 0.5}, Family())
    assert same is not None
    assert same.p == 1
    fixed = compare({0: 0.7, 1: 0.7}, {0: 0.5, 1: 0.5}, Family())
    assert fixed is not None
    assert (fixed.p, fixed.interval.half_width, fixed.test) == (None, None, NO_SPREAD)
    assert (fixed.verdict, fixed.interval.mean) == ("unclear", pytest.approx(0.2))
    unpaired = compare({0: 0.7, 1: 0.7}, {5: 0.5, 6: 0.5}, Family())
    assert unpaired is not None
    assert (unpaired.p, unpaired.interval.half_width, unpaired.test) == (None, None, NO_SPREAD)


def rows(count: int, seeds: int = 3) -> list[dict[int, float]]:
    rng = np.random.default_rng(1)
    return [dict(enumerate(0.6 + 0.01 * k + (0.004 + 0.002 * (k % 3)) * rng.standard_normal(seeds)))
            for k in range(count)]  # fmt: skip


def test_variances_of_all_pairs() -> None:
    drawn = [*rows(3), {1: 0.5, 2: 0.7, 9: 0.1}, {7: 0.3, 8: 0.4}]
    variances, freedom = pair_variances(drawn)
    expected = []
    for i, j in ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)):
        shared = sorted(set(drawn[i]) & set(drawn[j]))
        expected.append(np.var([drawn[i][s] - drawn[j][s] for s in shared], ddof=1))
    assert variances == pytest.approx(expected)
    assert freedom.tolist() == [2, 2, 1, 2, 1, 1]


def test_moderation_starts_at_eight_rows_with_common_seeds() -> None:
    assert family(rows(7)).kind == "paired t"
    assert family(rows(8)).kind == "moderated paired t"
    assert family([*rows(7), {0: 0.5, 1: 0.6, 9: 0.7}]).kind == "paired t"  # two common seeds
    assert family([*rows(8), {0: 0.5, 1: 0.6, 9: 0.7}], fewest=2).kind == "moderated paired t"
    assert family(rows(8), "welch").kind == "Welch's t"
    assert family(rows(3), "moderated_t").kind == "moderated paired t"
    assert family(rows(2), "moderated_t").kind == "paired t"
    assert family([]).kind == "paired t"


def test_a_row_of_other_seeds_does_not_turn_moderation_off() -> None:
    stranger, near = {7: 0.9, 8: 0.91, 9: 0.89}, {0: 0.9, 1: 0.91, 5: 0.89, 6: 0.90}
    usual, how = family(rows(8)), family([stranger, near, *rows(8)])
    assert (how.seeds, how.cap, how.kind) == ({0, 1, 2}, usual.cap, "moderated paired t")
    assert how.prior == usual.prior
    inside, outside = compare(rows(8)[0], rows(8)[1], how), compare(rows(8)[0], stranger, how)
    assert inside is not None
    assert outside is not None
    assert inside == compare(rows(8)[0], rows(8)[1], usual)
    assert outside.test == "Welch's t, 3 and 3 seeds"
    three = compare({0: 0.9, 1: 0.8, 5: 0.7}, {0: 0.7, 1: 0.75, 5: 0.4}, how)
    assert three is not None
    assert three.test == "paired t, 3 shared seeds"


def test_a_moderated_variance_is_never_below_the_pairs_own() -> None:
    loud = {0: 0.2, 1: 0.6, 2: 0.9}
    drawn = [*rows(9), loud]
    found, alone = compare(loud, drawn[0], family(drawn)), compare(loud, drawn[0], Family())
    assert found is not None
    assert alone is not None
    assert found.error == pytest.approx(alone.error)
    assert found.interval.half_width < alone.interval.half_width  # more degrees of freedom


def test_the_moderated_test_by_its_equations() -> None:
    drawn = rows(9)
    how = family(drawn)
    assert how.prior is not None
    found = compare(drawn[2], drawn[0], how)
    assert found is not None
    differences = [drawn[2][seed] - drawn[0][seed] for seed in range(3)]
    d0 = min(float(how.prior.freedom), MOST_WEIGHT * 2)
    variance = (d0 * float(how.prior.variance) + 2 * np.var(differences, ddof=1)) / (d0 + 2)
    assert variance > np.var(differences, ddof=1)
    freedom = min(d0 + 2, 8 * 2)
    t = np.mean(differences) / (variance / 3) ** 0.5
    assert found.p == pytest.approx(2 * stats.t.sf(abs(t), freedom))
    assert found.interval.half_width == pytest.approx(stats.t.ppf(0.975, freedom) * (variance / 3) ** 0.5)
    assert found.test == "moderated paired t, 3 shared seeds"
    assert usual_freedom(how, 3) == pytest.approx(freedom)
    squeezed, _ = squeeze_variances([np.var(differences, ddof=1)], [2.0], how.prior, how.cap, MOST_WEIGHT)
    assert variance == pytest.approx(squeezed[0])


value = st.floats(0, 1)


@given(
    st.dictionaries(st.integers(0, 4), value, max_size=5),
    st.dictionaries(st.integers(0, 4), value, max_size=5),
)
def test_sides_and_order_of_seeds_change_only_the_sign(
    one: dict[int, float], other: dict[int, float]
) -> None:
    for how in (Family(), Family("Welch's t"), family(rows(8))):
        found = compare(one, other, how)
        turned = compare(dict(reversed(other.items())), dict(reversed(one.items())), how)
        if found is None or turned is None:
            assert found is turned
            continue
        assert found.interval.mean == pytest.approx(-turned.interval.mean, abs=1e-12)
        assert found.interval.half_width == pytest.approx(turned.interval.half_width, abs=1e-9)
        assert (found.p is None) == (turned.p is None)
        assert found.test == turned.test or "Welch" in found.test
