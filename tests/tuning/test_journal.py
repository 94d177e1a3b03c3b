"""The journal: what is written is read again, whatever happened to its last line."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dabench.errors import UserError
from dabench.tuning import journal as journal_module
from dabench.tuning.journal import Journal
from dabench.tuning.trials import Trial

ABOUT = {"method": "dann", "ranges": {"optimiser.lr": "0.001 to 0.1", "params.levels": "one of"}}


def trial(number: int, lr: float = 0.25, levels: float = 0.75, **fields: Any) -> Trial:
    """A trial of the search above; its values need not belong to its numbers here."""
    numbers = {"optimiser.lr": lr, "params.levels": levels}
    return Trial(
        trial=number, values={"optimiser.lr": 0.01, "params.levels": ["global"]}, numbers=numbers, **fields
    )


TRIALS = [
    trial(0, score=0.5).model_copy(update={"numbers": {}}),  # the recipe lies outside a range
    trial(1, score=0.1 + 0.2),
    trial(2, 0.0, 1.0, state="failed", reason="zwei\nZeilen, ü"),
]


def written(path: Path) -> Journal:
    journal = Journal(path, ABOUT)
    for trial in TRIALS:
        journal.add(trial)
    return journal


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "journal.jsonl"
    journal = written(path)
    for known in (journal, Journal(path, ABOUT)):
        assert [known.get(number) for number in range(4)] == [*TRIALS, None]
    lines = path.read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[0]) == {"search": ABOUT}
    assert len(lines) == 4


def test_nothing_is_written_twice_and_the_last_word_counts(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = written(path)
    before = path.read_bytes()
    journal.add(TRIALS[1])
    Journal(path, ABOUT).add(TRIALS[2])
    assert path.read_bytes() == before
    again = trial(2, score=0.25)
    Journal(path, ABOUT).add(again)
    assert path.read_bytes().startswith(before)
    assert Journal(path, ABOUT).get(2) == again


@settings(max_examples=15)
@given(cut=st.integers(min_value=1))
def test_a_line_that_was_cut_off_is_passed_over_and_written_anew(cut: int, tmp_path_factory: object) -> None:
    folder = tmp_path_factory.mktemp("cut")
    path = folder / "journal.jsonl"
    written(path)
    content = path.read_bytes()
    last = content.splitlines(keepends=True)[-1]
    path.write_bytes(content[: len(content) - 1 - (cut - 1) % len(last)])
    journal = Journal(path, ABOUT)
    assert [journal.get(0), journal.get(1)] == TRIALS[:2]
    for trial in TRIALS:
        journal.add(trial)
    assert [Journal(path, ABOUT).get(number) for number in range(3)] == TRIALS


def test_what_is_no_trial_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'\xff\xfe{}\n[1]\n{"trial": "x"}\n\n')
    journal = Journal(path, ABOUT)
    assert journal.get(0) is None
    journal.add(TRIALS[0])
    assert Journal(path, ABOUT).get(0) == TRIALS[0]


@pytest.mark.parametrize(
    "strange",
    [
        {"values": {}, "numbers": {}},
        {"numbers": {}},
        {"numbers": {"optimiser.lr": 0.5}},
        {"numbers": {"optimiser.lr": 0.5, "params.levels": 0.5, "steps": 0.5}},
        {"numbers": {"optimiser.lr": 0.5, "backbone_args.checkpoint_path": 0.5}},
        {"numbers": {"optimiser.lr": 1.5, "params.levels": 0.5}},
        {"numbers": {"optimiser.lr": -1e300, "params.levels": 0.5}},
        {"values": {"optimiser.lr": 0.1}},
        {"trial": -1},
        {"trial": 10**30},
        {"reason": "x" * 70_000},
        {"values": {"optimiser.lr": [{}] * 1000, "params.levels": 1}},
    ],
)
def test_what_this_search_cannot_have_tried_is_passed_over(tmp_path: Path, strange: dict[str, Any]) -> None:
    path = tmp_path / "journal.jsonl"
    written(path)
    line = json.dumps(json.loads(trial(5).model_dump_json()) | strange)
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    journal = Journal(path, ABOUT)
    assert [journal.get(number) for number in (0, 1, 2, 5, -1, 10**30)] == [*TRIALS, None, None, None]


def test_a_link_is_neither_read_nor_written_through(tmp_path: Path) -> None:
    path, victim = tmp_path / "journal.jsonl", tmp_path / "victim"
    journal = Journal(path, ABOUT)
    for target in (victim, Path("/dev/zero"), tmp_path / "nothing"):
        victim.write_text("mine", encoding="utf-8")
        path.unlink(missing_ok=True)
        path.symlink_to(target)
        with pytest.raises(UserError, match="cannot be written: it is a link"):
            journal.add(TRIALS[1])
        with pytest.raises(UserError, match="cannot be read: it is a link"):
            Journal(path, ABOUT)
    assert victim.read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "nothing").exists()


def test_what_is_no_file_does_not_block(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl", ABOUT)
    os.mkfifo(journal.path)
    with pytest.raises(UserError, match="cannot be written: no regular file"):
        journal.add(TRIALS[1])
    with pytest.raises(UserError, match="cannot be read: no regular file"):
        journal.get(1)
    journal.path.unlink()
    journal.path.mkdir()
    with pytest.raises(UserError, match="cannot be read"):
        Journal(journal.path, ABOUT)


def test_a_huge_journal_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with path.open("wb") as file:
        file.truncate(journal_module.LARGEST_BYTES + 1)
    with pytest.raises(UserError, match="larger than"):
        Journal(path, ABOUT)
