"""What the shipped manifests say, against the published facts."""

from itertools import permutations
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import dabench.datasets.commands as commands
from dabench.config import RunConfig
from dabench.discovery import discover_suites
from dabench.errors import UserError
from dabench.suite import LOADERS, SUITES, parse_task

NAMES = ["digits", "minidigits", "office31", "officehome", "visda2017"]


@pytest.fixture(autouse=True, scope="module")
def _discovered() -> None:
    discover_suites()


def test_all_are_found() -> None:
    assert list(SUITES) == NAMES
    for name in NAMES:
        manifest = SUITES.get(name).manifest
        assert manifest.loader in LOADERS
        assert manifest.licence
        assert manifest.citation.startswith("@")
        assert manifest.by_hand


@pytest.mark.parametrize(
    ("name", "tasks", "classes", "images"),
    [
        ("office31", 6, 31, [2817, 498, 795]),
        ("officehome", 12, 65, [2427, 4365, 4439, 4357]),
        ("visda2017", 1, 12, [152_397, 55_388]),
        ("minidigits", 6, 10, [894, 900, 900]),
        ("digits", 3, 10, [60_000, 7291, 60_000]),
    ],
)
def test_tasks_classes_and_counts(name: str, tasks: int, classes: int, images: list[int]) -> None:
    suite = SUITES.get(name)
    assert len(suite.tasks()) == tasks
    assert len(suite.manifest.classes) == classes
    assert [info.images for info in suite.manifest.domains.values()] == images


def test_headline_metrics_and_verified_counts() -> None:
    metrics = {name: SUITES.get(name).manifest.metric for name in NAMES}
    assert metrics["visda2017"] == "mean_class_accuracy"
    assert set(metrics.values()) == {"accuracy", "mean_class_accuracy"}
    visda = SUITES.get("visda2017").manifest.domains
    assert visda["train"].class_counts is None  # unverified
    assert (visda["validation"].class_counts or {})["car"] == 10_401
    assert SUITES.get("officehome").manifest.classes[:3] == ("Drill", "Exit_Sign", "Bottle")


@pytest.mark.parametrize("name", NAMES)
def test_recipes_are_valid_configuration(name: str) -> None:
    """Every key is one of RunConfig's, and every value fits there."""
    content: dict[str, object] = {"suite": name, "task": "x", "method": "dann", "seed": 0}
    for path, value in SUITES.get(name).manifest.recipe.items():
        *parents, last = path.split(".")
        place = content
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value.value
    config = RunConfig.model_validate(content)
    assert config.steps == {"digits": 4000, "officehome": 30_000, "visda2017": 30_000}.get(name, config.steps)


@pytest.mark.parametrize("name", NAMES)
def test_every_address_says_where_it_was_seen(name: str) -> None:
    manifest = SUITES.get(name).manifest
    for address in manifest.sources:
        assert address.seen_in
        assert set(address.holds) <= set(manifest.domains)
        assert address.manual == ("resource key" in address.note or "dead" in address.note)


PAIRS = [(name, task.name) for name in NAMES for task in (discover_suites(), SUITES.get(name).tasks())[1]]


@given(
    st.sampled_from(PAIRS),
    st.sampled_from(["2", ":", "->", "→", " -> ", " : "]),
    st.sampled_from([str.lower, str.upper, str.title, str]),
    st.booleans(),
)
def test_tasks_are_read_however_they_are_written(
    pair: tuple[str, str], arrow: str, case: type[str], full: bool
) -> None:
    suite = SUITES.get(pair[0])
    task = next(task for task in suite.tasks() if task.name == pair[1])
    source, target = (task.source, task.target) if full else task.name.split("->")
    assert parse_task(case(source) + arrow + case(target), suite.manifest) == task


@given(st.sampled_from(NAMES), st.text(max_size=12))
def test_other_text_is_a_task_or_a_user_error(name: str, text: str) -> None:
    suite = SUITES.get(name)
    try:
        task = parse_task(text, suite.manifest)
    except UserError as error:
        assert error.hint.endswith(suite.tasks()[-1].name)  # noqa: PT017
    else:
        assert task in suite.tasks()


def test_tasks_are_all_ordered_pairs() -> None:
    suite = SUITES.get("officehome")
    shorts = [info.short for info in suite.manifest.domains.values()]
    assert [task.name for task in suite.tasks()] == [f"{a}->{b}" for a, b in permutations(shorts, 2)]


def test_manifests_are_plain_data() -> None:
    folder = Path(commands.__file__).parent
    for path in folder.glob("*.yaml"):
        assert yaml.safe_load(path.read_text(encoding="utf-8"))["name"] == path.stem
