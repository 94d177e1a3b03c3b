"""Rules that read target features: class_ami, rankme."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dabench.discovery import discover_rules
from dabench.rules.stored import canonical_order
from dabench.selection import RULES, Snapshot

GROUPS = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2])
APART = 10 * np.eye(3)[GROUPS] + np.random.default_rng(0).normal(size=(9, 3))


def of(name, predicted, features, classes=3):
    discover_rules()
    logits = 5 * np.eye(classes)[predicted]
    return RULES.get(name).cls().score(Snapshot(logits, np.asarray(features, np.float64)), None, None)


def test_clusters_that_are_the_classes():
    assert of("class_ami", GROUPS, APART) == pytest.approx(1)
    assert of("class_ami", (GROUPS + 1) % 3, APART) == pytest.approx(1), "names of clusters say nothing"


def test_clusters_across_the_classes():
    assert of("class_ami", [0, 1, 2] * 3, APART) < 0.05


def test_two_classes_of_two_images_by_hand():
    """One of four is wrong: the contingency table is [[2, 0], [1, 1]].

    With margins (2, 2) and (3, 1) there is no other table, up to the clusters' names. So chance expects the
    mutual information that there is, and what is left after adjusting for it is 0.
    """
    features = np.array([[0.0], [0.1], [9.0], [9.1]])
    assert of("class_ami", [0, 0, 0, 1], features, classes=2) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("predicted", "features"),
    [
        (GROUPS, np.ones((9, 3))),
        (np.zeros(9, int), APART),
        (np.zeros(9, int), np.ones((9, 3))),
    ],
)
def test_a_collapsed_model_shares_no_information(predicted, features):
    assert of("class_ami", predicted, features) == 0


def test_fewer_different_images_than_classes():
    features = np.repeat([[0.0, 1], [5, 5]], 4, axis=0)
    assert of("class_ami", [0] * 4 + [3] * 4, features, classes=6) == pytest.approx(1)


def test_images_that_differ_by_a_hair():
    """k-means cannot tell them apart next to a feature this large, and says so with a warning."""
    features = np.array([[6e4, 0.0]] * 4 + [[-6e4, k * 2.0**-24] for k in range(4)])
    assert of("class_ami", [0] * 4 + [1] * 4, features) == pytest.approx(1)


@given(arrays(np.float16, (12, 3), elements=st.floats(-50, 50, width=16)), st.integers(0, 1000))
def test_class_ami_in_any_order(features, seed):
    rng = np.random.default_rng(seed)
    predicted = rng.integers(0, 4, 12)
    order = rng.permutation(12)
    found = of("class_ami", predicted, features, classes=4)
    assert found <= 1 + 1e-12
    assert of("class_ami", predicted[order], features[order], classes=4) == pytest.approx(found, abs=1e-12)


def test_the_canonical_order_knows_contents_alone():
    rows, more = np.random.default_rng(1).integers(0, 3, (2, 50, 2))
    shuffled = np.random.default_rng(2).permutation(50)
    first = np.hstack([rows, more])[canonical_order(rows, more)]
    second = np.hstack([rows, more])[shuffled][canonical_order(rows[shuffled], more[shuffled])]
    assert (first == second).all()
    assert sorted(canonical_order(rows)) == list(range(50))


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        (np.eye(4), 4),  # all directions alike
        (np.ones((5, 3)), 1),  # one direction
        (np.diag([3.0, 1.0]), np.exp(2 * np.log(2) - 0.75 * np.log(3))),  # shares 3/4 and 1/4
    ],
)
def test_rankme_by_hand(features, expected):
    predicted = np.zeros(len(features), int)
    assert of("rankme", predicted, features) == pytest.approx(expected, rel=2e-5)


def test_the_constant_of_rankme():
    """Two directions of three missing: each adds -1e-7 log 1e-7 to the entropy."""
    entropy = -2e-7 * np.log(1e-7) - (1 + 1e-7) * np.log(1 + 1e-7)
    assert of("rankme", [0] * 4, np.ones((4, 3))) == pytest.approx(np.exp(entropy), rel=1e-12)


def test_rankme_of_nothing():
    assert np.isnan(of("rankme", [0, 1], np.zeros((2, 3))))


@given(
    arrays(np.float16, (8, 5), elements=st.floats(-50, 50, width=16)).filter(np.any),
    st.sampled_from([0.25, 4.0]),
)
def test_rankme_range_and_scale(features, factor):
    rank = of("rankme", [0] * 8, features)
    assert 1 - 1e-6 <= rank <= 5 + 1e-4
    assert of("rankme", [0] * 8, features.astype(np.float64) * factor) == pytest.approx(rank, rel=1e-9)


def test_rankme_prefers_noise_to_classes():
    """Known failure, on record."""
    noise = np.random.default_rng(0).normal(size=(9, 3))
    assert of("rankme", GROUPS, noise) > of("rankme", GROUPS, APART - 10 * np.eye(3)[0])
