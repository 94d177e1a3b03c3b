"""Domains opened once, and what a run is given of them."""

import shutil

import numpy as np
import pytest

from dabench import openings
from dabench.config import RunConfig
from dabench.discovery import discover_suites
from dabench.openings import OpenDomains
from dabench.suite import parse_task
from dabench.sweepfile import find_suite


@pytest.fixture
def suite(tiny_suite):
    discover_suites()
    return find_suite(str(tiny_suite))


def config(**changes):
    names = {"suite": "tiny", "task": "A->B", "method": "dann", "seed": 0}
    return RunConfig.model_validate({**names, "image": {"resize": 16, "size": 16}, **changes})


def test_a_domain_is_opened_and_decoded_once(suite):
    decoded = []
    domains = OpenDomains(None, lambda *event: decoded.append(event))
    task = parse_task("A2B", suite.manifest)
    first = domains.images(suite, task, config(), False)
    assert {name for name, _, _ in decoded} <= {"images of alpha", "images of beta"}
    again = domains.images(suite, task, config(), False)
    assert again.training.source is first.training.source
    assert domains.domain(suite, "alpha", "train") is domains.domain(suite, "alpha", "test")
    # In the transductive protocol the test images are the training images of the target.
    assert first.test is first.training.target
    assert (len(first.training.source), first.training.source.side) == (36, 16)
    assert (len(first.test), first.test.side) == (30, 16)
    assert first.classes == ("red", "green", "blue")


def test_labels_belong_to_their_images(suite):
    domains = OpenDomains(None)
    run = domains.images(suite, parse_task("A2B", suite.manifest), config(), False)
    for images, labels in (
        (run.training.source, run.training.source_labels),
        (run.test, run.test_labels),
    ):
        # The square of class k fills channel k.
        brightest = (images.take(np.arange(len(images))) == 255).sum(axis=(1, 2)).argmax(axis=1)
        assert np.array_equal(brightest, labels)
        assert len(set(labels[:8])) > 1  # rows do not come class by class


def test_the_upper_bound_alone_trains_on_target_labels(suite):
    domains = OpenDomains(None)
    task = parse_task("A2B", suite.manifest)
    bound = domains.images(suite, task, config(), True)
    assert bound.training.source is bound.training.target
    assert np.array_equal(bound.training.source_labels, bound.test_labels)
    usual = domains.images(suite, task, config(), False).training
    assert len(usual.source_labels) == 36


def test_description(suite):
    domains = OpenDomains(None)
    found = domains.describe(suite, parse_task("B2A", suite.manifest), config())
    assert {name: part["images"] for name, part in found.items()} == {
        "source": 30,
        "target": 36,
        "target_test": 36,
    }
    assert found["source"]["class_counts"] == {"red": 10, "green": 10, "blue": 10}
    assert found["target"]["fingerprint"] == found["target_test"]["fingerprint"]
    assert found["source"]["fingerprint"] != found["target"]["fingerprint"]


def test_parts_are_kept_apart(tmp_path, make_tiny_suite):
    discover_suites()
    both = {"train": "alpha.npz", "test": "beta.npz"}
    domains = {"left": {"short": "L", "paths": both}, "right": {"short": "R", "paths": both}}
    path = make_tiny_suite(tmp_path, domains=domains, has_test_part=True)
    found = find_suite(str(path))
    opened = OpenDomains(None)
    task = parse_task("L2R", found.manifest)
    run = opened.images(found, task, config(protocol="train-test", target_test="part"), False)
    assert len(run.training.target) == 36
    assert len(run.test) == len(run.test_labels) == 30
    assert openings.test_part("part") == "test"
    assert openings.test_part("same") == openings.test_part("holdout") == "train"


def test_the_same_content_elsewhere_is_decoded_once(suite, tmp_path, tiny_suite):
    moved = tmp_path / "moved"
    shutil.copytree(tiny_suite.parent, moved)
    calls = []
    domains = OpenDomains(None, lambda *event: calls.append(event))
    task = parse_task("A2B", suite.manifest)
    first = domains.images(suite, task, config(), False)
    before = len(calls)
    other = find_suite(str(moved / tiny_suite.name))
    second = domains.images(other, task, config(), False)
    assert second.training.source is first.training.source
    assert len(calls) == before


def test_what_lies_on_the_device(suite, monkeypatch):
    """Raw images go there, packed ones would have to be decoded first; the next task makes room."""
    put = []
    monkeypatch.setattr(openings, "resident", lambda images, device: put.append(len(images)) or images)
    domains = OpenDomains(None)
    there, back = (parse_task(text, suite.manifest) for text in ("A2B", "B2A"))
    packed = {"resize": 16, "size": 16, "storage": "packed"}
    domains.images(suite, there, config(image=packed), False)
    assert put == []
    domains.images(suite, there, config(), False)
    domains.images(suite, back, config(), False)
    assert sorted(put) == [30, 36]
    domains.images(suite, there, config(), True)  # beta alone
    domains.images(suite, there, config(), False)
    assert sorted(put) == [30, 36, 36]
