"""The options of ``dabench run``."""

from pathlib import Path
from typing import Annotated

import typer

from dabench.options import (
    DEFAULT_DATA,
    DEFAULT_RESULTS,
    CheckpointOption,
    DataOption,
    LeaseOption,
    ResultsOption,
)

__all__ = ["run"]


def run(
    context: typer.Context,
    config: Annotated[
        str | None, typer.Argument(help="Sweep file, or the name of a shipped one (demo, full-table).")
    ] = None,
    method: Annotated[list[str] | None, typer.Option("--method", "-m", help="Repeatable.")] = None,
    suite: Annotated[
        list[str] | None, typer.Option("--suite", "-s", help="Name or manifest file; repeatable.")
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option("--task", "-t", help='A2W, A:W, "A->W" or A→W; repeatable. Default: all.'),
    ] = None,
    backbone: Annotated[
        list[str] | None, typer.Option("--backbone", "-b", help="timm name; repeatable.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option("--seeds", min=1, help="N means seeds 0 to N-1. Default: 3.")
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option("--seed", min=0, help="One seed by number; repeatable.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option("--weights", help="default (timm's), none, or a local file.")
    ] = None,
    data: DataOption = DEFAULT_DATA,
    results: ResultsOption = DEFAULT_RESULTS,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")] = "auto",
    protocol: Annotated[
        str | None, typer.Option("--protocol", help="Name, or a file; 'dabench list protocols'.")
    ] = None,
    recipe: Annotated[
        list[Path] | None,
        typer.Option("--recipe", help="Recipe file, such as the winner of dabench tune; repeatable."),
    ] = None,
    assign: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="key=value for any configuration key; METHOD.key or SUITE.key for one only."
        ),
    ] = None,
    frozen_backbone: Annotated[
        bool,
        typer.Option(
            "--frozen-backbone", help="Train on features that the pretrained backbone gives once: minutes."
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and run nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Run again what is done.")] = False,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first failed run.")] = False,
    executor: Annotated[
        str | None,
        typer.Option(
            "--executor", help="inline: in this process; ray (needs dabench[ray]). Default: inline."
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", min=1, help="Runs at a time, where the executor has several. Default: one a GPU."
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            "--address", help="Of a Ray cluster: auto, host:port or ray://host:port. Default: this machine."
        ),
    ] = None,
    lease: LeaseOption = None,
    checkpoint_every: CheckpointOption = None,
    max_time: Annotated[
        str | None, typer.Option("--max-time", help="Such as 2h30m: then stop, with a checkpoint.")
    ] = None,
    order: Annotated[
        Path | None, typer.Option("--order", help="JSON file: which runs come first; docs/sweeps.md.")
    ] = None,
    tracker: Annotated[
        list[str] | None,
        typer.Option(
            "--tracker", help="tensorboard (needs dabench[tensorboard]); JSON lines are always there."
        ),
    ] = None,
) -> None:
    """Run methods on all tasks of suites; only what is missing in the results folder is run."""
    from dabench.commands import RunRequest, execute

    request = RunRequest(
        config=config, methods=method, suites=suite, tasks=task, backbones=backbone, seeds=seeds, seed=seed,
        weights=weights, data=data, results=results, device=device, assignments=assign or [],
        protocol=protocol, recipes=recipe, frozen_backbone=frozen_backbone, dry_run=dry_run, force=force,
        fail_fast=fail_fast, executor=executor, jobs=jobs, address=address, lease=lease,
        checkpoint_every=checkpoint_every, max_time=max_time, order=order,
        trackers=tuple(dict.fromkeys(tracker or ())), words=tuple(context.obj or ()),
    )  # fmt: skip
    raise typer.Exit(execute(request))
