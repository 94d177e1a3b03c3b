"""What must hold for any set of runs: hypothesis draws them."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dabench.leaderboard.runs import Run
from dabench.leaderboard.table import SuiteInfo, aggregate
from dabench.records import Record

Make = Callable[..., Record]
Runs = Callable[[list[Record]], list[Run]]
Suites = Mapping[str, SuiteInfo]

one_run = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["source_only", "dann", "gsda", "target_only"]),
        "task": st.sampled_from(["A->B", "B->A"]),
        "seed": st.integers(0, 3),
        "value": st.floats(0, 1),
        "failed": st.booleans(),
        "config": st.sampled_from([{}, {"steps": 100}, {"threads": 8}]),
        "images": st.sampled_from([None, {"source": "1", "target": "2"}]),
        "started_at": st.sampled_from(["", "2026-01-01T00:00:00", "2026-01-01T00:00:00+02:00", "no time"]),
    }
)
plain = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def built(record: Make, drawn: list[dict[str, Any]]) -> list[Record]:
    return [record(**one, uses_target_labels=one["method"] == "target_only") for one in drawn]


@plain
@given(drawn=st.lists(one_run, max_size=12), data=st.data())
def test_the_order_of_runs_changes_nothing(
    record: Make, runs_of: Runs, suites: Suites, drawn: list[dict[str, Any]], data: st.DataObject
) -> None:
    runs = runs_of(built(record, drawn))
    assert aggregate(runs, suites) == aggregate(data.draw(st.permutations(runs)), suites)


@plain
@given(drawn=st.lists(one_run, min_size=1, max_size=12), extra=one_run)
def test_a_failed_run_changes_no_number(
    record: Make, runs_of: Runs, suites: Suites, drawn: list[dict[str, Any]], extra: dict[str, Any]
) -> None:
    records = built(record, drawn)
    failed = built(record, [{**extra, "failed": True, "started_at": "2027-01-01T00:00:00"}])

    def numbers(records: list[Record]) -> set[Any]:
        return {
            (
                row.method,
                row.upper_bound,
                row.group.configuration,
                task,
                cell.interval,
                tuple(cell.values.items()),
            )
            for table in aggregate(runs_of(records), suites)
            for row in table.rows
            for task, cell in row.cells.items()
            if cell.values
        }

    assert numbers(records) == numbers([*records, *failed])


@plain
@given(drawn=st.lists(one_run, max_size=12))
def test_every_run_is_in_one_row_and_no_cell_mixes(
    record: Make, runs_of: Runs, suites: Suites, drawn: list[dict[str, Any]]
) -> None:
    runs = runs_of(built(record, drawn))
    rows = [row for table in aggregate(runs, suites) for row in table.rows]
    assert sorted(run.file for row in rows for run in row.group.runs) == sorted(run.file for run in runs)
    for row in rows:
        assert len({(run.record.method, run.configuration) for run in row.group.runs}) == 1
        for run in row.group.runs:
            assert run.images.items() <= row.group.images.items()
        assert len({(run.record.task, run.record.seed) for run in row.used}) == len(row.used)
        assert row.rank is None or not row.upper_bound


@plain
@given(st.lists(st.floats(0, 0.5), min_size=3, max_size=5), st.floats(0.1, 2))
def test_scaling_all_values_scales_the_table(
    record: Make, runs_of: Runs, suites: Suites, numbers: list[float], factor: float
) -> None:
    def table(scale: float) -> Any:
        records = [
            record("dann", task, seed, number * scale)
            for task in ("A->B", "B->A")
            for seed, number in enumerate(numbers)
        ]
        return aggregate(runs_of(records), suites)[0].rows[0].average

    one, scaled = table(1), table(factor)
    assert scaled.mean == pytest.approx(one.mean * factor, abs=1e-12)
    assert scaled.half_width == pytest.approx(one.half_width * factor, abs=1e-9)
