"""The commands in docs/speed.md are planned as a reader would type them, on generated folders."""

import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dabench.bench.planning import open_domains, plan_runs
from dabench.bench.stored import BenchRequest
from dabench.cli import main
from dabench.discovery import discover_suites
from dabench.sweepfile import find_suite

ROOT = Path(__file__).resolve().parents[2]
OFFICE10 = {f"class{number}": 2 for number in range(10)}


def commands() -> list[str]:
    """Indented commands of the page, continued lines joined."""
    text = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [" ".join(shlex.split(line, comments=True)) for line in text.splitlines() if line[:4].isspace()]
    return [line for line in lines if line.startswith("dabench bench ")]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the page's commands read: two suites with the true numbers of images, and a file for FILE."""
    root = tmp_path_factory.mktemp("data")
    discover_suites()
    art_and_clipart = list(find_suite("officehome").manifest.domains.items())[:2]
    counts = {root / "officehome" / name: domain.class_counts for name, domain in art_and_clipart}
    counts |= {root / "office31_shared10" / name: OFFICE10 for name in ("amazon", "dslr", "webcam")}
    draw = np.random.default_rng(0)
    for domain, classes in counts.items():
        for label, images in classes.items():
            (domain / label).mkdir(parents=True)
            first = domain / label / "00001.jpg"
            Image.fromarray(draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(first)
            for number in range(2, images + 1):
                (domain / label / f"{number:05d}.jpg").hardlink_to(first)
    torch.save({}, root / "weights.pt")
    return root


def test_the_page_has_commands_for_both_backbones() -> None:
    found = commands()
    assert any("--backbone resnet50 --weights none" in line and "image.size=224" in line for line in found)
    assert any("--weights FILE" in line and "image.size=160" in line for line in found)


@pytest.mark.parametrize("command", commands())
def test_commands_of_the_page_can_be_planned(
    command: str, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[BenchRequest] = []
    monkeypatch.setattr("dabench.bench.command.execute", asked.append)
    monkeypatch.chdir(ROOT)
    places = {"DIR": str(folders), "FILE": str(folders / "weights.pt")}
    with pytest.raises(SystemExit) as caught:
        main([places.get(word, word) for word in command.split()[1:]])
    assert caught.value.code == 0
    plan = asked[0].plan
    runs = plan_runs(plan, open_domains(plan), torch.device("cpu"))
    assert {run.config.method for run in runs} >= {"source_only", *plan.methods}
