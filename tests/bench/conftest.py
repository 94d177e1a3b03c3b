"""A field of contenders on the tiny suite."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from dabench.bench.contenders import Field
from dabench.bench.planning import BenchPlan, open_domains, plan_runs


@pytest.fixture
def tiny_request(tiny_suite: Path, tmp_path: Path) -> Callable[..., BenchPlan]:
    def make(*assignments: str, **fields: Any) -> BenchPlan:
        usual = {"suite": str(tiny_suite), "data": tmp_path / "data", "methods": ("dann",)}
        return BenchPlan(**{**usual, **fields}, assignments=assignments)

    return make


@pytest.fixture
def tiny_field(tiny_request: Callable[..., BenchPlan]) -> Callable[..., Field]:
    def make(*assignments: str, **fields: Any) -> Field:
        request, device = tiny_request(*assignments, **fields), torch.device("cpu")
        domains = open_domains(request)
        runs = plan_runs(request, domains, device)
        images = domains.images(runs[0].suite, runs[0].task, runs[0].config, False)
        return Field(runs, images, device)

    return make
