"""What selection rules say of finished runs: computed from what each run stored, kept beside its record.

``seed0-<run_id>.scores.json`` lies beside the record and holds the scores of rules that read stored outputs.
A rule is scored again where the stored arrays, the rule's version or its files have changed; nothing else
needs a second look, so a table of a thousand runs opens at once. What follows from the scores (which
evaluation is chosen, and its accuracy) is taken from the record each time.
"""

import contextlib
import multiprocessing
import os
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError
from threadpoolctl import threadpool_limits

from dabench.limited import read_limited
from dabench.records import SCORES_SUFFIX, Record, write_atomically
from dabench.selection import Part, RuleEntry, Trace, choose
from dabench.stored_outputs import Unreadable, read_parts

__all__ = ["RuleScores", "score_all", "score_run"]

LARGEST_SCORES_BYTES = 64 * 2**20
DIGITS = 10  # significant digits of a score: scores that are equal on paper differ in their last bits
WORTH_PROCESSES = 8  # runs below this are scored before another process has started
UPPER_BOUND = "the run trained on target labels: rules that look for the best adaptation do not apply"
NOTHING_STORED = "the run stored nothing for selection rules (stored_images=0, or an older version)"
NO_HOLDOUT = "the run held no source images out (source_holdout=0)"
UNDEFINED = "the score is not defined at any evaluation"


@dataclass(frozen=True)
class RuleScores:
    """What one rule says of one run.

    Attributes:
        scores: of each evaluation; None where the score is not defined. Empty where the rule cannot be
            applied to the run; ``reason`` says why.
        step: the step that it chooses, or None.
        value: the run's headline metric on the target's test labels at that step, in [0, 1], or None.
        reason: why there is no value.
    """

    scores: tuple[float | None, ...] = ()
    step: int | None = None
    value: float | None = None
    reason: str = ""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class _Kept(_Model):
    """What the file has of one rule: scores, or why the stored arrays give none."""

    version: int
    source_sha256: str | None
    scores: tuple[float | None, ...] = ()
    reason: str = ""


class _File(_Model):
    """The file beside a record."""

    schema_version: Literal[1] = 1
    run_id: str
    validation_sha256: str | None
    rules: dict[str, _Kept] = {}


def score_run(path: Path, record: Record, rules: Sequence[RuleEntry]) -> dict[str, RuleScores]:
    """Score one finished run by each rule; read what is known, compute and keep the rest.

    Nothing that is wrong with the stored arrays, with the file of scores or with a rule is an exception: the
    rule has no value then, and a reason. Where the folder cannot be written, nothing is kept.

    Args:
        path: of the record; the arrays lie beside it.
        record: of a run that is done.
        rules: registered rules.
    """
    found: dict[str, RuleScores] = {}
    reading = []
    for entry in rules:
        if not entry.cls.reads_outputs:
            found[entry.name] = _applied(entry, record, {})
        elif record.uses_target_labels:
            found[entry.name] = RuleScores(reason=UPPER_BOUND)
        elif not record.validation_file:
            found[entry.name] = RuleScores(reason=NOTHING_STORED)
        else:
            reading.append(entry)
    if reading:
        found |= _read_or_scored(path, record, reading)
    return {entry.name: found[entry.name] for entry in rules}


def _read_or_scored(path: Path, record: Record, rules: Sequence[RuleEntry]) -> dict[str, RuleScores]:
    """Rules that read outputs: those that are known, and the rest, which is kept."""
    kept = _kept(path, record)
    found = {entry.name: _chosen(kept[entry.name], entry, record) for entry in rules if _known(kept, entry)}
    missing = [entry for entry in rules if entry.name not in found]
    if not missing:
        return found
    wanted = {"target"}.union(*(entry.cls.needs for entry in missing))
    try:
        parts = read_parts(path, record, wanted)
    except Unreadable as error:  # not kept: the file may come back
        return found | {entry.name: RuleScores(reason=str(error)) for entry in missing}
    fresh: dict[str, _Kept] = {}
    with threadpool_limits(1):  # the last bits may depend on the number of threads
        for entry in missing:
            found[entry.name] = result = _applied(entry, record, parts)
            if result.scores or result.reason == NO_HOLDOUT:  # what the arrays say for good
                base = _Kept(version=entry.cls.version, source_sha256=entry.source_sha256)
                fresh[entry.name] = base.model_copy(
                    update={"scores": result.scores, "reason": "" if result.scores else result.reason}
                )
    if fresh:
        content = _File(
            run_id=record.run_id, validation_sha256=record.validation_sha256, rules={**kept, **fresh}
        )
        with contextlib.suppress(OSError):
            write_atomically(_place(path), (content.model_dump_json(indent=1) + "\n").encode())
    return found


def _place(path: Path) -> Path:
    """Where the scores of a record lie."""
    return path.with_name(path.name.removesuffix(".json") + SCORES_SUFFIX)


def _kept(path: Path, record: Record) -> dict[str, _Kept]:
    """Scores of an earlier day, where they are of the same arrays and as many as there are evaluations."""
    try:
        content = _File.model_validate_json(read_limited(_place(path), LARGEST_SCORES_BYTES))
    except (OSError, ValidationError):
        return {}
    if (content.run_id, content.validation_sha256) != (record.run_id, record.validation_sha256):
        return {}
    count = len(record.evaluations)
    whole = {name: rule for name, rule in content.rules.items() if len(rule.scores) == count}
    return whole | {name: rule for name, rule in content.rules.items() if rule.reason and not rule.scores}


