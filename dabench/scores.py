"""What selection rules say of finished runs: computed from what each run stored, kept beside its record.

``seed0-<run_id>.scores.json`` lies beside the record. A rule is scored again where the stored arrays, the
rule's version or its file have changed; nothing else needs a second look, so a table of a thousand runs
opens at once.
"""

import contextlib
import hashlib
import io
import multiprocessing
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from threadpoolctl import threadpool_limits

from dabench.discovery import discover_rules
from dabench.records import SCORES_SUFFIX, Record, write_atomically
from dabench.selection import RULES, Part, RuleEntry, Trace, choose

__all__ = ["RuleScores", "score_all", "score_run"]

DIGITS = 10  # significant digits of a score
WORTH_PROCESSES = 8  # runs below this are scored before another process has started
UPPER_BOUND = "the run trained on target labels: rules that look for the best adaptation do not apply"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RuleScores(_Model):
    """What one rule says of one run.

    Attributes:
        scores: of each evaluation; None where the score is not defined. Empty where the rule cannot be
            applied to the run; ``reason`` says why.
        step: the step that it chooses, or None.
        value: the run's headline metric on the target's test labels at that step, in [0, 1], or None.
    """

    version: int = 1
    source_sha256: str | None = None
    scores: list[float | None] = []
    step: int | None = None
    value: float | None = None
    reason: str = ""


class _Scores(_Model):
    """The file beside a record."""

    schema_version: Literal[1] = 1
    run_id: str
    validation_sha256: str | None = None
    rules: dict[str, RuleScores] = {}


class _Unreadable(Exception):
    """The stored arrays cannot be used; the message says why."""


def score_run(path: Path, record: Record, rules: Sequence[RuleEntry]) -> dict[str, RuleScores]:
    """Score one finished run by each rule; read what is known, compute and keep the rest.

    Where the folder cannot be written, nothing is kept and nothing fails.

    Args:
        path: of the record; the arrays lie beside it.
        record: of a run that is done.
        rules: registered rules.
    """
    place = _place(path)
    kept = _kept(place, record)
    known = {entry.name: kept[entry.name] for entry in rules if _current(kept.get(entry.name), entry)}
    missing = [entry for entry in rules if entry.name not in known]
    if missing:
        with threadpool_limits(1):  # the last bits may depend on the number of threads
            known |= _scored(path, record, missing)
        content = _Scores(
            run_id=record.run_id, validation_sha256=record.validation_sha256, rules={**kept, **known}
        )
        with contextlib.suppress(OSError):
            write_atomically(place, (content.model_dump_json(indent=1) + "\n").encode())
    return {entry.name: known[entry.name] for entry in rules}


def _place(path: Path) -> Path:
    """Where the scores of a record lie."""
    return path.with_name(path.name.removesuffix(".json") + SCORES_SUFFIX)


def _kept(place: Path, record: Record) -> dict[str, RuleScores]:
    """Scores of an earlier day, where they are of the same arrays."""
    try:
        content = _Scores.model_validate_json(place.read_bytes())
    except (OSError, ValidationError):
        return {}
    same = (content.run_id, content.validation_sha256) == (record.run_id, record.validation_sha256)
    return content.rules if same else {}


def _current(result: RuleScores | None, entry: RuleEntry) -> bool:
    return result is not None and (result.version, result.source_sha256) == (
        entry.cls.version,
        entry.source_sha256,
    )


def _scored(path: Path, record: Record, rules: Sequence[RuleEntry]) -> dict[str, RuleScores]:
    parts: Mapping[str, Part] | _Unreadable | None = None
    found = {}
    for entry in rules:
        cls = entry.cls
        base = RuleScores(version=cls.version, source_sha256=entry.source_sha256)
        try:
            if cls.reads_outputs and record.uses_target_labels:
                raise _Unreadable(UPPER_BOUND)
            if cls.reads_outputs and parts is None:
                parts = _parts_or_why(path, record)
            if cls.reads_outputs and isinstance(parts, _Unreadable):
                raise parts
            trace = _trace(record, parts if isinstance(parts, Mapping) else {}, entry)
            scores = np.asarray(cls().scores(trace), np.float64)
        except _Unreadable as error:
            found[entry.name] = base.model_copy(update={"reason": str(error)})
            continue
        found[entry.name] = base.model_copy(update=_choice(scores, record, entry))
    return found


