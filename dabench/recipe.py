"""Recipes: configuration values that a suite or a method brings along, each with its source."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Recipe", "Sourced"]


class Sourced(BaseModel):
    """A configuration value and where it comes from (paper and section, or how it was chosen)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: Any
    source: str = Field(min_length=3)


Recipe = dict[str, Sourced]
"""Dotted path in the run configuration ("optimiser.lr", "params.beta") to value and source."""
