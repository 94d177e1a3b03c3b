"""Files that may be anything: what is read, what is refused, and nothing that waits for ever."""

import os
from pathlib import Path

import pytest

from dabench.limited import open_regular, read_limited


def test_files_up_to_the_limit_are_read_also_through_links(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    assert read_limited(tmp_path / "file", 5) == read_limited(tmp_path / "link", 5) == b"12345"
    with pytest.raises(OSError, match="larger than 4 bytes") as caught:
        read_limited(tmp_path / "file", 4)
    assert caught.value.filename == str(tmp_path / "file")


def test_links_are_refused_where_they_must_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    assert read_limited(tmp_path / "file", 5, links=False) == b"12345"
    with pytest.raises(OSError, match="it is a link"):
        read_limited(tmp_path / "link", 5, links=False)


def test_pipes_devices_and_folders_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(OSError, match="no regular file"):
            open_regular(path)
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "none")
