"""What is known of a method: from its registered class where there is one, else from its records alone."""

import inspect
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dabench.leaderboard.drill.docstrings import Block, blocks
from dabench.leaderboard.rows import Row
from dabench.leaderboard.runs import flatten

if TYPE_CHECKING:
    from dabench.method import Method, MethodEntry

__all__ = ["MethodFacts", "known_methods"]

OURS = "dabench.methods."
NO_PAPER = "no paper"  # how a bound says that it has none


@dataclass(frozen=True)
class MethodFacts:
    """Of one method.

    Attributes:
        title, paper, summary, bibtex: for people; empty where nothing says it.
        version: as registered, or as the latest run says.
        digest: SHA-256 of the method's file, likewise.
        registered: whether this installation knows the method.
        ours: whether it is part of dabench.
        about: the docstrings of the module and of the class.
        settings: what this name sets of the method's own configuration.
        ranges: for each path that a search draws, the range and where it comes from.
        bound: trains on target labels.
    """

    title: str = ""
    paper: str = ""
    summary: str = ""
    bibtex: str = ""
    version: str = ""
    digest: str = ""
    registered: bool = False
    ours: bool = False
    about: tuple[Block, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    ranges: Sequence[tuple[str, str, str]] = ()
    bound: bool = False

    @property
    def has_paper(self) -> bool:
        """Whether it comes from a paper."""
        return bool(self.paper) and not self.paper.startswith(NO_PAPER)


def known_methods(rows: Mapping[str, Sequence[Row]]) -> dict[str, MethodFacts]:
    """Facts of every method that has rows, and of every registered one.

    Args:
        rows: method name to its rows in all tables, at least one each.

    Raises:
        UserError: an installed package of methods cannot be imported.
    """
    from dabench.discovery import discover_methods  # methods need torch, and only these pages need methods
    from dabench.method import METHODS

    discover_methods()
    told = {name: _told(given) for name, given in rows.items()}
    return told | {name: _registered(METHODS.get(name)) for name in METHODS}


def _told(rows: Iterable[Row]) -> MethodFacts:
    """What the latest record of a method says."""
    run = max((run for row in rows for run in row.group.runs), key=lambda run: run.started)
    info = flatten(run.record.method_info)
    return MethodFacts(
        title=info.get("title", ""),
        paper=info.get("paper", ""),
        version=info.get("version", ""),
        digest=info.get("source_sha256", ""),
        bound=run.record.uses_target_labels,
    )


def _registered(entry: "MethodEntry") -> MethodFacts:
    cls = entry.cls
    return MethodFacts(
        cls.title,
        cls.paper,
        entry.summary,
        cls.bibtex.strip(),
        str(cls.version),
        entry.source_sha256 or "",
        registered=True,
        ours=cls.__module__.startswith(OURS),
        about=_about(cls),
        settings=flatten(dict(entry.params)),
        ranges=_ranges(cls),
        bound=cls.uses_target_labels,
    )


def _about(cls: "type[Method]") -> tuple[Block, ...]:
    """The docstrings as the author wrote them; a class without one does not show its parent's."""
    module = sys.modules.get(cls.__module__)
    texts = [inspect.cleandoc(one.__doc__) for one in (module, cls) if one is not None and one.__doc__]
    return tuple(block for text in dict.fromkeys(texts) for block in blocks(text))


def _ranges(cls: "type[Method]") -> Sequence[tuple[str, str, str]]:
    """Path, range and source, as ``dabench tune`` has them: its own win over those of every method."""
    from dabench.search import SHARED

    found = {**(SHARED if cls.trains_network else {}), **cls.search}
    return tuple((path, str(one), one.source) for path, one in sorted(found.items()))
