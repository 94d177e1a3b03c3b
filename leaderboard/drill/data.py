"""What a record says of its images: each part with fingerprint and counts. A record may be anybody's."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dabench.leaderboard.runs import flatten
from dabench.records import Record

__all__ = ["Part", "parts", "test_images"]

CLASS_COUNTS = "class_counts"
NAMED = {
    "source": "source, trained on",
    "target": "target, trained on without labels",
    "target_test": "target, tested on",
}


@dataclass(frozen=True)
class Part:
    """Images of one part of a domain.

    Attributes:
        key: the record's name of it, such as ``source``.
        name: in words where it is one of ours.
        domain: the domain's name; empty where it is unknown.
        images: how many; None where that is not said.
        fingerprint: digest of images and labels; empty where there is none.
        class_counts: class to images, as far as said.
        others: what else the record says, by dotted path.
    """

    key: str
    name: str
    domain: str
    images: int | None = None
    fingerprint: str = ""
    class_counts: Mapping[str, int] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)


def parts(record: Record) -> tuple[Part, ...]:
    """The parts of a record's dataset, ours first."""
    found = record.dataset
    names = [*(name for name in NAMED if name in found), *sorted(set(found) - set(NAMED))]
    return tuple(_part(name, record) for name in names)


def test_images(record: Record) -> int | None:
    """Number of test images of the target; None where neither the matrix nor the dataset says it."""
    if record.metrics is not None:
        images = sum(sum(row) for row in record.metrics.confusion)
        if images > 0:
            return images
    part = record.dataset.get("target_test")
    told = part.get("images") if isinstance(part, Mapping) else None
    return told if _is_count(told) and told else None


def _part(name: str, record: Record) -> Part:
    content = record.dataset[name]
    domain = {"source": record.source, "target": record.target}.get(name.partition("_")[0], "")
    if not isinstance(content, Mapping):
        return Part(name, NAMED.get(name, name), domain, others=flatten({name: content}))
    images, counts = content.get("images"), content.get(CLASS_COUNTS)
    known = {CLASS_COUNTS, *(["images"] if _is_count(images) else []), "fingerprint"}
    return Part(
        name,
        NAMED.get(name, name),
        domain,
        images if _is_count(images) else None,
        str(content.get("fingerprint", "")),
        {str(one): count for one, count in counts.items() if _is_count(count)}
        if isinstance(counts, Mapping)
        else {},
        flatten({key: value for key, value in content.items() if key not in known}),
    )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
