"""Accuracies are counted again: an evaluation that says something else is found."""

import numpy as np
import pytest

import dabench.evaluation
from dabench.checks.parts import Parts
from dabench.checks.recount import RECOUNT
from dabench.checks.squares import squares
from dabench.discovery import discover_methods
from dabench.method import METHODS, Method

discover_methods()
MEASURE = dabench.evaluation.measure


def better(labels, predictions, classes):
    """Half of the answers right by decree."""
    return MEASURE(labels, np.where(np.arange(len(labels)) % 2, labels, predictions), classes)


def forged(labels, predictions, classes):
    """The same, and the predictions that are stored next are changed as well."""
    predictions[::2] = labels[::2]
    return MEASURE(labels, predictions, classes)


@pytest.mark.parametrize("name", ["dann", "target_only"])
def test_the_engine_measures_what_it_stores(tmp_path, name):
    verdict = RECOUNT.verdict(METHODS.get(name), tmp_path / "check")
    assert verdict.state == "passed", verdict.message


@pytest.mark.parametrize(
    ("measure", "message"),
    [(better, "the record's accuracy is 0"), (forged, "stored predictions are not the likeliest classes")],
)
def test_an_evaluation_that_says_something_else_is_found(tmp_path, monkeypatch, measure, message):
    monkeypatch.setattr(dabench.evaluation, "measure", measure)
    verdict = RECOUNT.verdict(METHODS.get("dann"), tmp_path / "check")
    assert verdict.state == "failed"
    assert verdict.message.startswith("after step 2")
    assert message in verdict.message


def test_what_is_replaced_is_named_once(monkeypatch):
    parts = Parts()
    assert parts.changed() == []
    monkeypatch.setattr(dabench.evaluation, "measure", better)
    monkeypatch.setattr(Method, "predict", lambda self, network, images: None)
    assert sorted(parts.changed()) == ["dabench.evaluation.measure", "dabench.method.Method.predict"]
    assert parts.changed() == []


def test_code_put_into_a_function_is_named(monkeypatch):
    parts = Parts()
    monkeypatch.setattr(dabench.evaluation.Evaluator.value, "__code__", (lambda self, item: 1.0).__code__)
    assert parts.changed() == ["dabench.evaluation.Evaluator.value"]


def test_a_new_salt_gives_images_that_nobody_has_seen():
    (one, labels), (other, same) = (squares(30, 120, 2, salt) for salt in (0, 1))
    assert np.array_equal(labels, same)
    assert not {image.tobytes() for image in one} & {image.tobytes() for image in other}
