"""``dabench stats``: is one method better than another, and do the intervals keep their promise?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dabench.leaderboard.boards import Board, Reading
    from dabench.leaderboard.settings import Settings

__all__ = ["add_stats", "compare_rows", "selftest_intervals"]

OUTSIDE = 1


def add_stats(app: typer.Typer) -> None:
    """Add ``stats`` and its commands to the command line."""
    stats = typer.Typer(
        help="Compare two methods; check the intervals by simulation.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    app.add_typer(stats, name="stats")

    @stats.command()
    def compare(
        a: Annotated[str, typer.Argument(help="A method; method:label where it has several rows.")],
        b: Annotated[str, typer.Argument(help="Another.")],
        suite: Annotated[str | None, typer.Option("--suite", "-s", help="Default: all with both.")] = None,
        backbone: Annotated[str | None, typer.Option("--backbone", "-b")] = None,
        protocol: Annotated[str | None, typer.Option("--protocol")] = None,
        results: Annotated[
            Path, typer.Option("--results", envvar="DABENCH_RESULTS", help="Folder with the records of runs.")
        ] = Path("results"),
        rule: Annotated[
            str | None,
            typer.Option("--select", help="Selection rule; default: what each run's protocol reports by."),
        ] = None,
        config: Annotated[
            Path | None, typer.Option(help="YAML, as for dabench leaderboard: intervals, test, fewest seeds.")
        ] = None,
        assign: Annotated[
            list[str] | None, typer.Option("--set", help="key=value for --config, such as ci.level=0.9.")
        ] = None,
    ) -> None:
        """Is A better than B, and how sure is that?"""
        from dabench.leaderboard.settings_file import read_settings  # imports slow libraries

        settings = read_settings(config, tuple(assign or ()))
        wanted = {"suite": suite, "backbone": backbone, "protocol": protocol}
        compare_rows(results, a, b, {name: word for name, word in wanted.items() if word}, rule, settings)

    @stats.command()
    def selftest(
        experiments: Annotated[
            int, typer.Option("--experiments", min=5000, help="Simulated experiments a row.")
        ] = 40_000,
        style: Annotated[str, typer.Option("--format", help="table or csv.")] = "table",
        tests: Annotated[
            bool, typer.Option("--tests", help="Instead: false claims and power of tests of pairs; minutes.")
        ] = False,
    ) -> None:
        """Simulate how often intervals hold the truth; exit code 1 where a default one leaves 94 to 96 %."""
        if not selftest_intervals(experiments, style, tests):
            raise typer.Exit(OUTSIDE)


def compare_rows(
    results: Path, a: str, b: str, wanted: dict[str, str], rule: str | None, settings: "Settings"
) -> None:
    """Answer for every board that has both rows.

    Raises:
        UserError: an unknown suite, backbone, protocol, rule or row, a row named twice, or no runs.
    """
    from dabench.errors import UserError
    from dabench.leaderboard.boards import Site, Way, boards, common_way
    from dabench.leaderboard.reading import known_suites, read_runs
    from dabench.leaderboard.scoring import scored, selection_by
    from dabench.leaderboard.versus import names, pick, versus
    from dabench.leaderboard.versus_output import print_versus
    from dabench.selection import RULES
    from dabench.terminal import standard_console

    if a == b:
        raise UserError(f"'{a}' is named twice", "name two rows, such as: dabench stats compare cdan dann")
    selection = selection_by(rule)
    runs, _ = read_runs(results)
    if rule is not None and rule != "last":
        runs = scored(results, runs, {rule: RULES.get(rule)})
    found = _boards(boards(runs, (), rule), wanted)
    if not found:
        raise UserError(f"no runs in '{results}'", "make some: dabench demo, or dabench run --help")

    site = Site(found, known_suites(), settings, select=rule, peeking=selection.peeking)
    readings = [site.read(board, Way()) for board in site.boards]
    fitting = [one for one in readings if {a, b} <= _words(one)]
    if not fitting:  # say which of the two is unknown, by all names that there are
        rows = {name: row for one in readings for name, row in names(one.table.rows).items()}
        for word in (a, b):
            pick(tuple({row.group.key: row for row in rows.values()}.values()), word)
        raise UserError(f"no table has both '{a}' and '{b}'", "run one of them on the other's suite")
    console = standard_console()
    for one in fitting:
        left, right = (pick(one.table.rows, word) for word in (a, b))
        if left.average is None or right.average is None:
            one = site.read(one.board, common_way(one.board))
            left, right = (pick(one.table.rows, word) for word in (a, b))
        print_versus(console, versus(results, one, left, right, settings), settings)


def _words(reading: "Reading") -> set[str]:
    """Every word that may name a row of a reading: methods too, so that several rows are told as such."""
    from dabench.leaderboard.versus import names

    return {*names(reading.table.rows), *(row.method for row in reading.table.rows)}


def _boards(found: "tuple[Board, ...]", wanted: dict[str, str]) -> "tuple[Board, ...]":
    """The boards of a suite, backbone and protocol, as far as they are asked for."""
    from dabench.errors import unknown

    kept = list(found)
    for name, word in wanted.items():
        choices = {str(getattr(board, name)) for board in kept}
        if word not in choices:
            raise unknown(name, word, choices)
        kept = [board for board in kept if getattr(board, name) == word]
    return tuple(kept)


def selftest_intervals(experiments: int, style: str, tests: bool) -> bool:
    """Simulate, print, and say whether every default interval keeps its promise.

    Raises:
        UserError: an unknown format.
    """
    from dabench.errors import unknown
    from dabench.leaderboard.statistics.comparison_study import study
    from dabench.leaderboard.statistics.coverage import keeps_promise, simulate, to_csv
    from dabench.leaderboard.versus_output import print_coverage, print_study
    from dabench.terminal import standard_console

    if style not in ("table", "csv"):
        raise unknown("format", style, ("table", "csv"))
    console = standard_console()
    if tests:
        print_study(console, study(max(experiments // 40, 25)))
        return True
    found = simulate(experiments)
    if style == "csv":
        console.file.write(to_csv(found))
    else:
        print_coverage(console, found)
    return keeps_promise(found)
