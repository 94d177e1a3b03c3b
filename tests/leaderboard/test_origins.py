"""Where hyperparameters came from: chosen on target labels, tuned, or by looking at target accuracy."""

import csv
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from dabench.leaderboard import commands
from dabench.leaderboard.choices import Selection
from dabench.leaderboard.runs import Run
from dabench.leaderboard.site import Order, write_site
from dabench.leaderboard.table import Row, SuiteInfo, Table, aggregate
from dabench.recipe import ON_TARGET_LABELS, TRIAL, searched
from dabench.records import Record

Make = Callable[..., Record]
Write = Callable[[list[Record]], Path]
Suites = Mapping[str, SuiteInfo]
BUDGET = "20 trials x 2 tasks x 3 seeds"
TAIL = " (random, search seed 0), dabench 0.1.0"
INFOMAX = f"recipe toy-dann-infomax for dann on toy: {searched(BUDGET, 'infomax')}{TAIL}"
ORACLE = f"recipe toy-dann-oracle for dann on toy: {searched(BUDGET, 'oracle')}, {ON_TARGET_LABELS}{TAIL}"
LOOKED = "suite toy: chosen by looking at target accuracy on this suite"


@pytest.fixture
def table(runs_of: Callable[[list[Record]], list[Run]], suites: Suites) -> Callable[..., Table]:
    def build(records: list[Record], selection: Selection | None = None) -> Table:
        (one,) = aggregate(runs_of(records), suites, selection)
        return one

    return build


def method(record: Make, name: str, value: float, provenance: dict[str, str], **fields: Any) -> list[Record]:
    return [
        record(name, task, seed, value, provenance={"steps": "default", **provenance}, **fields)
        for task in ("A->B", "B->A")
        for seed in range(3)
    ]


def rows(table: Table) -> dict[str, Row]:
    return {row.method: row for row in table.rows}


def test_hyperparameters_chosen_on_target_labels_are_never_ranked(
    record: Make, table: Callable[..., Table]
) -> None:
    found = table(
        [
            *method(record, "source_only", 0.5, {}),
            *method(record, "gsda", 0.6, {}),
            *method(record, "dann", 0.9, {"optimiser.lr": ORACLE}),
        ]
    )
    assert [(row.method, row.rank) for row in found.rows] == [
        ("gsda", 1),
        ("source_only", 2),
        ("dann", None),
    ]
    dann = rows(found)["dann"]
    assert dann.on_target_labels
    assert dann.chosen == "hyperparameters chosen on target labels"
    assert dann.tuned == "tuned: best of 20 trials by oracle"
    assert not rows(found)["gsda"].on_target_labels


def test_words_that_deny_it_accuse_nobody(record: Make, table: Callable[..., Table]) -> None:
    honest = "our choice: on the source, without looking at target accuracy, not chosen on target labels"
    found = table(method(record, "dann", 0.9, {"optimiser.lr": honest}))
    (row,) = found.rows
    assert (row.rank, row.on_target_labels, row.origins.looked) == (1, False, frozenset())


def test_trials_of_a_search_are_never_ranked(record: Make, table: Callable[..., Table]) -> None:
    """To take the best of them by this table would be to choose on target labels."""
    found = table(
        [
            *method(record, "source_only", 0.5, {}),
            *method(record, "dann", 0.9, {"optimiser.lr": TRIAL}),
        ]
    )
    assert [(row.method, row.rank) for row in found.rows] == [("dann", None), ("source_only", 1)]
    assert found.rows[0].tuned == "a trial of a search, never ranked"


def test_step_and_hyperparameters(record: Make, table: Callable[..., Table]) -> None:
    records = method(record, "dann", 0.9, {"optimiser.lr": ORACLE})
    (row,) = table(records, Selection("oracle")).rows
    assert row.chosen == "step and hyperparameters chosen on target labels"


@pytest.mark.parametrize(
    "source",
    [
        f"recipe r: unchanged (suite toy: the paper); {searched(BUDGET, 'oracle')}, {ON_TARGET_LABELS}{TAIL}",
        "recipe mine: Chosen on\n  target labels, by hand",
    ],
)
def test_the_words_are_found_wherever_they_stand(
    record: Make, table: Callable[..., Table], source: str
) -> None:
    (row,) = table(method(record, "dann", 0.9, {"optimiser.lr": source})).rows
    assert row.on_target_labels
    assert row.rank is None


def test_an_older_run_with_the_same_values_still_tells(record: Make, table: Callable[..., Table]) -> None:
    again = method(record, "dann", 0.9, {"optimiser.lr": "--set"}, started_at="2027-01-01T00:00:00+00:00")
    (row,) = table([*method(record, "dann", 0.9, {"optimiser.lr": ORACLE}), *again]).rows
    assert row.on_target_labels


def test_a_tuned_row_says_so_beside_an_untuned_baseline(record: Make, table: Callable[..., Table]) -> None:
    tuned = method(record, "dann", 0.6, {"optimiser.lr": INFOMAX})
    found = rows(table([*method(record, "source_only", 0.5, {}), *tuned]))
    assert found["dann"].tuned == "tuned: best of 20 trials by infomax"
    assert found["dann"].rank == 1
    assert "no search is recorded for its source_only" in found["dann"].notes
    assert found["source_only"].tuned == ""
    source = INFOMAX.replace("dann", "source_only")
    both = rows(table([*method(record, "source_only", 0.5, {"optimiser.lr": source}), *tuned]))
    assert "no search is recorded for its source_only" not in both["dann"].notes


