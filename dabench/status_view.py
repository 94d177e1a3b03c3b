"""What ``dabench status`` prints."""

import json
from collections import Counter
from pathlib import Path
from typing import Any, get_args

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dabench.status import RunStatus, State, Status, read_status

__all__ = ["duration", "print_status"]

MOST_TOLD = 20
LONGEST = 200
STATES: tuple[State, ...] = get_args(State)


def print_status(console: Console, results: Path, as_json: bool = False) -> None:
    """Print what a results folder holds and lacks.

    Raises:
        UserError: there is no such folder.
    """
    status = read_status(results)
    if as_json:
        print(json.dumps(_as_json(status), indent=1, ensure_ascii=True, allow_nan=False))
        return
    counts = [f"{len(status.of(state))} {state}" for state in STATES if state != "stale" or status.of(state)]
    _say(console, f"{len(status.runs)} runs: {', '.join(counts)}")
    console.print(_table(status))
    for name, sweep in status.sweeps.items():
        _say(console, f"sweep {name} ({sweep.about}): {sweep.done} of {sweep.runs} runs are done")
    for run in (*status.of("running"), *status.of("stale")):
        _say(console, f"{run.state}: {run.path} {_who(run)}")
    failed = status.of("failed")
    _tell(console, "failed", [f"{run.path}: {run.reason.splitlines()[0]}" for run in failed])
    if failed:
        _say(console, "the next dabench run tries failed runs again; --json has the command for each")
    _tell(console, "no record", status.problems)
    left = status.of("missing") or status.of("running") or status.of("stale")
    if left:
        known = status.seconds_left
        text = "not known before a run has ended" if known is None else duration(known)
        _say(console, f"time left{', failed runs apart' if failed else ''}: {text}")


def duration(seconds: float) -> str:
    """Round a time to what people say.

    >>> duration(42), duration(3000), duration(9000), duration(200000)
    ('about 42 s', 'about 50 min', 'about 2 h 30 min', 'about 2 d 8 h')
    """
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"about {seconds:.0f} s"
    if minutes < 100:
        return f"about {minutes} min"
    if minutes < 48 * 60:
        return f"about {minutes // 60} h {minutes % 60} min"
    hours = round(seconds / 3600)
    return f"about {hours // 24} d {hours % 24} h"


def _plain(text: str) -> str:
    """A text of strangers without what a terminal would obey."""
    return "".join(char if char.isprintable() else "?" for char in text[:LONGEST])


def _say(console: Console, text: str) -> None:
    console.print(_plain(text), soft_wrap=True, markup=False, highlight=False)


def _tell(console: Console, what: str, lines: list[str]) -> None:
    for line in lines[:MOST_TOLD]:
        _say(console, f"{what}: {line}")
    if len(lines) > MOST_TOLD:
        _say(console, f"{what}: {len(lines) - MOST_TOLD} more; --json names them all")


def _who(run: RunStatus) -> str:
    if run.holder is None:
        return ""
    sign = f", no sign of life for {duration(run.quiet)}" if run.state == "stale" else ""
    return f"by process {run.holder.pid} of {run.holder.host}{sign}"


def _table(status: Status) -> Table:
    counts: dict[tuple[str, str], Counter[State]] = {}
    for run in status.runs.values():
        counts.setdefault((run.suite, run.method), Counter())[run.state] += 1
    table = Table()
    for column in ("suite", "method", *STATES):
        table.add_column(column, justify="right" if column in STATES else "left", overflow="fold")
    for key, states in sorted(counts.items()):
        cells = [str(states[state]) if states[state] else "" for state in STATES]
        table.add_row(*(Text(_plain(name)) for name in key), *cells)
    return table


def _as_json(status: Status) -> dict[str, Any]:
    rows = Counter((run.suite, run.method, run.state) for run in status.runs.values())
    return {
        "schema_version": 1,
        "runs": len(status.runs),
        **{state: len(status.of(state)) for state in STATES},
        "seconds_left": status.seconds_left,
        "sweeps": [
            {"name": name, "about": sweep.about, "done": sweep.done, "runs": sweep.runs}
            for name, sweep in status.sweeps.items()
        ],
        "table": [
            {"suite": suite, "method": method, "state": state, "runs": count}
            for (suite, method, state), count in sorted(rows.items())
        ],
        "held": [
            {
                "path": str(run.path), "state": run.state, "host": run.holder.host, "pid": run.holder.pid,
                "quiet_seconds": round(run.quiet, 1),
            }
            for run in (*status.of("running"), *status.of("stale"))
            if run.holder is not None
        ],
        "failures": [
            {"path": str(run.path), "reason": run.reason, "repeat": run.repeat}
            for run in status.of("failed")
        ],
        "not_done": [str(run.path) for run in status.of("missing")],
        "problems": status.problems,
    }  # fmt: skip
