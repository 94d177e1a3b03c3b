"""The leaderboard's commands; here ``dabench select``, which says what each selection rule costs."""

from pathlib import Path
from typing import Annotated

import typer

from dabench.leaderboard.board_command import add_leaderboard
from dabench.leaderboard.stats_command import add_stats
from dabench.leaderboard.suggest_command import add_suggest
from dabench.leaderboard.verify_command import add_verify

__all__ = ["add_to", "select_runs"]

ResultsOption = Annotated[
    Path, typer.Option("--results", envvar="DABENCH_RESULTS", help="Folder with the records of runs.")
]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    add_leaderboard(app)

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
    add_stats(app)
    add_suggest(app)


def select_runs(results: Path, rules: tuple[str, ...], jobs: int, style: str, runs: bool) -> None:
    """Score, keep the scores beside the records, and print the report.

    Raises:
        UserError: an unknown rule or format, no results folder, or --runs without exactly one rule.
    """
    from dabench.errors import UserError, unknown
    from dabench.leaderboard.progress import showing
    from dabench.leaderboard.select_output import FORMATS, as_json, print_selected
    from dabench.leaderboard.selecting import select
    from dabench.leaderboard.summary import NO_RUNS, say, skipped
    from dabench.terminal import error_console, standard_console

    if style not in FORMATS:
        raise unknown("format", style, FORMATS)
    if runs and len(rules) != 1:
        raise UserError("--runs lists the runs of one rule", "such as: dabench select --rule snd --runs")
    with showing("scoring runs") as advance:
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
