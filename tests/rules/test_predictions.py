"""Rules that read target predictions alone: entropy, infomax, bnm, snd, mano."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import softmax

from dabench.discovery import discover_rules
from dabench.rules.mano import normalise
from dabench.selection import RULES, Snapshot

SURE = np.array([[50.0, 0], [0, 50], [50, 0], [0, 50]])
COLLAPSED = np.array([[50.0, 0]] * 4)
UNSURE = np.zeros((4, 2))
LOG3 = np.log(3.0)
LOGITS = st.tuples(st.integers(2, 8), st.integers(2, 6)).flatmap(
    lambda shape: arrays(np.float16, shape, elements=st.floats(-100, 100, width=16))
)


def of(name, logits):
    discover_rules()
    logits = np.asarray(logits, np.float64)
    return RULES.get(name).cls().score(Snapshot(logits, np.zeros((len(logits), 1))), None, None)


@pytest.mark.parametrize(
    ("name", "logits", "expected"),
    [
        ("entropy", SURE, 0.0),
        ("entropy", UNSURE, np.log(2)),
        ("entropy", [[0.0, LOG3]], np.log(4) - 0.75 * LOG3),
        ("entropy", [[0.0, LOG3], [7.0, 7.0]], (np.log(4) - 0.75 * LOG3 + np.log(2)) / 2),
        ("infomax", SURE, np.log(2)),
        ("infomax", COLLAPSED, 0.0),
        ("infomax", UNSURE, 0.0),
        ("infomax", [[0.0, LOG3], [LOG3, 0.0]], np.log(2) - np.log(4) + 0.75 * LOG3),
        ("bnm", SURE, 2 * np.sqrt(2) / 4),  # two singular values of sqrt(2)
        ("bnm", COLLAPSED, 2 / 4),  # one of 2
        ("bnm", UNSURE, np.sqrt(2) / 4),
        ("bnm", [[0.0, LOG3], [LOG3, 0.0]], (1 + 0.5) / 2),  # eigenvalues of [[1/4, 3/4], [3/4, 1/4]]
        # Each image has one neighbour of its kind and two others: weights 1, e^-20, e^-20.
        ("snd", SURE, np.log(1 + 2 * np.exp(-20)) + 40 * np.exp(-20) / (1 + 2 * np.exp(-20))),
        ("snd", COLLAPSED, LOG3),
        ("snd", UNSURE, LOG3),
        ("snd", [[0.0, 50.0], [50.0, 0.0]], 0.0),  # a single neighbour
        ("mano", SURE, 2 ** (-1 / 4)),
        ("mano", COLLAPSED, 2 ** (-1 / 4)),
        ("mano", UNSURE, 0.0),
        ("mano", [[0.0, 1.0, 2.0]], ((3 / 11) ** 4 + (8 / 11) ** 4) ** 0.25 / 3**0.25),  # 1, 5/2, 5 less 1
    ],
)
def test_by_hand(name, logits, expected):
    assert of(name, logits) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_one_image_has_no_neighbours():
    assert np.isnan(of("snd", [[1.0, 2.0]]))


def test_what_snd_and_entropy_prefer_is_a_collapsed_model():
    """Known failures, on record: a change that mends them is another rule."""
    assert of("snd", COLLAPSED) > of("snd", SURE)
    assert of("snd", COLLAPSED) == pytest.approx(np.log(len(COLLAPSED) - 1))
    assert of("entropy", COLLAPSED) == of("entropy", SURE)
    assert of("mano", COLLAPSED) == of("mano", SURE)
    assert of("infomax", COLLAPSED) < of("infomax", SURE)
    assert of("bnm", COLLAPSED) < of("bnm", SURE)


def test_snd_in_plain_loops():
    logits = np.random.default_rng(3).normal(size=(7, 4))
    unit = [row / np.sqrt(sum(row**2)) for row in softmax(logits, axis=1)]
    total = 0.0
    for i, one in enumerate(unit):
        weights = np.array([np.exp(one @ other / 0.05) for j, other in enumerate(unit) if j != i])
        weights /= weights.sum()
        total -= sum(weights * np.log(weights))
    assert of("snd", logits) == pytest.approx(total / 7, rel=1e-12)


def test_mano_takes_softmax_where_predictions_are_sure():
    near = np.array([[0.0, 0, 9.9], [9.9, 0, 0]])  # phi = 9.9 * 2 / 3 + small
    assert normalise(near) == pytest.approx(softmax(near, axis=1))
    far = near / 2
    assert normalise(far) == pytest.approx(np.array([[0, 0, 1.0], [1, 0, 0]]))
    three = np.array([[-2.0, 0, 1]])  # 1, 1, 5/2
    assert normalise(three) == pytest.approx(np.array([[0, 0, 1.0]]))


@given(LOGITS)
def test_ranges(logits):
    images, classes = logits.shape
    slack = 1e-9
    assert -slack <= of("entropy", logits) <= np.log(classes) + slack
    assert -slack <= of("infomax", logits) <= np.log(min(images, classes)) + slack
    nuclear = of("bnm", logits)
    assert (images * classes) ** -0.5 - slack <= nuclear <= (min(images, classes) / images) ** 0.5 + slack
    assert -slack <= of("snd", logits) <= np.log(images - 1) + slack
    assert 0 <= of("mano", logits) <= classes**-0.25 + slack


@given(LOGITS, st.floats(-20, 20))
def test_a_constant_on_all_logits_changes_nothing(logits, constant):
    """For rules on the softmax. Not for MaNo."""
    logits = logits.astype(np.float64)
    for name in ("entropy", "infomax", "bnm", "snd"):
        assert of(name, logits + constant) == pytest.approx(of(name, logits), rel=1e-9, abs=1e-9)
