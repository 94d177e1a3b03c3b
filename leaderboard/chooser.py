"""The chooser at the head of a table page: what may be changed about it, as plain links.

A link changes one thing and keeps the others where such a board exists; else it leads to the first board
that has it. Nothing here needs a script.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from dabench.leaderboard.boards import Board, Site, Way
from dabench.leaderboard.view import metric_name

__all__ = ["Dimension", "Option", "chooser"]


@dataclass(frozen=True)
class Option:
    """One link of a choice.

    Attributes:
        label: what it is called.
        note: a few words more; empty where there are none.
        board, way: where it leads.
        current: whether this page is it.
        peeking: a rule that reads target labels.
    """

    label: str
    board: Board
    way: Way
    current: bool = False
    note: str = ""
    peeking: bool = False


@dataclass(frozen=True)
class Dimension:
    """One thing that may be changed, such as the backbone."""

    name: str
    options: tuple[Option, ...]


def chooser(site: Site, board: Board, way: Way) -> tuple[Dimension, ...]:
    """Suite, backbone, protocol, selection rule and tasks, each with its options in a stable order."""
    here = [one for one in site.boards if one.suite == board.suite]
    metrics = {one.metric for one in here}

    def protocol(one: Board) -> str:
        return one.protocol if len(metrics) == 1 else f"{one.protocol}, {metric_name(one.metric)}"

    return (
        _boards("Suite", site.boards, lambda one: one.suite, board, way),
        _boards("Backbone", here, lambda one: one.backbone, board, way),
        _boards("Protocol", here, protocol, board, way),
        Dimension("Selection rule", _rules(site, board, way)),
        Dimension("Tasks", _tasks(board, way)),
    )


def _boards(
    name: str, boards: Iterable[Board], label: Callable[[Board], str], board: Board, way: Way
) -> Dimension:
    by_label: dict[str, list[Board]] = {}
    for one in boards:
        by_label.setdefault(label(one), []).append(one)
    options = []
    for text, candidates in sorted(by_label.items()):
        nearest = max(candidates, key=lambda one: _likeness(one, board))  # of equals the first
        kept = way if way in nearest.ways else Way()
        options.append(Option(text, nearest, kept, text == label(board)))
    return Dimension(name, tuple(options))


def _likeness(one: Board, other: Board) -> int:
    return sum(
        getattr(one, name) == getattr(other, name) for name in ("suite", "backbone", "protocol", "metric")
    )


def _rules(site: Site, board: Board, way: Way) -> tuple[Option, ...]:
    names = dict.fromkeys(one.rule for one in board.ways)
    return tuple(_rule(site, board, way, name) for name in names)


def _rule(site: Site, board: Board, way: Way, name: str) -> Option:
    target = _kept(board.ways, Way(name, way.common), Way(name))
    if name:
        meant: Sequence[str] = (name,)
    else:
        meant = sorted({site.selection(Way()).rule_of(run) for run in board.runs})
    titles = [site.rules[one].cls.title for one in meant if one in site.rules]
    return Option(
        ", ".join(meant),
        board,
        target,
        name == way.rule,
        ", ".join(title for title in titles if title not in meant),
        bool(site.peeking.intersection(meant)),
    )


def _tasks(board: Board, way: Way) -> tuple[Option, ...]:
    options = []
    for common, label in ((False, "all"), (True, "common to all rows")):
        target = Way(way.rule, common)
        if target in board.ways:
            options.append(Option(label, board, target, common == way.common))
    return tuple(options)


def _kept(ways: Sequence[Way], wanted: Way, otherwise: Way) -> Way:
    return wanted if wanted in ways else otherwise
