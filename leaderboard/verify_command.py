"""``dabench verify``: recompute records from their files."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["add_verify", "verify_results"]

SOMETHING_IS_WRONG = 1


def add_verify(app: typer.Typer) -> None:
    """Add the command to the command line."""

    @app.command()
    def verify(
        results: Annotated[
            Path, typer.Argument(envvar="DABENCH_RESULTS", help="Folder with the records of runs.")
        ] = Path("results"),
        reruns: Annotated[
            Path | None,
            typer.Option("--reruns", help="Folder with runs of the same configurations, made elsewhere."),
        ] = None,
        style: Annotated[str, typer.Option("--format", help="table or json.")] = "table",
        ledger: Annotated[
            Path | None,
            typer.Option(
                "--ledger",
                help="Append to this file what was added, rescored and removed since its last line.",
            ),
        ] = None,
        reason: Annotated[
            str, typer.Option("--reason", help="Why records were rescored or removed; stands in the ledger.")
        ] = "",
        jobs: Annotated[int, typer.Option("--jobs", min=0, help="Processes; 0: one a processor.")] = 0,
    ) -> None:
        """Recompute records from their stored predictions; exit code 1 where something is wrong."""
        if not verify_results(results, reruns, style, ledger, reason, jobs):
            raise typer.Exit(SOMETHING_IS_WRONG)


def verify_results(
    results: Path, reruns: Path | None, style: str, ledger: Path | None, reason: str, jobs: int
) -> bool:
    """Verify, print, and say whether all is fine.

    Raises:
        UserError: an unknown format, no such folder, a reason without a ledger, or trouble with the ledger.
    """
    from dabench.errors import UserError, unknown
    from dabench.leaderboard.progress import showing
    from dabench.leaderboard.verify.report import FORMATS, as_json, print_report, verify_folder
    from dabench.terminal import standard_console

    if style not in FORMATS:
        raise unknown("format", style, FORMATS)
    if reason and ledger is None:
        raise UserError(
            "--reason is for the ledger", "give the file with --ledger, such as results/ledger.jsonl"
        )
    with showing("checking runs") as advance:
        report = verify_folder(results, reruns, ledger, reason, jobs, advance)
    console = standard_console()
    if style == "json":
        console.file.write(as_json(report))
    else:
        print_report(console, report)
    return report.fine
