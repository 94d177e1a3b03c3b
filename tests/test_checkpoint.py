"""Files of checkpoints: whole or not used, two at most, no code in them."""

import errno
import json
import os
import pickle
import resource
import shutil
import struct

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dabench import checkpoint
from dabench.checkpoint import Checkpoints, identity

WHO = identity("0123456789abcdef", "ff")
TENSORS = {
    "a": torch.arange(12, dtype=torch.float32).reshape(3, 4),
    "scalar": torch.tensor(2.5),
    "empty": torch.zeros(0, 3),
    "half": torch.ones(2, dtype=torch.bfloat16),
    "bytes": torch.tensor([1, 255], dtype=torch.uint8),
    "truth": torch.tensor([True, False]),
}


@pytest.fixture
def path(tmp_path):
    folder = tmp_path / "task" / "dann"
    folder.mkdir(parents=True)
    return folder / "seed0-0123456789abcdef.json"


def write(path, *steps, who=WHO, tensors=TENSORS):
    found = Checkpoints(path, who, 0)
    for step in steps:
        assert found.write(step, tensors, {"at": step})
    return found


def file_of(path, step):
    return path.parent / f".{path.stem}.checkpoint-{step}.safetensors"


def latest(found):
    return next(found.newest_first(), None)


def same(found, step):
    assert found.step == step
    assert found.facts == {"at": step}
    assert found.tensors.keys() == TENSORS.keys()
    for name, value in TENSORS.items():
        assert found.tensors[name].dtype == value.dtype
        assert torch.equal(found.tensors[name], value)


def test_what_was_written_is_read(path):
    assert latest(Checkpoints(path, WHO, 0)) is None
    write(path, 7)
    same(latest(Checkpoints(path, WHO, 0)), 7)


def test_the_last_two_are_kept(path):
    write(path, 7, 9, 10, 100)
    assert Checkpoints(path, WHO, 0).steps() == [10, 100]
    assert sorted(os.listdir(path.parent)) == [file_of(path, step).name for step in (10, 100)]


def test_newer_files_of_others_do_not_cost_the_ones_that_are_written(path):
    for step in (10**9, 10**9 + 1):
        file_of(path, step).write_bytes(b"")
    found = write(path, 3, 4, 5)
    assert found.steps() == [4, 5, 10**9, 10**9 + 1]
    same(latest(Checkpoints(path, WHO, 0)), 5)


def test_a_run_that_goes_on_drops_what_it_was_not_resumed_from(path):
    write(path, 5, who={**WHO, "dabench": "other"})
    write(path, 3, 4)
    file_of(path, 6).write_bytes(b"")
    file_of(path, 7).mkdir()
    file_of(path, 8).symlink_to(file_of(path, 4))
    found = Checkpoints(path, WHO, 0)
    same(latest(found), 4)
    found.begin(4)
    assert found.steps() == [3, 4]
    found.write(6, TENSORS, {})
    found.begin(4, spared=[6])
    assert found.steps() == [4, 6]
    found.begin(0)
    assert found.steps() == []


def test_the_one_that_a_run_was_resumed_from_is_the_one_before_the_next(path):
    write(path, 3, 4)
    found = Checkpoints(path, WHO, 0)
    found.begin(4)
    found.write(6, TENSORS, {})
    assert found.steps() == [4, 6]
    found.write(8, TENSORS, {})
    assert found.steps() == [6, 8]


def test_what_cannot_be_read_at_the_moment_stays_until_the_run_is_past_it(path, monkeypatch):
    write(path, 3, 5)
    really = checkpoint.safe_open

    def stale(file, framework):
        if file == file_of(path, 5):
            raise OSError(errno.ESTALE, "Stale file handle")
        return really(file, framework)

    found = Checkpoints(path, WHO, 0)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "safe_open", stale)
        same(latest(found), 3)
    assert found.notes == ["the checkpoint after step 5 is not used: Stale file handle"]
    found.begin(3)
    found.write(4, TENSORS, {"at": 4})
    assert found.steps() == [3, 4, 5]
    same(latest(Checkpoints(path, WHO, 0)), 5)
    found.write(6, TENSORS, {})
    assert found.steps() == [4, 6]


def test_others_may_read_one_as_far_as_the_umask_lets_them(path):
    before = os.umask(0o027)
    try:
        write(path, 1)
    finally:
        os.umask(before)
    assert file_of(path, 1).stat().st_mode & 0o777 == 0o640
    assert [found.name for found in path.parent.iterdir()] == [file_of(path, 1).name]


