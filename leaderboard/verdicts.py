"""What is known of a record besides what it says of itself: was it recomputed, was it run again.

The page shows a verdict beside each run. Only what was computed here and now counts: a verdict is never
read from a results folder, which may be anybody's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Entry", "Ledger", "Status", "Verdict"]

Status = Literal["self-reported", "recomputed", "rerun agrees", "rerun differs", "wrong"]


@dataclass(frozen=True)
class Verdict:
    """Of one record.

    Attributes:
        status: ``self-reported``: there is nothing to recompute it from; ``recomputed``: its numbers follow
            from its stored predictions, whose checksum fits; ``rerun agrees``: a run of the same
            configuration and seed elsewhere, itself recomputed, has the same value or one as near as
            rounding explains; ``rerun differs``: it has another value, or reruns of other seeds lie outside
            of the prediction interval; ``wrong``: it contradicts itself or its own files.
        reasons: sentences, safe to print; why it is wrong, or only self-reported, or what reruns say, and
            what was not checked.
    """

    status: Status
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One line of the ledger: when (ISO date), what happened to which record, and why.

    ``value`` and ``before`` are the headline metric now and before, in [0, 1]. A record that was written
    again with the same value is rescored too: something else in it has changed.
    """

    date: str
    action: Literal["added", "rescored", "removed"]
    record: str
    reason: str
    value: float | None = None
    before: float | None = None


@dataclass(frozen=True)
class Ledger:
    """What happened to records, oldest first; lines are only ever added.

    Attributes:
        entries: as far as the file's chain of checksums holds.
        head: checksum of the last line; who knows it can tell whether lines were cut off.
        broken: what is wrong with the file; empty where nothing is.
    """

    entries: Sequence[Entry] = field(default_factory=tuple)
    head: str = ""
    broken: str = ""
