"""The interface of a selection rule, and the register of all rules.

A rule says which evaluation of a finished run counts. It is applied to what the run has stored, long after
training, so a new rule needs no new runs. One rule is one file in ``dabench/rules/``; a package of one's own
adds rules through the entry point group ``dabench.rules``.

Target labels do not occur here, but for rules that declare ``uses_target_labels``: those get the headline
metric of each evaluation, are marked everywhere and never ranked.
"""

import ast
import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from dabench.registry import Registry

__all__ = ["RULES", "Part", "Rule", "RuleEntry", "Snapshot", "Trace", "choose", "register_rule"]

Array = NDArray[np.floating[Any]]
PartName = Literal["source", "source_val"]


@dataclass(frozen=True)
class Part:
    """What a run said of m fixed images at each of its E evaluations.

    Attributes:
        logits: (E, m, r) float32.
        features: after the bottleneck, (E, m, D) float32.
        labels: (m,) class indices; None for the target, always.
    """

    logits: Array
    features: Array
    labels: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Snapshot:
    """One part at one evaluation: logits (m, r), features (m, D), labels (m,) or None."""

    logits: Array
    features: Array
    labels: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Trace:
    """What a run has stored for selection rules.

    Attributes:
        steps: (E,) the optimisation step of each evaluation, ascending.
        target: unlabelled target training images.
        source: labelled source images that the run trained on; None where none were stored.
        source_val: labelled source images that it did not train on; None without a source holdout.
        values: (E,) the headline metric on the target's test labels; None unless the rule declares
            ``uses_target_labels``.
    """

    steps: NDArray[np.int64]
    target: Part
    source: Part | None = None
    source_val: Part | None = None
    values: Array | None = None


class Rule:
    """One selection rule: a class with ``score`` (one evaluation at a time) or ``scores`` (all at once).

    Class attributes:
        title, paper, bibtex: for people; ``paper`` names authors, venue and year.
        formula: the score in one line, for people.
        higher_is_better: the direction of the score.
        needs: the labelled parts that it reads besides the target.
        version: raise it when a change of the file changes scores.
        uses_target_labels: True for the oracle only.
        compares_runs: whether scores of different runs on one task are comparable; False for "last".
        reads_outputs: False for rules that look at the steps or the metric alone.
    """

    title: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    bibtex: ClassVar[str] = ""
    formula: ClassVar[str] = ""
    higher_is_better: ClassVar[bool] = True
    needs: ClassVar[tuple[PartName, ...]] = ()
    version: ClassVar[int] = 1
    uses_target_labels: ClassVar[bool] = False
    compares_runs: ClassVar[bool] = True
    reads_outputs: ClassVar[bool] = True

    def scores(self, trace: Trace) -> Array:
        """Return a score for each evaluation, (E,) float64; NaN where the score is not defined there."""
        source, source_val = trace.source, trace.source_val
        return np.array(
            [
                self.score(
                    _at(trace.target, k),
                    None if source is None else _at(source, k),
                    None if source_val is None else _at(source_val, k),
                )
                for k in range(len(trace.steps))
            ],
            dtype=np.float64,
        )

    def score(self, target: Snapshot, source: Snapshot | None, source_val: Snapshot | None) -> float:
        """Return the score of one evaluation; NaN where it is not defined.

        Args:
            target: unlabelled target training images.
            source: labelled source training images; given where ``needs`` names it.
            source_val: labelled source images held out of training; given where ``needs`` names it.
        """
        raise NotImplementedError(f"{type(self).__name__} has neither score nor scores")


def _at(part: Part, evaluation: int) -> Snapshot:
    return Snapshot(part.logits[evaluation], part.features[evaluation], part.labels)


@dataclass(frozen=True)
class RuleEntry:
    """A registered rule."""

    name: str
    cls: type[Rule]
    file: Path | None

    @cached_property
    def source_sha256(self) -> str | None:
        """Digest of the rule's file and of what it imports from its own package.

        It tells of a change without a new version. None where the rule has no file.
        """
        if self.file is None:
            return None
        digests = [hashlib.sha256(file.read_bytes()).digest() for file in sorted(self._files(self.file))]
        return hashlib.sha256(b"".join(digests)).hexdigest()

    def _files(self, file: Path) -> set[Path]:
        """The rule's file, and what of its own package it imports, directly or not."""
        own = self.cls.__module__
        package = sys.modules[own].__package__ or ""
        found, waiting = {file}, [own]
        while waiting and package:
            module = sys.modules[waiting.pop()]
            text = Path(str(module.__file__)).read_text(encoding="utf-8")
            for name in _imported(text, module.__package__ or package):
                origin = getattr(sys.modules.get(name), "__file__", None)
                if name.startswith(f"{package}.") and origin and Path(origin) not in found:
                    found.add(Path(origin))
                    waiting.append(name)
        return found


def _imported(source: str, package: str) -> set[str]:
    """Every dotted name that a file of a package imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return names


RULES: Registry[RuleEntry] = Registry("selection rule")


def register_rule(name: str) -> Callable[[type[Rule]], type[Rule]]:
    """Register a Rule class under a name."""

    def decorate(cls: type[Rule]) -> type[Rule]:
        file = inspect.getsourcefile(cls)
        RULES.add(name, RuleEntry(name, cls, Path(file) if file else None), origin=file or cls.__module__)
        return cls

    return decorate


def choose(scores: Array, higher_is_better: bool) -> int | None:
    """Return the index of the best score, the latest of equals; None where no score is a number.

    The latest, because where a rule does not tell, the run goes on to its end, as under ``last``: an accuracy
    on few held-out images is often the same at many evaluations.

    >>> choose(np.array([0.2, np.nan, 0.9, 0.9]), True)
    3
    """
    signed = np.where(np.isnan(scores), -np.inf, scores if higher_is_better else -np.asarray(scores))
    return int(np.flatnonzero(signed == signed.max())[-1]) if np.isfinite(signed).any() else None
