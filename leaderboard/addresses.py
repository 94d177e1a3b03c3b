"""Where each page lies, relative to the site's folder: names that are safe on every system and stable.

No page depends on another: a link is a name from here, and a page below the folder puts ``../`` before it.
"""

from dabench.leaderboard.boards import Board, Way
from dabench.leaderboard.rows import Row, Table
from dabench.leaderboard.runs import Run
from dabench.leaderboard.view import slug

__all__ = [
    "ABOUT",
    "CHANGES",
    "FOLDERS",
    "INDEX",
    "PUBLISHED",
    "method_page",
    "root_from",
    "row_page",
    "run_page",
    "table_page",
    "task_page",
]

INDEX = "index.html"
ABOUT = "about.html"  # how the numbers are made
PUBLISHED = "published.html"  # figures of papers
FOLDERS = ("methods", "rows", "runs", "tables", "tasks")
CHANGES = "changes.html"  # against an older state


def root_from(page: str) -> str:
    """What leads from a page to the site's folder.

    >>> root_from("index.html"), root_from("tables/a.html")
    ('', '../')
    """
    return "../" * page.count("/")


def table_page(board: Board, way: Way, first: bool = False) -> str:
    """The page of a board read in one way; the first board's default way is the index."""
    if first and way == Way():
        return INDEX
    return f"tables/{slug(board.suite, way.name, board.backbone, board.protocol, board.metric)}.html"


def task_page(table: Table, task: str) -> str:
    """The page of one task of a board: all methods on it."""
    return f"tasks/{slug(table.suite, task, table.backbone, table.protocol, table.metric)}.html"


def method_page(method: str) -> str:
    """The page of a method: paper, what it minimises, configuration, all suites."""
    return f"methods/{slug(method)}.html"


def row_page(table: Table, row: Row) -> str:
    """The page of a row: its runs by task and seed, and its configuration."""
    names = slug(table.suite, row.method, table.backbone, table.protocol, table.metric, row.group.key)
    return f"rows/{names}.html"


def run_page(run: Run) -> str:
    """The page of one run, by its record's file."""
    record = run.record
    return f"runs/{slug(record.suite, record.task, record.method, str(record.seed), run.file)}.html"
