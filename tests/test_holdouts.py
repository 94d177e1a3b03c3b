"""What is held out stays out: of training, of a method's look at all features, of what rules are given."""

from pathlib import Path

import numpy as np
import pytest
import torch

import dabench.running
import dabench.sweep
from dabench.inputs import Portion
from dabench.openings import OpenDomains
from dabench.records import RecordStore
from dabench.train import Training
from dabench.watching import watched_parts

PROCESSOR = torch.device("cpu")
HOLDOUTS = ["target_test=holdout", "target_holdout=0.4", "source_holdout=0.25", "steps=12", "evaluations=2"]


class Spied:
    """Images that remember which rows of the whole domain were taken."""

    def __init__(self, images):
        self.images, self.side, self.taken = images, images.side, set()

    def __len__(self):
        return len(self.images)

    def take(self, rows):
        self.taken |= {int(row) for row in rows}
        return self.images.take(rows)


@pytest.fixture
def spied(make_plan, monkeypatch):
    """Plan a method under holdouts; return the run, what it was given, and the spies by number of images."""

    def make(method, *settings):
        spies = {}
        opened = OpenDomains._opened

        def spy(self, data, *arguments):
            return spies.setdefault(len(data), Spied(opened(self, data, *arguments)))

        monkeypatch.setattr(OpenDomains, "_opened", spy)
        (run,) = make_plan([*HOLDOUTS, *settings], methods=[method], tasks=["A2B"])
        given = OpenDomains(None).images(run.suite, run.task, run.config, run.entry.cls.uses_target_labels)
        return run, given, spies

    return make


def rows_of(stored):
    assert isinstance(stored, Portion)
    return set(stored.rows.tolist())


@pytest.mark.parametrize("method", ["dann", "gsda", "target_only"])
def test_parts_are_apart_and_complete(spied, method):
    run, given, _ = spied(method)
    target, test = rows_of(given.training.target), rows_of(given.test)
    assert not target & test
    assert target | test == set(range(30))
    assert run.dataset["target"]["images"] == len(target) == 18
    assert run.dataset["target_test"]["images"] == len(test) == len(given.test_labels)
    source = rows_of(given.training.source)
    assert len(given.training.source_labels) == len(source)
    if method == "target_only":  # it trains on what the others adapt to, and on nothing of the test
        assert source == target
        assert given.held_out is None
        assert run.dataset["source"]["images"] == 36  # which it does not read
    else:
        held = rows_of(given.held_out)
        assert not source & held
        assert source | held == set(range(36))
        assert run.dataset["source"]["images"] == len(source) == 27
        assert len(given.held_out_labels) == len(held) == 9


@pytest.mark.parametrize("method", ["dann", "gsda", "target_only"])
def test_training_takes_no_image_that_is_held_out(spied, method):
    """Two passes over the data, with a look at all features before each where the method wants one."""
    run, given, spies = spied(method)
    training = Training(run.config, run.entry, run.weights, 3, given.training, PROCESSOR)
    training.begin()
    for step in range(run.config.steps):
        training.step(step)
    assert spies[30].taken == rows_of(given.training.target)
    expected = set() if method == "target_only" else rows_of(given.training.source)
    assert spies[36].taken == expected if 36 in spies else not expected


def test_rules_are_given_training_images_of_the_target_and_held_out_ones_of_the_source(spied):
    run, given, _ = spied("dann")
    training = Training(run.config, run.entry, run.weights, 3, given.training, PROCESSOR)
    parts = watched_parts(training, given)
    assert set(parts["target"].domain_rows) == rows_of(given.training.target)
    assert set(parts["source"].domain_rows) == rows_of(given.training.source)
    assert set(parts["source_val"].domain_rows) == rows_of(given.held_out)
    for name, labels in (("source", given.training.source_labels), ("source_val", given.held_out_labels)):
        assert np.array_equal(parts[name].labels, labels)
    few, given, _ = spied("dann", "stored_images=5")
    training = Training(few.config, few.entry, few.weights, 3, given.training, PROCESSOR)
    few_parts = watched_parts(training, given)
    assert set(few_parts["target"].domain_rows) < rows_of(given.training.target)
    assert set(few_parts["source_val"].domain_rows) < rows_of(given.held_out)


def test_stored_outputs_are_of_the_rows_that_they_name(spied, tmp_path, monkeypatch):
    """The last evaluation again, image by image, with the weights at the end."""
    run, _, spies = spied("dann", "stored_images=7")
    built = []

    class Kept(Training):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            built.append(self)

    monkeypatch.setattr(dabench.running, "Training", Kept)
    store = RecordStore(tmp_path / "results")
    record = dabench.sweep.run_one(run, OpenDomains(None), store, PROCESSOR, lambda *_: None)
    assert record.status == "done", record.failure
    (file,) = Path(tmp_path / "results").rglob("*.validation.npz")
    with np.load(file) as stored:
        arrays = dict(stored)
    (training,) = built
    training.network.eval()
    for name, images in (("target", spies[30]), ("source", spies[36]), ("source_val", spies[36])):
        rows = arrays[f"{name}_rows"]
        assert len(rows) == 7
        with torch.inference_mode():
            outputs = training.network(training.inputs(images, name).test(rows))
        assert np.allclose(arrays[f"{name}_logits"][-1], outputs.logits.numpy(), rtol=2e-3, atol=2e-3)
        assert np.allclose(arrays[f"{name}_features"][-1], outputs.features.numpy(), rtol=2e-3, atol=2e-3)
    labels = OpenDomains(None).domain(run.suite, run.task.source, "train").labels
    assert np.array_equal(arrays["source_val_labels"], labels[arrays["source_val_rows"]])
    assert np.array_equal(arrays["source_labels"], labels[arrays["source_rows"]])
