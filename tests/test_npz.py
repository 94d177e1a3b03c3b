"""Files of strangers: what is sound is read as numpy reads it, all else is one error, in little memory."""

import contextlib
import io
import os
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.lib import format as npy

from dabench.errors import UserError
from dabench.npz import ArrayError, array_names, read_arrays

LIMIT = 2**20
CONSTANT = 2**20  # what reading may need besides the limit


def npy_bytes(array: np.ndarray[Any, Any], **header: Any) -> bytes:
    """An array as numpy writes it, with other words in its header."""
    buffer = io.BytesIO()
    npy.write_array_header_1_0(buffer, {**npy.header_data_from_array_1_0(array), **header})
    return buffer.getvalue() + array.tobytes()


def with_header(text: str, data: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    """A member whose header holds any text."""
    content = text.encode("latin1")
    length = struct.pack("<H" if version == (1, 0) else "<I", len(content))
    return b"\x93NUMPY" + bytes(version) + length + content + data


@pytest.fixture
def packed(tmp_path: Path) -> Callable[..., Path]:
    """An archive of the given members, deflated."""

    def make(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED, name: str = "a.npz") -> Path:
        path = tmp_path / name
        with zipfile.ZipFile(path, "w", method) as archive:
            for member, content in members.items():
                archive.writestr(member, content)
        return path

    return make


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "sound.npz"
    generator = np.random.default_rng(0)
    np.savez_compressed(
        path,
        steps=np.arange(3),
        predictions=generator.integers(0, 5, (3, 40)).astype(np.uint8),
        probabilities=generator.random((3, 40, 5)).astype(np.float16),
        turned=np.asfortranarray(generator.random((4, 6))),
        big_endian=np.arange(4, dtype=">i4"),
        empty=np.empty((0, 5), np.float32),
        scalar=np.float64(2.5),
    )
    return path


def refused(path: Path, *names: str, limit: int = LIMIT) -> str:
    """The reason for which a file is refused."""
    with pytest.raises(ArrayError) as caught:
        read_arrays(path, names or ("x",), limit)
    assert isinstance(caught.value, UserError)
    assert caught.value.file == path.name
    assert str(caught.value) == f"{path.name}: {caught.value.reason}"
    return caught.value.reason


def test_what_numpy_writes_is_read_as_numpy_reads_it(sound: Path) -> None:
    with np.load(sound) as file:
        expected = {name: file[name] for name in file.files}
    assert array_names(sound) == tuple(expected)
    found = read_arrays(sound, list(expected), LIMIT)
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)


def test_uncompressed_files_are_read_too(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(5))
    assert read_arrays(tmp_path / "a.npz", ["x"], LIMIT)["x"].tolist() == [0, 1, 2, 3, 4]


def test_only_the_wanted_members_are_unpacked(packed: Callable[..., Path]) -> None:
    path = packed({"x.npy": npy_bytes(np.arange(3)), "y.npy": b"no array at all"})
    assert list(read_arrays(path, ["x"], LIMIT)) == ["x"]
    assert "no sound archive" in refused(path, "y")


def test_all_arrays_together_stay_below_the_limit(packed: Callable[..., Path]) -> None:
    half = npy_bytes(np.zeros(600, np.uint8))
    path = packed({"x.npy": half, "y.npy": half})
    assert len(read_arrays(path, ["x", "y", "y"], 1200)) == 2
    assert "'y' of shape [600] is larger than the limit of 1199 bytes" in refused(path, "x", "y", limit=1199)


