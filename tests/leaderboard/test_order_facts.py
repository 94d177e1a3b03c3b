"""What stands under a table, from hand-made readings."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from dabench.leaderboard import order_facts
from dabench.leaderboard.boards import Reading, Way, boards
from dabench.leaderboard.rows import SuiteInfo, Table
from dabench.leaderboard.runs import Run
from dabench.leaderboard.standings import Comparison, Standings
from dabench.leaderboard.statistics.intervals import Interval
from dabench.leaderboard.table import aggregate
from dabench.records import Record

AsRuns = Callable[[list[Record]], list[Run]]
INFO = {"toy": SuiteInfo("Toy", ("A->B", "B->A"))}


@pytest.fixture
def runs(small_sweep: list[Record], runs_of: AsRuns) -> list[Run]:
    return runs_of(small_sweep)


@pytest.fixture
def table(runs: list[Run]) -> Table:
    return aggregate(runs, INFO)[0]


def comparison(table: Table, left: str, right: str, **fields: object) -> Comparison:
    keys = {row.method: row.group.key for row in table.rows}
    return Comparison(keys[left], keys[right], Interval(0.01, 0.02, 3), "a test", **fields)


def test_neighbours_are_ranked_rows_in_order(runs: list[Run], table: Table) -> None:
    pairs = [
        comparison(table, "gsda", "dann", seeds_needed=8),
        comparison(table, "dann", "source_only", resolved=True),
        comparison(table, "source_only", "cdan", seeds_needed=4),
        comparison(table, "gsda", "source_only", seeds_needed=5),
    ]
    found = Standings("a test", pairs={(one.left, one.right): one for one in pairs})
    close = order_facts.neighbours(Reading(boards(runs)[0], Way(), table, found))
    assert [(one.better.method, one.worse.method, one.more) for one in close] == [
        ("gsda", "dann", 5),
        ("dann", "source_only", None),
        ("source_only", "cdan", 1),
    ]


def test_the_price_is_that_of_rows_without_target_labels(table: Table) -> None:
    price = order_facts.price(table)
    assert price is not None
    assert price.mean == pytest.approx(0.01)
    assert price.rows == 4
    bounds = replace(table, rows=tuple(row for row in table.rows if row.upper_bound))
    assert order_facts.price(bounds) is None


def test_status_and_reason(table: Table) -> None:
    found = {
        row.method: (order_facts.status(row), order_facts.reason(row, table.tasks, 3)) for row in table.rows
    }
    assert found["gsda"] == ("ranked", "")
    assert found["cdan+e"] == ("incomplete", "1/2 tasks")
    assert found["target_only"] == ("bound", "upper bound")


def test_reasons_of_rows_with_few_seeds(record: Callable[..., Record], runs_of: AsRuns) -> None:
    apart = [record("dann", "A->B", 0), record("dann", "B->A", 1)]
    few = [record("cdan", task, seed) for task in ("A->B", "B->A") for seed in (0, 1)]
    rows = {row.method: row for row in aggregate(runs_of([*apart, *few]), INFO)[0].rows}
    assert order_facts.reason(rows["dann"], ("A->B", "B->A"), 3) == "no common seed"
    assert order_facts.reason(rows["cdan"], ("A->B", "B->A"), 3) == "n<3"


def test_noise_of_the_test_images_is_that_of_the_best_row(table: Table) -> None:
    noise = order_facts.test_noise(table)
    assert set(noise) == {"A->B", "B->A"}
    best = next(row for row in table.rows if row.method == "gsda").cells["A->B"]
    assert noise["A->B"] == best.image_interval
    assert noise["A->B"].n == 2  # images in the hand-made matrix


def test_training_time_is_the_mean_of_the_counted_runs(table: Table) -> None:
    assert order_facts.training_seconds(table.rows[0]) == pytest.approx(3.0)
