import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two domains of two classes with five photos each."""
    draw = np.random.default_rng(0)
    for domain in ("shop", "desk"):
        for label in ("cup", "pen"):
            folder = tmp_path / domain / label
            folder.mkdir(parents=True)
            for number in range(5):
                pixels = draw.integers(0, 256, (40, 60, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setattr(importlib.import_module("photo_folders"), "BLOCK_SECONDS", 0.001)
    return importlib.import_module


def test_the_loaders_are_compared_on_two_folders(
    photos: Path, scripts: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = f"x --data {photos} --source shop --target desk --backbone dann_mnist --size 28 --batch 4"
    monkeypatch.setattr("sys.argv", f"{line} --workers 0 --threads 1 --rounds 2".split())
    scripts("pil_loader").main()
    out = capsys.readouterr().out
    assert "PIL + DataLoader, 0 workers │" in out
    assert "loader alone" in out
    assert "source shop, target desk" in out
    assert f"1 threads, torch {torch.__version__}" in out
    assert str(photos) not in out


def test_a_mistake_ends_with_two_and_a_message(
    tmp_path: Path, scripts: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["x", "--data", str(tmp_path), "--source", "shop", "--target", "desk"])
    with pytest.raises(SystemExit) as caught:
        scripts("pil_loader").main()
    assert caught.value.code == 2
    assert "error: photos: source" in capsys.readouterr().err.replace("\n", " ")


def test_the_usual_loader_gives_fresh_batches_within_a_block_alone(scripts: Any) -> None:
    taken: list[int] = []

    class Noting:
        def __len__(self) -> int:
            return 6

        def __getitem__(self, index: int) -> int:
            taken.append(index)
            return index

    usual = scripts("pil_loader").UsualLoader(Noting(), 4, 0)
    usual.open()
    assert len(usual.next()) == 4
    assert len(taken) == 8  # one batch before the clock starts
    for _ in range(4):  # goes on over the ends of passes
        usual.next()
    assert sorted(taken[:6]) == list(range(6))
    usual.close()
    with pytest.raises(AssertionError):
        usual.next()