def peak(path: Path) -> int:
    """The most bytes that refusing a file needs."""
    tracemalloc.start()
    try:
        refused(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_bomb_is_refused_before_it_is_unpacked(packed: Callable[..., Path]) -> None:
    array = np.zeros(2**26, np.uint8)  # 64 MiB in 65 kB
    path = packed({"x.npy": npy_bytes(array)})
    assert path.stat().st_size < 2**17
    del array
    assert peak(path) < LIMIT + CONSTANT
    assert "larger than the limit" in refused(path)


def test_a_bomb_with_a_modest_header_is_refused(packed: Callable[..., Path]) -> None:
    path = packed({"x.npy": npy_bytes(np.zeros(2**26, np.uint8), shape=(10,))})
    assert peak(path) < CONSTANT
    assert "needs 10 bytes, its member has 67108864" in refused(path)


def lied(path: Path, size: int) -> Path:
    """Overwrite the size of the only member in the archive's directory, and its local header's too."""
    content = bytearray(path.read_bytes())
    place = content.rindex(b"PK\x01\x02")
    content[place + 24 : place + 28] = struct.pack("<I", size)
    content[22:26] = struct.pack("<I", size)
    path.write_bytes(content)
    return path


def test_a_member_that_claims_less_than_it_holds_is_cut_there(packed: Callable[..., Path]) -> None:
    array = np.zeros(2**26, np.uint8)
    header = len(npy_bytes(array, shape=(10,))) - array.size
    path = lied(packed({"x.npy": npy_bytes(array, shape=(10,))}), header + 10)
    assert peak(path) < CONSTANT
    assert "Bad CRC-32" in refused(path)


def test_a_member_that_claims_more_than_it_holds_ends_early(packed: Callable[..., Path]) -> None:
    array = np.frombuffer(np.random.default_rng(0).bytes(1000), np.uint8)
    path = packed({"x.npy": npy_bytes(array, shape=(5000,))})
    lied(path, len(npy_bytes(array, shape=(5000,))) + 4000)
    assert "ends after 1000 of 5000 bytes" in refused(path)


def test_a_claim_that_deflate_cannot_keep_is_refused(packed: Callable[..., Path]) -> None:
    path = lied(packed({"x.npy": npy_bytes(np.arange(3))}), 2**31)
    assert "which cannot be" in refused(path)


@pytest.mark.parametrize(
    "shape",
    ["(9999999999999999999999,)", "(0, 99999999999999)", "(4294967296, 4294967296)", "(2097152, 1)"],
)
def test_shapes_beyond_the_limit_are_refused(packed: Callable[..., Path], shape: str) -> None:
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n"
    assert "larger than the limit" in refused(packed({"x.npy": with_header(header)}))


@pytest.mark.parametrize("shape", ["(-1,)", "(-2, -3)", f"({'1, ' * 9})"])
def test_shapes_that_cannot_be_are_refused(packed: Callable[..., Path], shape: str) -> None:
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n"
    assert "has the shape" in refused(packed({"x.npy": with_header(header, bytes(6))}))


@pytest.mark.parametrize(
    "descr",
    ["'|O'", "'<U10'", "'|S4'", "'|V8'", "'<M8[s]'", "'<c8'", "[('a', '<i4')]", "('<i4', (1000, 1000))"],
)
def test_other_types_than_numbers_are_refused(packed: Callable[..., Path], descr: str) -> None:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': (1,), }}\n"
    reason = refused(packed({"x.npy": with_header(header, bytes(64))}))
    assert "expected numbers" in reason or "no sound archive" in reason


class _Bomb:
    """A pickle that leaves a trace where it is loaded."""

    def __init__(self, trace: str) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self.trace, "w")


