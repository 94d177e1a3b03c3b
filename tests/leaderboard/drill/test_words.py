"""Quantities in words, and calls of a traceback."""

import pytest

from dabench.leaderboard.drill.failures import frames
from dabench.leaderboard.drill.words import memory
from dabench.records import Failure


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (965_432_100, "965 MB"), (999_999_999, "1 GB")],
)
def test_memory_in_powers_of_a_thousand(size: int, words: str) -> None:
    assert memory(size) == words


def test_only_the_last_calls_are_kept_and_no_folder() -> None:
    lines = "".join(f'  File "/secret/{k}.py", line {k}, in f{k}\n    code {k}\n' for k in range(9))
    found = frames(Failure(kind="E", message="m", traceback=f"Traceback:\n{lines}E: m\n"))
    assert [(one.file, one.line, one.name, one.code) for one in found] == [
        (f"{k}.py", str(k), f"f{k}", f"code {k}") for k in range(3, 9)
    ]


def test_what_is_no_traceback_has_no_calls() -> None:
    assert not frames(Failure(kind="E", message="m", traceback="worker 3 was killed"))
