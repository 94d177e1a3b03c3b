"""The interface of selection rules: what a registration says of its file."""

import importlib.util
import sys

import pytest

from dabench.discovery import discover_rules
from dabench.selection import RULES, Rule, Trace


@pytest.fixture
def package(tmp_path):
    """A package of one's own with a rule and a module that the rule shares with others."""

    def load(shared="half = 0.5\n\ndef weigh(x):\n    return half * x\n"):
        folder = tmp_path / "ownrules"
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").write_text("")
        (folder / "shared.py").write_text(shared)
        (folder / "rule.py").write_text(
            "from dabench.selection import Rule, RuleEntry\n"
            "from ownrules.shared import weigh\n"
            "from pathlib import Path\n\n"
            "class Own(Rule):\n    pass\n\n"
            "entry = RuleEntry('own', Own, Path(__file__))\n"
        )
        for name in ("ownrules", "ownrules.shared", "ownrules.rule"):
            sys.modules.pop(name, None)
        sys.path.insert(0, str(tmp_path))
        sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
        try:
            importlib.invalidate_caches()
            return importlib.import_module("ownrules.rule").entry
        finally:
            sys.path.remove(str(tmp_path))
            sys.dont_write_bytecode = before

    yield load
    for name in ("ownrules", "ownrules.shared", "ownrules.rule"):
        sys.modules.pop(name, None)


def test_a_change_of_what_a_rule_imports_is_noticed(package):
    first = package().source_sha256
    assert package().source_sha256 == first
    assert package("def weigh(x):\n    return 2 * x\n").source_sha256 != first


def test_rules_that_share_a_module_have_digests_of_their_own():
    discover_rules()
    digests = {name: RULES.get(name).source_sha256 for name in RULES}
    assert len(set(digests.values())) == len(digests)


def test_a_rule_without_a_score_says_so():
    import numpy as np

    from dabench.selection import Part

    part = Part(np.zeros((1, 2, 3)), np.zeros((1, 2, 4)))
    with pytest.raises(NotImplementedError, match="neither score nor scores"):
        Rule().scores(Trace(np.array([1]), part))
