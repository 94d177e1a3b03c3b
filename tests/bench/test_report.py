import json
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from dabench.bench.report import as_json, best_bare, figures, table
from dabench.bench.timing import Contender

SECONDS = {
    "bare float32": np.array([0.2, 0.4, 0.2]),
    "bare bfloat16": np.array([0.1, 0.2, 0.1]),
    "source_only": np.array([0.125, 0.25, 0.125]),
    "dann": np.array([0.2, 0.4, 0.2]),
    "loader alone": np.array([0.01, 0.02, 0.01]),
    "bare forward pass": np.array([0.05, 0.05, 0.05]),
    "evaluation": np.array([0.1, 0.1, 0.1]),
}
STEPS = ["bare float32", "bare bfloat16", "source_only", "dann"]


@pytest.fixture
def rows() -> dict[str, object]:
    contenders = [Contender(name, lambda: None, 10) for name in SECONDS]
    made = figures(contenders, dict.fromkeys(SECONDS, 2), SECONDS, {"dann": 5_000_000}, STEPS)
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
