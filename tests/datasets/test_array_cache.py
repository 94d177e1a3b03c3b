"""Arrays in the cache."""

from pathlib import Path

import numpy as np
import pytest

from dabench.datasets.array_cache import cached_array, key_of

ARRAY = np.arange(300, dtype=np.uint8).reshape(30, 10)


def test_made_once_then_mapped_read_only(cache: Path) -> None:
    calls = []

    def build() -> np.ndarray:
        calls.append(1)
        return ARRAY

    for _ in range(2):
        found = cached_array("made", "0123", build)
        assert np.array_equal(found, ARRAY)
        assert isinstance(found, np.memmap)
        assert not found.flags.writeable
    assert len(calls) == 1
    assert (cache / "made" / "0123.npy").is_file()


@pytest.mark.parametrize("content", [b"", b"rubbish", None])
def test_a_damaged_array_is_made_again(cache: Path, content: bytes | None) -> None:
    cached_array("made", "0123", lambda: ARRAY)
    path = cache / "made" / "0123.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"?" if content is None else content)
    assert np.array_equal(cached_array("made", "0123", lambda: ARRAY), ARRAY)


def test_the_key_takes_in_every_input() -> None:
    keys = {key_of(), key_of(a=1), key_of(a=2), key_of(b=1), key_of(a=1, b=1)}
    assert len(keys) == 5
    assert key_of(a=1, b=2) == key_of(b=2, a=1)
