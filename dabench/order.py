"""Which runs of a sweep come first: ``--order FILE``, a JSON list that people or other commands write."""

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field, TypeAdapter, ValidationError

from dabench.config import Frozen
from dabench.errors import UserError
from dabench.limited import read_limited
from dabench.plan import PlannedRun
from dabench.suite import parse_task

__all__ = ["Priority", "in_order", "read_order"]

LARGEST_BYTES = 2**20
FORM = 'such as [{"method": "dann", "suite": "office31", "seeds": [3, 4]}]; docs/sweeps.md has every key'


class Priority(Frozen):
    """Runs that come before others: those that fit all that is given."""

    method: str | None = None
    suite: str | None = None
    task: str | None = Field(None, description="such as A->W")
    backbone: str | None = None
    seeds: list[int] | None = None

    def fits(self, run: PlannedRun) -> bool:
        """Whether a run is one of these."""
        config = run.config
        pairs = (
            (self.method, config.method),
            (self.suite, run.suite.name),
            (self.backbone, config.backbone),
        )
        return (
            all(wanted in (None, found) for wanted, found in pairs)
            and (self.task is None or _is_task(self.task, run))
            and (self.seeds is None or config.seed in self.seeds)
        )


def _is_task(text: str, run: PlannedRun) -> bool:
    """Whether a task, written in any of the ways that a command line takes, is that of a run."""
    try:
        return parse_task(text, run.suite.manifest) == run.task
    except UserError:  # one of another suite
        return False


def read_order(path: Path) -> list[Priority]:
    """Read a file of priorities, the first one foremost.

    Raises:
        UserError: it cannot be read, or says something else.
    """
    try:
        content = json.loads(read_limited(path, LARGEST_BYTES))
        return TypeAdapter(list[Priority]).validate_python(content)
    except OSError as error:
        raise UserError(f"--order {path}: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UserError(f"--order {path}: {where}: {first['msg']}", FORM) from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"--order {path}: no readable JSON: {error}", FORM) from error


def in_order(runs: Sequence[PlannedRun], priorities: Sequence[Priority]) -> list[PlannedRun]:
    """Sort runs by the first priority that fits; the rest comes last. Runs of one rank stay as planned."""

    def rank(run: PlannedRun) -> int:
        return next((n for n, priority in enumerate(priorities) if priority.fits(run)), len(priorities))

    return sorted(runs, key=rank)
