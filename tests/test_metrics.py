"""Metrics against scikit-learn and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, recall_score

from dabench.metrics import measure

pairs = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=80)


@given(pairs=pairs)
@settings(max_examples=100, deadline=None)
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.filterwarnings("ignore:A single label was found")
def test_against_scikit_learn(pairs):
    labels, predictions = np.array(pairs).T
    names = [f"class {k}" for k in range(7)]
    found = measure(labels, predictions, names)
    assert found.accuracy == pytest.approx(accuracy_score(labels, predictions))
    assert found.mean_class_accuracy == pytest.approx(balanced_accuracy_score(labels, predictions))
    assert found.confusion == confusion_matrix(labels, predictions, labels=range(7)).tolist()
    recalls = recall_score(labels, predictions, labels=range(7), average=None, zero_division=np.nan)
    for name, recall in zip(names, recalls, strict=True):
        if np.isnan(recall):
            assert found.per_class[name] is None
        else:
            assert found.per_class[name] == pytest.approx(recall)


def test_classes_of_very_different_size():
    """90 cars, all right; 10 buses, 2 right: 92 % of the images, 60 % of the mean class."""
    labels = np.repeat([0, 1], [90, 10])
    predictions = np.r_[np.zeros(90, int), np.ones(2, int), np.zeros(8, int)]
    found = measure(labels, predictions, ["car", "bus", "train"])
    assert found.accuracy == pytest.approx(0.92)
    assert found.mean_class_accuracy == pytest.approx(0.6)
    assert found.per_class == {"car": 1.0, "bus": pytest.approx(0.2), "train": None}
    # Rows are the true class.
    assert found.confusion == [[90, 0, 0], [8, 2, 0], [0, 0, 0]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64])
def test_narrow_integers_do_not_wrap(dtype):
    labels, predictions = np.array([199, 0], dtype), np.array([199, 199], dtype)
    found = measure(labels, predictions, [str(k) for k in range(200)])
    assert found.confusion[199][199] == found.confusion[0][199] == 1
    assert found.accuracy == 0.5