def _known(kept: Mapping[str, _Kept], entry: RuleEntry) -> bool:
    """Whether there are scores of this very rule."""
    one = kept.get(entry.name)
    return one is not None and (one.version, one.source_sha256) == (entry.cls.version, entry.source_sha256)


def _applied(entry: RuleEntry, record: Record, parts: Mapping[str, Part]) -> RuleScores:
    """Let a rule score a run. What it raises becomes the reason, so that one rule does not stop a table."""
    absent = [name for name in entry.cls.needs if name not in parts]
    if absent:
        missing = f"the run stored no outputs of the part {absent[0]}"
        return RuleScores(reason=NO_HOLDOUT if "source_val" in absent else missing)
    try:
        scores = np.asarray(entry.cls().scores(_trace(record, parts, entry)), np.float64)
    except Exception as error:  # whatever a rule of somebody else's raises
        return RuleScores(reason=f"rule {entry.name} failed: {type(error).__name__}: {error}")
    expected = (len(record.evaluations),)
    if scores.shape != expected:
        reason = (
            f"rule {entry.name} failed: it gave scores of shape {[*scores.shape]}, expected {[*expected]}"
        )
        return RuleScores(reason=reason)
    rounded = tuple(float(f"{score:.{DIGITS}g}") if np.isfinite(score) else None for score in scores)
    kept = _Kept(version=entry.cls.version, source_sha256=None, scores=rounded)
    return _chosen(kept, entry, record)


def _chosen(kept: _Kept, entry: RuleEntry, record: Record) -> RuleScores:
    """What a rule's scores lead to."""
    if not kept.scores:
        return RuleScores(reason=kept.reason)
    numbers = np.array([np.nan if score is None else score for score in kept.scores])
    chosen = choose(numbers, entry.cls.higher_is_better)
    if chosen is None:
        return RuleScores(kept.scores, reason=UNDEFINED)
    evaluation = record.evaluations[chosen]
    return RuleScores(kept.scores, evaluation.step, float(getattr(evaluation, record.metric)))


def _trace(record: Record, parts: Mapping[str, Part], entry: RuleEntry) -> Trace:
    """Exactly what a rule may see of a run."""
    evaluations = record.evaluations
    empty = Part(np.empty((len(evaluations), 0, 0)), np.empty((len(evaluations), 0, 0)))
    metric = np.array([getattr(item, record.metric) for item in evaluations])
    return Trace(
        steps=np.array([item.step for item in evaluations]),
        target=parts.get("target", empty),
        source=parts["source"] if "source" in entry.cls.needs else None,
        source_val=parts["source_val"] if "source_val" in entry.cls.needs else None,
        values=metric if entry.cls.uses_target_labels else None,
    )


def score_all(
    runs: Sequence[tuple[Path, Record]],
    rules: Sequence[RuleEntry],
    jobs: int = 0,
    advance: Callable[[int, int], None] | None = None,
) -> dict[Path, Mapping[str, RuleScores]]:
    """Score many runs, on several processes where it pays.

    Args:
        runs: record paths and records; failed ones are left out of the answer.
        rules: registered rules.
        jobs: processes; 0 for one a processor.
        advance: called with (runs done, runs in all).
    """
    done = [(path, record) for path, record in runs if record.status == "done"]
    found: dict[Path, Mapping[str, RuleScores]] = {}
    for path, scores in _each(done, rules, jobs or len(os.sched_getaffinity(0))):
        found[path] = scores
        if advance is not None:
            advance(len(found), len(done))
    return {path: found[path] for path, _ in done}


def _each(
    runs: Sequence[tuple[Path, Record]], rules: Sequence[RuleEntry], jobs: int
) -> Iterator[tuple[Path, dict[str, RuleScores]]]:
    """Score every run; those that need no computing first."""
    reading = [entry for entry in rules if entry.cls.reads_outputs]
    stale = []
    for path, record in runs:
        known = not record.validation_file or record.uses_target_labels
        if not known:
            kept = _kept(path, record)
            known = all(_known(kept, entry) for entry in reading)
        if known:
            yield path, score_run(path, record, rules)
        else:
            stale.append((path, record))
    if jobs < 2 or len(stale) < WORTH_PROCESSES or not _can_travel(rules):
        for path, record in stale:
            yield path, score_run(path, record, rules)
        return
    # Not a fork of this process: it may have started threads.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        try:
            for (path, _), scores in zip(
                stale, pool.map(partial(_elsewhere, tuple(rules)), stale), strict=True
            ):
                yield path, scores
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _can_travel(rules: Sequence[RuleEntry]) -> bool:
    """Whether another process can import the rules: not those that a script defines on the spot."""
    try:
        pickle.dumps(tuple(rules))
    except (pickle.PicklingError, AttributeError):
        return False
    return all(entry.cls.__module__ != "__main__" for entry in rules)


def _elsewhere(rules: Sequence[RuleEntry], run: tuple[Path, Record]) -> dict[str, RuleScores]:
    """Score one run in a process of its own."""
    return score_run(*run, rules)
