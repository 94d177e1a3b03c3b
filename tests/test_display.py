"""Progress: plain lines where nobody watches, a live display in a terminal; no target accuracy on the way."""

import errno
import re
from collections.abc import Callable
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from dabench.display import SweepDisplay
from dabench.plan import PlannedRun
from dabench.records import Evaluation, Failure, Timing

MakePlan = Callable[..., list[PlannedRun]]
EVALUATION = Evaluation(step=2, accuracy=0.87, mean_class_accuracy=0.86, target_entropy=0.5, seconds=1)


def record(status: str = "done", message: str = "") -> Any:
    return SimpleNamespace(
        status=status,
        value=0.9123 if status == "done" else None,
        failure=Failure(kind="E", message=message) if message else None,
        timing=Timing(started_at="", total_seconds=12.34),
    )


def show(
    runs: list[PlannedRun],
    terminal: bool,
    width: int = 160,
    out: StringIO | None = None,
    loss: str = "domain",
) -> str:
    """Drive a display through two runs, the second of which fails; return what it wrote, without colours."""
    out = StringIO() if out is None else out
    console = Console(file=out, force_terminal=terminal, width=width, color_system=None)
    display = SweepDisplay(console, 0)
    display.preparing("images of alpha", 10, 36)
    display.preparing("images of alpha", 36, 36)
    display.expect(2)
    with display:
        display.begin(runs[0], 1, 2)
        display.advance(1, {}, None)
        display.advance(2, {"classification": 1.25, loss: 0.5}, EVALUATION)
        if terminal:
            display._progress.refresh()
        display.end(runs[0], record())
        display.begin(runs[1], 2, 2)
        display.end(runs[1], record("failed", "out of [luck]\nsecond line"))
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", out.getvalue())


def test_plain_lines_when_the_output_is_no_terminal(make_plan: MakePlan) -> None:
    assert show(make_plan(), terminal=False).splitlines() == [
        "prepared images of alpha: 36",
        "[1/2] dann tiny A->B seed 0",
        "    step 2: classification 1.250, domain 0.500, target entropy 0.500",
        "dann tiny A->B seed 0: 91.23 %  (12.3 s)",
        "[2/2] dann tiny B->A seed 0",
        "dann tiny B->A seed 0: FAILED: out of [luck]",
    ]


def test_a_run_that_begins_elsewhere_is_named(make_plan: MakePlan) -> None:
    out = StringIO()
    display = SweepDisplay(Console(file=out), 1)
    display.handed(make_plan()[0])
    assert out.getvalue() == "begun: dann tiny A->B seed 0\n"


def test_a_live_display_in_a_terminal(make_plan: MakePlan) -> None:
    text = show(make_plan(), terminal=True)
    assert re.search(r"sweep\s.*\s1/2", text), "run i of n"
    assert re.search(
        r"dann tiny A->B seed 0\s.*\s2/4\s.*classification 1\.250, domain 0\.500, target entropy", text
    )
    assert "-:--:--" in text or "0:00" in text, "time left"
    assert "dann tiny A->B seed 0: 91.23 %  (12.3 s)" in text
    assert "dann tiny B->A seed 0: FAILED: out of [luck]" in text


def test_no_target_accuracy_while_a_run_goes(make_plan: MakePlan) -> None:
    for terminal in (False, True):
        text = show(make_plan(), terminal)
        assert "87" not in text
        assert "86" not in text


def test_narrow_output_loses_no_line(make_plan: MakePlan) -> None:
    for terminal in (False, True):
        text = " ".join(show(make_plan(), terminal, width=30).split())
        assert "dann tiny B->A seed 0: FAILED: out of [luck]" in text


def test_time_left_is_told_in_plain_lines_when_it_is_long(make_plan: MakePlan) -> None:
    out = StringIO()
    console = Console(file=out, width=160)
    display = SweepDisplay(console, 10)
    display._started -= 120
    display.begin(make_plan()[0], 1, 10)
    display.end(make_plan()[0], record())
    assert "about 18 min left" in out.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
def test_work_of_others_is_told_once(make_plan: MakePlan, terminal: bool) -> None:
    runs = make_plan(seeds=[0, 1, 2])
    out = StringIO()
    console = Console(file=out, force_terminal=terminal, width=160, color_system=None)
    display = SweepDisplay(console, 0)
    display.expect(6)
    with display:
        for _ in range(3):
            display.wait(runs[:5])
        display.elsewhere(runs[0], record())
        display.begin(runs[1], 2, 6)
        display.end(runs[1], record())
        assert display._progress.tasks[0].completed == 2
    text = out.getvalue()
    assert text.count("waiting for runs of other processes") == 1
    assert "dann tiny A->B seed 0, dann tiny B->A seed 0, dann tiny A->B seed 1 and 2 more" in text
    assert "dann tiny A->B seed 0: 91.23 %  (12.3 s)  by another process" in text


class Broken(StringIO):
    """Breaks at its n-th write or flush."""

    def __init__(self, error: OSError, working: int) -> None:
        super().__init__()
        self.error, self.left = error, working

    def write(self, text: str) -> int:
        self._count()
        return super().write(text)

    def flush(self) -> None:
        self._count()

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise self.error


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("working", range(14))
@pytest.mark.parametrize("error", [BrokenPipeError(errno.EPIPE, "gone"), OSError(errno.EIO, "hung up")])
def test_output_that_breaks_never_raises_into_a_run(
    make_plan: MakePlan, terminal: bool, working: int, error: OSError
) -> None:
    out = Broken(error, working)
    show(make_plan(), terminal, out=out)
    assert out.left >= -1, "nothing is tried after that"


@pytest.mark.parametrize("terminal", [False, True])
def test_names_are_no_markup(make_plan: MakePlan, terminal: bool) -> None:
    text = show(make_plan(), terminal, loss="[/of] a method")
    assert "classification 1.250, [/of] a method 0.500" in text
