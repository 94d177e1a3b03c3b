"""Batches in order, and read ahead."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from dabench.config import BatchConfig
from dabench.inputs import Fetched
from dabench.loading import Batches
from dabench.sampling import shuffled
from dabench.streams import Streams

CPU = torch.device("cpu")


class Noting:
    """Inputs whose images are their row numbers; notes which steps were fetched."""

    on_device = False

    def __init__(self, size):
        self.size = size
        self.steps = []

    def __len__(self):
        return self.size

    def fetch(self, rows, step, views):
        self.steps.append(step)
        return Fetched(rows, draws=[np.full(1, view) for view in range(views)])

    def train(self, fetched):
        return tuple(torch.from_numpy(fetched.rows + 1000 * int(view[0])) for view in fetched.draws)


def batches(ahead=False, views=2):
    found = Batches(
        Noting(14), np.arange(14) % 3, Noting(11), shuffled(14), BatchConfig(source=4, target=3), views,
        Streams(0), CPU,
    )  # fmt: skip
    if ahead:
        found._reader = ThreadPoolExecutor(1)
    return found


def test_a_batch():
    found = batches()
    batch = found.next(7, 0.5, 0.25, ahead=False)
    assert (batch.step, batch.progress, batch.reversal) == (7, 0.5, 0.25)
    assert torch.equal(batch.source.images, batch.source.positions)
    assert torch.equal(batch.source.labels, batch.source.positions % 3)
    assert len(batch.target.views) == 2
    assert torch.equal(batch.target.views[1], batch.target.positions + 1000)
    assert found.source.steps == [7]


@pytest.mark.parametrize("restricted", [False, True])
def test_reading_ahead_changes_nothing(restricted):
    """Epochs of four steps; a method may choose among the target's images at the start of each."""
    seen = []
    for ahead in (False, True):
        found = batches(ahead)
        drawn = []
        for step in range(12):
            if step % 4 == 0 and restricted:
                found.restrict(np.array([1, 2, 5, 7]) if step else None)
            batch = found.next(step, 0.0, 0.0, ahead=(step + 1) % 4 != 0 and step < 11)
            drawn.append((batch.source.positions.tolist(), batch.target.positions.tolist()))
        assert found.source.steps == list(range(12))
        assert restricted == all(set(target) <= {1, 2, 5, 7} for _, target in drawn[4:])
        seen.append(drawn)
    assert seen[0] == seen[1]


def test_the_processor_reads_nothing_ahead():
    assert batches()._reader is None


def test_a_selection_is_given_up():
    found = batches()
    found.restrict(np.array([4]))
    assert found.next(0, 0.0, 0.0, ahead=False).target.positions.tolist() == [4, 4, 4]
    found.restrict(None)
    rows = [found.next(step, 0.0, 0.0, ahead=False).target.positions for step in range(1, 12)]
    assert sorted(torch.cat(rows).tolist()) == sorted([*range(11)] * 3)


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("stop", range(1, 12))
def test_a_state_is_that_of_the_batches_returned(ahead, stop):
    """What is read ahead of the state's step does not count, nor what a resumed one had read ahead itself."""

    def draw(found, steps):
        drawn = []
        for step in steps:
            if step % 4 == 0:
                found.restrict(np.array([1, 2, 5, 7]) if step == 4 else None)
            batch = found.next(step, 0.0, 0.0, ahead=ahead and (step + 1) % 4 != 0)
            drawn.append((batch.source.positions.tolist(), batch.target.positions.tolist()))
        return drawn

    whole = draw(batches(ahead), range(12))
    first = batches(ahead)
    draw(first, range(stop))
    state = first.state()
    other = batches(ahead)
    draw(other, range(3))
    other.restore(state)
    assert draw(other, range(stop, 12)) == whole[stop:]


@pytest.mark.parametrize(
    "rows", [torch.tensor([14]), torch.tensor([-1]), torch.tensor([[1]]), torch.tensor([1.0])]
)
def test_a_state_of_other_data_is_refused(rows):
    found = batches()
    state = {**found.state(), "orders": [(1, rows), (0, torch.tensor([], dtype=torch.int64))]}
    with pytest.raises(ValueError, match="rows of other data than 14 images"):
        found.restore(state)
