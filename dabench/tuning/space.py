"""What is searched for a method: its ranges and those of every method, less what the user sets."""

from collections.abc import Mapping
from typing import Any

from dabench.errors import UserError, did_you_mean
from dabench.method import MethodEntry
from dabench.plan import PlannedRun
from dabench.resolve import flatten, paths_of
from dabench.search import SHARED, Range

__all__ = ["fixed_paths", "ranges_of", "recipe_numbers", "recipe_values", "sampled"]


def ranges_of(entry: MethodEntry) -> dict[str, Range]:
    """All ranges of a method by configuration path, sorted; its own win over those of every method.

    Raises:
        UserError: a range for a key that the method does not have.
    """
    shared = SHARED if entry.cls.trains_network else {}
    ranges = {**shared, **entry.cls.search}
    known = paths_of(entry)
    for path in ranges:
        if path not in known:
            raise UserError(
                f"method {entry.name} declares a search range for the unknown key '{path}'",
                did_you_mean(path, known),
            )
    return dict(sorted(ranges.items()))


def fixed_paths(run: PlannedRun, ranges: Mapping[str, Range]) -> list[str]:
    """Paths among the ranges that the user's ``--set`` gives a value: they are not searched."""
    return [path for path in ranges if run.provenance.get(path, "").startswith("--set")]


def recipe_values(run: PlannedRun, ranges: Mapping[str, Range]) -> dict[str, Any]:
    """What the untouched recipe says of the paths that are searched."""
    values = flatten(run.config.model_dump(mode="json"))
    return {path: values.get(path, 1.0) for path in ranges}  # absent: a loss weight that nobody set


def recipe_numbers(values: Mapping[str, Any], ranges: Mapping[str, Range]) -> dict[str, float]:
    """The recipe's values as numbers in [0, 1]; none where one of them lies outside its range."""
    numbers = {path: one.number(values[path]) for path, one in ranges.items()}
    inside = {path: number for path, number in numbers.items() if number is not None}
    return inside if len(inside) == len(ranges) else {}


def sampled(numbers: Mapping[str, float], ranges: Mapping[str, Range]) -> dict[str, Any]:
    """The values that belong to a trial's numbers."""
    return {path: one.sample(numbers[path]) for path, one in ranges.items()}
