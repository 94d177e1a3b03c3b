"""What ``dabench select`` finds: finished runs scored by selection rules, and what each rule costs.

Everything comes as flat lines, the same for every format. Accuracies are in [0, 1].
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dabench.leaderboard.reading import known_suites, read_runs
from dabench.leaderboard.rows import SuiteInfo, Table
from dabench.leaderboard.runs import Run
from dabench.leaderboard.scoring import known_rules, scored
from dabench.leaderboard.statistics.intervals import Interval
from dabench.leaderboard.table import aggregate
from dabench.leaderboard.validators import Correlation, RuleCell, RuleReport, validator_report
from dabench.records import Problem
from dabench.selection import RuleEntry

__all__ = ["ALL_METHODS", "Line", "Selected", "select"]

ALL_METHODS = "all methods"
Line = dict[str, Any]


@dataclass(frozen=True)
class Selected:
    """What rules say of the finished runs of a folder.

    Attributes:
        rules: one line a rule: how many runs it is available for, and why not for the others.
        report: one line a table, rule and method, and one for all methods of the table together.
        runs: one line a rule and run: the chosen step and its value.
        problems: files that are no records.
        failed: number of failed runs.
    """

    rules: list[Line]
    report: list[Line]
    runs: list[Line]
    problems: list[Problem]
    failed: int


def select(
    results: Path,
    names: Sequence[str] = (),
    jobs: int = 0,
    advance: Callable[[int, int], None] | None = None,
    suites: Mapping[str, SuiteInfo] | None = None,
) -> Selected:
    """Score all finished runs by rules; the scores are kept beside the records.

    Args:
        results: the folder with records.
        names: of rules; none means all.
        jobs: processes; 0 for one a processor.
        advance: called with (runs scored, runs in all).
        suites: what is known of suites; by default those that ship with dabench.

    Raises:
        UserError: there is no such folder or rule.
    """
    rules = known_rules(names)
    runs, problems = read_runs(results)
    runs = scored(results, runs, rules, jobs, advance)
    tables = aggregate(runs, known_suites() if suites is None else suites)
    finished = [run for run in runs if run.record.status == "done"]
    return Selected(
        [_coverage(finished, entry) for entry in rules.values()],
        [line for table in tables for line in _report(table, rules)],
        [_chosen(run, name) for name in rules for run in finished],
        problems,
        len(runs) - len(finished),
    )


def _coverage(runs: Sequence[Run], entry: RuleEntry) -> Line:
    scores = [run.scores[entry.name] for run in runs]
    reasons = Counter(one.reason for one in scores if one.value is None)
    return {
        "rule": entry.name,
        "uses_target_labels": entry.cls.uses_target_labels,
        "runs": len(runs),
        "available": sum(one.value is not None for one in scores),
        "reasons": dict(sorted(reasons.items())),
    }


def _report(table: Table, rules: Mapping[str, RuleEntry]) -> Iterator[Line]:
    place: Line = {"suite": table.suite, "backbone": table.backbone, "protocol": table.protocol}
    report = validator_report(table, rules)
    run_tasks = {run.record.task for row in report.rows for run in row.used}
    place |= {"tasks": len(table.tasks), "tasks_run": len(run_tasks)}
    for rule in report.rules:
        common = {**place, "rule": rule.name, "uses_target_labels": rule.entry.cls.uses_target_labels}
        if report.rows:
            yield {**common, **_named(ALL_METHODS), **_together(rule)}
        for row, cell in zip(report.rows, rule.cells, strict=True):
            named = _named(row.method, row.group.label, row.tuned, row.origins.on_target_labels)
            yield {**common, **named, **_costs(cell)}


def _named(method: str, configuration: str = "", search: str = "", on_target_labels: bool = False) -> Line:
    return {
        "method": method,
        "configuration": configuration,
        "search": search,
        "hyperparameters_on_target_labels": on_target_labels,
    }


def _together(rule: RuleReport) -> Line:
    runs = sum(cell.runs for cell in rule.cells)
    return {
        "runs": runs,
        "available": rule.applied,
        **_interval("regret", rule.regret),
        **_interval("gain_over_last", rule.gain),
        "seeds": rule.regret.n if rule.regret else 0,
        **_ordering(rule.pooled or Correlation()),
    }


def _costs(cell: RuleCell) -> Line:
    return {
        "runs": cell.runs,
        "available": cell.applied,
        **_interval("average", cell.average),
        **_interval("regret", cell.regret),
        **_interval("gain_over_last", cell.gain),
        "seeds": cell.regret.n if cell.regret else 0,
        **_ordering(cell.correlation),
    }


def _interval(name: str, interval: Interval | None) -> Line:
    return {
        name: interval.mean if interval else None,
        f"{name}_half_width": interval.half_width if interval else None,
    }


def _ordering(one: Correlation) -> Line:
    return {
        "weighted_spearman": one.value,
        "weighted_spearman_tasks": one.tasks,
        "evaluations": one.points,
        "evaluations_without_score": one.undefined,
    }


def _chosen(run: Run, rule: str) -> Line:
    record, scores = run.record, run.scores[rule]
    return {
        "rule": rule,
        "suite": record.suite,
        "backbone": record.backbone,
        "protocol": record.protocol,
        "task": record.task,
        "method": record.method,
        "seed": record.seed,
        "step": scores.step,
        "value": scores.value,
        "last": record.value,
        "oracle": record.oracle,
        "reason": scores.reason,
        "record": run.file,
    }
