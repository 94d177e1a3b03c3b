"""Which runs may share a row: one method, one configuration, one state of the images.

A row pools seeds and lines up tasks, so everything else must be equal. Runs that differ in any setting
(rounding apart, see ``runs.ROUNDING_ONLY``), in the declared version of the method, or in the images of a
domain go to different rows, and each row's label says how it differs from its siblings.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from dabench.leaderboard.runs import ROUNDING_ONLY, Run
from dabench.records import Record

__all__ = ["BOUND", "REFERENCE", "Group", "group", "reference_for", "unlike"]

# The lower and the upper bound of every table.
REFERENCE, BOUND = "source_only", "target_only"
LONGEST_VALUE = 32
MOST_IN_LABEL = 4
ABSENT = "not set"
IMAGES = "images of "
# Settings of a method itself; all others are shared by all methods, so a reference should agree on them.
OWN_SETTINGS = ("params.", "loss_weights.", "method version")


@dataclass(frozen=True)
class Group:
    """The runs of one row.

    Attributes:
        label: how this row differs from others of the same method; empty where there are none.
        images: fingerprint of each domain's images, as far as runs tell.
    """

    method: str
    upper_bound: bool
    configuration: str
    images: dict[str, str]
    runs: tuple[Run, ...]
    label: str = ""

    @cached_property
    def key(self) -> str:
        """Stable name among the rows of a table, for links."""
        images = ",".join(f"{name}={value}" for name, value in sorted(self.images.items()))
        return "|".join([self.method, str(self.upper_bound), self.configuration, images])

    @cached_property
    def settings(self) -> dict[str, str]:
        """Setting to value; settings that rounding alone depends on may list several."""
        values: dict[str, set[str]] = {path: {value} for path, value in self.runs[0].settings.items()}
        for run in self.runs:  # in all other settings they agree, or they would not be of one row
            for path in ROUNDING_ONLY & run.settings.keys():
                values.setdefault(path, set()).add(run.settings[path])
        return {path: ", ".join(sorted(values[path], key=_natural)) for path in sorted(values)}

    @cached_property
    def shared(self) -> dict[str, str]:
        """The settings that all methods have, without those that change results by rounding alone."""
        return {
            path: value
            for path, value in self.settings.items()
            if path not in ROUNDING_ONLY and not path.startswith(OWN_SETTINGS)
        }

    @property
    def title(self) -> str:
        """The method's title, as its latest run says."""
        return str(self._latest.method_info.get("title") or "")

    @property
    def paper(self) -> str:
        """Authors, venue and year of the method's paper."""
        return str(self._latest.method_info.get("paper") or "")

    @property
    def _latest(self) -> Record:
        return max(self.runs, key=lambda run: run.started).record

    @property
    def provenance(self) -> dict[str, str]:
        """Where each setting's value came from, as the latest run says."""
        return self._latest.provenance

    def notes(self) -> list[str]:
        """What a reader of the row should know about how it was pooled."""
        pooled = [
            f"runs with {path} {values}"
            for path, values in self.settings.items()
            if path in ROUNDING_ONLY and len({run.settings.get(path) for run in self.runs}) > 1
        ]
        told = (run.record.method_info.get("source_sha256") for run in self.runs)
        digests = {str(digest) for digest in told if digest is not None}
        if len(digests) > 1:
            pooled.append("the method's file changed between runs without a new version")
        return pooled


