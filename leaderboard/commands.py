"""``dabench leaderboard``: from records to a page; ``dabench select``: what each selection rule costs."""

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dabench.leaderboard.verify_command import add_verify

if TYPE_CHECKING:
    from dabench.leaderboard.site import SiteReport

__all__ = ["add_to", "build", "select_runs"]

ResultsOption = Annotated[
    Path, typer.Option("--results", envvar="DABENCH_RESULTS", help="Folder with the records of runs.")
]


def build(results: Path, out: Path, select: str | None = None) -> "SiteReport":
    """Write the site; see ``dabench.leaderboard.site.write_site``."""
    from dabench.leaderboard.scoring import showing_progress
    from dabench.leaderboard.site import Order, write_site  # pandas and Jinja2 only when they are needed

    with showing_progress() as advance:
        return write_site(results, out, Order(select), advance)


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""

    @app.command()
    def leaderboard(
        results: ResultsOption = Path("results"),
        out: Annotated[Path, typer.Option(help="Folder to write the page into.")] = Path("site"),
        rule: Annotated[
            str | None,
            typer.Option(
                "--select",
                help="Selection rule that all numbers are taken by; 'dabench list rules'. "
                "Default: what each run's protocol reports by.",
            ),
        ] = None,
        open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    ) -> None:
        """Write the leaderboard of all runs in a results folder as a static page."""
        from dabench.leaderboard.summary import show

        report = build(results, out, rule)
        show(report)
        if open_page:
            webbrowser.open(report.index.resolve().as_uri())

    @app.command()
    def select(
        results: ResultsOption = Path("results"),
        rule: Annotated[
            list[str] | None, typer.Option("--rule", help="Repeatable; 'dabench list rules'. Default: all.")
        ] = None,
        jobs: Annotated[int, typer.Option("--jobs", min=0, help="Processes; 0: one a processor.")] = 0,
        style: Annotated[str, typer.Option("--format", help="table, markdown, csv or json.")] = "table",
        runs: Annotated[
            bool, typer.Option("--runs", help="With one rule: the step and value chosen in each run.")
        ] = False,
    ) -> None:
        """Apply selection rules to finished runs, without training, and say what each rule costs."""
        select_runs(results, tuple(dict.fromkeys(rule or ())), jobs, style, runs)

    add_verify(app)


def select_runs(results: Path, rules: tuple[str, ...], jobs: int, style: str, runs: bool) -> None:
    """Score, keep the scores beside the records, and print the report.

    Raises:
        UserError: an unknown rule or format, no results folder, or --runs without exactly one rule.
    """
    from dabench.errors import UserError, unknown
    from dabench.leaderboard.scoring import showing_progress
    from dabench.leaderboard.select_output import FORMATS, as_json, print_selected
    from dabench.leaderboard.selecting import select
    from dabench.leaderboard.summary import NO_RUNS, say, skipped
    from dabench.terminal import error_console, standard_console

    if style not in FORMATS:
        raise unknown("format", style, FORMATS)
    if runs and len(rules) != 1:
        raise UserError("--runs lists the runs of one rule", "such as: dabench select --rule snd --runs")
    with showing_progress() as advance:
        found = select(results, rules, jobs, advance)
    skipped(found.problems)
    console = standard_console()
    if style == "json":
        console.file.write(as_json(found))
    elif found.runs:
        print_selected(console, found, style, runs)
    if not found.runs:  # in words, and not into what may be a file
        words = f"No run has finished, {found.failed} failed: dabench leaderboard says why"
        say(console if style == "table" else error_console(), words if found.failed else NO_RUNS)
