import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer
from rich.filesize import decimal
from typer.testing import CliRunner, Result

from dabench.cache import cache_entries
from dabench.datasets.commands import add_to
from dabench.errors import MissingDataError, UserError
from dabench.sealed import sealed_file

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
    rows = json.loads(run("data", "status", "--data", tmp_path, "--json").stdout)["domains"]
    assert {row["suite"] for row in rows} == {"digits", "minidigits", "office31", "officehome", "visda2017"}
    for row in rows:
        assert row["present"] == (row["suite"] == "minidigits")
        assert bool(row["how_to_get"]) != row["present"]
    result = run("data", "status", "--data", tmp_path)
    assert result.exit_code == 0
    assert "Real_World" in result.stdout
    assert f"dabench data fetch visda2017 --data {tmp_path}" in result.stdout


def test_status_of_a_users_suite(run: Run, mine: Path) -> None:
    rows = json.loads(run("data", "status", mine, "--json").stdout)["domains"]
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


def fill(cache: Path) -> None:
    """Images of two domains in the cache, features of one, a made array without a label, a bare file."""
    for kind, label, more in (
        ("images", "mine one", {"side": 8, "storage": "raw"}),
        ("images", "mine two", {"side": 8, "storage": "packed"}),
        ("images", "office31 amazon", {"side": 256, "storage": "raw"}),
        ("features", "mine one", {"backbone": "resnet50.tv_in1k"}),
        ("mnistm", "", {}),
    ):
        name = f"{label.replace(' ', '-') or 'made'}.npy"
        sealed_file(
            cache / kind / name,
            {"kind": kind, "label": label, **more},
            lambda part: part.write_bytes(b"1" * 1500),
        )
    (cache / "images" / "lost.npy").write_bytes(b"1" * 500)


def test_status_says_what_the_cache_holds(run: Run, mine: Path, cache: Path) -> None:
    assert f"cache: {cache}, 0 bytes\n" in run("data", "status", mine).stdout
    fill(cache)
    found = json.loads(run("data", "status", mine, "--json").stdout)
    kinds = [[entry["about"]["kind"] for entry in row["cached"]] for row in found["domains"]]
    assert kinds == [["features", "images"], ["images"]]
    assert found["cache"]["folder"] == str(cache)
    assert found["cache"]["bytes"] == sum(entry["bytes"] for entry in found["cache"]["entries"])
    assert len(found["cache"]["entries"]) == 6
    assert all(entry["bytes"] >= 500 for entry in found["cache"]["entries"])
    text = run("data", "status", mine).stdout
    for words in (
        "images 8 raw",
        "images 8 packed",
        "features resnet50.tv_in1k",
        f"cache: {cache}, ",
        "unknown 500",
    ):
        assert words in text, words
    assert "images 256 raw" not in text
    assert "images 256 raw" in run("data", "status", "office31").stdout


def test_drop_removes_what_was_made_for_a_suite(run: Run, mine: Path, cache: Path) -> None:
    fill(cache)
    before = sum(file.stat().st_size for file in cache.rglob("*") if file.is_file())
    result = run("data", "drop", mine)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith("mine one: features resnet50.tv_in1k, 1.")
    freed = before - sum(file.stat().st_size for file in cache.rglob("*") if file.is_file())
    assert lines[-1] == f"3 removed, {decimal(freed)} freed"
    assert freed > 4500
    left = {entry.label for entry in cache_entries()}
    assert left == {"office31 amazon", ""}
    assert run("data", "drop", mine).stdout == "the cache holds nothing of it\n"
    assert run("data", "drop", "visda2017").exit_code == 0


def test_drop_all_removes_also_what_nothing_is_known_of(run: Run, cache: Path) -> None:
    fill(cache)
    result = run("data", "drop", "--all")
    assert result.stdout.splitlines()[-1].startswith("6 removed, ")
    assert f"unknown: {cache / 'images' / 'lost.npy'}, 500 bytes" in result.stdout
    assert cache_entries() == []
    assert {file.name for file in cache.rglob("*") if file.is_file()} == {"CACHEDIR.TAG"}


def test_a_suite_that_is_known_to_the_cache_alone_can_be_dropped(run: Run, cache: Path) -> None:
    fill(cache)
    assert run("data", "drop", "mine").stdout.splitlines()[-1].startswith("3 removed")


def test_mistakes_in_drop(run: Run, cache: Path) -> None:
    fill(cache)
    for words, expected in (
        (["ofice31"], "unknown suite 'ofice31'"),
        ([], "name a suite, or give --all"),
        (["office31", "--all"], "name a suite, or give --all"),
    ):
        error = run("data", "drop", *words).exception
        assert isinstance(error, UserError)
        assert expected in str(error)
    assert "did you mean 'office31'?" in run("data", "drop", "ofice31").exception.hint
    assert len(cache_entries()) == 6
