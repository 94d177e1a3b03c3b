"""``dabench suggest``: which further seeds would narrow what the leaderboard cannot separate."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["add_suggest", "print_suggestions"]


def add_suggest(app: typer.Typer) -> None:
    """Add the command to the command line."""

    @app.command()
    def suggest(
        results: Annotated[
            Path, typer.Option("--results", envvar="DABENCH_RESULTS", help="Folder with the records of runs.")
        ] = Path("results"),
        most: Annotated[
            int,
            typer.Option("--most", min=1, help="Seeds to add at most; pairs that need more are left out."),
        ] = 10,
        out: Annotated[
            Path | None, typer.Option("--out", help="File to write for 'dabench run --order'.")
        ] = None,
    ) -> None:
        """Say which further seeds would tell neighbours apart, and how to run them."""
        print_suggestions(results, most, out)


def print_suggestions(results: Path, most: int, out: Path | None) -> None:
    """Print pairs and commands; write the order file where one is named.

    Raises:
        UserError: no results folder.
    """
    from dabench.leaderboard.reading import known_suites, read_boards
    from dabench.leaderboard.suggest import suggestions, write_order
    from dabench.leaderboard.summary import say
    from dabench.leaderboard.view import points
    from dabench.terminal import standard_console

    console = standard_console()
    folder = "" if str(results) == "results" else f" --results {shlex.quote(str(results))}"
    found = suggestions(read_boards(results, suites=known_suites()).readings, most)
    if not found:
        say(console, f"No neighbours would be told apart by {most} further seeds or fewer.")
    for one in found:
        seeds = f"{len(one.seeds)} more seed{'s' if len(one.seeds) > 1 else ''} of each"
        say(console, f"{one.suite} · {one.backbone} · {one.protocol}")
        say(
            console,
            f"  {one.upper} and {one.lower}: {points(one.difference)} points, not told apart; {seeds}",
        )
        for command in dict.fromkeys(one.commands):
            say(console, f"  {command}{folder}")
        for note in dict.fromkeys(one.notes):
            say(console, f"  ({note})")
    if out is not None:
        write_order(out, found)
        say(console, f"wrote {out}")
        if found:
            most_seeds = 1 + max(seed for one in found for seed in one.seeds)
            say(
                console,
                f"add --order {shlex.quote(str(out))} --seeds {most_seeds} to the command of your sweep",
            )
