"""Augmentation against torchvision's own transforms."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import InterpolationMode, RandomResizedCrop
from torchvision.transforms.v2 import functional as vision

from dabench.augment import Augmentation, random_resized_boxes
from dabench.config import ImageConfig

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CPU = torch.device("cpu")


def augmentation(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), **image):
    return Augmentation(ImageConfig.model_validate({"resize": 40, "size": 32, **image}), mean, std, CPU)


def pictures(number=6, side=40, seed=0):
    """Smooth images with noise, so that interpolation is easy to judge and flips show."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (number, 5, 5, 3)).astype(np.uint8)
    return coarse.repeat(side // 5, axis=1).repeat(side // 5, axis=2)


def planes(images):
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


SCALES = [((0.08, 1.0), (3 / 4, 4 / 3)), ((0.7, 1.0), (3 / 4, 4 / 3)), ((0.9, 1.0), (0.3, 3.0))]


@pytest.mark.parametrize(("scale", "ratio"), SCALES)
def test_boxes_have_the_distribution_of_torchvisions(scale, ratio):
    number, side = 40_000, 64
    ours = random_resized_boxes(number, side, scale, ratio, generator()).double()
    torch.manual_seed(1)
    image = torch.empty(3, side, side)
    theirs = torch.tensor(
        [RandomResizedCrop.get_params(image, list(scale), list(ratio)) for _ in range(5_000)]
    ).double()
    for table in (ours, theirs):
        table[:, :2] /= (side - table[:, 2:] + 1).clamp(min=1)  # the place, as a part of the room there is

    def moments(table):
        logs = torch.log(table[:, 2:])
        area, aspect = logs.sum(1), logs[:, 1] - logs[:, 0]
        whole = ((table[:, 2] == side) & (table[:, 3] == side)).double()
        return [*table.unbind(1), *table.square().unbind(1), area, aspect, aspect.square(), whole]

    for mine, reference in zip(moments(ours), moments(theirs), strict=True):
        # Five standard errors of the difference: a wrong law is tens of them away.
        error = (mine.var() / len(mine) + reference.var() / len(reference)).sqrt()
        assert abs(mine.mean() - reference.mean()) < 5 * error + 1e-9


@given(
    side=st.integers(8, 300),
    low=st.floats(0.01, 1.0),
    stretch=st.floats(1.0, 20.0),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=60, deadline=None)
def test_boxes_lie_inside(side, low, stretch, seed):
    boxes = random_resized_boxes(50, side, (low, 1.0), (1 / stretch, stretch), generator(seed))
    top, left, height, width = boxes.unbind(1)
    assert boxes.shape == (50, 4)
    assert boxes.dtype == torch.int64
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] >= 1).all()
    assert (top + height <= side).all()
    assert (left + width <= side).all()


def test_a_box_that_never_fits_is_the_whole_image():
    boxes = random_resized_boxes(5, 20, (1.0, 1.0), (3.0, 3.0), generator())
    assert boxes.tolist() == [[0, 0, 20, 20]] * 5


def test_crops_agree_with_torchvision():
    images = pictures()
    config = {"flip": False, "scale": (0.1, 0.9)}
    found = augmentation(**config).train(images, generator(5))
    boxes = random_resized_boxes(len(images), 40, (0.1, 0.9), (3 / 4, 4 / 3), generator(5))
    assert len({tuple(box) for box in boxes.tolist()}) == len(images)
    for crop, image, box in zip(found, planes(images), boxes.tolist(), strict=True):
        wanted = vision.resized_crop(
            image.double() / 255, *box, [32, 32], InterpolationMode.BILINEAR, antialias=True
        )
        assert (crop - wanted).abs().mean() < 1 / 255
        assert (crop - wanted).abs().max() < 4 / 255


def test_flips_are_flips_and_half_of_all():
    images = pictures(400)
    batch = augmentation(train_crop="center", size=40).train(images, generator())
    plain = planes(images).float() / 255
    same = (batch - plain).abs().amax(dim=(1, 2, 3)) < 1e-6
    mirrored = (batch - plain.flip(-1)).abs().amax(dim=(1, 2, 3)) < 1e-6
    assert (same ^ mirrored).all()
    assert 160 < int(mirrored.sum()) < 240
    still = augmentation(train_crop="center", size=40, flip=False).train(images, generator())
    torch.testing.assert_close(still, plain)


def test_random_crops_are_parts_of_the_image_in_its_own_size():
    images = np.random.default_rng(0).integers(0, 256, (300, 20, 20, 3), dtype=np.uint8)
    found = augmentation(train_crop="random", flip=False, resize=20, size=16).train(images, generator())
    corners = set()
    windows = (planes(images).float() / 255).unfold(2, 16, 1).unfold(3, 16, 1)  # (N, 3, 5, 5, 16, 16)
    for crop, choices in zip(found, windows, strict=True):
        hits = (choices - crop[:, None, None]).abs().amax(dim=(0, 3, 4)) < 1e-6
        assert hits.sum() == 1
        corners.add(tuple(hits.nonzero()[0].tolist()))
    # Every place occurs, the last one in both directions included.
    assert corners == {(row, column) for row in range(5) for column in range(5)}


@pytest.mark.parametrize(("side", "size"), [(40, 32), (41, 32), (32, 32)])
def test_the_centre_crop_is_torchvisions_and_normalisation_exact(side, size):
    images = np.random.default_rng(0).integers(0, 256, (3, side, side, 3), dtype=np.uint8)
    found = augmentation(MEAN, STD, resize=side, size=size).test(images)
    start = (side - size) // 2
    part = planes(images)[:, :, start : start + size, start : start + size]
    if (side - size) % 2 == 0:
        assert torch.equal(part, vision.center_crop(planes(images), [size, size]))
    wanted = vision.normalize(part.double() / 255, list(MEAN), list(STD))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), wanted, rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize("crop", ["random_resized", "random", "center"])
def test_the_generator_alone_decides(crop):
    images = pictures()
    transform = augmentation(MEAN, STD, train_crop=crop)
    torch.manual_seed(1)
    first = transform.train(images, generator(3))
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert torch.equal(first, transform.train(images, generator(3)))
    assert torch.equal(state, torch.get_rng_state())
    assert not torch.equal(first, transform.train(images, generator(4)))
    assert first.shape == (6, 3, 32, 32)


def test_read_only_maps_give_no_warning_and_stay_as_they_are(tmp_path):
    images = pictures(8)
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    transform = augmentation()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for part in (mapped[2:5], mapped[np.array([2, 3, 4])]):
            assert torch.equal(transform.test(part), transform.test(images[2:5]))
            assert torch.equal(transform.train(part, generator()), transform.train(images[2:5], generator()))
    assert np.array_equal(mapped, images)
