"""Which rows make up the batches."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dabench.sampling import BatchSampler, class_balanced, shuffled
from dabench.streams import Streams

quick = settings(max_examples=60, deadline=None)


def sampler(draw, batch, seed=0, name="source"):
    return BatchSampler(draw, batch, Streams(seed), name)


def take(source, rows):
    """At least that many rows of whole batches, one after the other."""
    batches = []
    while sum(map(len, batches)) < rows:
        batches.append(source.next())
    return np.concatenate(batches)


@given(rows=st.integers(1, 50), batch=st.integers(1, 70), passes=st.integers(1, 4), seed=st.integers(0, 99))
@quick
def test_every_row_exactly_once_a_pass_and_batches_are_full(rows, batch, passes, seed):
    source = sampler(shuffled(rows), batch, seed)
    drawn = take(source, rows * passes)
    for k in range(passes):
        assert sorted(drawn[k * rows : (k + 1) * rows]) == list(range(rows))
    assert len(source.next()) == batch
    assert source.next().dtype == np.int64


@given(
    labels=st.lists(st.integers(0, 5), min_size=1, max_size=60),
    batch=st.integers(1, 40),
    seed=st.integers(0, 99),
)
@quick
def test_class_balanced_passes(labels, batch, seed):
    labels = np.array(labels)
    present, counts = np.unique(labels, return_counts=True)
    largest = counts.max()
    size = largest * len(present)
    drawn = take(sampler(class_balanced(labels), batch, seed), 2 * size)
    for part in (drawn[:size], drawn[size : 2 * size]):
        assert (np.bincount(labels[part])[present] == largest).all()
        times = np.bincount(part, minlength=len(labels))
        for label, count in zip(present, counts, strict=True):
            # Rows of a class differ by one repetition at most, and none is left out.
            own = times[labels == label]
            assert own.min() == largest // count
            assert own.max() == -(-largest // count)


@given(chosen=st.sets(st.integers(0, 30), min_size=1), batch=st.integers(1, 20), used=st.integers(0, 3))
@quick
def test_restart_draws_from_the_new_rows_at_once(chosen, batch, used):
    source = sampler(shuffled(31), batch)
    for _ in range(used):
        source.next()
    source.restart(shuffled(np.array(sorted(chosen))))
    drawn = take(source, len(chosen))
    assert sorted(drawn[: len(chosen)]) == sorted(chosen)
    assert set(drawn) <= chosen


def test_order_follows_seed_and_name_and_differs_from_pass_to_pass():
    first, same, seed, name = (
        take(sampler(shuffled(40), 7, *which), 80) for which in ((0, "a"), (0, "a"), (1, "a"), (0, "b"))
    )
    assert np.array_equal(first, same)
    assert not np.array_equal(first, seed)
    assert not np.array_equal(first, name)
    assert not np.array_equal(first[:40], first[40:80])
    assert not np.array_equal(first[:40], np.arange(40))


def test_batch_size_does_not_change_the_order():
    assert np.array_equal(take(sampler(shuffled(40), 7), 80)[:80], take(sampler(shuffled(40), 16), 80)[:80])


def test_rows_are_drawn_evenly():
    """The first row of a pass is any row: a shuffle that is biased would show."""
    firsts = [sampler(shuffled(5), 5, seed).next()[0] for seed in range(2000)]
    assert (np.abs(np.bincount(firsts, minlength=5) - 400) < 5 * np.sqrt(400 * 0.8)).all()


@pytest.mark.parametrize("rows", [0, -1, np.array([], dtype=np.int64)])
def test_no_row_at_all(rows):
    with pytest.raises(ValueError, match="at least one row"):
        shuffled(rows)
    with pytest.raises(ValueError):
        class_balanced(np.array([], dtype=np.int64))
