"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["DEFAULT_DATA", "DEFAULT_RESULTS", "DataOption", "ResultsOption"]

DataOption = Annotated[
    Path, typer.Option("--data", envvar="DABENCH_DATA", help="Data folder: one folder a suite.")
]
ResultsOption = Annotated[
    Path, typer.Option("--results", envvar="DABENCH_RESULTS", help="Results folder: one record a run.")
]
DEFAULT_DATA = Path("data")
DEFAULT_RESULTS = Path("results")
