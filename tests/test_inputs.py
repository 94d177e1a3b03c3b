"""What the network reads: images or features, on the host or on the device."""

import numpy as np
import pytest
import torch

from dabench import inputs as module
from dabench.augment import Augmentation
from dabench.config import ImageConfig
from dabench.inputs import ArrayImages, Portion, ResidentImages, feature_width, inputs_of, resident
from dabench.streams import Streams

CPU = torch.device("cpu")
PIXELS = np.random.default_rng(0).integers(0, 256, (20, 12, 12, 3), dtype=np.uint8)
ROWS = np.array([3, 17, 8, 0])


def image_inputs(stored=PIXELS, seed=0, name="source"):
    config = ImageConfig.model_validate({"resize": 12, "size": 8})
    augmentation = Augmentation(config, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), CPU)
    return inputs_of(stored, name, augmentation, Streams(seed), CPU)


def views(inputs, rows=ROWS, step=5, number=2):
    return inputs.train(inputs.fetch(rows, step, number))


def test_views_of_images():
    first, second = views(image_inputs())
    assert first.shape == second.shape == (4, 3, 8, 8)
    assert first.is_contiguous(memory_format=torch.channels_last)
    assert not torch.equal(first, second)
    once, again = views(image_inputs(), rows=np.array([3, 3]), number=1)[0]
    assert not torch.equal(once, again)  # an image that a batch holds twice


def test_draws_follow_from_seed_step_view_image_and_domain_alone():
    one = views(image_inputs())
    assert torch.equal(one[0], views(image_inputs(), number=1)[0])
    assert torch.equal(one[0][1:2], views(image_inputs(), rows=ROWS[1:2])[0])
    assert torch.equal(one[1].flip(0), views(image_inputs(), rows=ROWS[::-1].copy())[1])
    for other in (
        views(image_inputs(), step=6),
        views(image_inputs(seed=1)),
        views(image_inputs(name="target")),
    ):
        assert not torch.equal(one[0], other[0])


@pytest.mark.parametrize("kind", [ArrayImages, lambda array: ResidentImages(ArrayImages(array), CPU)])
def test_every_kind_of_storage_gives_the_same(kind):
    stored = kind(PIXELS)
    assert (len(stored), stored.side) == (20, 12)
    wanted, found = image_inputs(), image_inputs(stored)
    assert len(found) == 20
    assert torch.equal(wanted.test(ROWS), found.test(ROWS))
    assert all(torch.equal(a, b) for a, b in zip(views(wanted), views(found), strict=True))


def test_large_images_stay_on_the_host(monkeypatch):
    images = ArrayImages(PIXELS)
    assert resident(images, CPU) is images
    put = []
    monkeypatch.setattr(module, "ResidentImages", lambda images, device: put.append(device))
    for free, fits in ((PIXELS.nbytes * 3, True), (PIXELS.nbytes, False)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free: (free, 10**12))
        found = resident(images, torch.device("cuda"))
        assert (found is images) == (not fits)
    assert put == [torch.device("cuda")]


def test_features_are_the_same_in_every_view():
    features = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    inputs = image_inputs(features)
    first, second = views(inputs)
    assert torch.equal(first, torch.from_numpy(features[ROWS]))
    assert torch.equal(first, second)
    assert torch.equal(inputs.test(np.arange(20)), torch.from_numpy(features))


def test_a_portion_is_the_rows_of_the_whole_with_their_own_draws():
    kept = np.array([1, 3, 4, 8, 17, 19])
    whole, part = image_inputs(), image_inputs(Portion(PIXELS, kept))
    rows = np.array([4, 1, 1])
    assert len(part) == 6
    for ours, theirs in zip(views(part, rows), views(whole, kept[rows]), strict=True):
        assert torch.equal(ours, theirs)
    assert torch.equal(part.test(rows), whole.test(kept[rows]))
    assert part.fetch(rows, 0, 1).rows.tolist() == [4, 1, 1]  # positions and labels are the portion's


def test_a_portion_of_features():
    features = np.random.default_rng(1).standard_normal((20, 5)).astype(np.float32)
    portion = Portion(features, np.array([2, 7, 11]))
    assert feature_width(portion) == feature_width(features) == 5
    assert feature_width(PIXELS) is feature_width(Portion(PIXELS, ROWS)) is None
    (view,) = views(image_inputs(portion), np.array([2, 0]), number=1)
    assert np.array_equal(view.numpy(), features[[11, 2]])