def test_a_baseline_chosen_on_target_labels_is_named(record: Make, table: Callable[..., Table]) -> None:
    baseline = method(record, "source_only", 0.5, {"optimiser.lr": ORACLE})
    found = rows(table([*baseline, *method(record, "dann", 0.6, {})]))
    assert "its source_only: hyperparameters chosen on target labels" in found["dann"].notes
    assert found["dann"].rank == 1


def test_a_recipe_that_all_rows_share_is_one_note_of_the_table(
    record: Make, table: Callable[..., Table]
) -> None:
    shared = {"optimiser.lr": LOOKED, "head.bottleneck": LOOKED}
    found = table([*method(record, "source_only", 0.5, shared), *method(record, "dann", 0.6, shared)])
    assert found.notes == ("recipe chosen by looking at target accuracy: head.bottleneck, optimiser.lr",)
    assert not any("chosen by" in note for row in found.rows for note in row.notes)
    assert [row.rank for row in found.rows] == [1, 2]


def test_what_rows_do_not_share_stands_in_the_row(record: Make, table: Callable[..., Table]) -> None:
    both = {"optimiser.lr": LOOKED, "head.bottleneck": LOOKED}
    tuned = {"optimiser.lr": INFOMAX, "head.bottleneck": LOOKED}
    found = table([*method(record, "gsda", 0.5, both), *method(record, "dann", 0.6, tuned)])
    assert found.notes == ("recipe chosen by looking at target accuracy: head.bottleneck",)
    assert rows(found)["gsda"].notes == ("also chosen by looking at target accuracy: optimiser.lr",)
    assert rows(found)["dann"].notes == ()
    alone = table([*method(record, "gsda", 0.5, {"optimiser.lr": LOOKED}), *method(record, "dann", 0.6, {})])
    assert alone.notes == ()
    assert rows(alone)["gsda"].notes == ("recipe chosen by looking at target accuracy: optimiser.lr",)


@pytest.fixture
def results(record: Make, written: Write) -> Path:
    shared = {"steps": LOOKED}
    return written(
        [
            *method(record, "source_only", 0.5, shared),
            *method(record, "gsda", 0.6, {**shared, "optimiser.lr": INFOMAX}),
            *method(record, "dann", 0.9, {**shared, "optimiser.lr": ORACLE}),
        ]
    )


def test_page_and_csv_say_it(results: Path, suites: Suites, tmp_path: Path) -> None:
    site = tmp_path / "site"
    page = write_site(results, site, Order(suites=suites)).index.read_text(encoding="utf-8")
    assert page.count("hyperparameters chosen on target labels, never ranked") == 1
    assert page.count("<small>tuned: best of 20 trials by infomax</small>") == 1
    assert page.count("ecipe chosen by looking at target accuracy: steps") == 1
    (runs,) = (path.read_text(encoding="utf-8") for path in (site / "rows").glob("*dann*"))
    assert "<strong>Hyperparameters chosen on target labels, never ranked.</strong>" in runs
    lines = csv.DictReader(io.StringIO((site / "results.csv").read_text(encoding="utf-8")))
    assert {(line["method"], line["on_target_labels"], line["tuned"]) for line in lines} == {
        ("source_only", "", ""),
        ("gsda", "", "best of 20 trials by infomax"),
        ("dann", "hyperparameters chosen on target labels", "best of 20 trials by oracle"),
    }


@pytest.fixture
def shown(results: Path, tmp_path: Path) -> Callable[..., str]:
    app = typer.Typer()
    app.callback()(lambda: None)
    commands.add_to(app)

    def show(*words: str) -> str:
        outcome = CliRunner().invoke(app, [*words, "--results", str(results)], env={"COLUMNS": "300"})
        assert outcome.exit_code == 0, outcome.output
        return outcome.stdout

    return show


def test_the_terminal_says_it(shown: Callable[..., str], tmp_path: Path) -> None:
    lines = shown("leaderboard", "--out", str(tmp_path / "site")).splitlines()
    labels = "hyperparameters chosen on target labels, tuned: best of 20 trials by oracle"
    assert [line for line in lines if line.split()[:2] == ["–", "dann"] and f"({labels})" in line]
    assert [line for line in lines if "gsda (tuned: best of 20 trials by infomax)" in line]
    assert "  recipe chosen by looking at target accuracy: steps" in lines


def test_select_says_it(shown: Callable[..., str]) -> None:
    head = next(line for line in shown("select", "--format", "markdown").splitlines() if "gsda (" in line)
    dann = "dann (hyperparameters chosen on target labels, tuned: best of 20 trials by oracle)"
    assert head == f"| rule | {dann} | gsda (tuned: best of 20 trials by infomax) | source_only |"
    lines = csv.DictReader(io.StringIO(shown("select", "--rule", "last", "--format", "csv")))
    marked = {line["method"] for line in lines if line["hyperparameters_on_target_labels"] == "True"}
    assert marked == {"dann"}
