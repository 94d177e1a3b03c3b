"""``dabench select`` on runs that really stored logits and features: real rules, kept scores, all formats."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from dabench.leaderboard import commands
from dabench.leaderboard.site import Order, write_site
from dabench.leaderboard.table import SuiteInfo
from dabench.records import Record, RecordStore

Make = Callable[..., Record]
STEPS = 3


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.callback()(lambda: None)
    commands.add_to(app)
    return app


@pytest.fixture
def results(record: Make, trained: Callable[..., Record], tmp_path: Path) -> Path:
    """Four runs of two methods that get more confident, then less; one that stored nothing; one failed."""
    store = RecordStore(tmp_path / "results")
    for method, seed in (("source_only", 0), ("source_only", 1), ("dann", 0), ("dann", 1)):
        rng = np.random.default_rng(0)
        confidence = np.array([1.0, 6.0, 2.0])[:, None, None]
        one = trained(record(method, seed=seed), 0.4, 0.6, 0.5)
        arrays = {
            "steps": np.array([item.step for item in one.evaluations]),
            "target_logits": (confidence * np.eye(2)[rng.integers(0, 2, 12)]).astype(np.float16),
            "target_features": rng.normal(size=(STEPS, 12, 4)).astype(np.float16),
        }
        store.write(one, None, arrays)
    store.write(trained(record("gsda"), 0.4, 0.6, 0.5))
    store.write(record("gsda", seed=1, failed=True))
    return store.root


def run(app: typer.Typer, *words: str) -> str:
    outcome = CliRunner().invoke(app, ["select", *words], env={"COLUMNS": "200"})
    assert outcome.exit_code == 0, outcome.output
    return outcome.stdout


def test_json_says_everything(app: typer.Typer, results: Path) -> None:
    found = json.loads(run(app, "--results", str(results), "--rule", "entropy", "--format", "json"))
    (rule,) = found["rules"]
    assert (rule["rule"], rule["runs"], rule["available"]) == ("entropy", 5, 4)
    assert list(rule["reasons"].values()) == [1]
    assert [line["step"] for line in found["runs"]] == [200, 200, None, 200, 200]
    assert [line["value"] for line in found["runs"]] == [0.6, 0.6, None, 0.6, 0.6]
    everything, dann, gsda, _ = found["report"]
    assert everything["method"] == "all methods"
    assert (dann["method"], dann["available"], gsda["available"]) == ("dann", 2, 0)
    assert dann["regret"] == pytest.approx(0)
    assert dann["gain_over_last"] == pytest.approx(0.1)
    assert dann["weighted_spearman"] == pytest.approx(1)  # confidence and accuracy have one order


def test_scores_are_kept_beside_the_records_and_read_again(
    app: typer.Typer, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(app, "--results", str(results), "--rule", "entropy", "--format", "csv")
    assert len(list(results.rglob("*.scores.json"))) == 4  # a run that stored nothing keeps none
    monkeypatch.setattr("dabench.scores.read_parts", lambda *_: pytest.fail("scored again"))
    assert run(app, "--results", str(results), "--rule", "entropy", "--format", "csv") == first


def test_csv_has_a_line_a_method_or_a_run(app: typer.Typer, results: Path) -> None:
    common = ("--results", str(results), "--rule", "entropy", "--format", "csv")
    report = list(csv.DictReader(io.StringIO(run(app, *common))))
    assert [line["method"] for line in report] == ["all methods", "dann", "gsda", "source_only"]
    runs = list(csv.DictReader(io.StringIO(run(app, *common, "--runs"))))
    assert [(line["method"], line["seed"], line["step"]) for line in runs][:2] == [
        ("dann", "0", "200"), ("dann", "1", "200"),
    ]  # fmt: skip


def test_tables_for_people(app: typer.Typer, results: Path) -> None:
    shown = run(app, "--results", str(results), "--rule", "entropy", "--runs")
    rows = [line.split() for line in shown.splitlines()]
    assert ["entropy", "4/5", "the"] in [row[:3] for row in rows]
    assert ["entropy", "dann", "2/2", "60.00", "±0.00", "0.00", "±0.00", "+10.00", "±0.00", "+1.00"] in rows
    assert ["toy", "A->B", "dann", "0", "200", "60.00", "50.00", "60.00"] in [row[:8] for row in rows]
    markdown = run(app, "--results", str(results), "--rule", "entropy", "--format", "markdown")
    assert (
        "| rule | method | runs | average | lacks to oracle | adds to last | weighted Spearman |" in markdown
    )
    assert "| entropy | dann | 2/2 | 60.00 ±0.00 | 0.00 ±0.00 | +10.00 ±0.00 | +1.00 |" in markdown


def test_many_rules_are_crossed_with_methods(app: typer.Typer, results: Path) -> None:
    markdown = run(app, "--results", str(results), "--format", "markdown")
    lines = markdown.splitlines()
    start = next(number for number, line in enumerate(lines) if "lacks to the oracle" in line)
    head, _, last = lines[start + 2 : start + 5]
    assert head == "| rule | all methods | dann | gsda | source_only |"
    assert last.split(" | ")[0] == "| last"
    assert last.split(" | ")[2] == "10.00 ±0.00"  # dann: 60 at step 200, 50 at the last
    assert [line for line in lines if line.startswith("| oracle (target labels) | 0.00")]


def test_all_rules_by_default(app: typer.Typer, results: Path) -> None:
    found = json.loads(run(app, "--results", str(results), "--format", "json"))
    available = {line["rule"]: line["available"] for line in found["rules"]}
    assert {"last", "oracle", "entropy", "snd", "source_val"} <= set(available)
    assert (available["last"], available["oracle"], available["source_val"]) == (5, 5, 0)


@pytest.mark.parametrize(
    ("style", "output"), [("table", "There are no runs"), ("csv", ""), ("json", '"runs": []')]
)
def test_an_empty_folder_is_no_error(app: typer.Typer, tmp_path: Path, style: str, output: str) -> None:
    assert output in run(app, "--results", str(tmp_path), "--format", style)


def test_a_folder_that_cannot_be_written_is_scored_all_the_same(
    app: typer.Typer, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr("dabench.scores.write_atomically", refuse)
    found = json.loads(run(app, "--results", str(results), "--rule", "entropy", "--format", "json"))
    assert found["rules"][0]["available"] == 4
    assert list(results.rglob("*.scores.json")) == []


def test_the_leaderboard_takes_the_rule(results: Path, tmp_path: Path) -> None:
    suites = {"toy": SuiteInfo("Toy", ("A->B",))}
    by_rule = write_site(results, tmp_path / "snd", Order("entropy", suites=suites))
    last = write_site(results, tmp_path / "last", Order(suites=suites))
    means = [
        {row.method: row.average and row.average.mean for row in report.tables[0].rows}
        for report in (by_rule, last)
    ]
    assert means[0] == {"dann": pytest.approx(0.6), "source_only": pytest.approx(0.6), "gsda": None}
    assert means[1] == {name: pytest.approx(0.5) for name in ("dann", "source_only", "gsda")}
    lines = list(csv.DictReader(io.StringIO((tmp_path / "snd" / "results.csv").read_text())))
    columns = ("selection", "selected_step", "value", "last")
    chosen = {
        (line["method"], line["seed"]): tuple(line[column] for column in columns)
        for line in lines
        if line["status"] == "done"
    }
    assert chosen["dann", "0"] == ("entropy", "200", "0.6", "0.5")
    assert chosen["gsda", "0"] == ("entropy", "", "", "0.5")
