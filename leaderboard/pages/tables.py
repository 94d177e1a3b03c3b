"""The page of a board: its table, what the order is worth, pictures, and what selection rules cost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dabench.leaderboard import order_facts, view
from dabench.leaderboard.addresses import INDEX
from dabench.leaderboard.agreement import agreement, columns_of, origin
from dabench.leaderboard.boards import Board, Reading
from dabench.leaderboard.checks import checks
from dabench.leaderboard.chooser import chooser
from dabench.leaderboard.citations import citations
from dabench.leaderboard.groups import REFERENCE
from dabench.leaderboard.pages.exports import exports
from dabench.leaderboard.pages.renderer import Page, Renderer
from dabench.leaderboard.plots.dots import interval_dots
from dabench.leaderboard.plots.heat import gain_heat_map
from dabench.leaderboard.plots.ladder import ablation_ladder
from dabench.leaderboard.plots.pairs import pairwise_matrix
from dabench.leaderboard.plots.pareto import accuracy_against_time
from dabench.leaderboard.plots.picture import Picture
from dabench.leaderboard.plots.profile import performance_profile
from dabench.leaderboard.plots.regret import rule_regret
from dabench.leaderboard.plots.strips import seed_strips
from dabench.leaderboard.rows import Row, Table
from dabench.leaderboard.statistics.intervals import EXAMPLE, t_interval
from dabench.leaderboard.validators import validator_report

__all__ = ["Column", "Part", "board_pages", "columns", "empty_index", "parts"]


@dataclass(frozen=True)
class Column:
    """A column of the main table.

    Attributes:
        key: its name in addresses and exports; a task's begins with "task:", for it may be called anything.
        kind: rank, method, mean, gain, share, class, task or time: what its cells hold.
        first: the direction in which a first click sorts.
    """

    key: str
    label: str
    kind: str
    first: str = "descending"


@dataclass(frozen=True)
class Part:
    """Rows that are sorted among themselves: those in competition, those by target labels, the bounds.

    Attributes:
        absent: methods of this part that were not run.
    """

    name: str
    title: str
    rows: tuple[Row, ...]
    absent: tuple[object, ...] = ()


def board_pages(renderer: Renderer, board: Board, default: Reading) -> Iterator[Page]:
    """One page for each way to read a board; ``default`` is the first way, read already.

    What does not depend on the way (rules, classes, published figures) stands on the first page only.
    """
    for way in board.ways:
        reading = default if way == default.way else renderer.site.read(board, way)
        yield _page(renderer, renderer.table_page(board, way), reading, default)


def empty_index(renderer: Renderer) -> Page:
    """The index of a folder without runs: how to make some."""
    return renderer.page(INDEX, "table.html.j2", scripted="table", reading=None, **_counts(renderer, ()))


def columns(table: Table) -> tuple[Column, ...]:
    """The columns of a table; of a single task the average column is all there is."""
    several = len(table.tasks) > 1
    by_mean = table.metric == "mean_class_accuracy"
    average = "Average" if several else view.arrow(table.tasks[0]) if table.tasks else "Average"
    tasks = table.tasks if several else ()
    return (
        Column("rank", "Rank", "rank", "ascending"),
        Column("method", "Method", "method", "ascending"),
        Column("average", average, "mean"),
        Column("gain", f"Gain over {table.settings.compare.reference}", "gain"),
        Column("gap", "Gap closed", "share"),
        Column("class", "Worst class" if by_mean else "Mean class", "class"),
        *(Column(f"task:{task}", view.arrow(task), "task") for task in tasks),
        Column("time", "Training time", "time", "ascending"),
    )


def parts(table: Table) -> tuple[Part, ...]:
    """The rows of a table, apart where they are not to be compared."""
    kinds = {row.group.key: order_facts.status(row) for row in table.rows}

    def of(*wanted: str) -> tuple[Row, ...]:
        return tuple(row for row in table.rows if kinds[row.group.key] in wanted)

    def absent(lower: bool) -> tuple[object, ...]:
        return tuple(one for one in table.absent if (one.method == REFERENCE) == lower)

    found = (
        Part("measured", "", (*of("ranked"), *of("incomplete")), absent(True)),
        Part("target", "Chosen on target labels: nobody who adapts has them, never ranked", of("target")),
        Part("bound", "Upper bound: trained on target labels, never ranked", of("bound"), absent(False)),
    )
    return tuple(part for part in found if part.rows or part.absent)


def _page(renderer: Renderer, path: str, reading: Reading, default: Reading) -> Page:
    site, table = renderer.site, reading.table
    first = reading is default
    report = validator_report(table, site.rules) if first and site.rules else None
    checked = {row.group.key: checks(row, site.verdicts) for row in table.rows}
    return renderer.page(
        path,
        "table.html.j2",
        scripted="table",
        reading=reading,
        default=default,
        first=first,
        chooser=chooser(site, reading.board, reading.way),
        columns=columns(table),
        parts=parts(table),
        anchors={task: f"task-{number}" for number, task in enumerate(default.table.tasks, 1)},
        places={row.group.key: place for place, row in enumerate(table.rows)},
        checked=checked,
        exports=exports(reading, checked, site.settings.ci.level),
        citations=citations(table.rows),
        cell_interval=view.interval_names(cell.interval for row in table.rows for cell in row.cells.values()),
        average_interval=view.interval_names(row.average for row in table.rows),
        pictures=_pictures(reading),
        report=report,
        regret=rule_regret(report) if report else None,
        example=t_interval(EXAMPLE, reading.settings.ci.level),
        matches=agreement(site.published, table) if first else (),
        file_name=view.slug(table.suite, table.backbone, reading.way.name),
        facts=order_facts,
        view=view,
        origin=origin,
        columns_of=columns_of,
        **_counts(renderer, [run for row in table.rows for run in row.group.runs]),
    )


def _pictures(reading: Reading) -> list[Picture]:
    """Those that have something to show; the narrow ones first, so that they fill the grid."""
    drawn = (
        interval_dots(reading), seed_strips(reading), gain_heat_map(reading), pairwise_matrix(reading),
        accuracy_against_time(reading), performance_profile(reading), ablation_ladder(reading),
    )  # fmt: skip
    return [one for one in drawn if one is not None]


def _counts(renderer: Renderer, runs: Sequence[object]) -> dict[str, int]:
    everything = renderer.site.runs
    done = sum(run.record.status == "done" for run in everything)
    return {"runs_here": len(runs), "runs_done": done, "runs_failed": len(everything) - done}
