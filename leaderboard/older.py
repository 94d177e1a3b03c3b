"""Read an older state of the results, to compare with: a results folder, or ``results.csv`` of a site.

The file tells of each run what the tables need: value, rule, seed, configuration's digest. It tells no
configuration and no images, so runs from it are stand-ins, good for comparing and for nothing else.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dabench.errors import UserError
from dabench.leaderboard.boards import Reading
from dabench.leaderboard.frame import COLUMNS, FORMULA_STARTS
from dabench.leaderboard.origins import HYPERPARAMETERS
from dabench.leaderboard.reading import read_boards, read_scored
from dabench.leaderboard.rows import SuiteInfo
from dabench.leaderboard.runs import Run
from dabench.leaderboard.settings import Settings
from dabench.plain_files import open_plain
from dabench.recipe import ON_TARGET_LABELS, TRIAL
from dabench.records import Evaluation, Failure, Metrics, Problem, Record, Timing
from dabench.scores import RuleScores

__all__ = ["read_older"]

LARGEST_CSV = 256 * 2**20
LAST = "last"


@dataclass(frozen=True)
class _Told(Run):
    """A run as a line of the file tells of it; its configuration is known by its digest alone."""

    @cached_property
    def configuration(self) -> str:
        """The digest, as the file has it."""
        return str(self.record.method_info["configuration"])


def read_older(
    path: Path,
    select: str | None = None,
    settings: Settings | None = None,
    suites: Mapping[str, SuiteInfo] | None = None,
    problems: list[Problem] | None = None,
) -> tuple[Reading, ...]:
    """Read every board of an older state in its default way.

    Args:
        path: a results folder, or a file ``results.csv``, whose values stay as they were chosen then.
        select: the rule that a folder's numbers are taken by.
        settings: intervals and comparisons.
        suites: what is known of suites.
        problems: gets the files that were skipped.

    Raises:
        UserError: there is no such path, or the file is none of ours.
    """
    if path.is_dir():
        found = read_boards(path, select, settings, suites)
        if problems is not None:
            problems += [replace(one, path=path.name / one.path) for one in found.problems]
        return found.readings
    if not path.is_file():
        raise UserError(
            f"there is no older state at '{path}'",
            "--against takes a results folder, or results.csv of an older page",
        )
    return read_scored(_told_runs(path), None, settings, suites)


def _told_runs(path: Path) -> list[Run]:
    rows = csv.DictReader(io.StringIO(_text(path), newline=""))
    try:
        missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
        if missing:
            raise UserError(
                f"{path}: no results.csv of dabench, column '{missing[0]}' is missing",
                "--against takes a results folder, or results.csv of an older page",
            )
        found = []
        for line in rows:
            counts = line["used"] == "True" or line["status"] == "failed"
            if counts:  # runs that ran again later do not count
                found.append(_run({name: _unquoted(line[name] or "") for name in COLUMNS}))
        return found
    except (csv.Error, ValueError) as error:  # a ValidationError is a ValueError
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise UserError(f"{path}, line {rows.line_num}: {reason}", "the file was changed by hand?") from error


def _text(path: Path) -> str:
    try:
        with open_plain(path) as file:
            content = file.read(LARGEST_CSV + 1)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(content) > LARGEST_CSV:
        raise UserError(f"{path} is larger than {LARGEST_CSV} bytes")
    return content.decode("utf-8", "replace")


def _unquoted(text: str) -> str:
    """Take off the apostrophe that keeps spreadsheets from running a text."""
    inner = text.removeprefix("'")
    return inner if inner != text and inner.lstrip().startswith(FORMULA_STARTS) else text


def _run(line: Mapping[str, str]) -> Run:
    """The run that a line tells of."""
    rule, value = line["selection"], _number(line["value"])
    done = line["status"] == "done"
    step = int(line["selected_step"] or 0)
    content: dict[str, Any] = {
        name: line[name]
        for name in (
            "run_id",
            "suite",
            "task",
            "source",
            "target",
            "method",
            "backbone",
            "protocol",
            "metric",
        )
    }
    content |= {
        "status": line["status"],
        "seed": int(line["seed"]),
        "uses_target_labels": line["uses_target_labels"] == "True",
        "config": {"selection": rule},
        "method_info": {"configuration": line["configuration"]},
        "provenance": _provenance(line),
        "timing": Timing(started_at=line["started_at"], total_seconds=_number(line["total_seconds"]) or 0.0),
    }
    if not done:
        return _Told(
            Record(**content, failure=Failure(kind="failed", message=line["failure"])), line["record"]
        )
    accuracy, mean_class = _number(line["accuracy"]), _number(line["mean_class_accuracy"])
    numbers = {"accuracy": accuracy or 0.0, "mean_class_accuracy": mean_class or 0.0}
    record = Record(
        **content,
        value=_number(line["last"]),
        oracle=_number(line["oracle"]),
        metrics=Metrics(**numbers, per_class={}, confusion=[]),
        evaluations=[Evaluation(step=step, **numbers, seconds=0.0)],
    )
    scores = {} if rule == LAST else {rule: RuleScores(step=step, value=value)}
    return _Told(record, line["record"], scores)


def _number(text: str) -> float | None:
    return float(text) if text else None


def _provenance(line: Mapping[str, str]) -> dict[str, str]:
    """What keeps a row from a place, said again as records say it."""
    told = {}
    if HYPERPARAMETERS in line["on_target_labels"]:
        told["params"] = ON_TARGET_LABELS
    if line["tuned"].startswith("a trial"):
        told["trial"] = TRIAL
    return told
