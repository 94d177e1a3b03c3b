"""Folders of strangers: what is a record, what is not, and how that is said."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dabench.errors import UserError
from dabench.leaderboard.runs import load
from dabench.leaderboard.verify.reading import read_folder
from dabench.leaderboard.verify.words import MOST_SENTENCES, few, plain
from dabench.plain_files import digest, open_plain

Honest = Callable[..., Path]


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        (("value",), 85.3, "value is 85.3: a percentage? accuracies lie in [0, 1]"),
        (("oracle",), 90, "oracle is 90: a percentage?"),
        (("metrics", "accuracy"), 77.5, "metrics.accuracy is 77.5: a percentage?"),
        (("value",), 853.0, "value: Input should be less than or equal to 1"),
    ],
)
def test_percentages_are_called_that(
    honest: Honest, tmp_path: Path, place: tuple[str, ...], value: float, sentence: str
) -> None:
    path = honest(tmp_path)
    content = json.loads(path.read_text())
    inner: Any = content
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path.write_text(json.dumps(content))
    (problem,) = read_folder(tmp_path).broken
    assert sentence in problem.reason


def test_other_json_is_passed_by_and_broken_json_is_not(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"name": "x"}')
    (tmp_path / "cut.json").write_text('{"schema_version": 1, "run')
    (tmp_path / "control.json").write_text('{"schema_version": "\\u001b[2J"}')
    folder = read_folder(tmp_path)
    assert [str(one.path) for one in folder.foreign] == ["package.json"]
    assert [str(one.path) for one in folder.broken] == ["control.json", "cut.json"]
    assert all(one.reason.isprintable() for one in folder.broken)


def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (problem,) = read_folder(tmp_path).broken
    assert problem.reason == "not read: it is no regular file"


def test_what_lies_too_deep_is_not_passed_by_in_silence(tmp_path: Path) -> None:
    tmp_path.joinpath(*"abcdefghijk").mkdir(parents=True)
    (problem,) = read_folder(tmp_path).broken
    assert str(problem.path) == "a/b/c/d/e/f/g/h/i"
    assert "8 folders deep" in problem.reason
    assert load(tmp_path) == ([], [problem])


def test_a_missing_folder_is_the_users(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no results folder"):
        read_folder(tmp_path / "none")


def test_reading_stops_at_the_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100)
    assert len(digest(tmp_path / "a", 100)) == 64
    with pytest.raises(OSError, match="larger than 99 bytes"):
        digest(tmp_path / "a", 99)
    with pytest.raises(OSError, match="no regular file"):
        open_plain(tmp_path)


@pytest.mark.parametrize("text", ["\x1b[31m", "a\r\nb", "\u202eabc", "\ud800", "\x00", "\u2028", "\x9b2J"])
def test_nothing_steers_the_terminal(text: str) -> None:
    assert plain(text).isprintable()
    plain(text).encode()


def test_sentences_are_short_and_few() -> None:
    assert len(plain("x" * 10**6)) == 400
    assert len(plain("\x00" * 10**6)) == 400
    found = few([str(k) for k in range(100)])
    assert found[-1] == f"and {100 - MOST_SENTENCES} more"
    assert len(found) == MOST_SENTENCES + 1
