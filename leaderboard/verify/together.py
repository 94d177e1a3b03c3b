"""What records of one folder say of each other: copies, seeds that ran twice, labels of the same images."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from dabench.leaderboard.runs import Run
from dabench.leaderboard.verify.consistency import class_names

__all__ = ["foreign_labels", "repeated", "same_run"]

Sentences = dict[str, list[str]]


def same_run(runs: Sequence[Run]) -> Sentences:
    """Finished runs that share their identity, by file: one folder holds each run once."""
    by_id: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        if run.record.status == "done":
            by_id[run.record.run_id].append(run)
    found: Sentences = defaultdict(list)
    for members in by_id.values():
        for run in members if len(members) > 1 else ():
            other = next(one for one in members if one is not run)
            value = f"{other.record.value:.6f}"
            kind = "with the same value" if other.record.value == run.record.value else f"with value {value}"
            found[run.file].append(f"run {run.record.run_id} is here twice: also as {other.file!r}, {kind}")
    return found


def repeated(runs: Sequence[Run]) -> Sentences:
    """Finished runs of the same method, configuration, images, task and seed that differ in identity.

    They differ in what results depend on by rounding alone, such as the number of threads; tables count the
    one that started last.
    """
    by_place: dict[tuple[object, ...], list[Run]] = defaultdict(list)
    for run in runs:
        record = run.record
        if record.status == "done":
            row = (record.suite, record.backbone, record.protocol, record.metric, record.method)
            images = tuple(sorted(run.images.items()))
            by_place[(*row, run.configuration, images, record.task, record.seed)].append(run)
    found: Sentences = defaultdict(list)
    for members in by_place.values():
        for run in members if len({one.record.run_id for one in members}) > 1 else ():
            other = next(one for one in members if one.record.run_id != run.record.run_id)
            found[run.file].append(
                f"method, configuration, task and seed ran more than once, also as {other.file!r}: "
                "tables count the run that started last"
            )
    return found


def foreign_labels(runs: Sequence[Run], labels: Mapping[str, str]) -> Sentences:
    """Runs whose test labels differ from those of most runs on the same images, by file.

    Args:
        runs: of one folder.
        labels: by file, the digest of a run's test labels; runs without are left out.
    """
    by_images: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        images = _test_images(run)
        if images and run.file in labels:
            by_images[images].append(run)
    found: Sentences = defaultdict(list)
    for images, members in by_images.items():
        counts = Counter(labels[run.file] for run in members).most_common()
        tied = len(counts) > 1 and counts[0][1] == counts[1][1]  # nobody knows which are right
        for run in members if len(counts) > 1 else ():
            if tied or labels[run.file] != counts[0][0]:
                others = sum(labels[one.file] != labels[run.file] for one in members)
                found[run.file].append(
                    f"its test labels differ from those of {others} other runs on the same images "
                    f"({images[:8]}…)"
                )
    return found


def _test_images(run: Run) -> str:
    """Names the test images of a run, their order and that of the classes; empty where it does not tell."""
    part = run.record.dataset.get("target_test")
    fingerprint = part.get("fingerprint") if isinstance(part, dict) else None
    if not isinstance(fingerprint, str):
        return ""
    classes = "\n".join(class_names(run.record))
    return f"{fingerprint} {hashlib.sha256(classes.encode('utf-8', 'replace')).hexdigest()}"
