"""The arrows between the four packages, and the shape of their files, read from the source text.

An AST test and not an import linter, because ``datasets/`` has no ``__init__.py`` and linters pass it by.
"""

import ast
import io
import re
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PLUGINS = ("methods", "datasets", "leaderboard")
PACKAGES = ("dabench", *PLUGINS)
# A package, and what it must not import. The engine finds the plugins without naming them (discovery.py).
FORBIDDEN = {
    "dabench": PLUGINS,
    "methods": ("datasets", "leaderboard"),
    "datasets": ("methods", "leaderboard"),
    "leaderboard": ("methods", "datasets"),
}
LONGEST_FILE = 350
CATCH_ALL_NAMES = {"utils", "util", "misc", "helpers"}


def sources(package: str) -> list[Path]:
    """Python files of a package where they really lie: the links below dabench/ are passed by."""
    return sorted(
        path
        for path in (ROOT / package).rglob("*.py")
        if not (package == "dabench" and path.relative_to(ROOT / package).parts[0] in PLUGINS)
    )


def module_name(path: Path) -> str:
    """Name that a file is imported by: methods/dann.py is dabench.methods.dann."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts if parts[0] == "dabench" else ("dabench", *parts)).removesuffix(".__init__")


def imported(source: str, module: str, is_package: bool = False) -> set[str]:
    """Every dotted name that a file imports anywhere in it, relative ones resolved."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            up = node.level - is_package
            parents = module.split(".")[: -up or None] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call) and node.args:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in {"import_module", "__import__"}:
                names.add(_beginning(node.args[0]))
    return names


def _beginning(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr) and node.values:
        node = node.values[0]
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def offences(source: str, module: str, is_package: bool = False) -> list[str]:
    """Imports against the arrows, in one file."""
    inside = module.split(".")[1:2]
    package = inside[0] if inside and inside[0] in PLUGINS else "dabench"
    found = []
    for name in sorted(imported(source, module, is_package)):
        parts = name.split(".")
        if parts[0] in (*PLUGINS, "tests"):
            found.append(f"{module} imports {name}: the repository's folders are no top-level packages")
        elif parts[0] == "dabench" and parts[1:2] and parts[1] in FORBIDDEN[package]:
            found.append(f"{module} imports {name}")
    return found


def relative(path: Path) -> str:
    """A file's path from the root, to name it in test reports."""
    return str(path.relative_to(ROOT))


ALL = [path for package in PACKAGES for path in sources(package)]
PUBLIC = [path for path in ALL if not path.name.startswith("_")]
TESTS = sorted((ROOT / "tests").rglob("*.py"))


@pytest.mark.parametrize("path", ALL, ids=relative)
def test_arrows_point_one_way(path: Path) -> None:
    assert not offences(path.read_text(encoding="utf-8"), module_name(path), path.name == "__init__.py")


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("dabench.engine", "import dabench.methods"),
        ("dabench.engine", "import dabench.methods.dann as dann"),
        ("dabench.engine", "from dabench import leaderboard"),
        ("dabench.engine", "from dabench.datasets.folders import Folders"),
        ("dabench.engine", "from . import methods"),
        ("dabench.engine", "from .methods import dann"),
        ("dabench.engine", "def late():\n    from dabench.methods import dann"),
        ("dabench.engine", "if TYPE_CHECKING:\n    from dabench.methods.dann import DANN"),
        ("dabench.engine", "importlib.import_module('dabench.methods.dann')"),
        ("dabench.engine", "import_module(f'dabench.methods.{name}')"),
        ("dabench.engine", "__import__('dabench.leaderboard')"),
        ("dabench.engine", "import datasets"),
        ("dabench.engine", "from methods import dann"),
        ("dabench.methods.dann", "from ..datasets import folders"),
        ("dabench.methods.dann", "from .. import leaderboard"),
        ("dabench.methods.dann", "import dabench.leaderboard.page"),
        ("dabench.datasets.folders", "from dabench.methods.dann import DANN"),
        ("dabench.datasets.folders", "from dabench.leaderboard import page"),
        ("dabench.leaderboard.page", "from dabench.methods import dann"),
        ("dabench.leaderboard.page", "from ..datasets.folders import Folders"),
        ("dabench.leaderboard.page", "from tests import helpers"),
    ],
)
def test_an_offence_is_seen(module: str, source: str) -> None:
    assert offences(source, module)


def test_an_offence_in_a_package_file_is_seen() -> None:
    assert offences("from ..datasets import folders", "dabench.methods", is_package=True)
    assert offences("from . import methods", "dabench", is_package=True)
    assert not offences("from . import dann", "dabench.methods", is_package=True)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("dabench.discovery", "importlib.import_module(f'dabench.{package}')"),
        ("dabench.discovery", "from dabench.suite import SUITES"),
        ("dabench.methods.cdan", "from dabench.methods.dann import DANN"),
        ("dabench.methods.cdan", "from .dann import DANN\nfrom ..method import Method"),
        ("dabench.leaderboard.page", "from dabench.records import Record\nimport pandas"),
    ],
)
def test_what_is_allowed_is_no_offence(module: str, source: str) -> None:
    assert not offences(source, module)


def test_the_files_are_found() -> None:
    modules = {module_name(path) for path in ALL}
    assert {"dabench", "dabench.method", "dabench.methods", "dabench.leaderboard"} <= modules


@pytest.mark.parametrize("path", PUBLIC, ids=relative)
def test_public_module_says_what_it_is_and_what_it_offers(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "a module begins with a docstring"
    lists = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and any(getattr(to, "id", "") == "__all__" for to in node.targets)
    ]
    assert len(lists) == 1, "a public module has one __all__"
    defined = {name for node in tree.body for name in _defined(node)}
    assert set(lists[0]) <= defined, "__all__ names what is not in the module"


def _defined(node: ast.stmt) -> Iterator[str]:
    for child in ast.walk(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield child.name
        elif isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            yield child.id
        elif isinstance(child, ast.alias):
            yield child.asname or child.name


@pytest.mark.parametrize("path", ALL, ids=relative)
def test_file_has_a_telling_name_and_a_readable_length(path: Path) -> None:
    assert not CATCH_ALL_NAMES & {part.removesuffix(".py").strip("_") for part in path.parts[-2:]}
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


def blanket_ignores(source: str) -> list[int]:
    """Lines whose comment silences the type checker, or the linter, without saying in what."""
    pattern = re.compile(r"type:\s*ignore(?!\[)|noqa(?!: *[A-Z])", re.IGNORECASE)
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return [
        token.start[0] for token in tokens if token.type == tokenize.COMMENT and pattern.search(token.string)
    ]


@pytest.mark.parametrize("path", [*ALL, *TESTS], ids=relative)
def test_a_silenced_check_names_its_code(path: Path) -> None:
    assert not blanket_ignores(path.read_text(encoding="utf-8"))


def test_a_blanket_ignore_is_seen() -> None:
    assert blanket_ignores("x = 1\ny = 2  # type: ignore\nz = 3  # noqa\n") == [2, 3]
    assert not blanket_ignores(
        "y = 2  # type: ignore[assignment]\nz = '# type: ignore'\nw = 3  # noqa: E501\n"
    )


def test_the_tests_shadow_no_installed_package() -> None:
    assert not (ROOT / "conftest.py").exists(), "a root conftest.py puts the root on the path"
    assert not (ROOT / "tests" / "__init__.py").exists()
    options = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"][
        "ini_options"
    ]
    assert "--import-mode=importlib" in options["addopts"]
