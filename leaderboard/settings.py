"""How the page computes: interval, comparison and the fewest seeds of a rank, validated once."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Ci", "Compare", "Settings"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Ci(_Frozen):
    """Intervals. ``cell``: of a method on a task; ``suite``: of its average over tasks."""

    cell: Literal["t", "moderated_t", "bootstrap_t"] = "t"
    suite: Literal["t", "welch_satterthwaite", "moderated_t", "stratified_bootstrap"] = "t"
    level: float = Field(0.95, gt=0.5, lt=1)


class Compare(_Frozen):
    """Comparisons of rows; ``auto`` takes the moderated t from eight complete rows on."""

    reference: str = "source_only"
    test: Literal["auto", "moderated_t", "welch"] = "auto"
    correction: Literal["holm"] = "holm"


class Settings(_Frozen):
    """All of it; stored on every page that it made."""

    ci: Ci = Ci()
    compare: Compare = Compare()
    min_seeds: int = Field(3, ge=2)
