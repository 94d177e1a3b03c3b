"""The journal: what is written is read again, whatever happened to its last line."""

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from dabench.tuning.journal import Journal
from dabench.tuning.trials import Trial

ABOUT = {"method": "dann"}
TRIALS = [
    Trial(trial=0, values={"optimiser.lr": 0.01}, score=0.5),
    Trial(trial=1, values={"optimiser.lr": 0.1}, numbers={"optimiser.lr": 1.0}, score=0.1 + 0.2),
    Trial(trial=2, values={"params.levels": ["global"]}, state="failed", reason="zwei\nZeilen, ü"),
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
    again = Trial(trial=2, values={}, score=0.25)
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