def _natural(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return float("inf"), text


def group(runs: Iterable[Run]) -> list[Group]:
    """Split the runs of one table into rows, sorted by method and configuration, labels included."""
    by_configuration: dict[tuple[str, bool, str], list[Run]] = defaultdict(list)
    for run in runs:
        record = run.record
        by_configuration[record.method, record.uses_target_labels, run.configuration].append(run)
    by_method: dict[str, list[Group]] = defaultdict(list)
    for (method, upper_bound, configuration), members in sorted(by_configuration.items()):
        for images, part in _by_images(members):
            by_method[method].append(Group(method, upper_bound, configuration, images, part))
    return [labelled for groups in by_method.values() for labelled in _label(groups)]


def _by_images(runs: Sequence[Run]) -> list[tuple[dict[str, str], tuple[Run, ...]]]:
    """Split runs so that no domain has two fingerprints in one part; older images first.

    A run says something of two domains only, so a run joins the first part that it does not contradict.
    """
    kinds: dict[tuple[tuple[str, str], ...], list[Run]] = defaultdict(list)
    for run in runs:
        kinds[tuple(sorted(run.images.items()))].append(run)
    oldest = {facts: min(run.started for run in members)[0] for facts, members in kinds.items()}
    parts: list[tuple[dict[str, str], list[Run]]] = []
    for facts in sorted(kinds, key=lambda facts: (oldest[facts], facts)):
        agreeing = (part for part in parts if all(part[0].get(name, value) == value for name, value in facts))
        part = next(agreeing, None)
        if part is None:
            part = ({}, [])
            parts.append(part)
        part[0].update(facts)
        part[1].extend(kinds[facts])
    return [(dict(sorted(images.items())), tuple(sorted(held, key=_order))) for images, held in parts]


def _order(run: Run) -> tuple[str, int, tuple[float, str, str]]:
    return run.record.task, run.record.seed, run.started


def _label(groups: Sequence[Group]) -> list[Group]:
    """Give each of one method's rows the settings and images in which they differ."""
    if len(groups) == 1:
        return list(groups)
    facts = []
    for one in groups:
        settings = {path: value for path, value in one.settings.items() if path not in ROUNDING_ONLY}
        images = {f"{IMAGES}{name}": value[:8] for name, value in one.images.items()}
        bound = {"target labels": "used" if one.upper_bound else "unused"}
        facts.append({**settings, **images, **bound})
    paths = sorted(
        {path for fact in facts for path in fact}, key=lambda path: (not path.startswith(IMAGES), path)
    )
    differing = [path for path in paths if len(_values(path, facts)) > 1]
    labels = [_sentence(differing, fact) for fact in facts]
    return [
        replace(one, label=label if labels.count(label) == 1 else f"{label} [{one.configuration}]")
        for one, label in zip(groups, labels, strict=True)
    ]


def _values(path: str, facts: Sequence[dict[str, str]]) -> set[str]:
    """What rows say of a setting; a row that never met a domain does not differ in its images."""
    absent = set() if path.startswith(IMAGES) else {ABSENT}
    return {fact[path] for fact in facts if path in fact} | (
        absent if any(path not in fact for fact in facts) else set()
    )


def _sentence(paths: Sequence[str], fact: dict[str, str]) -> str:
    parts = []
    paths = [path for path in paths if path in fact or not path.startswith(IMAGES)]
    for path in paths[:MOST_IN_LABEL]:
        value = fact.get(path, ABSENT)
        parts.append(f"{path}={value if len(value) <= LONGEST_VALUE else value[: LONGEST_VALUE - 1] + '…'}")
    if len(paths) > MOST_IN_LABEL:
        parts.append(f"{len(paths) - MOST_IN_LABEL} more")
    return ", ".join(parts)


def unlike(one: Group, other: Group) -> list[str]:
    """Settings shared by all methods in which two rows differ, as 'path=value (other value)'."""
    mine, theirs = one.shared, other.shared
    if mine == theirs:
        return []
    return [
        f"{path}={mine.get(path, ABSENT)} ({theirs.get(path, ABSENT)})"
        for path in sorted({*mine, *theirs})
        if mine.get(path) != theirs.get(path)
    ]


def reference_for(one: Group, groups: Sequence[Group], method: str = REFERENCE) -> Group | None:
    """The row of a bound to compare a row with: same images, the fewest differing shared settings.

    None where there is none, or where two fit equally well: a guess would be worse than no number.
    """
    fitting = [
        other
        for other in groups
        if other.method == method
        and all(one.images.get(name, value) == value for name, value in other.images.items())
    ]
    ranked = sorted((len(unlike(one, other)), index) for index, other in enumerate(fitting))
    if not ranked or (len(ranked) > 1 and ranked[0][0] == ranked[1][0]):
        return None
    return fitting[ranked[0][1]]
