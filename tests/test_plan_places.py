"""What lies where a record belongs: seen before any run, and left alone where it cannot be read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dabench.errors import UserError
from dabench.plan import PlannedRun

MakePlan = Callable[..., list[PlannedRun]]


@pytest.mark.parametrize("force", [False, True])
def test_a_place_of_a_record_that_cannot_be_read_is_told_before_any_run(
    make_plan: MakePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, force: bool
) -> None:
    (run,) = make_plan(tasks=["A2B"])
    assert run.path is not None
    run.path.mkdir(parents=True)
    with pytest.raises(UserError, match="is where a record belongs"):
        make_plan(tasks=["A2B"], force=force)
    run.path.rmdir()
    run.path.write_bytes(b"{")

    def away(*_: Any) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("dabench.records.read_limited", away)
    with pytest.raises(UserError, match="cannot be read: Input/output error"):
        make_plan(tasks=["A2B"], force=force)
    assert run.path.read_bytes() == b"{"
