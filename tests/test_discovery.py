"""Plugins are found without being named: methods, suites, commands, and methods of other packages."""

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest
import yaml

from dabench import discovery
from dabench.discovery import command_modules, discover_methods, discover_suites, read_manifest
from dabench.errors import UserError
from dabench.method import METHODS
from dabench.suite import LOADERS, SUITES

NINE = {
    "source_only", "target_only", "dann", "cdan", "cdan+e", "gsda", "gsda-glb", "gsda-glb-cls",
    "gsda-glb-cls-grp",
}  # fmt: skip


def test_what_ships_is_found_once() -> None:
    for _ in range(2):
        discover_methods()
        discover_suites()
    assert set(METHODS) >= NINE
    assert set(SUITES) >= {"office31", "officehome", "visda2017", "minidigits", "digits"}
    for name in SUITES:
        assert SUITES.get(name).manifest.loader in LOADERS
        assert SUITES.origin(name).endswith(".yaml")
    assert METHODS.origin("gsda").endswith("gsda.py")
    assert [module.__name__.rpartition(".")[2] for module in command_modules()].count("commands") >= 1


@pytest.fixture
def entry_points(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own_methods: None
) -> Iterator[Callable[[str], None]]:
    """Install a module with the given source as an entry point, and let methods be discovered anew."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(discovery, "_modules", lambda package: [])

    def install(source: str) -> None:
        (tmp_path / "somebodys_methods.py").write_text(source, encoding="utf-8")
        point = EntryPoint("theirs", "somebodys_methods", discovery.ENTRY_POINTS)
        monkeypatch.setattr(
            "importlib.metadata.entry_points",
            lambda group: EntryPoints([point] if group == discovery.ENTRY_POINTS else []),
        )

    discover_methods.cache_clear()
    yield install
    sys.modules.pop("somebodys_methods", None)
    discover_methods.cache_clear()
    monkeypatch.undo()
    monkeypatch.setattr(discovery, "_modules", lambda package: [])
    discover_methods()


def test_methods_of_an_installed_package(entry_points: Callable[[str], None]) -> None:
    entry_points(
        "from dabench.method import Method, register\n"
        '@register("theirs")\n'
        "class Theirs(Method):\n"
        '    summary = "somebody else\'s"\n'
    )
    discover_methods()
    assert METHODS.get("theirs").summary == "somebody else's"
    assert METHODS.origin("theirs").endswith("somebodys_methods.py")


def test_a_package_that_cannot_be_imported_is_named(entry_points: Callable[[str], None]) -> None:
    entry_points("import nothing_of_this_name\n")
    with pytest.raises(UserError, match=r"somebodys_methods.*ModuleNotFoundError.*nothing_of_this_name"):
        discover_methods()


def write(folder: Path, content: object) -> Path:
    path = folder / "my.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"domain": {}}, ("domain: Extra inputs", "did you mean 'domains'?")),
        ({"title": None}, ("title: ", "valid string")),
        ({"domains": {"a": {"short": "A"}}}, ("domains: ", "at least 2")),
        (
            {"domains": {"a": {"short": "A", "pathz": {}}, "b": {"short": "B"}}},
            ("domains.a.pathz: ", "did you mean 'paths'?"),
        ),
        ({"recipe": {"steps": 5}}, ("recipe.steps: ",)),
        ({"recipe": {"steps": {"value": 5}}}, ("recipe.steps.source: Field required",)),
        ({"classes": ["x", "x"]}, ("manifest: ", "a class is listed twice")),
    ],
)
def test_mistakes_in_a_manifest_name_file_and_key(
    tmp_path: Path,
    make_tiny_suite: Callable[..., Path],
    changes: dict[str, object],
    expected: tuple[str, ...],
) -> None:
    path = make_tiny_suite(tmp_path, **changes)
    with pytest.raises(UserError) as caught:
        read_manifest(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "docs/suites.md" in caught.value.hint
    for part in expected:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [("name: [", "cannot be read as a manifest"), ("- a", "a manifest is a mapping"), ("", "is a mapping")],
)
def test_files_that_are_no_manifest(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        read_manifest(write(tmp_path, content))
    assert "\n" not in str(caught.value)


def test_a_manifest_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_manifest(tmp_path / "nothing.yaml")
