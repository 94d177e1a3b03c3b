"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

from dabench.holder import LONGEST_LEASE

__all__ = [
    "DEFAULT_DATA",
    "DEFAULT_RESULTS",
    "CheckpointOption",
    "DataOption",
    "LeaseOption",
    "ResultsOption",
]

DataOption = Annotated[
    Path, typer.Option("--data", envvar="DABENCH_DATA", help="Data folder: one folder a suite.")
]
ResultsOption = Annotated[
    Path, typer.Option("--results", envvar="DABENCH_RESULTS", help="Results folder: one record a run.")
]
LeaseOption = Annotated[
    float | None,
    typer.Option(
        "--lease",
        min=1,
        max=LONGEST_LEASE,
        help="Seconds without a sign of life until others take over. Default: 60.",
    ),
]
CheckpointOption = Annotated[
    float | None,
    typer.Option(
        "--checkpoint-every",
        min=0,
        help="Seconds between a run's checkpoints; 0: at each evaluation. Default: 60.",
    ),
]
DEFAULT_DATA = Path("data")
DEFAULT_RESULTS = Path("results")
