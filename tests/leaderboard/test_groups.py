"""What shares a row and what does not: configurations, versions, images, and the reference of a row."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from dabench.leaderboard.runs import Run, flatten
from dabench.leaderboard.table import Row, SuiteInfo, aggregate
from dabench.records import Record

Make = Callable[..., Record]


@pytest.fixture
def rows(
    runs_of: Callable[[list[Record]], list[Run]], suites: Mapping[str, SuiteInfo]
) -> Callable[[list[Record]], tuple[Row, ...]]:
    def build(records: list[Record]) -> tuple[Row, ...]:
        (table,) = aggregate(runs_of(records), suites)
        return table.rows

    return build


def seeds(record: Make, method: str, value: float, **fields: Any) -> list[Record]:
    return [record(method, task, seed, value, **fields) for task in ("A->B", "B->A") for seed in range(3)]


def test_two_configurations_are_two_rows(record: Make, rows: Callable[..., tuple[Row, ...]]) -> None:
    low = seeds(record, "dann", 0.5)
    high = seeds(record, "dann", 0.7, config={"optimiser": {"lr": 0.05}})
    best, other = rows([*low, *high])
    assert best.average is not None
    assert other.average is not None
    assert (best.average.mean, other.average.mean) == (pytest.approx(0.7), pytest.approx(0.5))
    assert (best.group.label, other.group.label) == ("optimiser.lr=0.05", "optimiser.lr=0.01")


def test_one_seed_in_another_configuration_is_not_pooled(
    record: Make, rows: Callable[..., tuple[Row, ...]]
) -> None:
    found = rows([record(seed=0, value=0.5), record(seed=1, value=0.9, config={"steps": 20_000})])
    values = {row.group.label: dict(row.cells["A->B"].values) for row in found}
    assert values == {"steps=500": {0: 0.5}, "steps=20000": {1: 0.9}}


def test_a_single_configuration_needs_no_label(record: Make, rows: Callable[..., tuple[Row, ...]]) -> None:
    assert [row.group.label for row in rows(seeds(record, "dann", 0.5))] == [""]


def test_a_new_version_of_a_method_is_a_new_row(record: Make, rows: Callable[..., tuple[Row, ...]]) -> None:
    found = rows([record(), record(seed=1, method_info={"version": 2})])
    assert {row.group.label for row in found} == {"method version=1", "method version=2"}


def test_a_version_may_be_anything(record: Make, rows: Callable[..., tuple[Row, ...]]) -> None:
    found = rows([record(), record(seed=1, method_info={"version": {"x": [1]}})])
    assert {row.group.label for row in found} == {"method version=1", 'method version={"x": [1]}'}


def test_threads_are_pooled_and_said(record: Make, rows: Callable[..., tuple[Row, ...]]) -> None:
    (row,) = rows([record(seed=0), record(seed=1, config={"threads": 16})])
    assert row.cells["A->B"].interval is not None
    assert row.cells["A->B"].interval.n == 2
    assert "runs with threads 2, 16" in row.notes


def test_a_changed_method_file_without_a_new_version_is_said(
    record: Make, rows: Callable[..., tuple[Row, ...]]
) -> None:
    (row,) = rows([record(), record(seed=1, method_info={"source_sha256": "cd" * 32})])
    assert any("changed between runs" in note for note in row.notes)


def test_other_images_are_another_row(record: Make, rows: Callable[..., tuple[Row, ...]]) -> None:
    old = {"A->B": {"source": "A1", "target": "B1"}, "B->A": {"source": "B1", "target": "A1"}}
    new = {"A->B": {"source": "A2", "target": "B1"}, "B->A": {"source": "B1", "target": "A2"}}
    records = [record(task=task, seed=0, value=0.4, images=old[task]) for task in old]
    later = "2026-02-01T10:00:00+00:00"
    records += [record(task=task, seed=1, value=0.8, images=new[task], started_at=later) for task in new]
    best, worst = rows(records)
    assert (dict(best.averages), dict(worst.averages)) == ({1: 0.8}, {0: 0.4})
    assert (best.group.label, worst.group.label) == ("images of A=A2", "images of A=A1")


def test_train_and_test_parts_of_a_domain_are_no_conflict(
    record: Make, rows: Callable[..., tuple[Row, ...]]
) -> None:
    images = {"source": "train of A", "target": "train of B", "target_test": "test of B"}
    back = {"source": "train of B", "target": "train of A", "target_test": "test of A"}
    (row,) = rows([record(images=images), record(task="B->A", images=back)])
    assert row.average is not None
    assert row.group.images == {
        "A": "train of A", "A test": "test of A", "B": "train of B", "B test": "test of B",
    }  # fmt: skip


def test_the_upper_bound_flag_splits_rows(record: Make, rows: Callable[..., tuple[Row, ...]]) -> None:
    assert len(rows([record(), record(seed=1, uses_target_labels=True)])) == 2


def test_gain_is_over_source_only_of_the_same_setting(
    record: Make, rows: Callable[..., tuple[Row, ...]]
) -> None:
    long = {"steps": 20_000}
    found = rows(
        [
            *seeds(record, "source_only", 0.5), *seeds(record, "source_only", 0.6, config=long),
            *seeds(record, "dann", 0.7), *seeds(record, "dann", 0.9, config=long),
        ]
    )  # fmt: skip
    gains = {row.group.label: row.gain.interval.mean for row in found if row.gain}
    assert gains == {"steps=500": pytest.approx(0.2), "steps=20000": pytest.approx(0.3)}


def test_a_reference_that_ran_otherwise_is_named(record: Make, rows: Callable[..., tuple[Row, ...]]) -> None:
    own = {"optimiser": {"lr": 0.03}, "params": {"temperature": 2}}
    found = rows([*seeds(record, "source_only", 0.5), *seeds(record, "gsda", 0.6, config=own)])
    assert found[0].gain is not None
    # The method's own parameters are no difference to the reference; the shared learning rate is.
    assert "unlike its source_only: optimiser.lr=0.03 (0.01)" in found[0].notes


def test_two_equally_fitting_references_give_no_gain(
    record: Make, rows: Callable[..., tuple[Row, ...]]
) -> None:
    found = rows(
        [
            *seeds(record, "source_only", 0.5, config={"steps": 100}),
            *seeds(record, "source_only", 0.6, config={"steps": 200}),
            *seeds(record, "dann", 0.7, config={"steps": 300}),
        ]
    )
    assert found[0].gain is None
    assert "no single source_only row fits, so no gain" in found[0].notes


def test_a_reference_on_other_images_is_none(record: Make, rows: Callable[..., tuple[Row, ...]]) -> None:
    images = {"source": "A1", "target": "B1"}
    other = {"source": "A1", "target": "B2"}
    found = rows([record("source_only", images=images), record("dann", images=other)])
    assert all(row.cells["A->B"].gain is None for row in found)


def test_many_differences_stay_a_short_label(record: Make, rows: Callable[..., tuple[Row, ...]]) -> None:
    many = {"params": {f"p{number}": "x" * 100 for number in range(9)}}
    found = rows([record(), record(seed=1, config=many)])
    labels = [row.group.label for row in found]
    assert len(set(labels)) == 2
    assert all(len(label) < 250 and label.endswith("5 more") for label in labels)


def test_flatten() -> None:
    content = {"a": {"b": 1, "c": {}}, "d": None, "e": [1, "x"], "f": True, "g": "text"}
    assert flatten(content) == {"a.b": "1", "d": "none", "e": '[1, "x"]', "f": "true", "g": "text"}
