"""The commands and the table in docs/tuning.md are what there is."""

import re
import shlex
from pathlib import Path

import pytest

from dabench.cli import main
from dabench.discovery import discover_methods
from dabench.method import METHODS
from dabench.selection import RULES
from dabench.sweepfile import find_suite
from dabench.tuning.request import TuneRequest
from dabench.tuning.space import ranges_of

discover_methods()
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "tuning.md").read_text(encoding="utf-8")
COMMANDS = [line.strip() for line in PAGE.splitlines() if line.startswith("    dabench tune ")]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_page_name_what_there_is(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[TuneRequest] = []
    monkeypatch.setattr("dabench.tuning.command.execute", lambda request: asked.append(request) or 0)
    with pytest.raises(SystemExit) as caught:
        main(shlex.split(command)[1:])
    assert caught.value.code == 0
    (request,) = asked
    assert RULES.get(request.rule).cls.compares_runs
    assert find_suite(request.suite)
    assert all(METHODS.get(name) for name in request.methods)
    assert "source_only" in request.methods


def test_the_page_has_every_range() -> None:
    rows = dict(re.findall(r"^\| `([a-z_.]+)` \| (.+?) \|", PAGE, re.MULTILINE))
    ranges = {path: str(one) for name in METHODS for path, one in ranges_of(METHODS.get(name)).items()}
    assert rows == ranges
