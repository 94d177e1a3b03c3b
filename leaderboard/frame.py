"""All runs as one tidy frame: one line a run, and which of them enter the tables."""

import re
from collections.abc import Sequence

import pandas as pd

from dabench.leaderboard.choices import Selection
from dabench.leaderboard.rows import Row, Table
from dabench.leaderboard.runs import Run
from dabench.record import COUNTS

__all__ = ["COLUMNS", "newest_per_seed", "tidy", "to_csv"]

COLUMNS = [
    "suite", "task", "source", "target", "method", "configuration", "uses_target_labels",
    "backbone", "protocol", "seed", "run_id", "status", "metric", "selection",
    "on_target_labels", "tuned", "selected_step", "value", "last", "accuracy", "mean_class_accuracy",
    "oracle", "oracle_step", "steps", "training_seconds", "total_seconds", "started_at", "used", "failure",
    "record",
]  # fmt: skip
# A spreadsheet takes a text that begins with one of these for a formula and runs it.
FORMULA_STARTS = ("=", "+", "-", "@")
# Line ends, what a terminal obeys, and what turns the direction of a text.
STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+")


def newest_per_seed(runs: Sequence[Run]) -> list[Run]:
    """The finished runs of one row that count: of each task and seed the one started last."""
    newest: dict[tuple[str, int], Run] = {}
    for run in sorted(runs, key=lambda run: run.started):
        if run.record.status == "done":
            newest[run.record.task, run.record.seed] = run
    return [newest[key] for key in sorted(newest)]


def _line(run: Run, row: Row, selection: Selection) -> dict[str, object]:
    record = run.record
    choice = selection.choose(run) if record.status == "done" else None
    line: dict[str, object] = {
        name: getattr(record, name)
        for name in COLUMNS
        if name in type(record).model_fields and name != "failure"
    }
    metrics, timing, failure = record.metrics, record.timing, record.failure
    steps = record.config.get("steps")
    return line | {
        "configuration": run.configuration,
        "selection": selection.rule_of(run),
        "on_target_labels": row.chosen,
        "tuned": row.tuned.removeprefix("tuned: "),
        "selected_step": choice.step if choice else None,
        "value": choice.value if choice else None,
        "last": record.value,
        "accuracy": metrics.accuracy if metrics else None,
        "mean_class_accuracy": metrics.mean_class_accuracy if metrics else None,
        "steps": steps
        if type(steps) is int and 0 <= steps < COUNTS
        else None,  # a configuration says anything
        "training_seconds": timing.training_seconds if timing else None,
        "total_seconds": timing.total_seconds if timing else None,
        "started_at": timing.started_at if timing else "",
        "failure": f"{failure.kind}: {failure.message}" if failure else "",
        "used": run.file in row.choices,
        "record": run.file,
    }


def tidy(tables: Sequence[Table], selection: Selection) -> pd.DataFrame:
    """One line a run with the columns of COLUMNS, sorted; accuracies in [0, 1], times in seconds.

    Args:
        tables: with all their runs, those that are not counted too.
        selection: the rule of each run, by which the tables were made; ``value`` is taken by it.
    """
    rows = [row for table in tables for row in table.rows]
    lines = [_line(run, row, selection) for row in rows for run in row.group.runs]
    frame = pd.DataFrame(lines, columns=COLUMNS)
    for name in ("oracle_step", "selected_step", "steps", "seed"):
        frame[name] = frame[name].astype("Int64")
    order = ["suite", "backbone", "protocol", "method", "configuration", "task", "seed", "record"]
    return frame.sort_values(order, ignore_index=True)


def to_csv(frame: pd.DataFrame) -> bytes:
    """Comma-separated UTF-8; a text that a spreadsheet would run as a formula gets a leading apostrophe."""
    safe = frame.copy()
    for name in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[name]):
            safe[name] = [_harmless(value) for value in safe[name]]
    return str(safe.to_csv(index=False, lineterminator="\n")).encode("utf-8", "replace")


def _harmless(value: object) -> object:
    if not isinstance(value, str):
        return value
    line = STEERING.sub(" ", value)  # one line a run, whatever an error message holds
    return f"'{line}" if line.lstrip().startswith(FORMULA_STARTS) else line
