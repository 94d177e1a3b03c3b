"""Runs as the leaderboard reads them: records with the file each came from, and what identifies a run."""

import gc
import hashlib
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from dabench.records import Problem, Record, RecordStore
from dabench.scores import RuleScores

__all__ = ["ROUNDING_ONLY", "Run", "flatten", "load"]

# Settings that change a result by rounding alone, so that one row may hold runs of two machines.
# A row that pools over one of them says so.
ROUNDING_ONLY = frozenset({"threads", "batch.test", "stored_images"})
# Constant within a row or shown elsewhere, hence no part of the row's configuration.
NOT_CONFIGURATION = frozenset({"suite", "task", "method", "seed", "backbone", "protocol", "frozen_backbone"})
ABSENT = "none"


@dataclass(frozen=True)
class Run:
    """A record, its file relative to the results folder with forward slashes, and what rules say of it."""

    record: Record
    file: str
    scores: Mapping[str, RuleScores] = field(default_factory=dict)

    @cached_property
    def settings(self) -> dict[str, str]:
        """The configuration, flattened to dotted paths; task, seed and what names the row left out."""
        flat = flatten(self.record.config)
        flat = {path: value for path, value in flat.items() if path not in NOT_CONFIGURATION}
        version = self.record.method_info.get("version")
        return flat if version is None else {**flat, "method version": _words(version)}

    @cached_property
    def configuration(self) -> str:
        """Short digest of the settings that change results beyond rounding; runs of one row share it."""
        kept = {path: value for path, value in self.settings.items() if path not in ROUNDING_ONLY}
        return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:8]

    @cached_property
    def images(self) -> dict[str, str]:
        """Each fingerprint in the record by the domain it belongs to: the images that this run saw."""
        named = {"source": self.record.source, "target": self.record.target}
        found: dict[str, str] = {}
        for path, value in _fingerprints(self.record.dataset):
            *parents, last = path.split(".")
            role, *rest = [*parents, last.removesuffix("fingerprint").strip("_")]
            domain, _, part = role.partition("_")
            words = [named.get(domain, domain), part, *rest]
            found[" ".join(word for word in words if word)] = value
        return found

    @cached_property
    def started(self) -> tuple[float, str, str]:
        """Sorts runs by their start; runs without a readable time come first. Never equal for two files."""
        text = self.record.timing.started_at if self.record.timing else ""
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return 0.0, text, self.file
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp(), text, self.file


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested mappings to dotted paths, values as JSON text (strings bare); empty mappings vanish.

    >>> flatten({"batch": {"source": 32}, "weights": "none", "scale": [0.1, 1.0]})
    {'batch.source': '32', 'weights': 'none', 'scale': '[0.1, 1.0]'}
    """
    flat: dict[str, str] = {}
    for key, value in content.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict):  # of JSON; to ask for a Mapping takes ten times as long
            flat.update(flatten(value, f"{path}."))
        else:
            flat[sys.intern(path)] = sys.intern(_words(value))  # thousands of runs say the same
    return flat


def _words(value: Any) -> str:
    kind = type(value)
    if kind is str:
        return str(value)
    if value is None:
        return ABSENT
    if kind is int or (kind is float and math.isfinite(value)):
        return repr(value)  # what JSON says too, in a tenth of the time
    return json.dumps(value, sort_keys=True)


def _fingerprints(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted path and value of each fingerprint in nested mappings; no look at counts and the like."""
    for key, value in content.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _fingerprints(value, f"{path}.")
        elif key.endswith("fingerprint"):
            yield path, _words(value)


def load(results: Path, slim_from: int | None = None) -> tuple[list[Run], list[Problem]]:
    """Read all records below a folder; files that are none come back as problems, paths relative to it.

    Args:
        results: the folder.
        slim_from: from so many files on, confusion matrices are dropped: they fill the memory, and only the
            pages of single runs show them.
    """
    store = RecordStore(results)
    unseen: list[Problem] = []
    paths = list(store.paths(unseen))
    slim = slim_from is not None and len(paths) >= slim_from
    runs: list[Run] = []
    problems = [Problem(one.path.relative_to(results), one.reason) for one in unseen]
    below = len(results.parts)
    with _no_collection():
        for path in paths:
            result = store.read(path)
            if isinstance(result, Record):
                runs.append(Run(_slim(result) if slim else result, "/".join(path.parts[below:])))
            else:
                # The page must not depend on where the folder lies, and a message may name it.
                reason = result.reason.replace(f"{results}{os.sep}", "")
                problems.append(Problem(path.relative_to(results), reason))
    return runs, problems


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without the cyclic garbage collector: it would walk through all records again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _slim(record: Record) -> Record:
    metrics = record.metrics and record.metrics.model_copy(update={"confusion": []})
    provenance = {path: sys.intern(source) for path, source in record.provenance.items()}
    return record.model_copy(update={"metrics": metrics, "provenance": provenance})
