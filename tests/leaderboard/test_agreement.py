"""Reported minus measured: only what fits, with the sign and the interval that belong to it."""

from collections.abc import Callable

import pytest

from dabench.leaderboard.agreement import Figure, agreement, columns_of, origin
from dabench.leaderboard.published import PublishedRow, PublishedTable, published_tables
from dabench.leaderboard.rows import SuiteInfo, Table
from dabench.leaderboard.runs import Run
from dabench.leaderboard.statistics.intervals import Interval
from dabench.leaderboard.table import aggregate
from dabench.records import Record

AsRuns = Callable[[list[Record]], list[Run]]


def published(values: dict[str, float], **fields: str) -> PublishedTable:
    kinds = {key: "average" if key == "Avg" else "task" for key in values}
    metrics = dict.fromkeys(values, fields.pop("metric", "accuracy"))
    given = {
        "suite": "toy",
        "source": "Paper (DANN), Table 1",
        "backbone": "resnet50",
        "selection": "unstated",
    }
    row = PublishedRow("DANN", "dann", values, ())
    return PublishedTable(
        **{**given, **fields}, columns=tuple(values), rows=(row,), kinds=kinds, metrics=metrics
    )


@pytest.fixture
def table(record: Callable[..., Record], runs_of: AsRuns) -> Table:
    values = {"A->B": (0.70, 0.71, 0.74), "B->A": (0.5, 0.5, 0.5)}
    records = [
        record("dann", task, seed, value)
        for task, seeds in values.items()
        for seed, value in enumerate(seeds)
    ]
    return aggregate(runs_of(records), {"toy": SuiteInfo("Toy", ("A->B", "B->A"))})[0]


def test_figures_fit_by_task_and_average(table: Table) -> None:
    (match,) = agreement([published({"A->B": 76.8, "B->A": 50.0, "Avg": 63.4})], table)
    assert list(match.figures) == ["A->B", "B->A", "Avg"]
    first = match.figures["A->B"]
    assert first.difference == pytest.approx(0.768 - 0.71666667)
    assert first.inside is True  # the interval ends at 76.84
    assert match.figures["Avg"].measured.mean == pytest.approx((0.71666667 + 0.5) / 2)
    (outside,) = agreement([published({"A->B": 76.9, "Avg": 63.4})], table)
    assert outside.figures["A->B"].inside is False
    assert "Avg" not in outside.figures  # an average over one task is not one over two
    assert columns_of([match]) == ["A->B", "B->A", "Avg"]


@pytest.mark.parametrize(
    "fields", [{"suite": "office31"}, {"backbone": "resnet101"}, {"metric": "class_accuracy"}]
)
def test_what_does_not_fit_is_left_out(table: Table, fields: dict[str, str]) -> None:
    assert agreement([published({"A->B": 70.0}, **fields)], table) == ()


def test_another_method_is_left_out(table: Table) -> None:
    one = published({"A->B": 70.0})
    other = PublishedRow("MCD", "mcd", {"A->B": 70.0}, ())
    assert agreement([PublishedTable(**{**vars(one), "rows": (other,)})], table) == ()


def test_without_an_interval_nothing_is_said() -> None:
    assert Figure(0.5, Interval(0.5, None, 1)).inside is None
    assert Figure(0.5, Interval(0.5, 0.0, 3)).inside is True
    assert Figure(0.5, Interval(0.5, None, 1)).told == "no interval"


def test_an_interval_that_holds_nearly_everything_tells_nothing() -> None:
    assert Figure(0.5, Interval(0.52, 0.05, 3)).told == "● inside"
    assert Figure(0.5, Interval(0.52, 1.03, 2)).told == "interval too wide to tell"
    assert Figure(0.1, Interval(0.52, 0.06, 2)).told == "○ outside"


def test_mnist_m_is_found_under_either_name(record: Callable[..., Record], runs_of: AsRuns) -> None:
    runs = runs_of(
        [record("dann", "MNIST->MNISTM", seed, 0.8, suite="digits", backbone="dann_mnist") for seed in (0, 1)]
    )
    (match,) = agreement(published_tables(), aggregate(runs, {})[0])
    assert match.figures["MNIST->MNIST-M"].reported == pytest.approx(0.8149)


def test_who_made_a_figure() -> None:
    made = {
        (table.source.split(",")[0], row.registry_name): origin(table, row)
        for table in published_tables()
        for row in table.rows
    }
    assert made["Hu et al. CVPR 2020 (GSDA)", "gsda"] == "the method's own paper"
    assert made["Hu et al. CVPR 2020 (GSDA)", "gsda-glb-cls"] == "the method's own paper"
    assert made["Hu et al. CVPR 2020 (GSDA)", "dann"] == "listed in another method's paper"
    assert made["Hu et al. CVPR 2020 (GSDA)", "source_only"] == "baseline of that paper"
    assert made["TLLib README benchmark", "dann"] == "re-implementation: TLLib"
