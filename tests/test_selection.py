"""The interface of selection rules: what a registration says of its file."""

import importlib
import sys

import pytest

from dabench.discovery import discover_rules
from dabench.selection import RULES, Rule, Trace

FILES = {
    "__init__.py": "",
    "deep.py": "half = 0.5\n",
    "lib/__init__.py": "",
    "lib/helper.py": "from ..constants import LIMIT\nfrom .inner import J\n",
    "lib/inner.py": "J = 1\n",
    "shared.py": "from ownrules import deep\nfrom .lib.helper import J\n",
    "constants.py": "LIMIT = 1.0\n",
    "unused.py": "value = 1\n",
    "rule.py": (
        "from pathlib import Path\n"
        "from dabench.selection import Rule, RuleEntry\n"
        "from . import shared\n"
        "from .constants import LIMIT\n\n"
        "class Own(Rule):\n    pass\n\n"
        "entry = RuleEntry('own', Own, Path(__file__))\n"
    ),
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of one's own with a rule; files may be changed."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def forget():
        for name in [name for name in sys.modules if name.partition(".")[0] == "ownrules"]:
            del sys.modules[name]

    def load(**changes):
        folder = tmp_path / "ownrules"
        folder.mkdir(exist_ok=True)
        for name, text in FILES.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(changes.get(name.removesuffix(".py"), text))
        forget()
        importlib.invalidate_caches()
        importlib.import_module("ownrules.unused")
        return importlib.import_module("ownrules.rule").entry

    yield load
    forget()


@pytest.mark.parametrize("module", ["rule", "shared", "constants", "deep", "lib/helper", "lib/inner"])
def test_a_change_of_what_a_rule_imports_is_noticed(package, module):
    first = package().source_sha256
    assert package().source_sha256 == first
    assert package(**{module: FILES[f"{module}.py"] + "# changed\n"}).source_sha256 != first


def test_a_change_of_what_it_does_not_import_is_none(package):
    assert package().source_sha256 == package(unused="value = 2\n").source_sha256


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
