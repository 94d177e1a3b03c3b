"""Progress of a search: runs counted over all trials, and no accuracy on the target."""

import re
from collections.abc import Callable
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from dabench.plan import PlannedRun
from dabench.records import Failure, Timing
from dabench.tuning.display import SearchDisplay

TIMING = Timing(started_at="", total_seconds=12.34)
DONE: Any = SimpleNamespace(status="done", value=0.9123, failure=None, timing=TIMING)
FAILED: Any = SimpleNamespace(
    status="failed", value=None, failure=Failure(kind="E", message="no room"), timing=TIMING
)


@pytest.mark.parametrize("terminal", [False, True])
def test_runs_are_counted_over_trials_and_accuracies_are_not_shown(
    make_plan: Callable[..., list[PlannedRun]], terminal: bool
) -> None:
    runs = make_plan()
    out = StringIO()
    console = Console(file=out, force_terminal=terminal, width=160, color_system=None)
    display = SearchDisplay(console, 0)
    display.expect(6)
    with display:
        display.skip(1)  # done on an earlier day
        for trial in range(2):
            for number, (run, record) in enumerate(zip(runs, (DONE, FAILED), strict=True), start=1):
                display.begin(run, number, 2)
                display.end(run, record)
            display.skip(trial)
    said = out.getvalue()
    assert "dann tiny A->B seed 0: done  (12.3 s)" in said
    assert "dann tiny B->A seed 0: FAILED: no room" in said
    assert "91.2" not in said
    if terminal:
        assert "4/4" in said
    else:
        assert re.findall(r"\[(\d)/(\d)\]", said) == [("1", "5"), ("2", "5"), ("3", "5"), ("4", "5")]
