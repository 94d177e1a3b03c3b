"""Folders that anybody may have made: in order, without links, not too deep and not for ever."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dabench import walking
from dabench.records import RecordStore
from dabench.status import read_status
from dabench.walking import DEEPEST, walk


def looked(root: Path) -> tuple[list[str], list[str]]:
    """Files that are found, and what is said."""
    said: list[str] = []
    found = [
        path
        for path, folder in walk(root, lambda path, reason: said.append(f"{path}: {reason}"))
        if not folder
    ]
    return found, said


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """A folder with 1,900 folders inside each other: more than Python's recursion limit."""
    root = tmp_path / "deep"
    root.mkdir()
    here = os.open(root, os.O_RDONLY)
    for _ in range(1900):
        os.mkdir("a", dir_fd=here)
        below = os.open("a", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    (root / "b.json").write_text("{}", encoding="utf-8")
    yield root
    subprocess.run(["rm", "-rf", root], check=True)  # shutil.rmtree recurses


def test_in_the_order_of_sorted_paths(tmp_path: Path) -> None:
    for name in ("b/x.json", "b-c/x.json", "a.json", "b.json", "b/a/z", "c/.hidden/x", "c/.file"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "c" / "file").symlink_to("/dev/zero")
    found, said = looked(tmp_path)
    assert found == ["a.json", "b/a/z", "b/x.json", "b-c/x.json", "b.json", "c/.file", "c/file", "link"]
    assert [tmp_path / name for name in found] == sorted(tmp_path / name for name in found)
    assert said == []


def test_no_folder_holds_nothing(tmp_path: Path) -> None:
    assert looked(tmp_path / "none") == ([], [])


def test_deep_folders_are_said_once(deep: Path) -> None:
    (deep / "c").joinpath(*"abcdefghi").mkdir(parents=True)
    found, said = looked(deep)
    assert found == ["b.json"]
    assert said == [
        f"{'/'.join('a' * (DEEPEST + 1))}: not looked into, like all that is more than 8 folders deep"
    ]
    problems = RecordStore(deep).read_all()[1]
    assert [problem.path.relative_to(deep).parts[0] for problem in problems] == ["a", "b.json"]
    assert len(read_status(deep).problems) == 2


def test_the_deepest_folder_is_looked_into(tmp_path: Path) -> None:
    place = tmp_path.joinpath(*"a" * DEEPEST)
    place.mkdir(parents=True)
    (place / "x").touch()
    assert looked(tmp_path) == ([f"{'a/' * DEEPEST}x"], [])


def test_too_many_files_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "MOST_ENTRIES", 5)
    for number in range(9):
        (tmp_path / f"{number}.json").touch()
    found, said = looked(tmp_path)
    assert len(found) == 5
    assert said == [".: not looked through to its end: more than 5 files and folders"]


@pytest.mark.skipif(os.geteuid() == 0, reason="everything can be listed by this user")
def test_a_folder_that_cannot_be_listed_is_said(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o000)
    assert looked(tmp_path) == ([], ["closed: cannot be listed: Permission denied"])


def test_a_folder_that_goes_away_is_said(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    said: list[str] = []
    for path, _ in walk(tmp_path, lambda path, reason: said.append(f"{path}: {reason}")):
        (tmp_path / path).rmdir()
    assert said == ["gone: cannot be listed: No such file or directory"]
