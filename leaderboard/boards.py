"""What the pages show: boards, the ways to read each of them, and all runs.

A board holds the runs of one suite, backbone, protocol and metric. A way is a selection rule, and all tasks
or only those that every row has. A reading is a board read in one way: its table and what its rows' order is
worth. Readings are made one after the other, so that a large folder does not fill the memory.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from dabench.leaderboard.choices import Selection
from dabench.leaderboard.groups import Group, group
from dabench.leaderboard.published import PublishedTable
from dabench.leaderboard.rows import SuiteInfo, Table
from dabench.leaderboard.runs import Run
from dabench.leaderboard.settings import Settings
from dabench.leaderboard.standings import Standings, standings
from dabench.leaderboard.table import columns, one_table
from dabench.leaderboard.verdicts import Ledger, Verdict
from dabench.records import Problem
from dabench.selection import RuleEntry

__all__ = ["Board", "Reading", "Site", "Way", "boards", "common_way"]


@dataclass(frozen=True)
class Way:
    """One way to read a board.

    Attributes:
        rule: the selection rule; empty for the one that each run's protocol reports by.
        common: only the tasks that every row has.
    """

    rule: str = ""
    common: bool = False

    @property
    def name(self) -> str:
        """Short and unique among a board's ways; empty for the default."""
        return " ".join(filter(None, (self.rule, "common tasks" if self.common else "")))


@dataclass(frozen=True)
class Board:
    """The runs of one suite, backbone, protocol and metric; all of them, failed ones too.

    Attributes:
        tasks: of the suite, run or not.
        rules: selection rules that a reader may choose.
        default: the rule that the default way takes; None for that of each run's protocol.
    """

    suite: str
    backbone: str
    protocol: str
    metric: str
    runs: tuple[Run, ...]
    tasks: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    default: str | None = None

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What all its runs have in common."""
        return self.suite, self.backbone, self.protocol, self.metric

    @cached_property
    def groups(self) -> list[Group]:
        """The runs split into rows; the same in every way to read the board."""
        return group(self.runs)

    @cached_property
    def ways(self) -> tuple[Way, ...]:
        """The default, each rule that is available for one of the runs, and each on common tasks too."""
        done = [run for run in self.runs if run.record.status == "done"]
        usual = {Selection(self.default).rule_of(run) for run in done}
        others = (rule for rule in self.rules if usual != {rule})
        names = ["", *(rule for rule in others if any(_available(run, rule) for run in done))]
        found = [{run.record.task for run in one.runs if run.record.status == "done"} for one in self.groups]
        by_row = [tasks for tasks in found if tasks]
        shared = set.intersection(*by_row) if by_row else set()
        flags = (False, True) if shared and shared < set(self.tasks).union(*by_row) else (False,)
        return tuple(Way(name, flag) for name in names for flag in flags)


def common_way(board: Board) -> Way:
    """The default rule on the tasks that every row has; the default way where those are all, or none."""
    common = Way(common=True)
    return common if common in board.ways else Way()


@dataclass(frozen=True)
class Reading:
    """A board read in one way."""

    board: Board
    way: Way
    table: Table
    standings: Standings

    @property
    def settings(self) -> Settings:
        """What intervals and comparisons were computed by."""
        return self.table.settings


@dataclass(frozen=True)
class Site:
    """All that pages are made from.

    Attributes:
        boards: the one with most runs first.
        problems: files that could not be read, their paths relative to the results folder.
        published: figures of papers.
        rules: selection rules by name.
        verdicts: by a run's file, what recomputing found; a run that was not checked is absent.
        ledger: what was added, rescored and removed, and why.
        detailed: files of the runs that have a page of their own.
        with_features: files of the runs whose page shows their stored features.
        tables_only: without the pages that a cell leads to.
        compared: whether the site is compared with an older state.
        results: the folder that the runs' files are relative to; None where there is none.
        select: the rule that every number is taken by; None for that of each run's protocol.
        peeking: the rules that read target labels.
    """

    boards: tuple[Board, ...]
    suites: Mapping[str, SuiteInfo]
    settings: Settings
    problems: Sequence[Problem] = ()
    published: Sequence[PublishedTable] = ()
    rules: Mapping[str, RuleEntry] = field(default_factory=dict)
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    detailed: frozenset[str] = frozenset()
    with_features: frozenset[str] = frozenset()
    tables_only: bool = False
    compared: bool = False
    results: Path | None = None
    select: str | None = None
    peeking: frozenset[str] = frozenset({"oracle"})

    @property
    def runs(self) -> tuple[Run, ...]:
        """All runs of all boards."""
        return tuple(run for board in self.boards for run in board.runs)

    @property
    def has_changes(self) -> bool:
        """Whether there is a page of changes."""
        return self.compared or bool(self.ledger.entries or self.ledger.broken)

    def selection(self, way: Way) -> Selection:
        """The rule by which a way takes a run's number."""
        return Selection(way.rule or self.select, self.peeking)

    def read(self, board: Board, way: Way) -> Reading:
        """Read a board in one of its ways: table, ranks and comparisons."""
        order = self.suites, self.settings, self.selection(way), way.common
        table = one_table(board.key, board.groups, *order)
        return Reading(board, way, table, standings(table, self.settings))


def boards(
    runs: Iterable[Run],
    rules: Iterable[str] = (),
    default: str | None = None,
    suites: Mapping[str, SuiteInfo] | None = None,
) -> tuple[Board, ...]:
    """Split runs into boards, the one with most finished runs first.

    Args:
        runs: with their scores.
        rules: selection rules that a reader may choose; a board has a way for each that is available for
            one of its runs.
        default: the rule that the default way takes; None for that of each run's protocol.
        suites: what is known of suites.
    """
    split: dict[tuple[str, str, str, str], list[Run]] = defaultdict(list)
    for run in runs:
        record = run.record
        split[record.suite, record.backbone, record.protocol, record.metric].append(run)
    choices = tuple(sorted(rules)), default
    made = [
        Board(*key, tuple(split[key]), columns(key[0], split[key], suites or {})[1], *choices)
        for key in sorted(split)
    ]
    return tuple(sorted(made, key=lambda board: -sum(run.record.status == "done" for run in board.runs)))


def _available(run: Run, rule: str) -> bool:
    scores = run.scores.get(rule)
    return rule == "last" or (scores is not None and scores.value is not None)
