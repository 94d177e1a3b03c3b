"""What an evaluation measures and keeps."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score

from dabench.augment import Augmentation
from dabench.config import ImageConfig
from dabench.evaluation import Evaluator, FeatureReader
from dabench.inputs import inputs_of
from dabench.method import Method, Outputs
from dabench.streams import Streams

CLASSES = ("a", "b", "c")


class Scripted(Method):
    """Says what it is told: image i carries its own row number in its first pixel."""

    def __init__(self):
        torch.nn.Module.__init__(self)
        self.table = torch.zeros(1, 3)
        self.batches = []

    def predict(self, network, images):
        assert not self.training
        assert not network.training
        self.batches.append(len(images))
        rows = (images[:, 0, 0, 0] * 255).round().long()
        return Outputs(images.mean((2, 3)), images.mean((2, 3)), self.table[rows])


@pytest.fixture
def measured():
    """An evaluator over ten images, and a function that evaluates a table of logits."""
    images = np.zeros((10, 8, 8, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(10)
    labels = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 2])
    augmentation = Augmentation(
        ImageConfig(resize=8, size=8), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), torch.device("cpu")
    )
    network, method = torch.nn.Linear(1, 1), Scripted()
    inputs = inputs_of(images, "test", augmentation, Streams(0), torch.device("cpu"))
    evaluator = Evaluator(inputs, labels, CLASSES, "mean_class_accuracy", 4)

    def evaluate(step, predictions, **table):
        method.table = table.get("logits", 3.0 * torch.eye(3)[torch.tensor(predictions)])
        return evaluator.evaluate(step, network, method, {"classification": 0.5}, 1.5)

    evaluate.method, evaluate.evaluator = method, evaluator
    return evaluate


RIGHT = [0, 0, 0, 0, 0, 0, 1, 1, 1, 2]
ONE_CLASS = [0] * 10
MIXED = [0, 0, 0, 1, 1, 1, 1, 1, 1, 0]


def test_an_evaluation(measured):
    result = measured(7, MIXED)
    assert measured.method.batches == [4, 4, 2]
    assert result.step == 7
    assert result.accuracy == pytest.approx(0.6)
    assert result.mean_class_accuracy == pytest.approx((0.5 + 1 + 0) / 3)
    assert result.losses == {"classification": 0.5}
    assert result.seconds == 1.5
    p = np.exp([3, 0, 0]) / np.exp([3, 0, 0]).sum()
    assert result.target_entropy == pytest.approx(-(p * np.log(p)).sum())
    assert measured.evaluator.value(result) == result.mean_class_accuracy


def test_the_oracle_is_the_best_the_latest_of_equals(measured):
    for step, predictions in ((2, ONE_CLASS), (4, RIGHT), (6, MIXED), (8, RIGHT), (10, ONE_CLASS)):
        measured(step, predictions)
    assert measured.evaluator.oracle().step == 8
    assert measured.evaluator.value(measured.evaluator.oracle()) == 1
    assert measured.evaluator.last.accuracy == pytest.approx(0.6)


def test_the_oracle_follows_the_headline_metric(measured):
    measured(1, [0, 0, 0, 0, 0, 0, 1, 0, 0, 0])  # accuracy 0.7, mean class accuracy 4/9
    measured(2, [0, 0, 1, 1, 1, 1, 1, 0, 0, 2])  # accuracy 0.4, mean class accuracy 5/9
    assert measured.evaluator.oracle().step == 2


def test_arrays_repeat_every_metric(measured):
    for step, predictions in ((2, ONE_CLASS), (4, RIGHT), (6, MIXED)):
        measured(step, predictions)
    arrays = measured.evaluator.arrays()
    assert arrays["steps"].tolist() == [2, 4, 6]
    assert arrays["predictions"].tolist() == [ONE_CLASS, RIGHT, MIXED]
    assert arrays["predictions"].dtype == np.uint8
    assert arrays["labels"].tolist() == RIGHT
    assert arrays["probabilities"].dtype == np.float16
    assert arrays["probabilities"].shape == (3, 10, 3)
    np.testing.assert_allclose(arrays["probabilities"].astype(float).sum(2), 1, atol=2e-3)
    assert np.array_equal(arrays["probabilities"].argmax(2), arrays["predictions"])
    for result, predictions in zip(measured.evaluator.evaluations, arrays["predictions"], strict=True):
        assert result.accuracy == pytest.approx(accuracy_score(arrays["labels"], predictions))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_predictions_that_are_no_numbers(measured, value):
    logits = torch.zeros(10, 3)
    logits[8, 1] = value
    with pytest.raises(FloatingPointError, match="step 3"):
        measured(3, RIGHT, logits=logits)
    assert measured.evaluator.evaluations == []


def test_what_a_run_stores_agrees_with_its_metrics(tiny_run):
    run = tiny_run("dann", steps=12, evaluations=4)
    arrays = run.evaluator.arrays()
    assert arrays["steps"].tolist() == [3, 6, 9, 12]
    for result, predictions, probabilities in zip(
        run.evaluator.evaluations, arrays["predictions"], arrays["probabilities"], strict=True
    ):
        assert result.accuracy == pytest.approx((predictions == arrays["labels"]).mean())
        rows = np.arange(len(predictions))
        assert (probabilities[rows, predictions] == probabilities.max(axis=1)).all()
        entropy = -(probabilities * np.log(np.maximum(probabilities, 1e-7).astype(float))).sum(1).mean()
        assert result.target_entropy == pytest.approx(entropy, rel=0.01)
    assert run.evaluator.last.accuracy == run.evaluator.evaluations[-1].accuracy


@pytest.mark.parametrize("batch", [1, 7, 30, 1000])
def test_the_test_batch_changes_nothing_beyond_rounding(tiny_run, batch):
    run = tiny_run("dann", run=False)
    training, data = run.training, run.training.data
    source, labels = training.inputs(data.source, "source"), torch.from_numpy(data.source_labels)
    target = training.inputs(data.target, "target")
    tables = [
        FeatureReader(training.network, training.method, source, labels, target, b) for b in (batch, 13)
    ]
    one, other = (table.target().outputs for table in tables)
    torch.testing.assert_close(one.logits, other.logits, rtol=1e-4, atol=1e-5)
    assert one.features.shape == (30, 8)
    assert tables[0].target().labels is None
    assert torch.equal(tables[0].source().labels, torch.from_numpy(data.source_labels))
    assert not one.logits.requires_grad
    assert not one.logits.is_inference()
