import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from dabench.datasets import digests
from dabench.datasets.digests import digest_files
from dabench.errors import UserError

LONG_AGO = 1_000_000_000


def make(folder: Path, count: int) -> list[str]:
    paths = []
    for number in range(count):
        path = folder / f"{number} ä.bin"
        path.write_bytes(b"content %d" % number)
        os.utime(path, (LONG_AGO, LONG_AGO))
        paths.append(str(path))
    return paths


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths that are read, as they are read."""
    seen: list[str] = []
    original = digests._digest

    def spy(path: str) -> bytes:
        seen.append(path)
        return original(path)

    monkeypatch.setattr(digests, "_digest", spy)
    return seen


def test_digests_are_those_of_the_contents(tmp_path: Path) -> None:
    paths = make(tmp_path, 3)
    expected = [hashlib.sha256(Path(path).read_bytes()).digest() for path in paths]
    assert [row.tobytes() for row in digest_files(paths, "x")] == expected


def test_second_time_nothing_is_read(tmp_path: Path, read: list[str]) -> None:
    paths = make(tmp_path, 5)
    first = digest_files(paths, "x")
    assert sorted(read) == sorted(paths)
    read.clear()
    assert np.array_equal(digest_files(paths, "x"), first)
    assert np.array_equal(digest_files(paths[::-1], "x"), first[::-1])
    assert read == []


def test_changed_files_are_read_again(tmp_path: Path, read: list[str]) -> None:
    paths = make(tmp_path, 3)
    first = digest_files(paths, "x")
    Path(paths[1]).write_bytes(b"content X")
    os.utime(paths[1], (LONG_AGO, LONG_AGO + 1))
    read.clear()
    second = digest_files(paths, "x")
    assert read == [paths[1]]
    assert (first != second).any(axis=1).tolist() == [False, True, False]


def test_files_that_have_just_changed_are_not_remembered(tmp_path: Path, read: list[str]) -> None:
    """A second change within the clock's grain would leave size and time as they are."""
    path = tmp_path / "x"
    path.write_bytes(b"a")
    digest_files([str(path)], "x")
    digest_files([str(path)], "x")
    assert len(read) == 2


def test_broken_memory_is_made_anew(tmp_path: Path, cache: Path) -> None:
    paths = make(tmp_path, 2)
    first = digest_files(paths, "x")
    (store,) = (cache / "digests").iterdir()
    store.write_bytes(store.read_bytes()[:100])
    assert np.array_equal(digest_files(paths, "x"), first)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.png: cannot be read"):
        digest_files([str(tmp_path / "gone.png")], "x")
