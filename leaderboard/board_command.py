"""``dabench leaderboard``: from records to a page, or to a table on standard output."""

import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

if TYPE_CHECKING:
    from dabench.leaderboard.settings import Settings
    from dabench.leaderboard.site import SiteReport

__all__ = ["Request", "add_leaderboard", "print_tables", "write_page"]

DEFAULT_OUT = Path("site")
ResultsOption = Annotated[
    Path, typer.Option("--results", envvar="DABENCH_RESULTS", help="Folder with the records of runs.")
]
RuleOption = Annotated[
    str | None,
    typer.Option(
        "--select",
        help="Selection rule that all numbers are taken by; 'dabench list rules'. "
        "Default: what each run's protocol reports by.",
    ),
]


@dataclass(frozen=True)
class Request:
    """What ``dabench leaderboard`` is asked for, as the options say it.

    ``out`` is None where no folder was named: the page then goes to ``site``, and a format other than
    ``table`` writes none.
    """

    results: Path
    out: Path | None = None
    style: str = "table"
    select: str | None = None
    against: Path | None = None
    reruns: Path | None = None
    ledger: Path | None = None
    pages: str = "auto"
    verify: str = "auto"
    config: Path | None = None
    assignments: tuple[str, ...] = ()
    open_page: bool = False
    common: bool = False


def add_leaderboard(app: typer.Typer) -> None:
    """Add the command to the command line."""

    @app.command()
    def leaderboard(
        results: ResultsOption = Path("results"),
        out: Annotated[
            Path | None, typer.Option(help="Folder to write the page into. Default: site.")
        ] = None,
        rule: RuleOption = None,
        style: Annotated[
            str,
            typer.Option(
                "--format",
                help="table, csv, json, latex or markdown; all but table write no page without --out.",
            ),
        ] = "table",
        against: Annotated[
            Path | None,
            typer.Option(help="Older results folder, or results.csv of an older page, to compare with."),
        ] = None,
        pages: Annotated[
            str,
            typer.Option(
                help="Runs with a page of their own: auto (not thousands), all, none; tables: tables only."
            ),
        ] = "auto",
        verify: Annotated[
            str, typer.Option(help="Runs to recompute from their files: auto (not thousands), all or none.")
        ] = "auto",
        reruns: Annotated[
            Path | None, typer.Option(help="Folder with runs of the same configurations, made elsewhere.")
        ] = None,
        ledger: Annotated[
            Path | None, typer.Option(help="Ledger to show. Default: ledger.jsonl in the results folder.")
        ] = None,
        config: Annotated[
            Path | None, typer.Option(help="YAML: intervals, comparison, fewest seeds; docs/statistics.md.")
        ] = None,
        assign: Annotated[
            list[str] | None, typer.Option("--set", help="key=value for --config, such as ci.level=0.9.")
        ] = None,
        common: Annotated[
            bool, typer.Option("--common", help="Print averages over the tasks that every row has.")
        ] = False,
        open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    ) -> None:
        """Write the leaderboard of all runs in a results folder as a static page."""
        request = Request(
            results, out, style, rule, against, reruns, ledger, pages, verify, config, tuple(assign or ()),
            open_page, common,
        )  # fmt: skip
        settings = _checked(request)
        if style == "table":
            write_page(request, settings)
        else:
            print_tables(request, settings)


def _checked(request: Request) -> "Settings":
    """Refuse what cannot be, before anything is read; return the settings.

    Raises:
        UserError: a value that an option does not have, or one that needs a page where none is written.
    """
    from dabench.errors import UserError, unknown
    from dabench.leaderboard.output import FORMATS
    from dabench.leaderboard.settings import Settings
    from dabench.leaderboard.site import Extent, Pages

    for kind, word, choices in (
        ("format", request.style, FORMATS),
        ("--pages", request.pages, get_args(Pages)),
        ("--verify", request.verify, get_args(Extent)),
    ):
        if word not in choices:
            raise unknown(kind, word, choices)
    if request.style != "table" and request.out is None:
        page_only = {"--against": request.against, "--reruns": request.reruns, "--ledger": request.ledger}
        for name, given in (page_only | {"--open": request.open_page or None}).items():
            if given is not None:
                raise UserError(
                    f"{name} is for the page, and --format {request.style} writes none",
                    "name a folder for the page with --out",
                )
    if request.config is None and not request.assignments:
        return Settings()
    from dabench.leaderboard.settings_file import read_settings  # imports slow libraries

    return read_settings(request.config, request.assignments)


def write_page(request: Request, settings: "Settings") -> "SiteReport":
    """Write the site, and print averages, changes and where the page is."""
    from dabench.leaderboard.summary import show

    report = _write(request, settings)
    show(report)
    _open(request, report)
    return report


def print_tables(request: Request, settings: "Settings") -> None:
    """Print all tables to standard output and nothing else; write the site only where a folder was named."""
    from dabench.leaderboard.output import as_text
    from dabench.leaderboard.progress import showing
    from dabench.leaderboard.reading import known_suites, read_boards
    from dabench.leaderboard.summary import NO_RUNS, say, skipped
    from dabench.terminal import error_console, standard_console

    if request.out is not None:
        report = _write(request, settings)
        readings, problems = report.readings, report.problems
        say(error_console(), f"Leaderboard: {report.index}")
        _open(request, report)
    else:
        with showing("scoring runs") as advance:
            read = read_boards(
                request.results, request.select, settings, known_suites(), advance, request.common
            )
        readings, problems = read.readings, read.problems
    skipped(problems)
    if not readings:
        say(error_console(), NO_RUNS)
    standard_console().file.write(as_text(readings, request.style, settings.ci.level))


def _write(request: Request, settings: "Settings") -> "SiteReport":
    from dabench.leaderboard.progress import showing_all
    from dabench.leaderboard.site import Order, write_site  # pandas and Jinja2 only when they are needed

    order = Order(
        select=request.select, settings=settings, pages=request.pages, verify=request.verify,  # type: ignore[arg-type]
        reruns=request.reruns, against=request.against, ledger=request.ledger,
        common=request.common,
    )  # fmt: skip
    with showing_all() as advance:
        return write_site(request.results, request.out or DEFAULT_OUT, order, advance)


def _open(request: Request, report: "SiteReport") -> None:
    if request.open_page:
        webbrowser.open(report.index.resolve().as_uri())
