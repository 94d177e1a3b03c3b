"""docs/selection.md names every rule, and its example is a rule."""

import importlib
import re
from pathlib import Path

import numpy as np
import pytest

from dabench.discovery import discover_rules
from dabench.selection import RULES

PAGE = (Path(__file__).parents[2] / "docs" / "selection.md").read_text(encoding="utf-8")
DIRECTIONS = {True: "higher", False: "lower"}


def test_the_table_has_all_rules_with_what_they_read_and_their_direction():
    discover_rules()
    rows = re.findall(r"(?m)^\| `(\w+)` \|([^|]*)\| (higher|lower) \|", PAGE)
    found = {name: (set(re.findall(r"`(\w+)`", reads)), better) for name, reads, better in rows}
    assert found == {
        name: (set(RULES.get(name).cls.needs), DIRECTIONS[RULES.get(name).cls.higher_is_better])
        for name in RULES
    }


@pytest.fixture
def registry(monkeypatch):
    discover_rules()
    monkeypatch.setattr(RULES, "_entries", dict(RULES._entries))
    monkeypatch.setattr(RULES, "_origins", dict(RULES._origins))


@pytest.mark.usefixtures("registry")
def test_the_example_is_a_rule(make_trace, tmp_path, monkeypatch):
    (example,) = re.findall(r"(?s)```python\n(.*?)```", PAGE)
    (tmp_path / "confidence_rule_of_the_page.py").write_text(example, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("confidence_rule_of_the_page")

    entry = RULES.get("confidence")
    assert entry.source_sha256
    scores = entry.cls().scores(make_trace())
    assert (np.diff(scores) > 0).all()
    assert (scores <= 1).all()
