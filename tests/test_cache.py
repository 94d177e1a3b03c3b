"""What lies in the cache folder, and how it goes."""

import os
import time

import pytest

from dabench.cache import cache_entries, cache_folder, drop_entry
from dabench.sealed import sealed_file, sidecar


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DABENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def seal(path, label="suite domain"):
    return sealed_file(
        path, {"kind": path.parent.name, "label": label}, lambda part: part.write_bytes(b"12345")
    )


def test_where_it_is(folder, monkeypatch, tmp_path):
    assert cache_folder() == folder
    monkeypatch.delenv("DABENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "dabench"


def test_no_folder_is_an_empty_cache():
    assert cache_entries() == []


def test_entries_say_what_they_are_and_how_large(folder):
    images, features = seal(folder / "images" / "a.npy"), seal(folder / "features" / "b.npy", "other domain")
    entries = cache_entries()
    assert [entry.path for entry in entries] == [features, images]
    assert [(entry.kind, entry.label) for entry in entries] == [
        ("features", "other domain"), ("images", "suite domain")
    ]  # fmt: skip
    for entry in entries:
        assert entry.size_bytes == 5 + sidecar(entry.path).stat().st_size
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "x.npz").write_bytes(b"123")  # the folder may lie among other things
    assert len(cache_entries()) == 2


def test_what_is_left_of_an_entry_is_listed_and_dropped(folder):
    alone, without = seal(folder / "images" / "a.npy"), seal(folder / "images" / "b.npy")
    sidecar(alone).unlink()
    without.unlink()
    old = folder / "images" / ".abcd.part"
    old.write_bytes(b"1234")
    assert [entry.path for entry in cache_entries()] == [alone, without]
    os.utime(old, (time.time() - 90_000,) * 2)
    entries = cache_entries()
    assert [(entry.path, entry.about is None) for entry in entries] == [
        (old, True), (alone, True), (without, False)
    ]  # fmt: skip
    sizes = [entry.size_bytes for entry in entries]
    assert sizes[:2] == [4, 5]
    assert [drop_entry(entry) for entry in entries] == sizes
    assert cache_entries() == []
    assert [file.name for file in (folder / "images").iterdir()] == ["CACHEDIR.TAG"]


def test_a_build_that_is_going_on_is_no_entry(folder):
    seen = []

    def build(part):
        part.write_bytes(b"1")
        seen.extend(cache_entries())

    sealed_file(folder / "images" / "a.npy", {}, build)
    assert seen == []
    assert len(cache_entries()) == 1


def test_foreign_files_are_no_entries(folder):
    """$DABENCH_CACHE may name a folder that holds other things."""
    seal(folder / "images" / "a.npy")
    (folder / "thesis").mkdir()
    (folder / "thesis" / "chapter.npy").write_bytes(b"1")
    (folder / "letter.txt").write_bytes(b"1")
    (entry,) = cache_entries()
    assert entry.path.name == "a.npy"
