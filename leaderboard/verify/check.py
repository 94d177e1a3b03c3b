"""Recompute the records of a results folder from their files: one verdict a run."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from dabench.errors import UserError
from dabench.leaderboard.runs import Run
from dabench.leaderboard.verdicts import Verdict
from dabench.leaderboard.verify.examine import Advance, examine_all
from dabench.leaderboard.verify.reading import Folder, read_folder
from dabench.leaderboard.verify.reruns import Agreement, compare_reruns
from dabench.leaderboard.verify.together import copied, foreign_labels, misnamed_bounds, repeated, same_run
from dabench.leaderboard.verify.words import few
from dabench.records import Problem

__all__ = ["verify_runs"]


def verify_runs(
    results: Path,
    runs: Sequence[Run],
    reruns: Path | None = None,
    jobs: int = 0,
    advance: Advance | None = None,
    skipped: list[Problem] | None = None,
) -> dict[str, Verdict]:
    """Recompute runs from their files; whatever the files hold, every run gets a verdict.

    Nothing in the files is executed, nothing outside of the folder is read, and memory stays bounded.

    Args:
        results: the folder that the runs' files are relative to.
        runs: of that folder, read whole.
        reruns: a folder with runs of the same configurations made elsewhere. Only those that can be
            recomputed themselves count.
        jobs: processes; 0 for one a processor.
        advance: called with (runs checked, runs in all), reruns included.
        skipped: gets the files among the reruns that are no records.

    Returns:
        By file of the run: its verdict, whose sentences are safe to print.
    """
    again = Folder([], [], []) if reruns is None else read_folder(reruns)
    further = again.runs
    if reruns is not None and skipped is not None:
        skipped += [replace(one, path=reruns.name / one.path) for one in (*again.broken, *again.foreign)]
    total = len(runs) + len(further)
    report = None if advance is None else partial(_shifted, advance, total)
    examined = examine_all(results, runs, jobs, partial(report, 0) if report else None)
    wrong, notes = same_run(runs), repeated(runs)
    labels = {file: one.labels for file, one in examined.items() if one.labels}
    stored = {file: one.probabilities for file, one in examined.items() if one.probabilities}
    for more in (
        foreign_labels(runs, labels),
        copied(runs, stored),
        misnamed_bounds(runs, _bounds() if runs else {}),
    ):
        for file, sentences in more.items():
            wrong[file] += sentences
    agreements = {}
    if reruns is not None:
        sound = {file for file, one in examined.items() if one.complete and not one.wrong} - wrong.keys()
        beyond = partial(report, len(runs)) if report else None
        agreements = _rerun(runs, sound, reruns, further, jobs, beyond)
    verdicts = {}
    for run in runs:
        one = examined[run.file]
        found = (*one.wrong, *wrong.get(run.file, ()))
        said = (*one.notes, *notes.get(run.file, ()))
        verdicts[run.file] = _verdict(one.complete, found, said, agreements.get(run.file))
    return verdicts


def _bounds() -> dict[str, bool]:
    """By name of each registered method, whether it uses target labels."""
    from dabench.discovery import discover_methods  # needs torch: processes that only recompute go without
    from dabench.method import METHODS

    # A package of somebody else's that cannot be imported must not end a check: its methods are unknown.
    with suppress(UserError):
        discover_methods()
    return {name: METHODS.get(name).cls.uses_target_labels for name in METHODS}


def _shifted(advance: Advance, total: int, before: int, done: int, _: int) -> None:
    advance(before + done, total)


def _verdict(
    complete: bool, wrong: Sequence[str], notes: Sequence[str], agreement: Agreement | None
) -> Verdict:
    if wrong:
        return Verdict("wrong", few(wrong))
    if agreement is not None and agreement.agrees is not None:
        return Verdict(
            "rerun agrees" if agreement.agrees else "rerun differs", few([agreement.reason, *notes])
        )
    said = [*notes, *([agreement.reason] if agreement else [])]
    return Verdict("recomputed" if complete else "self-reported", few(said))


def _rerun(
    runs: Sequence[Run],
    recomputed: Collection[str],
    folder: Path,
    reruns: Sequence[Run],
    jobs: int,
    advance: Advance | None,
) -> dict[str, Agreement]:
    """Compare with reruns that are themselves recomputed and not wrong."""
    examined = examine_all(folder, reruns, jobs, advance)
    sound = [run for run in reruns if examined[run.file].complete and not examined[run.file].wrong]
    return compare_reruns(runs, sound, recomputed)
