"""``dabench stats``: answers in sentences, names, predictions of strangers, the selftest's exit code."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from scipy import stats
from typer.testing import CliRunner

from dabench.errors import UserError
from dabench.leaderboard import stats_command, versus
from dabench.leaderboard.boards import Reading, Way, boards
from dabench.leaderboard.runs import load
from dabench.leaderboard.settings import Settings
from dabench.leaderboard.standings import standings
from dabench.leaderboard.statistics import coverage
from dabench.leaderboard.statistics.images import mcnemar
from dabench.leaderboard.table import SuiteInfo, aggregate
from dabench.leaderboard.versus_output import answer
from dabench.records import Record, RecordStore

Make = Callable[..., Record]
Write = Callable[[list[Record]], Path]


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.callback()(lambda: None)
    stats_command.add_stats(app)
    return app


def ask(app: typer.Typer, results: Path, *words: str) -> str:
    outcome = CliRunner().invoke(app, ["stats", "compare", *words, "--results", str(results)],
                                 env={"COLUMNS": "160"})  # fmt: skip
    if outcome.exception is not None:
        raise outcome.exception
    return outcome.stdout


@pytest.fixture
def stored(tmp_path: Path, record: Make) -> Path:
    """Two methods, two tasks, three seeds, with predictions on 40 images: dann errs twice as often."""
    store = RecordStore(tmp_path / "results")
    rng = np.random.default_rng(0)
    for method, wrong in (("cdan", 0.1), ("dann", 0.3)):
        for task in ("A->B", "B->A"):
            labels = np.arange(40) % 2
            for seed in range(3):
                last = np.where(rng.random(40) < wrong, 1 - labels, labels)
                arrays = {"steps": np.array([250, 500]), "predictions": np.stack([1 - labels, last]),
                          "labels": labels}  # fmt: skip
                store.write(record(method, task, seed, float((last == labels).mean())), arrays)
    return store.root


def test_the_answer(app: typer.Typer, small_sweep: list[Record], written: Write) -> None:
    text = ask(app, written(small_sweep), "dann", "cdan")
    assert "toy · resnet50.tv_in1k · transductive · accuracy, at the last step" in text
    assert "Yes: dann is better than cdan here." in text
    assert "Test: paired t, 3 shared seeds, p = " in text
    assert "after Holm's correction over 6 pairs" in text
    assert "Rank intervals among 4 ranked rows: dann" in text
    assert "Averages in percent: dann 62.67" in text
    assert "No: dann is better than cdan here." in ask(app, written(small_sweep), "cdan", "dann")


def test_what_seeds_do_not_say(app: typer.Typer, small_sweep: list[Record], written: Write) -> None:
    results = written(small_sweep)
    text = ask(app, results, "gsda", "dann")
    assert ("Not told apart" in text) or ("Perhaps" in text)
    assert "gsda is not ranked" not in text
    bound = ask(app, results, "target_only", "dann")
    assert "target_only is not ranked: upper bound, trained on target labels." in bound
    assert "Alone, target_only is told apart from dann, and better" in bound
    assert "Yes:" not in bound
    assert "not ranked together, so not corrected" in bound
    assert "target_only is not ranked" in bound


def test_the_settings_are_those_of_the_page(
    app: typer.Typer, small_sweep: list[Record], written: Write
) -> None:
    results = written(small_sweep)
    text = ask(app, results, "dann", "cdan", "--set", "compare.test=welch", "--set", "ci.level=0.9")
    assert "Test: Welch's t, 3 and 3 seeds" in text
    assert "90 % interval" in text
    few = ask(app, results, "dann", "cdan", "--set", "min_seeds=4")
    assert "dann is not ranked: fewer than 4 seeds." in few
    assert "Yes:" not in few


def test_a_moderated_answer_says_what_the_two_rows_tell_alone(
    app: typer.Typer, record: Make, written: Write
) -> None:
    rng = np.random.default_rng(3)
    values = {f"m{k}": 0.5 + 0.02 * k + 0.01 * rng.standard_normal(5) for k in range(8)}
    records = [record(name, task, seed, float(value)) for name, given in values.items()
               for task in ("A->B", "B->A") for seed, value in enumerate(given)]  # fmt: skip
    text = ask(app, written(records), "m7", "m0")
    alone = stats.ttest_rel(values["m7"], values["m0"])
    half = 100 * (alone.confidence_interval().high - alone.confidence_interval().low) / 2
    assert "Test: moderated paired t, 5 shared seeds" in text
    assert f"By itself, without the other rows' variances: ±{half:.2f}, p " in text
    assert "(paired t, 5 shared seeds)" in text
    assert "with probability 1.00 (95 % interval 1.00 to 1.00)" in text


def test_seeds_that_agree_exactly_answer_nothing(app: typer.Typer, record: Make, written: Write) -> None:
    records = [record(name, task, seed, value) for name, value in (("cdan", 0.8), ("dann", 0.7))
               for task in ("A->B", "B->A") for seed in range(3)]  # fmt: skip
    text = ask(app, written(records), "cdan", "dann")
    assert "No answer: all seeds of cdan and dann give the same difference" in text
    assert "±0.00 " not in text.split("minus")[1].split("Rank")[0]


def test_an_incomplete_row_is_compared_on_what_all_have(
    app: typer.Typer, small_sweep: list[Record], written: Write
) -> None:
    text = ask(app, written(small_sweep), "cdan+e", "cdan")
    assert "Not the whole suite, only what every row has run: A->B." in text
    assert "is better than cdan here" in text


def test_images_of_stored_predictions(app: typer.Typer, stored: Path) -> None:
    text = ask(app, stored, "cdan", "dann")
    runs, _ = load(stored)
    labels = np.arange(40) % 2
    right = {}
    for run in runs:
        if run.record.task == "A->B" and run.record.seed == 0:
            with np.load((stored / run.file).with_name(run.record.predictions_file)) as arrays:
                right[run.record.method] = arrays["predictions"][-1] == labels
    only = [int((right[a] & ~right[b]).sum()) for a, b in (("cdan", "dann"), ("dann", "cdan"))]
    p = mcnemar(*only)
    assert f"0: {'< 0.0001' if p < 0.0001 else f'{p:.2g}'}" in next(
        line for line in text.splitlines() if line.split()[:1] == ["A->B"]
    )
    assert "Not compared image by image" not in text


def test_predictions_of_strangers(app: typer.Typer, stored: Path) -> None:
    files = sorted(stored.rglob("*.npz"))
    files[0].write_bytes(files[0].read_bytes()[:-5] + b"evil!")  # no longer what the record's checksum says
    files[-1].unlink()
    text = ask(app, stored, "cdan", "dann")
    assert "is not as its run wrote it" in text
    assert "Not compared image by image" in text
    assert "cdan minus dann" in text


def test_another_set_of_images_is_not_compared(stored: Path, record: Make) -> None:
    store = RecordStore(stored)
    labels = np.zeros(40, int)
    arrays = {"steps": np.array([500]), "predictions": labels[None], "labels": labels}
    store.write(record("cdan", "A->B", 1, 1.0), arrays)
    found = _versus(stored, "cdan", "dann")
    task = found.tasks[0]
    assert [one.seed for one in task.images] == [0, 2]
    assert task.missing == ("tested on other images",)


def _versus(results: Path, a: str, b: str) -> versus.Versus:
    runs, _ = load(results)
    (board,) = boards(runs)
    suites: Mapping[str, SuiteInfo] = {}
    (table,) = aggregate(runs, suites)
    reading = Reading(board, Way(), table, standings(table, Settings()))
    rows = [versus.pick(table.rows, word) for word in (a, b)]
    return versus.versus(results, reading, rows[0], rows[1], Settings())


def test_sides_change_only_the_sign(stored: Path) -> None:
    one, other = _versus(stored, "cdan", "dann"), _versus(stored, "dann", "cdan")
    assert one.comparison is not None
    assert other.comparison is not None
    assert one.comparison.interval.mean == -other.comparison.interval.mean
    assert one.comparison.interval.low == pytest.approx(-(other.comparison.interval.high or 0))
    assert (one.comparison.p, one.comparison.left) == (other.comparison.p, other.comparison.right)
    for left, right in zip(one.tasks, other.tasks, strict=True):
        assert [test.p for test in left.images] == [test.p for test in right.images]
        assert left.over_images is not None
        assert right.over_images is not None
        assert left.over_images.low == pytest.approx(-(right.over_images.high or 0), abs=0.02)


def test_seeds_that_it_takes(stored: Path) -> None:
    found = _versus(stored, "cdan", "dann")
    assert found.comparison is not None
    unsure = replace(found.comparison, p=0.2, adjusted=0.4, resolved=False, seeds_needed=11)
    text = " ".join(answer(replace(found, comparison=unsure), Settings()))
    assert "Not told apart: these seeds do not say whether cdan or dann is better." in text
    assert "run 8 more seeds of cdan and dann (11 each)" in text
    perhaps = " ".join(answer(replace(found, comparison=replace(unsure, p=0.03)), Settings()))
    assert "Perhaps: alone, cdan is told apart from dann" in perhaps


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (("cdna", "dann"), "unknown row 'cdna'", "did you mean 'cdan'?"),
        (("cdan", "dan"), "unknown row 'dan'", "did you mean 'dann'?"),
        (("cdan", "dann", "--suite", "tody"), "unknown suite 'tody'", "did you mean 'toy'?"),
        (("cdan", "dann", "--backbone", "resnet5"), "unknown backbone", "resnet50.tv_in1k"),
        (("cdan", "dann", "--protocol", "x"), "unknown protocol 'x'", "transductive"),
        (("cdan", "cdan"), "named twice", "two rows"),
    ],
)
def test_mistakes(
    app: typer.Typer,
    small_sweep: list[Record],
    written: Write,
    words: tuple[str, ...],
    message: str,
    hint: str,
) -> None:
    with pytest.raises(UserError, match=message) as error:
        ask(app, written(small_sweep), *words)
    assert hint in error.value.hint


def test_a_method_of_several_rows_is_named_with_its_label(
    app: typer.Typer, small_sweep: list[Record], record: Make, written: Write
) -> None:
    other = [
        record("dann", task, seed, 0.7, config={"steps": 9}) for task in ("A->B", "B->A") for seed in range(3)
    ]
    results = written([*small_sweep, *other])
    with pytest.raises(UserError, match="'dann' has 2 rows") as error:
        ask(app, results, "dann", "cdan")
    assert error.value.hint == "name one of them: 'dann:steps=500', 'dann:steps=9'"
    assert "Yes: dann (steps=9) is better than cdan here." in ask(app, results, "dann:steps=9", "cdan")


def test_no_runs(app: typer.Typer, written: Write) -> None:
    with pytest.raises(UserError, match="no runs"):
        ask(app, written([]), "a", "b")


def test_rows_that_share_no_table(
    app: typer.Typer, small_sweep: list[Record], record: Make, written: Write
) -> None:
    results = written([*small_sweep, record("shot", suite="other")])
    with pytest.raises(UserError, match="no table has both 'shot' and 'dann'"):
        ask(app, results, "shot", "dann")


def test_selftest_passes_and_prints(app: typer.Typer) -> None:
    outcome = CliRunner().invoke(app, ["stats", "selftest", "--experiments", "8000"], env={"COLUMNS": "160"})
    assert outcome.exit_code == 0, outcome.output
    assert "keeps its promise" in outcome.stdout
    lines = [line.split() for line in outcome.stdout.splitlines()]
    assert sum(line[-1:] == ["default"] for line in lines) == 5


def test_selftest_fails_where_an_interval_is_too_narrow(
    app: typer.Typer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def narrow(values: np.ndarray, level: float = 0.95) -> np.ndarray:
        return 1.96 * values.std(axis=-1, ddof=1) / values.shape[-1] ** 0.5

    monkeypatch.setattr(coverage, "half_widths", narrow)
    outcome = CliRunner().invoke(app, ["stats", "selftest", "--experiments", "5000"])
    assert outcome.exit_code == 1
    assert "DOES NOT keep its promise" in outcome.stdout


def test_selftest_as_csv_is_read_back(app: typer.Typer) -> None:
    outcome = CliRunner().invoke(app, ["stats", "selftest", "--experiments", "5000", "--format", "csv"])
    assert coverage.from_csv(outcome.stdout) == coverage.simulate(5000)


def test_the_study_of_tests_runs(app: typer.Typer, monkeypatch: pytest.MonkeyPatch) -> None:
    from dabench.leaderboard.statistics import comparison_study

    monkeypatch.setattr(comparison_study, "ROWS", (4, 8))
    outcome = CliRunner().invoke(
        app, ["stats", "selftest", "--tests", "--experiments", "5000"], env={"COLUMNS": "200"}
    )
    assert outcome.exit_code == 0, outcome.output
    rows = [line.split() for line in outcome.stdout.splitlines() if line.split()[:1] in (["4"], ["8"])]
    assert len(rows) == 16


def test_nothing_steers_the_terminal(app: typer.Typer, record: Make, written: Write) -> None:
    sign = "\x1b[2J\u202e[/x]"
    records = [
        record(method, f"{task}{sign}", seed, 0.5 + seed / 10, suite=f"toy{sign}")
        for method in ("cdan", f"dann{sign}")
        for task in ("A->B", "B->A")
        for seed in range(3)
    ]
    shown = ask(app, written(records), "cdan", f"dann{sign}")
    assert "dann" in shown
    assert not [one for one in shown if not one.isprintable() and one != "\n"]
