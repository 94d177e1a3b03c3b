"""Sweep files: what they may hold, how their mistakes are told, and the ones that ship."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from dabench.discovery import discover_methods, discover_suites
from dabench.errors import UserError
from dabench.method import METHODS
from dabench.suite import SUITES, parse_task
from dabench.sweepfile import SweepConfig, find_suite, read_sweep, shipped_sweeps


def write(folder: Path, text: str) -> str:
    path = folder / "sweep.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_whole_sweep_file(tmp_path: Path) -> None:
    text = """
    suites: [minidigits, my.yaml]
    methods: [dann, gsda]
    tasks: [D->M, "M:S", S2D, D→S]
    seeds: 2
    backbones: [resnet18]
    weights: none
    protocol: holdout
    recipes: [tuned.yaml]
    config: {steps: 100, optimiser: {lr: 1e-3}}
    per_suite: {minidigits: {steps: 50}}
    per_method: {gsda: {params.beta: 0.5}}
    """
    sweep, path = read_sweep(write(tmp_path, text))
    assert path == tmp_path / "sweep.yaml"
    assert sweep.suites == ("minidigits", "my.yaml")
    assert sweep.tasks == ("D->M", "M:S", "S2D", "D→S")
    assert sweep.seeds == (0, 1)
    assert sweep.weights == "none"
    assert (sweep.protocol, sweep.recipes) == ("holdout", ("tuned.yaml",))
    assert sweep.per_method == {"gsda": {"params.beta": 0.5}}


def test_an_empty_file_is_a_sweep_of_defaults(tmp_path: Path) -> None:
    assert read_sweep(write(tmp_path, "# nothing yet\n"))[0] == SweepConfig()


@pytest.mark.parametrize(
    ("seeds", "expected"), [(5, (0, 1, 2, 3, 4)), ([7], (7,)), ([3, 1], (3, 1)), (1, (0,))]
)
def test_a_number_of_seeds_counts_from_zero(seeds: object, expected: tuple[int, ...]) -> None:
    assert SweepConfig.model_validate({"seeds": seeds}).seeds == expected


@pytest.mark.parametrize("seeds", [0, -1, [-1], [2**31], [], "three", [1.5], True, None, 10**9])
def test_seeds_that_cannot_be_meant(seeds: object) -> None:
    with pytest.raises(ValidationError):
        SweepConfig.model_validate({"seeds": seeds})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "method: [dann]",
            ("method: Extra inputs", "did you mean 'methods'?", "keys of a sweep file: suites"),
        ),
        ("methods: dann", ("methods: ", "valid tuple")),
        ("methods: [3]", ("methods.0: ", "valid string")),
        ("config: [1]", ("config: ", "valid dictionary")),
        ("- suites", ("a sweep file is a mapping", "such as")),
        ("suites: [a", ("cannot be read as YAML",)),
        ("suites: \x00", ("cannot be read as YAML",)),
    ],
)
def test_mistakes_name_file_key_and_remedy(tmp_path: Path, text: str, expected: tuple[str, ...]) -> None:
    with pytest.raises(UserError) as caught:
        read_sweep(write(tmp_path, text))
    assert str(caught.value).startswith(f"{tmp_path / 'sweep.yaml'}: ")
    assert "\n" not in str(caught.value)
    for part in expected:
        assert part in f"{caught.value} | {caught.value.hint}"


def test_files_that_are_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="sweep file full-tabel does not exist") as caught:
        read_sweep("full-tabel")
    assert "did you mean 'full-table'?" in caught.value.hint
    assert "demo" in caught.value.hint
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(UserError, match="cannot be read"):
        read_sweep(str(tmp_path / "bytes.yaml"))
    with pytest.raises(UserError, match="cannot be read"):
        read_sweep(str(tmp_path))


@pytest.mark.parametrize("name", shipped_sweeps())
def test_shipped_sweeps_name_what_there_is(name: str) -> None:
    discover_methods()
    discover_suites()
    sweep, path = read_sweep(name)
    assert path.is_file()
    assert set(sweep.methods) <= set(METHODS)
    for suite in sweep.suites:
        for task in sweep.tasks:
            parse_task(task, SUITES.get(suite).manifest)


def test_a_file_goes_before_a_shipped_sweep_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "demo").write_text("methods: [dann]", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert read_sweep("demo")[0].methods == ("dann",)


def test_the_full_table_is_855_runs() -> None:
    discover_suites()
    sweep, _ = read_sweep("full-table")
    tasks = [len(SUITES.get(name).tasks()) for name in sweep.suites]
    assert tasks == [6, 12, 1]
    assert set(sweep.methods) <= set(METHODS)
    assert sum(tasks) * len(sweep.methods) * len(sweep.seeds) == 19 * 9 * 5 == 855


def test_the_demo_is_what_the_readme_promises() -> None:
    sweep, _ = read_sweep("demo")
    assert sweep.suites == ("minidigits",)
    assert sweep.methods == ("source_only", "dann", "cdan", "gsda")
    assert sweep.seeds == (0, 1, 2)


def test_find_suite_by_name_and_by_file(tiny_suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_suite("minidigits").base is None
    monkeypatch.chdir(tiny_suite.parent)
    suite = find_suite("tiny.yaml")
    assert (suite.name, suite.base, suite.file) == ("tiny", tiny_suite.parent, "tiny.yaml")


def test_suites_that_are_not_there(tmp_path: Path, make_tiny_suite: Callable[..., Path]) -> None:
    with pytest.raises(UserError, match="unknown suite 'ofice31'") as caught:
        find_suite("ofice31")
    assert "did you mean 'office31'?" in caught.value.hint
    with pytest.raises(UserError, match="does not exist") as caught:
        find_suite(str(tmp_path / "my.yaml"))
    assert "minidigits" in caught.value.hint
    taken = make_tiny_suite(tmp_path, name="minidigits")
    with pytest.raises(UserError, match="taken by a shipped suite"):
        find_suite(str(taken))
