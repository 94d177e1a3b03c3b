"""Which evaluation counts: the rule that is asked for, never another in its place."""

from collections.abc import Callable, Mapping

import pytest

from dabench.leaderboard.choices import Choice, Selection
from dabench.leaderboard.runs import Run
from dabench.leaderboard.table import Row, SuiteInfo, aggregate
from dabench.records import Record

Make = Callable[..., Record]
Runs = Callable[[list[Record]], list[Run]]
Judge = Callable[..., Run]
Suites = Mapping[str, SuiteInfo]
TASKS = ("A->B", "B->A")


@pytest.fixture
def one(record: Make, trained: Callable[..., Record], runs_of: Runs) -> Run:
    """Evaluations at the steps 100, 200, 300 with the values 0.5, 0.7, 0.6."""
    return runs_of([trained(record(), 0.5, 0.7, 0.6)])[0]


def test_the_last_step_needs_no_scores(one: Run) -> None:
    assert Selection().choose(one) == Choice(0.6, 300)


def test_a_rule_takes_the_step_that_it_chose(one: Run, judged: Judge) -> None:
    scored = judged(one, snd=[3.0, 1.0, 2.0], entropy=[3.0, 1.0, 2.0])
    assert Selection("snd").choose(scored) == Choice(0.5, 100)
    assert Selection("entropy").choose(scored) == Choice(0.7, 200)  # lower entropy is better


def test_what_is_not_available_is_missing_with_its_reason(one: Run, judged: Judge) -> None:
    scored = judged(one, source_val="no source images held out", snd=[None, None, None])
    assert Selection("source_val").choose(scored) == Choice(None, None, "no source images held out")
    assert Selection("snd").choose(scored).reason == "the score is not defined at any evaluation"
    assert "not scored" in Selection("dev").choose(scored).reason


def test_an_upper_bound_keeps_its_last_step(
    record: Make, trained: Callable[..., Record], runs_of: Runs, judged: Judge
) -> None:
    bound = runs_of([trained(record("target_only", uses_target_labels=True), 0.9, 0.95, 0.94)])[0]
    bound = judged(bound, snd="trained on target labels", oracle=[0.9, 0.95, 0.94])
    assert Selection("snd").choose(bound) == Choice(0.94, 300, kept_last=True)
    assert Selection("oracle").choose(bound) == Choice(0.95, 200)


def test_a_protocol_says_by_which_rule_it_reports(record: Make, runs_of: Runs, judged: Judge) -> None:
    run = runs_of([record(config={"selection": "snd"})])[0]
    assert Selection().rule_of(run) == "snd"
    assert Selection("last").rule_of(run) == "last"
    assert Selection().choose(run).value is None


def table_rows(
    record: Make, trained: Callable[..., Record], runs_of: Runs, judged: Judge, suites: Suites,
    selection: Selection, skip: tuple[str, int] = ("", 0), seeds: int = 3,
) -> dict[str, Row]:  # fmt: skip
    """Two methods whose best step is not the last; ``skip`` names a method and seed without scores of snd."""
    records = [
        trained(record(method, task, seed), 0.3 + low, 0.5 + low, 0.4 + low)
        for method, low in (("source_only", 0.0), ("dann", 0.1))
        for task in TASKS
        for seed in range(seeds)
    ]
    runs = []
    for run in runs_of(records):
        missing = (run.record.method, run.record.seed) == skip
        snd: list[float | None] | str = "nothing stored" if missing else [0.1, 0.9, 0.2]
        runs.append(judged(run, snd=snd, oracle=[item.accuracy for item in run.record.evaluations]))
    (table,) = aggregate(runs, suites, selection)
    return {row.method: row for row in table.rows}


def test_ranks_and_gains_follow_the_rule(
    record: Make, trained: Callable[..., Record], runs_of: Runs, judged: Judge, suites: Suites
) -> None:
    rows = table_rows(record, trained, runs_of, judged, suites, Selection("snd"))
    assert rows["dann"].averages == pytest.approx({0: 0.6, 1: 0.6, 2: 0.6})
    assert (rows["dann"].rank, rows["dann"].rule) == (1, "snd")
    assert rows["dann"].gain is not None
    assert rows["dann"].gain.interval.mean == pytest.approx(0.1)
    last = table_rows(record, trained, runs_of, judged, suites, Selection())
    assert last["dann"].averages == pytest.approx({0: 0.5, 1: 0.5, 2: 0.5})


def test_a_row_chosen_on_target_labels_is_never_ranked(
    record: Make, trained: Callable[..., Record], runs_of: Runs, judged: Judge, suites: Suites
) -> None:
    rows = table_rows(record, trained, runs_of, judged, suites, Selection("oracle"))
    assert [(row.rank, row.on_target_labels) for row in rows.values()] == [(None, True)] * 2
    assert list(rows) == ["dann", "source_only"], "sorted by average all the same"


def test_a_run_without_the_rule_is_a_missing_run(
    record: Make, trained: Callable[..., Record], runs_of: Runs, judged: Judge, suites: Suites
) -> None:
    row = table_rows(record, trained, runs_of, judged, suites, Selection("snd"), ("dann", 1))["dann"]
    assert set(row.averages) == {0, 2}
    assert row.rank is None
    assert [row.cells[task].unavailable for task in TASKS] == [1, 1]
    assert "snd is not available for 2 runs: nothing stored" in row.notes


def test_seeds_that_a_rule_leaves_out_cost_the_rank(
    record: Make, trained: Callable[..., Record], runs_of: Runs, judged: Judge, suites: Suites
) -> None:
    """A rule that is not defined where models are bad must not flatter: three seeds would be enough."""
    rows = table_rows(record, trained, runs_of, judged, suites, Selection("snd"), ("dann", 1), seeds=4)
    assert rows["dann"].average is not None
    assert (rows["dann"].average.n, rows["dann"].rank) == (3, None)
    assert rows["source_only"].rank == 1


def test_what_the_best_epoch_adds_does_not_depend_on_the_rule(
    record: Make, trained: Callable[..., Record], runs_of: Runs, judged: Judge, suites: Suites
) -> None:
    for rule in (None, "snd", "oracle"):
        row = table_rows(record, trained, runs_of, judged, suites, Selection(rule))["dann"]
        assert row.inflation is not None
        assert (row.inflation.mean, row.inflation.half_width) == (
            pytest.approx(0.1), pytest.approx(0, abs=1e-12),
        )  # fmt: skip
