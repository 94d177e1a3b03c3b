"""Tables from hand-made records; golden numbers are worked out in the comments."""

import math
from collections.abc import Callable, Mapping

import pytest

from dabench.leaderboard.runs import Run
from dabench.leaderboard.table import Row, SuiteInfo, Table, aggregate
from dabench.records import Record

T_2 = 4.302652729911275  # 0.975 quantile of Student's t with two degrees of freedom
Make = Callable[..., Record]
Runs = Callable[[list[Record]], list[Run]]
Suites = Mapping[str, SuiteInfo]


@pytest.fixture
def only_table(runs_of: Runs, suites: Suites) -> Callable[[list[Record]], Table]:
    def build(records: list[Record]) -> Table:
        tables = aggregate(runs_of(records), suites)
        assert len(tables) == 1
        return tables[0]

    return build


def row_of(table: Table, method: str) -> Row:
    (found,) = (row for row in table.rows if row.method == method)
    return found


def test_cell_average_and_gain(only_table: Callable[..., Table], small_sweep: list[Record]) -> None:
    table = only_table(small_sweep)
    gsda = row_of(table, "gsda")
    cell = gsda.cells["A->B"].interval
    assert cell is not None
    assert cell.mean == pytest.approx(0.7166667, abs=1e-7)
    assert (cell.low, cell.high) == (pytest.approx(0.6650, abs=5e-5), pytest.approx(0.7684, abs=5e-5))
    # Per-seed averages over both tasks: (0.70 + 0.58) / 2 = 0.64, 0.675, 0.67.
    assert gsda.averages == pytest.approx({0: 0.64, 1: 0.675, 2: 0.67})
    assert gsda.average is not None
    assert gsda.average.mean == pytest.approx(1.985 / 3)
    assert gsda.average.half_width == pytest.approx(0.0470239, abs=1e-6)
    # source_only: 0.55, 0.565, 0.55; differences 0.09, 0.11, 0.12 with deviation sqrt(7/3)/100.
    assert gsda.gain is not None
    assert gsda.gain.paired
    assert gsda.gain.interval.mean == pytest.approx(0.32 / 3)
    assert gsda.gain.interval.half_width == pytest.approx(T_2 * math.sqrt(7 / 3) / 100 / math.sqrt(3))
    assert gsda.gain.verdict == "above"
    assert row_of(table, "cdan").gain.verdict == "below"
    assert gsda.cells["A->B"].gain is not None
    assert gsda.cells["A->B"].gain.interval.mean == pytest.approx(0.62 / 3)
    assert row_of(table, "source_only").gain is None


def test_order_ranks_and_upper_bound(only_table: Callable[..., Table], small_sweep: list[Record]) -> None:
    table = only_table(small_sweep)
    assert [(row.method, row.rank) for row in table.rows] == [
        ("gsda", 1), ("dann", 2), ("source_only", 3), ("cdan", 4), ("cdan+e", None), ("target_only", None),
    ]  # fmt: skip
    bound = table.rows[-1]
    assert bound.upper_bound
    assert bound.average is not None
    assert bound.average.mean == pytest.approx(0.9633333, abs=1e-6)


def test_incomplete_row_has_no_average(only_table: Callable[..., Table], small_sweep: list[Record]) -> None:
    row = row_of(only_table(small_sweep), "cdan+e")
    assert (row.average, row.gain, row.rank, row.oracle_average) == (None, None, None, None)
    assert row.tasks_done == 1
    assert row.cells["B->A"].interval is None
    assert row.cells["B->A"].failed == row.failed == 1
    assert "1/2 tasks, so no average" in row.notes


def test_average_over_seeds_that_every_task_has(record: Make, only_table: Callable[..., Table]) -> None:
    seeds = {"A->B": {0: 0.5, 1: 0.6, 2: 0.7, 3: 0.9}, "B->A": {0: 0.1, 1: 0.2, 2: 0.6}}
    table = only_table(
        [
            record("dann", task, seed, value)
            for task, by_seed in seeds.items()
            for seed, value in by_seed.items()
        ]
    )
    row = table.rows[0]
    assert row.averages == pytest.approx({0: 0.3, 1: 0.4, 2: 0.65})
    assert row.average is not None
    assert row.average.n == 3
    assert "average without seed 3, which some tasks lack" in row.notes


def test_no_common_seed(record: Make, only_table: Callable[..., Table]) -> None:
    row = only_table([record("dann", "A->B", 0), record("dann", "B->A", 1)]).rows[0]
    assert row.average is None
    assert row.tasks_done == 2
    assert "no seed was run on all tasks, so no average" in row.notes


def test_few_seeds_are_not_ranked(record: Make, only_table: Callable[..., Table]) -> None:
    table = only_table([record("dann", task, seed) for task in ("A->B", "B->A") for seed in (0, 1)])
    assert table.rows[0].average is not None
    assert table.rows[0].rank is None