def test_two_runs_in_one_folder_do_not_meet(path):
    other = path.with_name("seed0-0123456789abcdef0.json")
    write(path, 3)
    write(other, 5)
    assert Checkpoints(path, WHO, 0).steps() == [3]
    Checkpoints(path, WHO, 0).drop()
    assert Checkpoints(other, WHO, 0).steps() == [5]


def test_dropping_removes_what_a_killed_writer_left(path):
    found = write(path, 3, 4)
    left = path.with_name(f".{path.stem}.checkpoint-5.17.part")
    left.write_bytes(b"half of it")
    found.write(6, TENSORS, None)
    assert not left.exists()
    left.write_bytes(b"half of it")
    found.drop()
    assert list(path.parent.iterdir()) == []


def test_one_is_due_after_some_seconds(path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    found = Checkpoints(path, WHO, 60)
    assert not found.due()
    now[0] += 60
    assert found.due()
    found.write(1, TENSORS, None)
    assert not found.due()


@pytest.mark.parametrize("key", ["run_id", "method", "torch", "dabench"])
def test_one_of_another_identity_is_not_used(path, key):
    write(path, 3, who={**WHO, key: "other"})
    found = Checkpoints(path, WHO, 0)
    assert latest(found) is None
    assert found.notes == [f"the checkpoint after step 3 is not used: it was made with another {key}"]


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("one") / "run.json"
    write(path, 3)
    return file_of(path, 3).read_bytes()


@given(data=st.data())
@settings(max_examples=300)
def test_a_damaged_one_is_not_used(tmp_path_factory, content, data):
    """Cut, changed in a byte, or followed by something: only the bits that were written are taken."""
    kind = data.draw(st.sampled_from(["cut", "changed", "longer"]))
    place = data.draw(st.integers(0, len(content) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != content[place]))
    damaged = {
        "cut": content[:place],
        "changed": content[:place] + bytes([byte]) + content[place + 1 :],
        "longer": content + bytes([byte]),
    }[kind]
    path = tmp_path_factory.mktemp("damaged") / "run.json"
    file_of(path, 3).write_bytes(damaged)
    found = Checkpoints(path, WHO, 0)
    taken = latest(found)
    if taken is not None:  # a byte between the names, say, that changes nothing of what is read
        same(taken, 3)
    else:
        assert len(found.notes) == 1


def foreign(header, body=b""):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


class Trap:
    def __reduce__(self):
        return (os._exit, (3,))


STRANGE = {
    "nothing": b"",
    "a pickle": pickle.dumps(Trap()),
    "a long header": struct.pack("<Q", 2**62) + b"{}",
    "a header of 200 MB": struct.pack("<Q", 2 * 10**8) + b"{",
    "no metadata": foreign({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, b"0000"),
    "a bomb": foreign({"x": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}}),
    "offsets that overlap": foreign(
        {k: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for k in "xy"}, b"0000"
    ),
    "nested JSON": foreign({"__metadata__": {"format": "1", "about": "[" * 100_000}}),
    "no dictionary": foreign({"__metadata__": {"format": "1", "about": "[]"}}),
    "no identity": foreign({"__metadata__": {"format": "1", "about": '{"step": 3, "identity": 5}'}}),
    "a tensor that its JSON says nothing of": foreign(
        {
            "__metadata__": {"format": "1", "about": json.dumps({"step": 3, "identity": WHO, "facts": 1})},
            "x": {"dtype": "F4", "shape": [2], "data_offsets": [0, 1]},
        },
        b"0",
    ),
    "no digest": foreign(
        {"__metadata__": {"format": "1", "about": json.dumps({"step": 3, "identity": WHO, "facts": 1})}}
    ),
}


@pytest.mark.parametrize("name", STRANGE)
def test_what_strangers_put_there_is_not_used(path, name):
    file_of(path, 3).write_bytes(STRANGE[name])
    found = Checkpoints(path, WHO, 0)
    assert latest(found) is None
    assert len(found.notes) == 1


def test_neither_are_links_folders_and_other_steps(path, tmp_path):
    write(path, 3)
    elsewhere = tmp_path / "elsewhere.json"
    file_of(elsewhere, 4).symlink_to(file_of(path, 3))
    file_of(elsewhere, 5).mkdir()
    file_of(elsewhere, 6).write_bytes(file_of(path, 3).read_bytes())
    found = Checkpoints(elsewhere, WHO, 0)
    assert latest(found) is None
    assert [note.split()[4] for note in found.notes] == ["6", "5", "4"]


def test_a_large_one_is_neither_read_nor_written(path, monkeypatch):
    write(path, 3)
    size = file_of(path, 3).stat().st_size
    found = Checkpoints(path, WHO, 0)
    monkeypatch.setattr(checkpoint, "LARGEST_BYTES", size - 1)
    assert latest(found) is None
    assert not found.write(4, TENSORS, {"at": 4})
    assert not found.write(4, {"a": torch.zeros(size, dtype=torch.uint8)}, {"at": 4})
    assert found.notes == [
        f"the checkpoint after step 3 is not used: it is larger than {size - 1} bytes",
        f"the checkpoint after step 4 could not be written: it is larger than {size - 1} bytes",
        f"the checkpoint after step 4 could not be written: it would be larger than {size - 1} bytes",
    ]
    assert [file.name for file in path.parent.iterdir()] == [file_of(path, 3).name]
    monkeypatch.setattr(checkpoint, "LARGEST_BYTES", size)
    same(latest(found), 3)


def test_neither_is_one_with_more_text_than_is_read(path, monkeypatch):
    monkeypatch.setattr(checkpoint, "LARGEST_HEADER_BYTES", 10_000)
    found = Checkpoints(path, WHO, 0)
    assert not found.write(4, TENSORS, {"at": "x" * 10_000})
    assert "beside tensors is larger than 10000 bytes" in found.notes[0]
    assert found.steps() == []
    write(path, 5)


def test_one_that_there_is_no_memory_for_is_not_read_and_stays(path, monkeypatch):
    write(path, 3)
    size = file_of(path, 3).stat().st_size
    monkeypatch.setattr(checkpoint, "_available_bytes", lambda: 2 * size - 1)
    found = Checkpoints(path, WHO, 0)
    assert latest(found) is None
    assert found.notes == ["the checkpoint after step 3 is not used: too little memory is free for it"]
    found.begin(0)
    monkeypatch.setattr(checkpoint, "_available_bytes", lambda: 2 * size)
    same(latest(found), 3)


def test_the_system_tells_how_much_memory_it_has():
    assert 2**20 < checkpoint._available_bytes() < 2**50


def test_a_results_folder_that_is_gone_is_not_made_again(path):
    found = write(path, 3)
    shutil.rmtree(path.parents[1])
    assert not found.write(4, TENSORS, {})
    assert not path.parents[1].exists()
    assert found.notes == ["the checkpoint after step 4 could not be written: No such file or directory"]


def test_temporary_folders_have_names_of_their_own(path, monkeypatch):
    """Two machines may have a process of the same number."""
    names = []
    really = checkpoint.save_file

    def save(tensors, target, header):
        names.append(target.parent.name)
        really(tensors, target, header)

    monkeypatch.setattr(checkpoint, "save_file", save)
    write(path, 3)
    write(path, 3)
    assert len(set(names)) == 2
    assert all(name.endswith(".part") for name in names)


def test_a_full_disk_leaves_the_ones_before(path):
    found = write(path, 3)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))  # Python ignores the signal
    try:
        assert not found.write(5, {"large": torch.zeros(10_000)}, None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len(found.notes) == 1
    assert "after step 5 could not be written" in found.notes[0]
    assert [file.name for file in path.parent.iterdir()] == [file_of(path, 3).name]
    same(latest(Checkpoints(path, WHO, 0)), 3)


def test_a_folder_that_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    found = Checkpoints(tmp_path / "file" / "run.json", WHO, 0)
    assert found.steps() == []
    assert not found.write(5, TENSORS, None)
    found.drop()
    assert len(found.notes) == 1


def test_the_librarys_own_temporary_files_go_too(path, monkeypatch):
    """safetensors writes through a file beside its target, with a name that tells nothing of the run."""

    class Killed(BaseException):
        pass

    def die(tensors, target, header):
        target.with_name(".tmpA1b2C3").write_bytes(b"half")
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_file", die)
        with pytest.raises(Killed):
            Checkpoints(path, WHO, 0).write(1, TENSORS, {})
    assert list(path.parent.rglob(".tmp*"))
    write(path, 2)
    assert [each.name for each in path.parent.iterdir()] == [file_of(path, 2).name]


def test_tensors_that_share_memory_are_written_apart(path):
    whole = torch.arange(6.0)
    given = {
        "whole": whole,
        "part": whole[2:4],
        "turned": whole.reshape(2, 3).T,
        "again": whole.reshape(3, 2),
    }
    write(path, 3, tensors=given)
    taken = latest(Checkpoints(path, WHO, 0)).tensors
    assert all(torch.equal(taken[name], value) for name, value in given.items())
