"""Manifests and tasks as the engine sees them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dabench.discovery import discover_suites
from dabench.errors import UserError
from dabench.suite import SUITES, Manifest, Suite, parse_task

BASE: dict[str, Any] = {
    "name": "toy",
    "title": "Toy",
    "loader": "files",
    "domains": {"amazon": {"short": "A"}, "dslr": {"short": "D2"}, "Real World": {"short": "R"}},
    "classes": ["x", "y"],
}


def manifest(**changes: Any) -> Manifest:
    return Manifest.model_validate({**BASE, **changes})


def all_suites() -> list[Suite]:
    discover_suites()
    return [SUITES.get(name) for name in SUITES]


@given(st.data())
def test_every_spelling_of_every_task_of_every_suite(data: st.DataObject) -> None:
    suite = data.draw(st.sampled_from([*all_suites(), Suite(manifest())]))
    task = data.draw(st.sampled_from(suite.tasks()))
    arrow = data.draw(st.sampled_from(["2", ":", "->", "→", " -> ", " → ", " : "]))
    ends = []
    for name in (task.source, task.target):
        word = data.draw(st.sampled_from([name, suite.manifest.domains[name].short]))
        ends.append("".join(data.draw(st.sampled_from([char.lower(), char.upper()])) for char in word))
    assert parse_task(arrow.join(ends), suite.manifest) == task


@given(st.text(max_size=12))
def test_anything_else_is_a_users_mistake(text: str) -> None:
    hint = ""
    try:
        found = parse_task(text, manifest())
    except UserError as error:
        hint = error.hint
    assert "A->D2, A->R" in hint or found in Suite(manifest()).tasks()


def test_tasks_are_all_ordered_pairs_or_those_listed() -> None:
    assert [task.name for task in Suite(manifest()).tasks()] == [
        "A->D2", "A->R", "D2->A", "D2->R", "R->A", "R->D2",
    ]  # fmt: skip
    (one,) = Suite(manifest(tasks=["R->A"])).tasks()
    assert (one.source, one.target, one.slug) == ("Real World", "amazon", "R2A")
    with pytest.raises(UserError, match="'A->R' is no task"):
        parse_task("A->R", manifest(tasks=["R->A"]))


@pytest.mark.parametrize("task", ["A->X", "A->A", "A", "A:R"])
def test_tasks_of_a_manifest_that_are_none(task: str) -> None:
    with pytest.raises(UserError, match="is no pair of domains"):
        Suite(manifest(tasks=[task])).tasks()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"domains": {"a": {"short": "A"}}}, "at least 2"),
        ({"domains": {"a": {"short": "A"}, "b": {"short": "a"}}}, "share a short name"),
        ({"classes": ["x", "x"]}, "listed twice"),
        ({"name": "Not A Name"}, "pattern"),
        ({"metric": "f1"}, "accuracy"),
        ({"surprise": 1}, "Extra inputs"),
        (
            {
                "domains": {
                    "a": {"short": "A", "images": 3, "class_counts": {"x": 1, "y": 1}},
                    "b": {"short": "B"},
                }
            },
            "add up",
        ),
        ({"domains": {"a": {"short": "A", "class_counts": {"z": 1}}, "b": {"short": "B"}}}, "other classes"),
    ],
)
def test_manifests_that_contradict_themselves(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        manifest(**changes)
