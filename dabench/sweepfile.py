"""Sweep files: lists whose product is run, and values for all runs, for a suite or for a method."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator

from dabench.config import Frozen
from dabench.discovery import discover_suites, read_manifest
from dabench.errors import UserError, did_you_mean
from dabench.execution import Execution
from dabench.protocol import find_protocol
from dabench.resolve import parse_assignment
from dabench.suite import SUITES, Suite
from dabench.yamlfile import read_yaml

__all__ = ["SweepConfig", "find_suite", "flag_values", "read_sweep", "shipped_sweeps"]

SWEEPS = Path(__file__).parent / "sweeps"
MOST_SEEDS = 10_000
LARGEST_SEED = 2**31


class SweepConfig(Frozen):
    """A sweep: lists whose product is run, and values that apply to all, to a suite or to a method."""

    suites: tuple[str, ...] = Field((), description="names, or manifest files")
    methods: tuple[str, ...] = Field((), description="names")
    tasks: tuple[str, ...] = Field((), description="such as A->W; none means all tasks of each suite")
    seeds: tuple[int, ...] = Field((0, 1, 2), description="a number n means 0 to n - 1")
    backbones: tuple[str, ...] = Field((), description="timm names; none means each suite's own")
    weights: str | None = Field(None, description="default, none, or a file")
    protocol: str | None = Field(None, description="name or file; none means each suite's own")
    recipes: tuple[str, ...] = Field((), description="recipe files, later ones over earlier ones")
    config: dict[str, Any] = Field({}, description="run configuration for all runs")
    per_suite: dict[str, dict[str, Any]] = Field({}, description="run configuration by suite")
    per_method: dict[str, dict[str, Any]] = Field({}, description="run configuration by method")
    execution: Execution = Field(Execution(), description="how the runs are carried out")

    @field_validator("seeds", mode="before")
    @classmethod
    def _count_or_list(cls, seeds: Any) -> Any:
        if isinstance(seeds, int) and not isinstance(seeds, bool):
            if seeds < 1:
                raise ValueError("seeds must be at least 1, or a list of seeds")
            if seeds > MOST_SEEDS:
                raise ValueError(f"seeds must be at most {MOST_SEEDS}")
            return tuple(range(seeds))
        if seeds in ([], ()):
            raise ValueError("an empty list of seeds runs nothing")
        return seeds

    @field_validator("seeds")
    @classmethod
    def _within_range(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if any(not 0 <= seed < LARGEST_SEED for seed in seeds):
            raise ValueError(f"seeds must be at least 0 and below {LARGEST_SEED}")
        return seeds


def shipped_sweeps() -> list[str]:
    """Names of the sweep files that come with dabench."""
    return sorted(path.stem for path in SWEEPS.glob("*.yaml"))


def read_sweep(text: str) -> tuple[SweepConfig, Path]:
    """Read a sweep file, or a shipped one by its name.

    Raises:
        UserError: with the file, the key path and a suggestion.
    """
    path = Path(text)
    if not path.is_file() and text in shipped_sweeps():
        path = SWEEPS / f"{text}.yaml"
    try:
        content = read_yaml(path) or {}
    except FileNotFoundError as error:
        hint = f"{did_you_mean(text, shipped_sweeps())} shipped sweeps: {', '.join(shipped_sweeps())}".strip()
        raise UserError(f"sweep file {text} does not exist", hint) from error
    except (OSError, ValueError) as error:
        raise UserError(f"{text}: cannot be read as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(f"{text}: a sweep file is a mapping", "such as: suites: [minidigits]")
    try:
        return SweepConfig.model_validate(content), path
    except ValidationError as error:
        lines = []
        for item in error.errors():
            *outer, last = (str(part) for part in item["loc"])
            fields = Execution.model_fields if outer == ["execution"] else SweepConfig.model_fields
            key = ".".join((*outer, last))
            close = did_you_mean(last, fields) if item["type"] == "extra_forbidden" else ""
            lines.append(f"{key}: {item['msg']}{' (' + close + ')' if close else ''}")
        known = ", ".join(SweepConfig.model_fields)
        raise UserError(f"{text}: " + "; ".join(lines), f"keys of a sweep file: {known}") from error


def find_suite(text: str) -> Suite:
    """Return a shipped suite by name, or the suite of a manifest file."""
    discover_suites()
    if text not in SUITES and text.endswith((".yaml", ".yml")):
        path = Path(text)
        if not path.is_file():
            raise UserError(f"suite file {text} does not exist", f"suites by name: {', '.join(SUITES)}")
        manifest = read_manifest(path)
        if manifest.name in SUITES:
            raise UserError(
                f"{text}: the name '{manifest.name}' is taken by a shipped suite", "choose another name"
            )
        return Suite(manifest, path.resolve().parent, text)
    return SUITES.get(text)


def flag_values(
    assignments: Iterable[str], protocol: str | None, frozen_backbone: bool
) -> list[tuple[str, Any]]:
    """Return what the flags of a command set, as ``plan`` takes it: path and value, weakest first.

    Args:
        assignments: texts of ``--set``.
        protocol: name or file of ``--protocol``.
        frozen_backbone: whether ``--frozen-backbone`` is given.

    Raises:
        UserError: a text that assigns nothing, or no such protocol.
    """
    values = [parse_assignment(text) for text in assignments]
    if protocol is not None:
        find_protocol(protocol)  # a mistake is told as one of --protocol
        values.insert(0, ("protocol", protocol))
    return [*values, ("frozen_backbone", True)] if frozen_backbone else values
