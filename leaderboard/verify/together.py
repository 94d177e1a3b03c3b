"""What records of one folder say of each other: copies, seeds that ran twice, labels of the same images."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from dabench.leaderboard.runs import Run
from dabench.leaderboard.verify.consistency import class_names

__all__ = ["copied", "foreign_labels", "misnamed_bounds", "repeated", "same_run"]

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
        if run.record.status == "done":
            by_place[(*_cell(run), run.record.seed)].append(run)
    found: Sentences = defaultdict(list)
    for members in by_place.values():
        for run in members if len({one.record.run_id for one in members}) > 1 else ():
            other = next(one for one in members if one.record.run_id != run.record.run_id)
            found[run.file].append(
                f"method, configuration, task and seed ran more than once, also as {other.file!r}: "
                "tables count the run that started last"
            )
    return found


def _cell(run: Run) -> tuple[object, ...]:
    """What the seeds of one row on one task have in common."""
    record = run.record
    row = (record.suite, record.backbone, record.protocol, record.metric, record.method)
    return (*row, run.configuration, tuple(sorted(run.images.items())), record.task)


def copied(runs: Sequence[Run], probabilities: Mapping[str, str]) -> Sentences:
    """Runs of one row on one task whose predictions are those of another seed, by file.

    Which one is the copy, nobody knows. Two honest seeds may predict the same classes, not the same
    probabilities.

    Args:
        runs: of one folder.
        probabilities: by file, the digest of those that a run predicts; runs without are left out.
    """
    by_content: dict[tuple[object, ...], list[Run]] = defaultdict(list)
    for run in runs:
        if run.file in probabilities:
            by_content[(*_cell(run), probabilities[run.file])].append(run)
    found: Sentences = defaultdict(list)
    for members in by_content.values():
        for run in members:
            other = next((one for one in members if one.record.seed != run.record.seed), None)
            if other is not None:
                found[run.file].append(
                    f"seed {run.record.seed} has the predictions of seed {other.record.seed}, byte for byte: "
                    f"{other.file!r}"
                )
    return found


def misnamed_bounds(runs: Sequence[Run], bounds: Mapping[str, bool]) -> Sentences:
    """Runs whose record says otherwise than their method whether it uses target labels, by file.

    Args:
        runs: of one folder.
        bounds: by name of each method that is known, whether it uses them.
    """
    found: Sentences = defaultdict(list)
    for run in runs:
        said, known = run.record.uses_target_labels, bounds.get(run.record.method)
        if known is not None and said != known:
            found[run.file].append(f"uses_target_labels is {said}, method {run.record.method!r} says {known}")
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
