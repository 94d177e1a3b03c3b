"""The command line. Each command parses and calls the engine; users' mistakes end with exit code 2."""

import errno
import os
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

import dabench
from dabench.errors import UserError
from dabench.options import (
    DEFAULT_DATA,
    DEFAULT_RESULTS,
    CheckpointOption,
    DataOption,
    LeaseOption,
    ResultsOption,
)
from dabench.patience import PASSING
from dabench.run_command import run
from dabench.terminal import error_console, print_error, standard_console, steady_output

__all__ = ["app", "main"]

app = typer.Typer(
    name="dabench",
    help="Benchmark suite and leaderboard for unsupervised domain adaptation of image classifiers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

USER_ERROR, INTERRUPTED = 2, 130
# Typer brings click, or a copy of its own: its errors are known by name.
CLICK_ERROR: type[Exception] = next(
    base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException"
)
# The machine's, not a bug of ours: disk full or read-only, no permission, a file where a folder should be.
MACHINE_ERRORS = frozenset({
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR,
    errno.EEXIST, errno.ENAMETOOLONG, errno.ENODEV, errno.ENXIO, errno.EREMOTEIO, errno.ECONNRESET, *PASSING,
})  # fmt: skip


def _version(show: bool) -> None:
    if show:
        typer.echo(f"dabench {dabench.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


app.command()(run)


@app.command()
def demo(
    results: ResultsOption = Path("results-demo"),
    out: Annotated[Path, typer.Option("--out", help="Where the page goes.")] = Path("site-demo"),
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")] = "cpu",
) -> None:
    """Sweep the embedded suite and write its leaderboard; needs no download."""
    from dabench.commands import RunRequest, execute

    code = execute(RunRequest(config="demo", data=DEFAULT_DATA, results=results, device=device))
    if code in (0, 1):  # a page of what there is, also after a failed run
        page = app(["leaderboard", "--results", str(results), "--out", str(out)], standalone_mode=False) or 0
        code = code or page
    raise typer.Exit(code)


@app.command()
def bench(
    suite: Annotated[str, typer.Option("--suite", "-s", help="Name or manifest file.")],
    method: Annotated[
        list[str] | None,
        typer.Option("--method", "-m", help="Repeatable. Default: all that use no target labels."),
    ] = None,
    task: Annotated[str | None, typer.Option("--task", "-t", help="Default: the suite's first.")] = None,
    backbone: Annotated[str | None, typer.Option("--backbone", "-b", help="timm name.")] = None,
    weights: Annotated[
        str | None, typer.Option("--weights", help="default (timm's), none, or a local file.")
    ] = None,
    data: DataOption = DEFAULT_DATA,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")] = "auto",
    assign: Annotated[
        list[str] | None, typer.Option("--set", help="key=value for any configuration key, as for run.")
    ] = None,
    classes: Annotated[
        int | None,
        typer.Option(
            "--classes", min=2, help="Labels drawn at random among N classes: only times are measured."
        ),
    ] = None,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Blocks of each contender.")] = 10,
    steps_per_round: Annotated[
        int | None,
        typer.Option(
            "--steps-per-round",
            min=1,
            help="Training steps and batches of a block; evaluation, the bare forward pass and work between "
            "epochs have one call. Default: about a second a block.",
        ),
    ] = None,
    profile: Annotated[
        str | None, typer.Option("--profile", help="Method whose step is shown by torch's profiler.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="JSON file to write.")] = Path("bench.json"),
) -> None:
    """Time methods, loader and evaluation against the bare backbone, alternating in one process."""
    from dabench.bench.command import BenchRequest, execute
    from dabench.bench.planning import BenchPlan

    plan = BenchPlan(suite, data, tuple(method or ()), task, backbone, weights, tuple(assign or ()), classes)
    execute(BenchRequest(plan, device, rounds, steps_per_round, profile, out))


@app.command()
def tune(
    method: Annotated[
        list[str], typer.Option("--method", "-m", help="Repeatable; each has the same budget.")
    ],
    suite: Annotated[str, typer.Option("--suite", "-s", help="Name or manifest file.")],
    rule: Annotated[str, typer.Option("--rule", help="Selection rule that chooses; 'dabench list rules'.")],
    trials: Annotated[
        int, typer.Option("--trials", min=1, help="Configurations tried for each method.")
    ] = 20,
    sampler: Annotated[
        str, typer.Option("--sampler", help="random, or tpe (needs dabench[tune]).")
    ] = "random",
    search_seed: Annotated[int, typer.Option("--search-seed", min=0, help="Of the search.")] = 0,
    task: Annotated[list[str] | None, typer.Option("--task", "-t", help="Repeatable. Default: all.")] = None,
    backbone: Annotated[str | None, typer.Option("--backbone", "-b", help="timm name.")] = None,
    seed: Annotated[
        list[int] | None, typer.Option("--seed", min=0, help="Seeds of each trial. Default: 0.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option("--weights", help="default (timm's), none, or a local file.")
    ] = None,
    data: DataOption = DEFAULT_DATA,
    results: Annotated[
        Path, typer.Option("--results", help="Results folder of the trials, apart from a table's.")
    ] = Path("results-tune"),
    out: Annotated[Path, typer.Option("--out", help="Folder for the winners' recipe files.")] = Path(
        "recipes"
    ),
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")] = "auto",
    protocol: Annotated[str | None, typer.Option("--protocol", help="Name, or a file.")] = None,
    assign: Annotated[
        list[str] | None, typer.Option("--set", help="key=value for any configuration key, as for run.")
    ] = None,
    frozen_backbone: Annotated[
        bool, typer.Option("--frozen-backbone", help="Train on features that the backbone gives once.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print ranges and budget, run nothing.")] = False,
    lease: LeaseOption = None,
    checkpoint_every: CheckpointOption = None,
) -> None:
    """Search hyperparameters by a selection rule, without target labels, with one budget for every method."""
    from dabench.execution import Execution
    from dabench.tuning.command import TuneRequest, execute

    request = TuneRequest(
        methods=method, suite=suite, rule=rule, trials=trials, sampler=sampler, search_seed=search_seed,
        tasks=task, backbone=backbone, seeds=seed or [0], weights=weights, data=data, results=results,
        out=out, device=device, protocol=protocol, assignments=assign or [], frozen_backbone=frozen_backbone,
        dry_run=dry_run, execution=Execution().over({"lease": lease, "checkpoint_every": checkpoint_every}),
    )  # fmt: skip
    raise typer.Exit(execute(request))


@app.command()
def status(
    results: ResultsOption = DEFAULT_RESULTS,
    as_json: Annotated[bool, typer.Option("--json", help="One object.")] = False,
) -> None:
    """Say what of a results folder is done, running, failed and missing, and how long the rest takes."""
    from dabench.status_view import print_status

    print_status(standard_console(), results, as_json)


@app.command(name="check-method")
def check_method(
    method: Annotated[str, typer.Argument(help="A method file, or the name of a registered method.")],
    verbose: Annotated[bool, typer.Option("--verbose", help="Say what each check does.")] = False,
) -> None:
    """Run contract and leak tests on a method: exit code 1 where one fails."""
    from dabench.checks.command import execute

    raise typer.Exit(execute(method, verbose))


@app.command(name="list")
def list_(
    kind: Annotated[str, typer.Argument(help="methods, suites, backbones, protocols or rules")],
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects.")] = False,
    match: Annotated[str, typer.Option("--match", help="Backbones: a pattern such as 'resnet*'.")] = "*",
) -> None:
    """List methods, suites, backbones, protocols or selection rules."""
    from dabench.listing import print_list

    print_list(standard_console(), kind, as_json, match)


@app.command()
def show(
    kind: Annotated[str, typer.Argument(help="method, suite, protocol or rule")],
    name: Annotated[str, typer.Argument(help="its name")],
    suite: Annotated[
        str | None, typer.Option("--suite", help="Show a method's configuration on this suite.")
    ] = None,
    protocol: Annotated[
        str | None, typer.Option("--protocol", help="As for runs under this protocol; with --suite.")
    ] = None,
    frozen_backbone: Annotated[
        bool, typer.Option("--frozen-backbone", help="As for runs on frozen features; with --suite.")
    ] = False,
) -> None:
    """Show what a method, suite, protocol or rule is, and configuration with the origin of each value."""
    from dabench.listing import print_one

    print_one(standard_console(), kind, name, suite, frozen_backbone, protocol)


@app.command()
def new(
    kind: Annotated[str, typer.Argument(help="method")],
    name: Annotated[str, typer.Argument(help="name of the new method, such as my-method")],
    folder: Annotated[
        Path,
        typer.Option("--folder", help="Checkout of dabench to write into."),
    ] = Path("."),
) -> None:
    """Write a commented, working method file and its test."""
    from dabench.scaffold import write_method

    paths = write_method(kind, name, folder)
    for path in paths:
        typer.echo(f"wrote {path}")
    typer.echo(f"check it: dabench check-method {paths[0]}")
    typer.echo(f"try it: dabench run --method {name} --suite minidigits --task D2M --seeds 1")


@cache
def _add_plugin_commands() -> None:
    from dabench.discovery import command_modules

    for module in command_modules():
        module.add_to(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; print a user's mistake in two lines and exit with 2."""
    with steady_output():
        sys.exit(_exit_code(arguments))


def _exit_code(arguments: Sequence[str] | None) -> int:
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        _add_plugin_commands()
        words = sys.argv[1:] if arguments is None else list(arguments)
        code = app(words, standalone_mode=False, obj=words)
    except UserError as error:
        print_error(error_console(), str(error), error.hint)
        code = USER_ERROR
    except CLICK_ERROR as error:
        code = _usage_error(error)
    except OSError as error:
        if error.errno not in MACHINE_ERRORS:
            raise
        where = f"{error.filename}: " if error.filename else ""
        print_error(error_console(), f"{where}{error.strerror}", "nothing that was written before is lost")
        code = USER_ERROR
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    if code == INTERRUPTED:
        error_console().print(
            "interrupted: what was finished is kept; run the same command again", soft_wrap=True
        )
    return code if isinstance(code, int) else 0


def _usage_error(error: Any) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
    else:
        message = " ".join(error.format_message().split())
        command = context.command_path if context else "dabench"
        print_error(error_console(), message, f"'{command} --help' lists commands and options")
    return USER_ERROR


if __name__ == "__main__":
    main()
