"""A record against itself: honest ones pass, and every number that is changed alone is found."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import dabench
from dabench.config import RunConfig
from dabench.leaderboard.verify.consistency import (
    contradictions,
    expected_run_id,
    identity_notes,
    place_notes,
)
from dabench.plan import run_identity
from dabench.records import Record

Honest = Callable[..., Path]


@pytest.fixture
def sound(honest: Honest, tmp_path: Path) -> Record:
    return Record.model_validate_json(honest(tmp_path, wrong=4).read_text())


def changed(record: Record, place: str, value: Any) -> Record:
    """The record with one value replaced; the identity is kept as it was."""
    content = json.loads(record.model_dump_json())
    inner: Any = content
    *parents, last = place.split("/")
    for key in parents:
        inner = inner[int(key) if key.lstrip("-").isdigit() else key]
    inner[int(last) if last.lstrip("-").isdigit() else last] = value
    return Record.model_validate(content)


def test_an_honest_record_is_consistent(sound: Record) -> None:
    assert list(contradictions(sound)) == []


def test_a_failed_run_has_no_numbers_to_contradict(record: Callable[..., Record]) -> None:
    assert list(contradictions(record(failed=True))) == []


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        ("value", 0.85, "value (accuracy) is 0.850000, its last evaluation gives 0.800000"),
        ("metrics/accuracy", 0.9, "metrics.accuracy is 0.900000, its confusion matrix gives 0.800000"),
        ("metrics/mean_class_accuracy", 0.9, "mean_class_accuracy is 0.900000, its confusion matrix gives"),
        ("metrics/per_class/cat", 1.0, "per_class of 'cat' is 1.0, its confusion matrix gives"),
        ("metrics/per_class/dog", None, "per_class of 'dog' is None, its confusion matrix gives"),
        ("metrics/confusion", [[10, 0]], "the confusion matrix is not 2 by 2"),
        ("metrics/confusion", [[10], [0, 1]], "the confusion matrix is not 2 by 2"),
        ("metrics/confusion", [[0, 0], [0, 0]], "the confusion matrix counts no image"),
        ("metrics/confusion/0/1", 2**52, "negative or larger"),
        ("evaluations/-1/accuracy", 0.9, "metrics.accuracy is 0.800000, its last evaluation gives 0.900000"),
        ("evaluations/1/step", 100, "the steps of its evaluations do not rise: [100, 100, 500]"),
        ("evaluations/-1/step", 400, "its last evaluation is at step 400, its configuration has 500 steps"),
        ("evaluations/0/accuracy", 0.95, "oracle is 0.800000, its best evaluation gives 0.950000"),
        ("oracle", 0.9, "oracle is 0.900000, its best evaluation gives 0.800000"),
        ("oracle_step", 100, "oracle_step is 100, its best evaluation is at step 500"),
        ("dataset/target_test/images", 21, "counts 20 images, the data set has 21 test images"),
        ("dataset/target_test/class_counts/cat", 11, "counts 10 images of class 'cat', the data set has 11"),
        ("suite_info/classes", ["dog", "cat"], "per_class lists 2 classes that are not the suite's 2"),
        ("suite_info/tasks", ["C->D"], "task is 'A->B', its suite has ['C->D']"),
        ("config/seed", 3, "seed is 0, its configuration says 3"),
        ("method", "gsda", "method is 'gsda', its configuration says 'dann'"),
        ("protocol", "holdout", "protocol is 'holdout', its configuration says 'transductive'"),
        ("protocol", "transductive, frozen backbone", "its configuration says 'transductive'"),
        ("protocol", "transductive_of_mine", "its configuration says 'transductive'"),
        ("config/frozen_backbone", True, "its configuration says 'transductive, frozen backbone'"),
        ("config/source_holdout", 0.2, "its configuration says 'transductive, 20% of the source held out'"),
        ("method_info", {}, "method_info has no version"),
        ("dataset/target_test", {"fingerprint": "x"}, "lacks fingerprints or class counts"),
        ("config/optimiser/lr", 0.02, "one of them was changed afterwards"),
        ("dataset/source/fingerprint", "other", "one of them was changed afterwards"),
        ("method_info/version", 2, "one of them was changed afterwards"),
    ],
)
def test_what_was_changed_is_said(sound: Record, place: str, value: Any, sentence: str) -> None:
    found = list(contradictions(changed(sound, place, value)))
    assert any(sentence in one for one in found), found


def test_the_oracle_may_name_any_of_the_best_steps(sound: Record) -> None:
    equal = changed(sound, "evaluations/0/accuracy", 0.8)
    assert list(contradictions(changed(equal, "oracle_step", 100))) == []


def test_the_headline_metric_decides(honest: Honest, tmp_path: Path) -> None:
    path = honest(tmp_path, metric="mean_class_accuracy", wrong=3)
    record = Record.model_validate_json(path.read_text())
    assert list(contradictions(record)) == []
    found = list(
        contradictions(changed(record, "value", record.metrics.accuracy + 0.01 if record.metrics else 0))
    )
    assert ["mean_class_accuracy" in one for one in found] == [True]


def test_identity_is_that_of_the_engine(sound: Record) -> None:
    config = RunConfig(
        suite="toy", task="A->B", method="dann", seed=0, backbone="resnet18", threads=2, precision="float32"
    )

    class Entry:
        class cls:
            version = 1

    identity = run_identity(config, sound.dataset, Entry, "accuracy")
    told = sound.model_copy(update={"config": config.model_dump(mode="json")})
    assert expected_run_id(told) == identity


def test_a_protocol_may_be_one_that_its_user_changed(sound: Record) -> None:
    held = changed(sound, "config/source_holdout", 0.2)
    for text in ("", ", changed"):
        told = changed(held, "protocol", f"transductive{text}, 20% of the source held out")
        assert not [one for one in contradictions(told) if "protocol" in one]


def test_an_identity_that_is_not_checked_is_said(sound: Record) -> None:
    assert list(identity_notes(sound)) == []
    other = changed(sound, "code/version", "99.0")
    assert list(identity_notes(other)) == []  # it fits all the same
    (note,) = identity_notes(changed(other, "config/optimiser/lr", 0.02))
    assert note == f"identity not checked: made by dabench 99.0, this is {dabench.__version__}"
    (note,) = identity_notes(changed(changed(sound, "code", {}), "config/optimiser/lr", 0.02))
    assert "made by a dabench that it does not name" in note


def test_identity_cannot_be_recomputed_where_a_part_is_missing(record: Callable[..., Record]) -> None:
    assert expected_run_id(record()) is None  # no class counts
    assert list(contradictions(record(failed=True, code={"version": "0.1.0"}))) == []


def test_other_versions_may_define_identity_otherwise(sound: Record) -> None:
    other = changed(changed(sound, "config/optimiser/lr", 0.02), "code/version", "99.0")
    assert list(contradictions(other)) == []


@pytest.mark.parametrize(
    "update",
    [
        {"dataset": {"target_test": 3}},
        {"dataset": {"target_test": {"images": "many", "class_counts": [1]}}},
        {"dataset": {"target_test": {"fingerprint": None, "class_counts": {"cat": "x", "dog": None}}}},
        {"suite_info": {"tasks": "A->B", "classes": {"a": 1}}},
        {"method_info": {"version": [1]}},
        {"config": {"seed": None, "steps": "five", "protocol": 7}},
        {"code": {"version": ["0.1.0"]}},
        {"dataset": {"target_test": {"class_counts": {"cat": [1], "dog": {"a": 2}}}}},
        {"config": {"protocol": "transductive", "source_holdout": "much", "frozen_backbone": []}},
    ],
)
def test_values_of_other_types_are_no_errors(sound: Record, update: dict[str, Any]) -> None:
    list(contradictions(sound.model_copy(update=update)))


def test_the_place_of_a_record_is_noted(sound: Record) -> None:
    expected = f"toy/A2B/dann/seed0-{sound.run_id}.json"
    assert list(place_notes(sound, expected)) == []
    assert list(place_notes(sound, f"alice/{expected}")) == []
    (note,) = place_notes(sound, f"toy/A2B/gsda/seed0-{sound.run_id}.json")
    assert f"would have written it to '{expected}'" in note
