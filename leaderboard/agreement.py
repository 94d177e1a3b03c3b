"""Published figures beside measured ones: reported minus measured, and whether it lies in the interval.

Only where suite, method, backbone and column fit each other. The rest may differ, above all the selection
rule, so a difference is a question and no verdict.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dabench.leaderboard.groups import BOUND, REFERENCE
from dabench.leaderboard.published import PublishedRow, PublishedTable
from dabench.leaderboard.rows import Row, Table
from dabench.leaderboard.statistics.intervals import Interval

__all__ = ["Figure", "Match", "agreement", "columns_of", "origin"]

# A suite that holds tasks of a published one under another name, and backbones of one kind.
SAME_SUITE = {"digits": "digits-dann"}
SMALL = ("small CNN", "dann_")
WIDE = 0.05  # half-width from which on an interval holds nearly any figure
METRIC = {"accuracy": "accuracy", "class_accuracy": "mean_class_accuracy"}


@dataclass(frozen=True)
class Figure:
    """One published figure and the measured interval that it is set beside; parts of one."""

    reported: float
    measured: Interval

    @property
    def difference(self) -> float:
        """Reported minus measured."""
        return self.reported - self.measured.mean

    @property
    def wide(self) -> bool:
        """Whether the interval is too wide to tell: its half-width exceeds 5 points."""
        return self.measured.half_width is not None and self.measured.half_width > WIDE

    @property
    def inside(self) -> bool | None:
        """Whether it lies in the interval, as exactly as it is printed; None without an interval."""
        low, high = self.measured.low, self.measured.high
        if low is None or high is None:
            return None
        return round(low, 4) <= round(self.reported, 4) <= round(high, 4)

    @property
    def told(self) -> str:
        """What the interval says of the reported figure, in words."""
        if self.inside is None:
            return "no interval"
        if not self.inside:
            return "○ outside"
        return "interval too wide to tell" if self.wide else "● inside"


@dataclass(frozen=True)
class Match:
    """A published row and a measured one of the same method.

    Attributes:
        figures: by the published column, as far as there is something to set beside it.
    """

    source: PublishedTable
    published: PublishedRow
    measured: Row
    figures: Mapping[str, Figure]


def agreement(published: Iterable[PublishedTable], table: Table) -> tuple[Match, ...]:
    """All that is published of the methods in a table, in the order of the published tables.

    Args:
        published: all published tables.
        table: with all tasks of its suite; an average over some of them would fit none.
    """
    suite = SAME_SUITE.get(table.suite, table.suite)
    found = []
    for source in published:
        if source.suite != suite or not _same_backbone(source.backbone, table.backbone):
            continue
        for printed in source.rows:
            for row in table.rows:
                if printed.registry_name == row.method:
                    figures = _figures(source, printed, table, row)
                    if figures:
                        found.append(Match(source, printed, row, figures))
    return tuple(found)


def _same_backbone(printed: str, measured: str) -> bool:
    """Whether a printed network is ours but for its weights: resnet50 and resnet50.tv_in1k."""
    return measured.split(".")[0] == printed or (printed == SMALL[0] and measured.startswith(SMALL[1]))


def _figures(source: PublishedTable, printed: PublishedRow, table: Table, row: Row) -> dict[str, Figure]:
    tasks = {_plain(task): row.cells[task].interval for task in table.tasks}
    names = {_plain(key) for key in source.columns if source.kinds[key] == "task"}
    complete = set(tasks) == names or not names  # an average over other tasks is another quantity
    found = {}
    for key, value in printed.values.items():
        if METRIC.get(source.metrics[key], "") != table.metric:
            continue
        kind = source.kinds[key]
        measured = tasks.get(_plain(key)) if kind == "task" else None
        if kind == "average" and complete:
            measured = row.average
        if measured is not None:
            found[key] = Figure(value / 100, measured)
    return found


def _plain(task: str) -> str:
    """A task's name without what papers write differently: MNIST->MNIST-M and MNIST->MNISTM."""
    return "->".join(re.sub(r"[^a-z0-9]", "", part) for part in task.casefold().split("->"))


def columns_of(matches: Sequence[Match]) -> list[str]:
    """The columns that some match of one published table has, in the table's order."""
    return [key for key in matches[0].source.columns if any(key in match.figures for match in matches)]


def origin(source: PublishedTable, printed: PublishedRow) -> str:
    """Who made the figure, as far as the source tells.

    >>> from dabench.leaderboard.published import published_tables
    >>> table = published_tables()[0]
    >>> table.source, origin(table, table.rows[-1])
    ('Hu et al. CVPR 2020 (GSDA), Table 1', "the method's own paper")
    """
    if "TLLib" in source.source:
        return "re-implementation: TLLib"
    named = re.search(r"\(([^)]+)\)", source.source)
    own = named.group(1).casefold() if named else ""
    if own and (printed.registry_name == own or printed.registry_name.startswith(f"{own}-")):
        return "the method's own paper"
    bounds = (REFERENCE, BOUND)
    return "baseline of that paper" if printed.registry_name in bounds else "listed in another method's paper"
