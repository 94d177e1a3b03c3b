import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from dabench.datasets.commands import add_to
from dabench.errors import MissingDataError, UserError

Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    app = typer.Typer()

    @app.callback()
    def _root() -> None:
        pass

    add_to(app)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    for name in ("one", "two"):
        images = np.random.default_rng(0).integers(0, 256, (4, 8, 8), dtype=np.uint8)
        np.savez(tmp_path / f"{name}.npz", images=images, labels=np.array([0, 1, 0, 1]))
    path = tmp_path / "mine.yaml"
    path.write_text(
        "name: mine\ntitle: Mine\nloader: files\nclasses: [a, b]\n"
        "domains:\n  one: {short: O, paths: {all: one.npz}}\n  two: {short: T, paths: {all: two.npz}}\n"
    )
    return path


def test_status_of_all_suites(run: Run, tmp_path: Path) -> None:
    rows = json.loads(run("data", "status", "--data", tmp_path, "--json").stdout)
    assert {row["suite"] for row in rows} == {"digits", "minidigits", "office31", "officehome", "visda2017"}
    for row in rows:
        assert row["present"] == (row["suite"] == "minidigits")
        assert bool(row["how_to_get"]) != row["present"]
    result = run("data", "status", "--data", tmp_path)
    assert result.exit_code == 0
    assert "Real_World" in result.stdout
    assert f"dabench data fetch visda2017 --data {tmp_path}" in result.stdout


def test_status_of_a_users_suite(run: Run, mine: Path) -> None:
    rows = json.loads(run("data", "status", mine, "--json").stdout)
    assert [(row["domain"], row["images"]) for row in rows] == [("one", 4), ("two", 4)]


def test_check_records_and_compares(run: Run, mine: Path) -> None:
    assert run("data", "check", mine).exit_code == 0
    result = run("data", "check", mine, "--record")
    assert (result.exit_code, result.stdout) == (0, "mine: all is well, checksums recorded\n")
    assert (mine.parent / "mine.sha256").is_file()
    np.savez(mine.parent / "one.npz", images=np.zeros((4, 8, 8), np.uint8), labels=np.array([0, 1, 0, 1]))
    result = run("data", "check", mine)
    assert result.exit_code == 1
    assert "one.npz has changed since its checksum was recorded" in result.stdout


def test_check_of_a_suite_that_is_half_here(run: Run, mine: Path) -> None:
    (mine.parent / "two.npz").unlink()
    result = run("data", "check", mine)
    assert result.exit_code == 1
    assert "two is not on this machine" in result.stdout


def test_check_of_the_embedded_suite(run: Run) -> None:
    assert run("data", "check", "minidigits").exit_code == 0
    assert isinstance(run("data", "check", "minidigits", "--record").exception, UserError)


def test_mistakes_are_user_errors(run: Run, tmp_path: Path) -> None:
    """The command line's own main prints them and exits with 2."""
    assert isinstance(run("data", "status", "ofice31").exception, UserError)
    assert isinstance(run("data", "check", "office31", "--data", tmp_path).exception, UserError)
    assert isinstance(run("data", "fetch", "office31", "--data", tmp_path).exception, MissingDataError)
    missing = run("data", "fetch", "office31", "--data", tmp_path, "--archive", tmp_path / "x.tar")
    assert "no such file" in str(missing.exception)
