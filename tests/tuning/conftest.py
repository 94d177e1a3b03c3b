"""dabench tune as people call it, in a folder of its own, with every run counted."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import dabench.sharing
from dabench.cli import main
from dabench.discovery import discover_rules
from dabench.recipe import RecipeBook
from dabench.sweep import work

discover_rules()


@dataclass
class Counted:
    """The runs that were trained. ``stop_at`` is Ctrl-C in that run (from 1); ``fail`` makes runs fail."""

    labels: list[str] = field(default_factory=list)
    stop_at: int | None = None
    fail: Callable[[Any], bool] = lambda run: False

    def __call__(self, run: Any, *others: Any) -> Any:
        if self.stop_at == len(self.labels) + 1:
            self.stop_at = None
            raise KeyboardInterrupt
        self.labels.append(run.run_id)
        if self.fail(run):
            others[2].images = None  # a bug: what cannot be called
        try:
            return work(run, *others)
        finally:
            if self.fail(run):
                del others[2].images


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    runs = Counted()
    monkeypatch.setattr(dabench.sharing, "work", runs)
    return runs


Dab = Callable[[str], tuple[object, str, str]]


@pytest.fixture
def dab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Dab:
    """Call a command line in the temporary folder: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(line: str) -> tuple[object, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main(shlex.split(line))
        return (caught.value.code, *capsys.readouterr())

    return call


@pytest.fixture
def find_recipe() -> Callable[[str], Path]:
    """A recipe file: the path itself, or the only one of a name without its digest."""

    def find(path: str) -> Path:
        if Path(path).is_file():
            return Path(path)
        (found,) = Path(path).parent.glob(f"{Path(path).stem}-*.yaml")
        return found

    return find


@pytest.fixture
def read_recipe(find_recipe: Callable[[str], Path]) -> Callable[[str], RecipeBook]:
    import yaml

    def read(path: str) -> RecipeBook:
        return RecipeBook.model_validate(yaml.safe_load(find_recipe(path).read_text(encoding="utf-8")))

    return read
