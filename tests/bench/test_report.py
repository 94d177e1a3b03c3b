import json
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from dabench.bench.report import as_json, best_bare, figures, multiples, table
from dabench.bench.timing import Contender

SECONDS = {
    "bare float32": np.array([0.2, 0.4, 0.2]),
    "bare bfloat16": np.array([0.1, 0.2, 0.1]),
    "source_only": np.array([0.125, 0.25, 0.125]),
    "dann": np.array([0.2, 0.4, 0.2]),
    "gsda": np.array([0.2, 0.6, 0.1]),
    "gsda, between epochs": np.array([0.2, 0.2, 0.2]),
    "loader alone": np.array([0.01, 0.02, 0.01]),
    "bare forward pass": np.array([0.05, 0.05, 0.05]),
    "evaluation": np.array([0.1, 0.1, 0.1]),
}
METHODS = ["source_only", "dann", "gsda"]
STEPS = ["bare float32", "bare bfloat16", *METHODS]
BETWEEN = "gsda, between epochs"


@pytest.fixture
def rows() -> dict[str, object]:
    contenders = [
        Contender(name, lambda: None, 60, part_of="gsda")
        if name == BETWEEN
        else Contender(name, lambda: None, 10)
        for name in SECONDS
    ]
    memory = {"dann": 5_000_000, "gsda": None}
    made = figures(contenders, dict.fromkeys(SECONDS, 2), SECONDS, memory, METHODS)
    return {row.name: row for row in made}


def test_the_base_is_the_bare_backbone_at_its_faster_precision(rows: dict[str, object]) -> None:
    assert best_bare(SECONDS) == "bare bfloat16"
    assert best_bare({**SECONDS, "bare float32": np.full(3, 0.05)}) == "bare float32"
    assert {row.base for name, row in rows.items() if name in STEPS} == {"bare bfloat16"}
    assert rows["bare float32"].ratio.median == 0.5
    assert rows["bare bfloat16"].ratio.median == 1.0


def test_ratios_and_milliseconds_come_from_the_rounds(rows: dict[str, object]) -> None:
    dann = rows["dann"]
    assert (dann.ratio.lower, dann.ratio.median, dann.ratio.upper) == (0.5, 0.5, 0.5)
    assert dann.images_per_second.median == pytest.approx(5.0)
    assert dann.milliseconds.median == pytest.approx(2000.0)
    assert dann.over_bare.median == pytest.approx(1000.0)
    assert dann.over_baseline.median == pytest.approx(750.0)
    assert dann.memory_bytes == 5_000_000
    assert rows["source_only"].over_baseline.median == 0.0


def test_a_method_pays_for_what_it_does_between_epochs(rows: dict[str, object]) -> None:
    gsda, between = rows["gsda"], rows[BETWEEN]
    assert gsda.includes == BETWEEN
    assert gsda.seconds_an_image == pytest.approx([0.4, 0.8, 0.3])  # round by round, not of medians
    assert gsda.milliseconds.median == pytest.approx(4000.0)
    assert gsda.images_per_second.median == pytest.approx(2.5)
    assert gsda.ratio.median == pytest.approx(0.25)  # of 0.25, 0.25, 0.333
    assert gsda.over_bare.median == pytest.approx(3000.0)
    assert gsda.over_baseline.median == pytest.approx(2750.0)
    assert between.milliseconds.median == pytest.approx(12000.0)  # of the whole
    assert between.seconds_an_image == (0.2, 0.2, 0.2)
    assert (between.base, between.ratio, between.images_per_second) == (None, None, None)
    assert (between.over_bare, between.over_baseline, between.times) == (None, None, {})


def test_step_times_are_multiples_of_source_only_and_dann(rows: dict[str, object]) -> None:
    gsda = rows["gsda"].times
    assert list(gsda) == ["source_only", "dann"]
    assert gsda["source_only"].median == pytest.approx(3.2)  # of 3.2, 3.2, 2.4
    assert gsda["dann"].median == pytest.approx(2.0)  # of 2, 2, 1.5
    assert gsda["dann"].lower == pytest.approx(1.75)
    assert rows["dann"].times["dann"].median == 1.0
    for name in ("bare float32", "loader alone", "evaluation"):
        assert rows[name].times == {}


def test_without_dann_there_is_no_multiple_of_it() -> None:
    contenders = [Contender(name, lambda: None, 10) for name in SECONDS if name != "dann"]
    made = figures(contenders, dict.fromkeys(SECONDS, 2), SECONDS, {}, ["source_only", "gsda"])
    assert {name for row in made for name in row.times} == {"source_only"}
    console = Console(width=140, file=StringIO())
    console.print(multiples(made))
    assert "dann" not in console.file.getvalue()


def test_evaluation_is_compared_with_the_forward_pass_and_takes_no_step(rows: dict[str, object]) -> None:
    evaluation = rows["evaluation"]
    assert (evaluation.base, evaluation.ratio.median) == ("bare forward pass", 0.5)
    for name in ("evaluation", "bare forward pass", "loader alone"):
        assert (rows[name].over_bare, rows[name].over_baseline) == (None, None)


def test_figures_are_plain_data_and_a_table(rows: dict[str, object]) -> None:
    data = json.loads(json.dumps(as_json(list(rows.values()))))
    assert data[3]["name"] == "dann"
    assert data[3]["ratio"] == {"median": 0.5, "lower": 0.5, "upper": 0.5}
    assert data[3]["seconds_an_image"] == [0.2, 0.4, 0.2]
    console = Console(width=140, file=StringIO())
    console.print(table(list(rows.values()), "3 rounds [of it]"))
    text = console.file.getvalue()
    assert "3 rounds [of it]" in text
    assert "+750.0" in text
    assert "0.500 *" in text
    row = next(line for line in text.splitlines() if BETWEEN in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        BETWEEN, "", "", "", "12000.0", "", "", "",
    ]  # fmt: skip
    console.print(multiples(list(rows.values())))
    text = console.file.getvalue().partition("step times")[2]
    assert [line.split("│")[1].strip() for line in text.splitlines() if "│" in line] == METHODS
    assert "1.750 to 2.000" in text
