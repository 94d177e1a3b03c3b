"""Which runs come first."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dabench.errors import UserError
from dabench.order import in_order, read_order
from dabench.plan import PlannedRun


@pytest.fixture
def ordered(make_plan: Callable[..., list[PlannedRun]], tmp_path: Path) -> Callable[[Any], list[str]]:
    def order(content: Any) -> list[str]:
        runs = make_plan(methods=["dann", "source_only"], tasks=["A2B"], seeds=[0, 1, 2])
        path = tmp_path / "order.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        return [f"{run.config.method} {run.config.seed}" for run in in_order(runs, read_order(path))]

    return order


PLANNED = ["dann 0", "source_only 0", "dann 1", "source_only 1", "dann 2", "source_only 2"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([], PLANNED),
        (
            [{"method": "dann"}],
            ["dann 0", "dann 1", "dann 2", "source_only 0", "source_only 1", "source_only 2"],
        ),
        (
            [{"method": "source_only", "seeds": [2]}, {"seeds": [1]}],
            ["source_only 2", "dann 1", "source_only 1", "dann 0", "source_only 0", "dann 2"],
        ),
        ([{"suite": "tiny", "task": "A->B", "backbone": "dann_mnist"}], PLANNED),
        (
            [{"task": "C2D", "method": "source_only"}, {"task": "A2B", "seeds": [2]}],
            ["dann 2", "source_only 2", "dann 0", "source_only 0", "dann 1", "source_only 1"],
        ),
        ([{"suite": "other"}, {"task": "B->A"}, {"backbone": "resnet50"}], PLANNED),
    ],
)
def test_runs_go_by_the_first_entry_that_fits(
    ordered: Callable[[Any], list[str]], content: Any, expected: list[str]
) -> None:
    assert ordered(content) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"method": "dann"}, "the file: Input should be a valid list"),
        ([{"metod": "dann"}], "0.metod: Extra inputs"),
        ([{"seeds": "all"}], "0.seeds: Input should be a valid list"),
        ([3], "0: Input should be"),
    ],
)
def test_what_is_no_order(ordered: Callable[[Any], list[str]], content: Any, message: str) -> None:
    with pytest.raises(UserError) as caught:
        ordered(content)
    assert message in str(caught.value)
    assert "docs/sweeps.md" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b"\xff", b" " * (2**20 + 1)])
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "order.json"
    path.write_bytes(content)
    for file in (path, tmp_path / "none.json", tmp_path):
        with pytest.raises(UserError, match="--order"):
            read_order(file)
