"""What was found of one part of one domain, and what is wrong with it."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from dabench.errors import UserError

__all__ = ["Scan", "copies", "count_problems"]

SHOWN = 8  # of a long list of classes or files in one sentence
COPY = re.compile(r"(?i)( \(\d+\)| ?- copy( \(\d+\))?| copy( \d+)?|_copy|~\d+)$")


@dataclass
class Scan:
    """Images of one part of one domain, not yet read.

    Attributes:
        files: path of each image.
        labels: index into the class names, for each image.
        keys: what people call each image: its path below the domain's folder, or as its list has it.
        problems: sentences about what is wrong; a scan with problems is not opened.
        oddities: sentences about what is strange but does no harm to the images found; for ``check``.
    """

    files: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    oddities: list[str] = field(default_factory=list)

    def require_sound(self, where: str, hint: str) -> None:
        """Raise a UserError with all problems, if there are any."""
        if self.problems:
            raise UserError(f"{where}: " + "; ".join(self.problems[:SHOWN]), hint)


def shortened(items: Sequence[str]) -> str:
    """Join the first few items, and say how many more there are.

    >>> shortened(["a", "b"])
    'a, b'
    """
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return ", ".join(items[:SHOWN]) + more


def copies(names: Sequence[str]) -> list[str]:
    """Names that a second unpacking or copying has made: ``x (1).jpg`` beside ``x.jpg``, ``x copy.jpg``.

    >>> copies(["a/x.jpg", "a/x (1).jpg", "a/y (1).jpg"])
    ['a/x (1).jpg']
    """
    known = set(names)
    found = []
    for name in names:
        stem, suffix = os.path.splitext(name)
        original = COPY.sub("", stem)
        if original != stem and original + suffix in known:
            found.append(name)
    return found


def count_problems(
    labels: Sequence[int],
    classes: Sequence[str],
    expected: int | None,
    per_class: dict[str, int] | None,
    names: Sequence[str] = (),
) -> list[str]:
    """Compare counts with the manifest's; at most one sentence, with the likely mistake.

    Args:
        labels: of the images found.
        classes: class names.
        expected: images of the domain, or None where none is stated.
        per_class: images of each class, or None where none is stated.
        names: of the files, in which copies are looked for when the counts differ.

    >>> count_problems([0, 0], ["mug"], 1, {"mug": 1})[0][:60]
    '2 images, expected 1; classes that differ: mug 2 (expected 1'
    """
    counts = Counter(classes[label] for label in labels)
    differing = [name for name, count in (per_class or {}).items() if counts[name] != count]
    if (expected is None or len(labels) == expected) and not differing:
        return []
    text = f"{len(labels)} images" + (f", expected {expected}" if expected is not None else "")
    if per_class and differing:
        listed = [f"{name} {counts[name]} (expected {per_class[name]})" for name in differing]
        text += f"; classes that differ: {shortened(listed)}"
    return [f"{text}. {_likely_mistake(len(labels), expected, counts, per_class, copies(names))}"]


def _likely_mistake(
    found: int,
    expected: int | None,
    counts: Counter[str],
    per_class: dict[str, int] | None,
    doubled: Sequence[str],
) -> str:
    if doubled:
        return f"Likely copies from unpacking twice: {shortened(doubled)}; delete them"
    twice = expected is not None and found == 2 * expected
    if twice or (per_class and all(counts[name] == 2 * count for name, count in per_class.items())):
        return "Exactly twice as many: one archive was unpacked twice; delete the folder and unpack it once"
    if per_class and all(counts[name] <= count for name, count in per_class.items()):
        return (
            "Images are missing: the archive was not unpacked whole, or files were deleted; unpack it again"
        )
    if expected is not None and not per_class and found < expected:
        return "Images are missing: the archive was not unpacked whole; unpack it again"
    return "Another version of the data set, or images moved between classes; unpack the archive anew"
