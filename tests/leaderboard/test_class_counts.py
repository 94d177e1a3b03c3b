"""Class counts and label shift from records, and mean and worst class beside the headline."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dabench.leaderboard.choices import Selection
from dabench.leaderboard.class_counts import Counts, class_counts, label_shift
from dabench.leaderboard.classes import mean_class, worst_class, worst_of
from dabench.leaderboard.runs import Run
from dabench.leaderboard.table import SuiteInfo, Table, aggregate
from dabench.records import Record

Make = Callable[..., Record]
Runs = Callable[[list[Record]], list[Run]]
Suites = Mapping[str, SuiteInfo]
counts = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 50)).filter(
    lambda one: sum(one.values()) > 0
)


def with_counts(record: Record, **parts: Any) -> Record:
    dataset = {name: {**record.dataset.get(name, {}), "class_counts": part} for name, part in parts.items()}
    return record.model_copy(update={"dataset": {**record.dataset, **dataset}})


def table(runs: list[Run], suites: Suites) -> Table:
    return aggregate(runs, suites)[0]


def test_counts_by_hand() -> None:
    found = Counts.of({"cat": 30, "dog": 10, "emu": 0, "fox": 20})
    assert found == Counts(60, 3.0, "dog", "cat", 1)
    assert Counts.of({"cat": 0}) is None
    assert Counts.of({}) is None


def test_shift_by_hand() -> None:
    # Shares (0.75, 0.25, 0) and (0.5, 0.25, 0.25): half of 0.25 + 0 + 0.25.
    assert label_shift({"cat": 30, "dog": 10}, {"cat": 2, "dog": 1, "emu": 1}) == pytest.approx(0.25)
    assert label_shift({"cat": 1}, {"dog": 7}) == 1


@given(counts, counts)
def test_shift_is_a_distance(one: dict[str, int], other: dict[str, int]) -> None:
    shift = label_shift(one, other)
    assert 0 <= shift <= 1
    assert shift == label_shift(other, one)
    assert label_shift(one, {name: 3 * count for name, count in one.items()}) == 0


def test_each_task_as_its_newest_run_saw_it(record: Make, runs_of: Runs, suites: Suites) -> None:
    old = with_counts(record(seed=0), source={"cat": 1, "dog": 1}, target={"cat": 1, "dog": 1})
    later = record(seed=1, started_at="2026-05-01T10:00:00+00:00")
    new = with_counts(later, source={"cat": 3, "dog": 1}, target={"cat": 1, "dog": 1})
    (found,) = class_counts(table(runs_of([new, old]), suites))
    assert (found.task, found.source.images, found.shift) == ("A->B", 4, 0.25)


@pytest.mark.parametrize("odd", [None, [], "x", {}, {"cat": "many"}, {"cat": -1}])
def test_records_without_counts_have_no_section(
    record: Make, runs_of: Runs, suites: Suites, odd: Any
) -> None:
    one = with_counts(record(), source=odd, target={"cat": 1})
    assert class_counts(table(runs_of([one]), suites)) == ()
    assert class_counts(table(runs_of([record()]), suites)) == ()


def test_mean_and_worst_class(record: Make, runs_of: Runs, suites: Suites) -> None:
    worst = {("A->B", 0): 0.2, ("B->A", 0): 0.6, ("A->B", 1): 0.4, ("B->A", 1): 0.6}
    records = [
        record("dann", task, seed, 0.7, accuracy=0.8, per_class={"cat": 0.95, "dog": low, "emu": None})
        for (task, seed), low in worst.items()
    ]
    runs = runs_of(records)
    assert worst_of(runs[0]) == ("dog", 0.2)
    (row,) = table(runs, suites).rows
    low, mean = worst_class(row), mean_class(row)
    assert low is not None
    assert (low.mean, low.n) == (pytest.approx((0.4 + 0.5) / 2), 2)
    assert mean is not None
    assert mean.mean == pytest.approx(0.7)


def test_the_worst_class_is_known_of_the_last_step_only(
    record: Make, trained: Callable[..., Record], runs_of: Runs, judged: Callable[..., Run], suites: Suites
) -> None:
    runs = runs_of([trained(record(task=task), 0.7, 0.5) for task in ("A->B", "B->A")])
    early = [judged(run, snd=[1.0, 0.0]) for run in runs]
    (row,) = aggregate(early, suites, Selection("snd"))[0].rows
    assert worst_class(row) is None
    mean = mean_class(row)
    assert mean is not None
    assert mean.mean == pytest.approx(0.7), "the mean is that of the chosen step"
