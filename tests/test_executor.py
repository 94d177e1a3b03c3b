"""Executors by name: what each takes, and that all do the same runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from dabench.errors import UserError
from dabench.executor import EXECUTORS, Inline, find_executor
from dabench.plan import PlannedRun
from dabench.sweep import Place


def test_executors_are_found_by_name() -> None:
    assert list(EXECUTORS) == ["inline", "ray"]
    assert isinstance(find_executor("inline"), Inline)
    assert isinstance(find_executor("inline", jobs=1), Inline)
    with pytest.raises(UserError, match="unknown executor 'rey'") as caught:
        find_executor("rey")
    assert "did you mean 'ray'?" in caught.value.hint


@pytest.mark.parametrize("options", [{"jobs": 2}, {"address": "auto"}])
def test_options_of_another_executor_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="are for --executor ray") as caught:
        find_executor("inline", **options)
    assert "start the same command several times" in caught.value.hint


def test_inline_does_every_run(make_plan: Callable[..., list[PlannedRun]], tmp_path: Path) -> None:
    class Display:
        def __getattr__(self, name: str) -> Callable[..., None]:
            return lambda *_: None

    runs = make_plan(methods=["source_only"])
    place = Place(data=None, results=tmp_path / "results", device=torch.device("cpu"))
    result = Inline().run(runs, place, Display())
    assert [record.run_id for record in result.done] == [run.run_id for run in runs]
    assert result.left == []
