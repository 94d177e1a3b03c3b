"""What is installed: the wheel has every plugin, manifest and template, and one top-level name."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path, PurePosixPath

import pytest
import yaml

import dabench

ROOT = Path(__file__).resolve().parents[1]
LINKS = ("methods", "datasets", "leaderboard")
# Files of the four folders that are for readers of the repository, not for the installed package.
NOT_SHIPPED = {".md"}


def run(*command: str, cwd: Path, **environment: str) -> str:
    """Run a command and return what it prints; its whole output is the message when it fails."""
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def git(*arguments: str) -> str:
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("no git checkout")
    return run("git", "-c", f"safe.directory={ROOT}", *arguments, cwd=ROOT)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy of the files that are tracked or about to be: building leaves nothing behind in the real one."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0"):
        if name and os.path.lexists(ROOT / name):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name, follow_symlinks=False)
    return copy


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built straight from the files."""
    return build(checkout, tmp_path_factory.mktemp("wheel"), "--wheel")


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content, as it lies in site-packages."""
    folder = tmp_path_factory.mktemp("site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def build(source: Path, out: Path, *options: str) -> Path:
    run(sys.executable, "-m", "build", "--no-isolation", *options, "--outdir", str(out), cwd=source)
    (found,) = out.glob("*.whl")
    return found


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def expected(checkout: Path) -> set[str]:
    """Where every file of the four folders must lie in the wheel."""
    found = set()
    for package in ("dabench", *LINKS):
        for path in (checkout / package).rglob("*"):
            inside = PurePosixPath(path.relative_to(checkout).as_posix())
            if path.is_file() and not (package == "dabench" and inside.parts[1] in LINKS):
                found.add(str(inside if package == "dabench" else PurePosixPath("dabench") / inside))
    return {name for name in found if PurePosixPath(name).suffix not in NOT_SHIPPED}


def test_wheel_has_every_file_of_the_four_folders(checkout: Path, wheel: Path) -> None:
    missing = expected(checkout) - names(wheel)
    assert not missing, "add their suffix to package-data in pyproject.toml"


def test_wheel_has_the_named_plugins_and_data(checkout: Path, wheel: Path) -> None:
    shipped = names(wheel)
    for pattern in (
        "methods/*.py",
        "datasets/*.yaml",
        "datasets/*.py",
        "leaderboard/templates/*.j2",
        "leaderboard/published_results.csv",
    ):
        here = list(checkout.glob(pattern))
        assert here, f"nothing matches {pattern}"
        assert {f"dabench/{path.relative_to(checkout).as_posix()}" for path in here} <= shipped
    assert "dabench/py.typed" in shipped


def test_wheel_installs_one_name_at_top_level(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in names(wheel)}
    assert tops == {"dabench", f"dabench-{dabench.__version__}.dist-info"}


def test_wheel_has_no_tests_and_no_caches(wheel: Path) -> None:
    assert not [name for name in names(wheel) if "__pycache__" in name or "/tests/" in name or "/." in name]


def test_wheel_from_the_source_archive_is_the_same(checkout: Path, wheel: Path, tmp_path: Path) -> None:
    assert names(build(checkout, tmp_path)) == names(wheel)


DISCOVER = """
import importlib.util, json, sys
from importlib.resources import files
import dabench
from dabench.discovery import discover_methods, discover_suites
from dabench.method import METHODS
from dabench.protocol import PROTOCOLS, discover_protocols
from dabench.suite import SUITES
discover_methods()
discover_suites()
discover_protocols()
print(json.dumps({
    "where": dabench.__file__,
    "methods": [name for name in METHODS],
    "suites": [name for name in SUITES],
    "protocols": [name for name in PROTOCOLS],
    "templates": [item.name for item in files("dabench").joinpath("leaderboard", "templates").iterdir()],
    "bare": [name for name in ("methods", "leaderboard", "datasets") if importlib.util.find_spec(name)],
}))
"""


def test_installed_package_finds_its_plugins(checkout: Path, unpacked: Path, tmp_path: Path) -> None:
    printed = run(sys.executable, "-c", DISCOVER, cwd=tmp_path, PYTHONPATH=str(unpacked), PYTHONSAFEPATH="1")
    found = yaml.safe_load(printed.splitlines()[-1])
    assert Path(found["where"]).is_relative_to(unpacked)
    assert {"source_only", "target_only", "dann", "cdan", "cdan+e", "gsda"} <= set(found["methods"])
    assert {path.stem for path in (checkout / "datasets").glob("*.yaml")} == set(found["suites"])
    protocols = checkout / "dabench" / "protocols"
    assert {path.stem for path in protocols.glob("*.yaml")} == set(found["protocols"]) >= {"transductive"}
    assert {path.name for path in (checkout / "leaderboard" / "templates").iterdir()} <= set(
        found["templates"]
    )
    assert not set(found["bare"]) & {"methods", "leaderboard"}, "only dabench may be importable"
    if "datasets" in found["bare"]:  # another project's package of that name may be installed
        assert not list(unpacked.glob("datasets*"))


def test_package_data_covers_every_kind_of_file_we_ship() -> None:
    patterns = project()["tool"]["setuptools"]["package-data"]["*"]
    assert {"py.typed", "*.yaml", "*.j2", "*.csv", "*.css", "*.js", "*.txt"} <= set(patterns)


@pytest.mark.parametrize("name", LINKS)
def test_plugin_folders_are_linked_into_the_package(name: str) -> None:
    mode, _, rest = git("ls-files", "--stage", f"dabench/{name}").partition(" ")
    assert mode == "120000", f"dabench/{name} is committed as {mode or 'nothing'}, not as a link"
    assert rest.split()[-1] == f"dabench/{name}"
    assert os.readlink(ROOT / "dabench" / name) == f"../{name}"
    assert (ROOT / name).is_dir()
    assert not (ROOT / name).is_symlink()


def test_datasets_is_a_namespace_folder() -> None:
    """With an ``__init__.py``, ``import datasets`` in the root would find ours, not an installed package."""
    assert not (ROOT / "datasets" / "__init__.py").exists()


def test_version_and_licence_are_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert project()["project"]["version"] == dabench.__version__ == citation["version"]
    assert project()["project"]["license"] == citation["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")
    assert citation["cff-version"] == "1.2.0"
    assert {"title", "message", "authors"} <= set(citation)


def project() -> dict[str, dict]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