def _choice(scores: NDArray[np.float64], record: Record, entry: RuleEntry) -> dict[str, Any]:
    """What a rule's scores lead to."""
    if scores.shape != (len(record.evaluations),):
        raise TypeError(
            f"selection rule {entry.name} gave scores of shape {[*scores.shape]}, "
            f"expected one for each of {len(record.evaluations)} evaluations"
        )
    # Scores that are equal on paper differ in their last bits; they must count as equal.
    values = [float(f"{score:.{DIGITS}g}") if np.isfinite(score) else None for score in scores]
    numbers = np.array([np.nan if value is None else value for value in values])
    chosen = choose(numbers, entry.cls.higher_is_better)
    if chosen is None:
        return {"scores": values, "reason": "the score is not defined at any evaluation"}
    evaluation = record.evaluations[chosen]
    return {"scores": values, "step": evaluation.step, "value": float(getattr(evaluation, record.metric))}


def _parts_or_why(path: Path, record: Record) -> Mapping[str, Part] | _Unreadable:
    try:
        arrays = _arrays(path, record)
    except _Unreadable as error:
        return error
    names = [name.removesuffix("_logits") for name in arrays if name.endswith("_logits")]
    return {name: _part(arrays, name) for name in names}


def _arrays(path: Path, record: Record) -> dict[str, NDArray[Any]]:
    """What a run stored for rules, checked against its record."""
    if record.validation_file is None:
        raise _Unreadable("the run stored nothing for selection rules (stored_images=0, or an older version)")
    try:
        content = path.with_name(Path(record.validation_file).name).read_bytes()
    except OSError as error:
        raise _Unreadable(f"{record.validation_file} cannot be read: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != record.validation_sha256:
        raise _Unreadable(f"{record.validation_file} is not the file that the run wrote")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise _Unreadable(f"{record.validation_file} holds no arrays: {error}") from error
    steps = [item.step for item in record.evaluations]
    if arrays.get("steps", np.empty(0)).tolist() != steps or "target_logits" not in arrays:
        raise _Unreadable(f"{record.validation_file} does not fit its record")
    return arrays


def _part(arrays: Mapping[str, NDArray[Any]], name: str) -> Part:
    labels = arrays[f"{name}_labels"].astype(np.int64) if name != "target" else None
    logits, features = (arrays[f"{name}_{kind}"].astype(np.float32) for kind in ("logits", "features"))
    return Part(logits, features, labels)


def _trace(record: Record, parts: Mapping[str, Part], entry: RuleEntry) -> Trace:
    """Exactly what a rule may see of a run."""
    evaluations = record.evaluations
    for name in entry.cls.needs:
        if name not in parts:
            raise _Unreadable(
                "the run held no source images out (source_holdout=0)"
                if name == "source_val"
                else f"the run stored no outputs of the part {name}"
            )
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
    """Score every run; those that are known already first."""
    stale = []
    for path, record in runs:
        known = _kept(_place(path), record)
        if all(_current(known.get(entry.name), entry) for entry in rules):
            yield path, {entry.name: known[entry.name] for entry in rules}
        elif record.validation_file is None or record.uses_target_labels:  # nothing to compute
            yield path, score_run(path, record, rules)
        else:
            stale.append((path, record))
    if jobs < 2 or len(stale) < WORTH_PROCESSES:
        for path, record in stale:
            yield path, score_run(path, record, rules)
        return
    names = [entry.name for entry in rules]
    # Not a fork of this process: it may have started threads.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), discover_rules) as pool:
        try:
            for (path, _), scores in zip(stale, pool.map(partial(_named, names), stale), strict=True):
                yield path, scores
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _named(names: Sequence[str], run: tuple[Path, Record]) -> dict[str, RuleScores]:
    """Score one run in a process of its own."""
    return score_run(*run, [RULES.get(name) for name in names])