def test_pickles_are_never_loaded(packed: Callable[..., Path], tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    content = pickle.dumps(_Bomb(str(trace)))
    np.savez(tmp_path / "objects.npz", x=np.array([_Bomb(str(trace))], dtype=object), allow_pickle=True)
    plain = tmp_path / "plain.npz"
    plain.write_bytes(content)
    for path in (tmp_path / "objects.npz", plain, packed({"x.npy": content})):
        refused(path)
    assert not trace.exists()


@pytest.mark.parametrize(
    "content",
    [
        with_header("{'descr': '|u1', 'fortran_order': False, 'shape': (1,), }\n", b"a", (2, 0)),
        with_header("{'descr': '|u1', 'fortran_order': False, 'shape': (1,), }\n", b"a", (3, 0)),
        with_header(" " * 5000),
        with_header("(" * 900),
        with_header("[" * 900),
        with_header("-" * 1000 + "1"),
        with_header("{'descr': '|u1', 'fortran_order': False, 'shape': (1L,), }\n", b"a"),
        with_header("{'descr': '\\d', 'fortran_order': False, 'shape': (1,), }\n", b"a"),
        with_header("__import__('os').getcwd()"),
        with_header("{'shape': (1,)}"),
        b"\x93NUMPY\x01\x00",
        b"",
    ],
)
def test_strange_headers_are_refused(packed: Callable[..., Path], content: bytes) -> None:
    reason = refused(packed({"x.npy": content}))
    assert len(reason) < 250
    assert "\n" not in reason


@pytest.mark.parametrize("name", ["../x.npy", "/x.npy", "a/x.npy", "a\\x.npy", "x.txt", "x", "..npy/.npy"])
def test_names_that_lead_elsewhere_are_refused(packed: Callable[..., Path], name: str) -> None:
    path = packed({"x.npy": npy_bytes(np.arange(3)), name: b""})
    assert "expected plain names that end with .npy" in refused(path)


def test_control_characters_do_not_reach_the_reason(packed: Callable[..., Path]) -> None:
    assert refused(packed({"\x1b[31mred.npy": b""})).isprintable()


def test_duplicate_members_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", npy_bytes(np.arange(3)))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("x.npy", npy_bytes(np.arange(4)))
    assert "two members 'x.npy'" in refused(path)


def test_many_members_and_large_directories_are_refused(packed: Callable[..., Path]) -> None:
    assert "65 members" in refused(packed({f"x{k}.npy": b"" for k in range(65)}))
    names = packed({f"{'x' * 2000}{k}.npy": b"" for k in range(40)})
    assert "a directory of" in refused(names)


def test_encrypted_members_are_refused(packed: Callable[..., Path]) -> None:
    path = packed({"x.npy": npy_bytes(np.arange(3))})
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    assert "encrypted" in refused(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_packings_are_refused(packed: Callable[..., Path], method: int) -> None:
    assert f"packed by method {method}" in refused(packed({"x.npy": npy_bytes(np.arange(3))}, method))


def test_a_wrong_checksum_is_seen(packed: Callable[..., Path]) -> None:
    path = packed({"x.npy": npy_bytes(np.arange(300))}, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[500] ^= 1  # in the data
    path.write_bytes(content)
    assert "Bad CRC-32" in refused(path)


def test_members_in_zip64_form_are_read_and_zip64_archives_refused(tmp_path: Path) -> None:
    path = tmp_path / "members.npz"
    with zipfile.ZipFile(path, "w") as archive, archive.open("x.npy", "w", force_zip64=True) as member:
        member.write(npy_bytes(np.arange(3)))
    assert read_arrays(path, ["x"], LIMIT)["x"].tolist() == [0, 1, 2]
    content = path.read_bytes()
    directory = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, 2**40, 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(content) - 22, 1)
    path.write_bytes(content[:-22] + directory + locator + content[-22:])
    assert "zip64" in refused(path)


def test_every_truncation_is_refused(sound: Path) -> None:
    content = sound.read_bytes()
    for length in range(0, len(content), 97):
        sound.write_bytes(content[:length])
        assert refused(sound, "probabilities")


def test_links_folders_and_pipes_are_not_opened(sound: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.npz"
    link.symlink_to(sound)
    assert "it is a link" in refused(link)
    pipe = tmp_path / "pipe.npz"
    os.mkfifo(pipe)
    assert "no regular file" in refused(pipe)
    assert "cannot be read" in refused(tmp_path)
    assert "there is no such file" in refused(tmp_path / "none.npz")


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(places=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=6))
def test_damaged_files_are_refused_or_read_within_the_limit(
    sound: Path, places: list[tuple[int, int]]
) -> None:
    content = bytearray(sound.read_bytes())
    for place, value in places:
        content[place % len(content)] = value
    damaged = sound.with_name("damaged.npz")
    damaged.write_bytes(content)
    with contextlib.suppress(ArrayError):  # any other error fails the test
        found = read_arrays(damaged, ["predictions", "probabilities"], LIMIT)
        assert sum(array.nbytes for array in found.values()) <= LIMIT


@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(content=st.binary(max_size=300))
def test_any_bytes_as_a_member_or_a_file_are_one_kind_of_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00" + content)
    refused(path)
    path.write_bytes(content)
    refused(path)
