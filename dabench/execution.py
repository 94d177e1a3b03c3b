"""How a sweep is carried out: no part of what its runs are, and of no run's identity."""

from typing import Any

from pydantic import Field

from dabench.config import Frozen
from dabench.holder import LONGEST_LEASE

__all__ = ["Execution"]


class Execution(Frozen):
    """The section ``execution`` of a sweep file; the flags of ``dabench run`` win over it."""

    executor: str = Field("inline", description="who carries out the runs: inline, or ray")
    jobs: int | None = Field(None, ge=1, description="runs at a time, where the executor has several")
    address: str | None = Field(None, description="of a Ray cluster")
    lease: float = Field(
        60, ge=1, le=LONGEST_LEASE, description="seconds without a sign of life until others take a run over"
    )
    checkpoint_every: float = Field(
        60, ge=0, description="seconds between a run's checkpoints; 0: at each evaluation"
    )
    trackers: tuple[str, ...] = Field((), description="besides JSON lines, such as tensorboard")

    def over(self, flags: dict[str, Any]) -> "Execution":
        """Put flags over it; one that is None was not given. Jobs and address belong to their executor."""
        given = {name: value for name, value in flags.items() if value is not None}
        if given.get("executor", self.executor) != self.executor:
            given = {"jobs": None, "address": None, **given}
        return self.model_copy(update=given)
