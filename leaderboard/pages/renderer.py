"""From templates to pages: nothing from another host, only our own script, all text escaped.

Equal input gives equal bytes. All text passes through Jinja2's escaping; a content security policy that
names the one script by its digest stands behind it.
"""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from dabench.leaderboard import addresses, view
from dabench.leaderboard.boards import Board, Site, Way
from dabench.leaderboard.choices import LAST
from dabench.leaderboard.class_counts import class_counts
from dabench.leaderboard.classes import by_class, mean_class, worst_class, worst_of
from dabench.leaderboard.groups import BOUND, REFERENCE
from dabench.leaderboard.runs import ROUNDING_ONLY
from dabench.leaderboard.table import Row, Table
from dabench.leaderboard.validators import validator_report

__all__ = ["GENERATOR", "Page", "Renderer"]

TEMPLATES = Path(__file__).parents[1] / "templates"
# What a page may carry: the button that saves a picture, or all that a table needs, that button included.
SCRIPTS = {"pictures": ("save.js",), "table": ("save.js", "export.js", "page.js")}
# Marks pages as ours, so that a later build may remove those it no longer makes.
GENERATOR = "dabench leaderboard"
Page = tuple[str, bytes]


class Renderer:
    """Makes pages of one site.

    Args:
        site: what the pages show; templates see it as ``site``.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self._scripts = {kind: _script(names) for kind, names in SCRIPTS.items()}
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        environment.policies["json.dumps_kwargs"] = {}  # unsorted: columns of files keep their order
        filters = (
            view.arrow, view.duration, view.half_width, view.metric_name, view.percent, view.points,
            view.printed, view.share_range, view.short, view.slug, view.step_words,
        )  # fmt: skip
        environment.filters.update({one.__name__: one for one in filters})
        environment.globals.update(
            site=site,
            by_class=by_class,
            class_counts=class_counts,
            mean_class=mean_class,
            worst_class=worst_class,
            worst_of=worst_of,
            validator_report=validator_report,
            gain_mark=_gain_mark,
            reference=site.settings.compare.reference,
            lower_bound=REFERENCE,
            bound=BOUND,
            last=LAST,
            fewest_seeds=site.settings.min_seeds,
            generator=GENERATOR,
            rounding_only=ROUNDING_ONLY,
            default_way=Way(),
            about_page=addresses.ABOUT,
            changes_page=addresses.CHANGES,
            method_page=addresses.method_page,
            published_page=addresses.PUBLISHED,
            row_page=addresses.row_page,
            run_page=addresses.run_page,
            table_page=self.table_page,
            task_page=addresses.task_page,
        )
        self._environment = environment

    def table_page(self, board: Board, way: Way | None = None) -> str:
        """The page of a board read in one way, by default its default; templates put ``root`` before it."""
        return addresses.table_page(board, way or Way(), board is self.site.boards[0])

    def page(self, path: str, template: str, **context: Any) -> Page:
        """Render one page.

        Args:
            path: from ``addresses``.
            template: its file's name; it extends ``base.html.j2``.
            **context: what the template shows, besides ``site``, ``root`` and the addresses. With
                ``scripted="table"`` the page carries the script that sorts, filters and exports, with
                ``scripted="pictures"`` the one that saves pictures.
        """
        context.setdefault("scripted", "")
        context.update(self._scripts.get(context["scripted"], {}))
        text = self._environment.get_template(template).render(
            **context, root=addresses.root_from(path), path=path
        )
        # A record may hold half of a surrogate pair, which no encoding has; it must not stop the page.
        return path, text.encode("utf-8", "replace")


def _script(names: Sequence[str]) -> dict[str, str]:
    """The text of a script and the digest that the content security policy names it by."""
    text = "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in names)
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return {"script_text": Markup(text), "script_digest": digest}


def _gain_mark(table: Table, row: Row) -> view.Mark | None:
    gains = [other.gain for other in table.rows if other.gain is not None]
    return view.mark(row.gain, gains) if row.gain else None
