"""Holdouts: nothing lost, nothing in both parts, the same for every method, drawn from the seed alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dabench.errors import UserError
from dabench.splits import sample, split_source, split_target
from dabench.streams import Streams

parts = st.floats(0.05, 0.9)


@given(st.integers(20, 500), parts, st.integers(0, 100))
def test_the_target_is_divided(images, part, seed):
    trained, tested = split_target(images, part, Streams(seed))
    assert sorted([*trained, *tested]) == list(range(images))
    assert len(tested) == round(part * images)
    assert (np.diff(trained) > 0).all()
    assert (np.diff(tested) > 0).all()
    again = split_target(images, part, Streams(seed))
    assert np.array_equal(tested, again[1])


@given(st.lists(st.integers(0, 4), min_size=30, max_size=200), parts, st.integers(0, 100))
def test_each_source_class_gives_its_share(labels, part, seed):
    labels = np.array(labels)
    shares = [min(round(part * count), count - 1) for count in np.bincount(labels)]
    if max(shares) == 0:  # the next test
        return
    kept, held = split_source(labels, part, Streams(seed))
    assert sorted([*kept, *held]) == list(range(len(labels)))
    for label in np.unique(labels):
        count = (labels == label).sum()
        assert (labels[held] == label).sum() == min(round(part * count), count - 1)
        assert (labels[kept] == label).any()


def test_other_seeds_divide_otherwise():
    assert not np.array_equal(split_target(100, 0.5, Streams(0))[1], split_target(100, 0.5, Streams(1))[1])
    labels = np.arange(100) % 3
    assert not np.array_equal(
        split_source(labels, 0.2, Streams(0))[1], split_source(labels, 0.2, Streams(1))[1]
    )


def test_a_holdout_that_leaves_nothing_is_refused():
    with pytest.raises(UserError, match=r"target_holdout=0\.01 of 10 target images leaves 10 .* 0 to test"):
        split_target(10, 0.01, Streams(0))
    with pytest.raises(UserError, match="largest class has 1"):
        split_source(np.arange(5), 0.5, Streams(0))


def test_a_sample():
    rows = sample(1000, 50, Streams(0), "target")
    assert len(set(rows)) == 50
    assert (np.diff(rows) > 0).all()
    assert rows.max() > 500  # not the first ones
    assert np.array_equal(rows, sample(1000, 50, Streams(0), "target"))
    assert not np.array_equal(rows, sample(1000, 50, Streams(0), "source"))
    assert np.array_equal(sample(7, 50, Streams(0), "target"), np.arange(7))