def test_equal_averages_share_a_rank(record: Make, only_table: Callable[..., Table]) -> None:
    values = {"dann": 0.6, "gsda": 0.6, "cdan": 0.5}
    table = only_table(
        [
            record(method, task, seed, value)
            for method, value in values.items()
            for task in ("A->B", "B->A")
            for seed in range(3)
        ]
    )
    assert [row.rank for row in table.rows] == [1, 1, 3]


def test_a_failed_run_counts_but_changes_no_mean(record: Make, only_table: Callable[..., Table]) -> None:
    done = [record("dann", "A->B", seed, 0.5 + seed / 10) for seed in range(3)]
    plain = only_table(done).rows[0]
    later = "2027-01-01T00:00:00+00:00"
    # The failed run of seed 1 is younger than the finished one: the finished one stays.
    failed = only_table([*done, record("dann", "A->B", 1, failed=True, started_at=later, run_id="f" * 16)])
    row = failed.rows[0]
    assert row.cells["A->B"].interval == plain.cells["A->B"].interval
    assert row.failed == 1


def test_only_failed_runs(record: Make, only_table: Callable[..., Table]) -> None:
    table = only_table([record("dann", "A->B", seed, failed=True) for seed in range(3)])
    assert table.rows[0].cells["A->B"].interval is None
    assert table.rows[0].failed == 3


def test_of_two_runs_of_a_seed_the_later_counts(record: Make, only_table: Callable[..., Table]) -> None:
    # Written with different offsets: 11:30+02:00 is 09:30 UTC, before 10:00 UTC.
    old = record("dann", "A->B", 0, 0.9, started_at="2026-01-01T11:30:00+02:00")
    new = record("dann", "A->B", 0, 0.5, started_at="2026-01-01T10:00:00+00:00")
    for records in ([old, new], [new, old]):
        row = only_table(records).rows[0]
        assert row.cells["A->B"].values == {0: 0.5}
        assert any("1 earlier runs" in note for note in row.notes)
        assert len(row.group.runs) == 2


def test_suites_backbones_protocols_and_metrics_have_tables_of_their_own(
    record: Make, runs_of: Runs, suites: Suites
) -> None:
    records = [
        record(),
        record(backbone="vit_tiny"),
        record(protocol="train-test"),
        record(protocol="transductive, frozen backbone"),
        record(suite="other"),
        record(metric="mean_class_accuracy"),
    ]
    tables = aggregate(runs_of(records), suites)
    assert len(tables) == 6
    assert all(len(table.rows) == 1 for table in tables)


def test_tasks_follow_the_manifest_and_unknown_ones_are_sorted(
    record: Make, runs_of: Runs, suites: Suites
) -> None:
    known, unknown = aggregate(
        runs_of([record(task="Z->A"), record("dann", "B->A"), record(task="Q->P", suite="x"),
                 record(task="P->Q", suite="x")]), suites,
    )  # fmt: skip
    assert known.tasks == ("A->B", "B->A", "Z->A")
    assert known.suite_known
    assert unknown.tasks == ("P->Q", "Q->P")
    assert not unknown.suite_known


def test_a_suite_of_ones_own_tells_all_its_tasks(
    record: Callable[..., Record], runs_of: Callable[[list[Record]], list[Run]]
) -> None:
    told = {"title": "Mine", "tasks": ["P->Q", "Q->P"], "classes": ["bus", "car"]}
    records = [
        record(suite="mine", task="P->Q", seed=seed).model_copy(update={"suite_info": told})
        for seed in range(3)
    ]
    (table,) = aggregate(runs_of(records), {})
    assert table.tasks == ("P->Q", "Q->P")
    assert table.rows[0].average is None, "one of two tasks has no average"


@pytest.mark.parametrize("told", [{"tasks": 5}, {"tasks": ["P->Q"], "classes": 7, "title": {}}])
def test_a_suite_may_tell_nonsense(
    record: Callable[..., Record], runs_of: Callable[[list[Record]], list[Run]], told: dict[str, object]
) -> None:
    records = [record(suite="mine", task="P->Q").model_copy(update={"suite_info": told})]
    (table,) = aggregate(runs_of(records), {})
    assert table.tasks == ("P->Q",)


def test_oracle_stands_apart(record: Make, only_table: Callable[..., Table]) -> None:
    records = [record("dann", task, seed, 0.5) for task in ("A->B", "B->A") for seed in range(3)]
    row = only_table(records).rows[0]
    assert row.average is not None
    assert row.average.mean == pytest.approx(0.5)
    assert row.oracle_average is not None
    assert row.oracle_average.mean == pytest.approx(0.51)


def test_no_runs_no_tables(suites: Suites) -> None:
    assert aggregate([], suites) == ()


def test_without_source_only_there_is_no_gain(record: Make, only_table: Callable[..., Table]) -> None:
    row = only_table([record("dann", "A->B", seed) for seed in range(3)]).rows[0]
    assert row.gain is None
    assert row.cells["A->B"].gain is None
