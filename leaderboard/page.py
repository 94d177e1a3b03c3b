"""The static pages: ``render(content)`` is a pure function from tables to file names and bytes.

Nothing on a page comes from another host, nothing needs a script, and equal input gives equal bytes.
All text passes through Jinja2's escaping; a content security policy stands behind it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2

from dabench.leaderboard import view
from dabench.leaderboard.choices import LAST
from dabench.leaderboard.class_counts import class_counts
from dabench.leaderboard.classes import by_class, mean_class, worst_class, worst_of
from dabench.leaderboard.groups import BOUND
from dabench.leaderboard.published import PublishedTable
from dabench.leaderboard.runs import ROUNDING_ONLY, Run
from dabench.leaderboard.table import FEWEST_SEEDS, REFERENCE, Row, Table
from dabench.leaderboard.validators import validator_report
from dabench.records import Problem
from dabench.selection import RuleEntry

__all__ = ["GENERATOR", "Content", "render"]

TEMPLATES = Path(__file__).with_name("templates")
# Marks pages as ours, so that a later build may remove those it no longer makes.
GENERATOR = "dabench leaderboard"


@dataclass(frozen=True)
class Content:
    """All that the pages show.

    Attributes:
        problems: files that could not be read, their paths relative to the results folder.
        published: figures of papers; a section of their own.
        rules: selection rules by name; each table shows what each of them costs.
    """

    tables: Sequence[Table]
    runs: Sequence[Run]
    problems: Sequence[Problem] = ()
    published: Sequence[PublishedTable] = ()
    rules: Mapping[str, RuleEntry] = field(default_factory=dict)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters = (
        view.duration, view.half_width, view.metric_name, view.percent, view.points, view.printed,
        view.share_range, view.short, view.slug, view.step_words,
    )  # fmt: skip
    environment.filters.update({one.__name__: one for one in filters})
    environment.globals.update(
        by_class=by_class,
        class_counts=class_counts,
        mean_class=mean_class,
        worst_class=worst_class,
        worst_of=worst_of,
        validator_report=validator_report,
        row_page=view.row_page,
        table_id=table_id,
        gain_mark=_gain_mark,
        reference=REFERENCE,
        bound=BOUND,
        last=LAST,
        fewest_seeds=FEWEST_SEEDS,
        generator=GENERATOR,
        rounding_only=ROUNDING_ONLY,
    )
    return environment


def table_id(table: Table) -> str:
    """The table's anchor on the index page."""
    return view.slug(table.suite, table.backbone, table.protocol, table.metric)


def _gain_mark(table: Table, row: Row) -> view.Mark | None:
    gains = [other.gain for other in table.rows if other.gain is not None]
    return view.mark(row.gain, gains) if row.gain else None


def _encode(text: str) -> bytes:
    # A record may hold half of a surrogate pair, which no encoding has; it must not stop the page.
    return text.encode("utf-8", "replace")


def render(content: Content) -> Mapping[str, bytes]:
    """Return the index and one page of runs a row, by path relative to the site."""
    environment = _environment()
    done = sum(run.record.status == "done" for run in content.runs)
    context: dict[str, Any] = {
        "tables": content.tables,
        "problems": content.problems,
        "published": content.published,
        "rules": content.rules,
        "runs_done": done,
        "runs_failed": len(content.runs) - done,
    }
    pages = {"index.html": _encode(environment.get_template("index.html.j2").render(context))}
    template = environment.get_template("runs.html.j2")
    for table in content.tables:
        for row in table.rows:
            used = {run.file for run in row.used}
            text = template.render(table=table, row=row, used=used, oldest_first=_by_task(row))
            pages[view.row_page(table, row)] = _encode(text)
    return pages


def _by_task(row: Row) -> dict[str, list[Run]]:
    """All runs of a row, those that are not counted too, by task and seed."""
    runs: dict[str, list[Run]] = {task: [] for task in row.cells}
    for run in row.group.runs:
        runs[run.record.task].append(run)
    return runs
