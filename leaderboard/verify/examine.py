"""Check many records against themselves and their own files, on several processes where it pays.

Apart from what compares runs with each other: a process that only recomputes starts faster without it.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dabench.leaderboard.runs import Run
from dabench.leaderboard.verify.consistency import contradictions, identity_notes, place_notes
from dabench.leaderboard.verify.predictions import recompute, validation_findings

__all__ = ["Advance", "Examined", "examine", "examine_all"]

Advance = Callable[[int, int], None]
WORTH_PROCESSES = 64  # runs below this are checked before another process has started
CHUNK = 16
FAILED = "the run failed: there is no number to recompute"
OUTSIDE = "it lies behind a link, or in a folder outside of the results: its files are not read"


@dataclass(frozen=True)
class Examined:
    """What a record and its own files say.

    Attributes:
        complete: its numbers were recomputed from its predictions, whatever came out.
        wrong: contradictions, a sentence each.
        notes: what was not checked and why, and what is odd but no contradiction.
        labels: digest of its test labels; None where they were not read.
        probabilities: digest of those that it predicts; None where it tells nothing.
    """

    complete: bool
    wrong: tuple[str, ...]
    notes: tuple[str, ...]
    labels: str | None = None
    probabilities: str | None = None


def examine_all(
    results: Path, runs: Sequence[Run], jobs: int, advance: Advance | None = None
) -> dict[str, Examined]:
    """Examine runs of a folder, by their files; ``jobs`` 0 is one process a processor."""
    found: dict[str, Examined] = {}
    for run, one in zip(runs, _each(results, runs, jobs or len(os.sched_getaffinity(0))), strict=True):
        found[run.file] = one
        if advance is not None:
            advance(len(found), len(runs))
    return found


def _each(results: Path, runs: Sequence[Run], jobs: int) -> Iterator[Examined]:
    one = partial(examine, results)
    if jobs < 2 or len(runs) < WORTH_PROCESSES:
        yield from map(one, runs)
        return
    # Not a fork of this process: it may have started threads.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        try:
            yield from pool.map(one, runs, chunksize=CHUNK)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def examine(results: Path, run: Run) -> Examined:
    """Check one record against itself and its files; whatever they hold, something comes back."""
    try:
        return _examine(results, run)
    except Exception as error:  # a record of a stranger may lead anywhere; it must not end the others' check
        return Examined(False, (f"it cannot be checked: {type(error).__name__}: {error}",), ())


def _examine(results: Path, run: Run) -> Examined:
    record, path = run.record, results / run.file
    wrong = list(contradictions(record))
    notes = [*identity_notes(record), *place_notes(record, run.file)]
    if record.status != "done":
        return Examined(False, tuple(wrong), (*notes, FAILED))
    if path.is_symlink() or not path.parent.resolve().is_relative_to(results.resolve()):
        return Examined(False, tuple(wrong), (*notes, OUTSIDE))
    own = recompute(path, record)
    odd, unread = validation_findings(path, record)
    found = (*wrong, *own.wrong, *odd), (*notes, *own.notes, *unread)
    return Examined(own.complete, *found, own.labels, own.probabilities)
