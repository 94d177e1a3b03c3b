"""What no method may find out: the target's labels, by whichever way.

A leak check changes what a method must not know and demands that nothing else changes. ``STAGES`` are the
runs that it takes. For ``dabench check-method`` each state of the labels has a process and folders of its own
(``dabench.checks.processes``), so that what a method remembers cannot hide what it reads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from dabench.checks.outcome import Outcome, differences
from dabench.checks.reach import digest_of, holds, texts
from dabench.checks.rehearsal import planned_run, rehearse
from dabench.checks.spy import Spy
from dabench.checks.squares import TARGET_IMAGES, write_suite
from dabench.checks.verdict import Check, CheckFailed, Claim, Verdict
from dabench.method import Batch, Features, MethodEntry, Optimise
from dabench.openings import OpenDomains

__all__ = ["HANDED", "LABELS", "MEMORY", "STAGES", "Stage", "compare_labels", "run_stage", "upper_bound"]

HINT = "docs/leaks.md says how to find what it reads"


@dataclass(frozen=True)
class Stage:
    """One way in which a suite is given: the form of its data, and settings of the run."""

    kind: str
    words: str
    settings: Mapping[str, Any] = field(default_factory=dict)


HOLDOUTS = {"target_test": "holdout", "target_holdout": 0.3, "source_holdout": 0.25}
STAGES: Mapping[str, Stage] = {
    "folders": Stage("folders", "class folders"),
    "lists": Stage("lists", "image lists"),
    "arrays": Stage("arrays", "arrays"),
    "holdouts": Stage("arrays", "parts of source and target held out", HOLDOUTS),
}
LABELS: Mapping[str, Claim] = {
    name: Claim(
        f"ignores target labels: {stage.words}",
        f"trains twice ({stage.words}), with other labels and another order of the target's images in the "
        "data itself the second time: weights, losses, predictions and stored arrays must be bit-identical",
        f"the method learns something from the target's labels; {HINT}",
        leak=True,
    )
    for name, stage in STAGES.items()
}
# Images as they are, so that their content could be recognised in training, too.
PLAIN_IMAGES = {"image.train_crop": "center", "image.flip": False}
MEMORY: Mapping[str, Claim] = {
    "process": Claim(
        "remembers nothing in the process",
        "runs B->A, where B's images are labelled source, then A->B in the same process: the same, bit for "
        "bit, as A->B in a fresh process",
        "keep no state outside the method's own object (class attributes, globals, caches)",
        leak=True,
    ),
    "disk": Claim(
        "remembers nothing on disk",
        "runs A->B in a new process with the folders of a process that ran B->A before",
        "write no files and read none that an earlier run left",
        leak=True,
    ),
}


def run_stage(
    entry: MethodEntry,
    folder: Path,
    changed: bool,
    stage: Stage,
    task: str = "A2B",
    name: str = "squares",
    salt: int = 0,
) -> Outcome:
    """Run a method once in a folder that has ``data`` and ``results``, as for ``dabench run`` started there.

    Args:
        entry: a registered method.
        folder: the suite is written to ``data/<name>`` below it, where it is not there yet.
        changed: whether the target's labels are the other ones.
        stage: how the suite is given.
        task: A2B, or B2A.
        name: folder of the suite.
        salt: of the images.

    Raises:
        CheckFailed: the run failed.
    """
    manifest = folder / "data" / name / "squares.yaml"
    if not manifest.exists():
        write_suite(manifest.parent, stage.kind, changed, salt)
    results = folder / "results"
    run = planned_run(entry, manifest, results, task, settings=stage.settings)
    return Outcome.of(rehearse(run, results))


def upper_bound(claim: Claim, method: str) -> Verdict:
    """The verdict on a method that says that it uses target labels."""
    reason = "it declares uses_target_labels: its runs are marked and never ranked"
    return claim.says(method, reason, "skipped")


def compare_labels(plain: Outcome, changed: Outcome) -> None:
    """Demand that a run with other target labels is the same but for the accuracies.

    Raises:
        CheckFailed: naming what differs.
    """
    differing = differences(plain, changed)
    if differing:
        raise CheckFailed(f"with other target labels {', '.join(differing)} come out differently")


class _Walker(Spy):
    """Walks through everything that a method is handed, looking for the target's labels."""

    def __init__(self, digest: str, allowed: Sequence[str]) -> None:
        self._digest = digest
        self._allowed = frozenset(allowed)
        self._walked: set[str] = set()

    def step_begins(self, batch: Batch, optimise: Optimise) -> Optimise:
        """Look at the first batch, and at what the method holds by then."""
        found = [text for text in texts(batch.target) if text not in self._allowed]
        if found:
            raise CheckFailed(f"the target side of a batch holds text: {found[0]!r}")
        self._look("batch", (batch, self.network, self.method))
        return optimise

    def epoch_begins(self, features: Features) -> None:
        """Look at the tables of features and at what gives them."""
        if features.target().labels is not None:
            raise CheckFailed("the table of target features has labels")
        self._look("features", features)

    def _look(self, what: str, start: Any) -> None:
        if what in self._walked:
            return
        self._walked.add(what)
        if holds(start, TARGET_IMAGES, self._digest):
            raise CheckFailed(f"the target's labels can be reached from what the method is handed ({what})")


def is_handed_no_labels(entry: MethodEntry, folder: Path) -> str | None:
    """Nothing that a method is handed leads to a label, or a path, of the target.

    The labels are the changed ones, which have nothing to do with the images: no honest pseudo-labels equal
    them.
    """
    if entry.cls.uses_target_labels:
        return "it declares uses_target_labels: its runs are marked and never ranked"
    manifest = write_suite(folder / "data" / "squares", "arrays", changed=True)
    run = planned_run(entry, manifest, folder / "results")
    labels = OpenDomains(None).domain(run.suite, run.task.target, "train").labels
    allowed = ("views", "positions")
    rehearse(run, folder / "results", _Walker(digest_of(labels), allowed))
    return None


def _ignores_labels(entry: MethodEntry, folder: Path, stage: Stage) -> str | None:
    """Both runs in one process: for methods that are known not to remember."""
    if entry.cls.uses_target_labels:
        return "it declares uses_target_labels: its runs are marked and never ranked"
    plain, changed = (run_stage(entry, folder / str(change), change, stage) for change in (False, True))
    compare_labels(plain, changed)
    return None


HANDED = Check(
    Claim(
        "is handed no target labels",
        "walks through everything that can be reached from batch, features, network and method, for labels "
        "of the target in any form; classes, modules and stack frames left out",
        "a part of the engine leads to labels: please report it",
        leak=True,
    ),
    is_handed_no_labels,
)
IN_PROCESS = {name: Check(LABELS[name], partial(_ignores_labels, stage=STAGES[name])) for name in STAGES}
