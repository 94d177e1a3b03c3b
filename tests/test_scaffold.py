"""``dabench new method``: what it writes compiles, and what it refuses. tests/test_cli.py runs it."""

import ast
from pathlib import Path

import pytest

from dabench.errors import UserError
from dabench.scaffold import write_method


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "methods").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "module", "cls"),
    [
        ("my-method", "my_method", "MyMethod"),
        ("mcd", "mcd", "Mcd"),
        ("a+b_c2", "a_b_c2", "ABC2"),
        ("method", "method", "MethodMethod"),
        ("batch", "batch", "BatchMethod"),
    ],
)
def test_files_for_any_name(checkout: Path, name: str, module: str, cls: str) -> None:
    method, test = write_method("method", name, checkout)
    assert method == checkout / "methods" / f"{module}.py"
    assert test == checkout / "tests" / "methods" / f"test_{module}.py"
    tree = ast.parse(method.read_text(encoding="utf-8"))
    assert {node.name for node in tree.body if isinstance(node, ast.ClassDef)} == {cls, f"{cls}Config"}
    assert f'@register("{name}")' in method.read_text(encoding="utf-8")
    assert f"from dabench.methods.{module} import" in test.read_text(encoding="utf-8")
    for path in (method, test):
        assert "$" not in path.read_text(encoding="utf-8")
        assert all(len(line) <= 110 for line in path.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize(
    "name", ["My", "1a", "", "a b", "../a", "a/b", "a--b", "-a", "a-", "__init__", "a.b", "é"]
)
def test_names_that_are_none(checkout: Path, name: str) -> None:
    with pytest.raises(UserError, match="is no name for a method"):
        write_method("method", name, checkout)


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("suite", "mine", "cannot make a new 'suite'"),
        ("method", "class", "a word of Python"),
        ("method", "gsda", "method 'gsda' exists: "),
        ("method", "cdan+e", r"method 'cdan\+e' exists: "),
    ],
)
def test_what_is_refused(checkout: Path, kind: str, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        write_method(kind, name, checkout)
    assert caught.value.hint
    assert list((checkout / "methods").iterdir()) == []


def test_a_folder_that_is_no_checkout(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no folder methods/") as caught:
        write_method("method", "mine", tmp_path)
    assert "CONTRIBUTING.md" in caught.value.hint


@pytest.mark.parametrize("existing", ["methods/mine.py", "tests/methods/test_mine.py"])
def test_nothing_is_overwritten_or_half_written(checkout: Path, existing: str) -> None:
    (checkout / "tests" / "methods").mkdir(parents=True)
    (checkout / existing).write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match="exists"):
        write_method("method", "mine", checkout)
    assert [path for path in checkout.rglob("*.py")] == [checkout / existing]
    assert (checkout / existing).read_text(encoding="utf-8") == "mine"
