"""Augmentation against torchvision's own transforms."""

import gc
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from torchvision.transforms import InterpolationMode, RandomResizedCrop
from torchvision.transforms.v2 import functional as vision

from dabench import augment
from dabench.augment import Augmentation, colour_jitter, random_resized_boxes
from dabench.config import ImageConfig
from dabench.streams import Streams

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CPU = torch.device("cpu")
JITTER = (0.4, 0.4, 0.4, 0.1)
CROPS = ["random_resized", "random", "center"]


def augmentation(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), **image):
    return Augmentation(ImageConfig.model_validate({"resize": 40, "size": 32, **image}), mean, std, CPU)


def coarse(number=6, side=40, seed=0):
    """Squares of one colour: crops, flips and colours show, and interpolation is easy to judge."""
    rng = np.random.default_rng(seed)
    squares = rng.integers(0, 256, (number, 5, 5, 3)).astype(np.uint8)
    return squares.repeat(side // 5, axis=1).repeat(side // 5, axis=2)


def noise(number=6, side=40, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (number, side, side, 3), dtype=np.uint8)


def stripes(number=6, side=40, seed=0):
    """Black and white lines of one pixel, the worst case of interpolation, upright in every other image."""
    lines = np.zeros((number, side, side, 3), np.uint8)
    lines[::2, ::2], lines[1::2, :, ::2] = 255, 255
    return lines


def planes(images):
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def draws(number=6, seed=0, *name):
    return Streams(seed).uniforms(np.arange(number), Augmentation.DRAWS, "augment", *name)


def on_device(transform, images, numbers):
    """The way of a GPU, on the processor: it is plain torch."""
    side = images.shape[1]
    flips = (numbers[:, 22] < 0.5) & transform._config.flip
    factors = transform._factors(numbers)
    return transform._on_device(torch.from_numpy(images), transform._boxes(numbers, side), flips, factors)


# Boxes


SCALES = [((0.08, 1.0), (3 / 4, 4 / 3)), ((0.7, 1.0), (3 / 4, 4 / 3)), ((0.9, 1.0), (0.3, 3.0))]


@pytest.mark.parametrize(("scale", "ratio"), SCALES)
def test_boxes_have_the_distribution_of_torchvisions(scale, ratio):
    number, side = 40_000, 64
    numbers = np.random.default_rng(0).random((number, Augmentation.DRAWS))
    ours = random_resized_boxes(numbers, side, scale, ratio).astype(float)
    torch.manual_seed(1)
    image = torch.empty(3, side, side)
    theirs = np.array(
        [RandomResizedCrop.get_params(image, list(scale), list(ratio)) for _ in range(5_000)], float
    )
    for table in (ours, theirs):
        table[:, :2] /= (side - table[:, 2:] + 1).clip(min=1)  # the place, as a part of the room there is

    def laws(table):
        top, left, height, width = table.T
        return {
            "top": top,
            "left": left,
            "height": height,
            "width": width,
            "area": height * width,
            "aspect": width / height,
            "both places": top + left,
            "whole": (height == side) & (width == side),
        }

    reference = laws(theirs)
    for name, mine in laws(ours).items():
        assert ks_2samp(mine, reference[name]).pvalue > 1e-4, name


@pytest.mark.parametrize(("scale", "ratio"), [((0.9, 1.0), (2.0, 3.0)), ((0.9, 1.0), (0.1, 0.4))])
def test_boxes_that_never_fit_are_torchvisions_central_ones(scale, ratio):
    numbers = np.random.default_rng(0).random((5, Augmentation.DRAWS))
    wanted = RandomResizedCrop.get_params(torch.empty(3, 61, 61), list(scale), list(ratio))
    assert random_resized_boxes(numbers, 61, scale, ratio).tolist() == [list(wanted)] * 5


@given(
    side=st.integers(8, 300),
    low=st.floats(0.001, 1.0),
    stretch=st.floats(1.0, 200.0),
    lean=st.floats(0.01, 100.0),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=100, deadline=None)
def test_boxes_lie_inside(side, low, stretch, lean, seed):
    numbers = np.random.default_rng(seed).random((50, Augmentation.DRAWS))
    numbers[:5], numbers[5:10] = 0, np.nextafter(1, 0)
    boxes = random_resized_boxes(numbers, side, (low, 1.0), (lean / stretch, lean * stretch))
    top, left, height, width = boxes.T
    assert boxes.shape == (50, 4)
    assert boxes.dtype == np.int64
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] >= 1).all()
    assert (top + height <= side).all()
    assert (left + width <= side).all()


# Crops


BOXES = {
    40: [[0, 0, 40, 40], [3, 5, 11, 30], [20, 1, 12, 9], [7, 0, 33, 39], [39, 39, 1, 1], [0, 13, 40, 1]],
    256: [[0, 0, 256, 256], [1, 30, 220, 190], [99, 3, 80, 120], [255, 0, 1, 256], [16, 16, 224, 224]],
}


@pytest.mark.parametrize("make", [noise, coarse, stripes])
@pytest.mark.parametrize(("side", "size"), [(40, 32), (40, 8), (256, 224), (256, 32)])
def test_both_ways_crop_as_torchvision_does(make, side, size):
    boxes = BOXES[side]
    images = make(len(boxes), side // 5 * 5)
    images = np.pad(images, [(0, 0), (0, side % 5), (0, side % 5), (0, 0)], mode="edge")
    plan = torch.tensor([[*box, 0] for box in boxes], dtype=torch.float32)
    products = augment._crops_by_products(torch.from_numpy(images), plan, size)
    mirrored = augment._crops_by_products(
        torch.from_numpy(images), plan + torch.tensor([0, 0, 0, 0, 1]), size
    )
    torch.testing.assert_close(mirrored, products.flip(-1), rtol=0, atol=0.01)
    for row, box in enumerate(boxes):
        image = planes(images)[row]
        exact = vision.resized_crop(
            image.double(), *box, [size, size], InterpolationMode.BILINEAR, antialias=True
        )
        # Products are torchvision's transform of floats, without its rounding.
        assert (products[row] - exact).abs().max() < 0.01
        bytes_ = augment._resized_crop(planes(images)[row : row + 1], box, size)[0]
        assert torch.equal(bytes_, vision.resized_crop(image, *box, [size, size], antialias=True))
        assert (bytes_ - exact).abs().mean() < 1
        assert (bytes_ - products[row]).abs().max() < 2


@pytest.mark.parametrize("crop", CROPS)
@pytest.mark.parametrize("jitter", [None, JITTER])
def test_both_ways_agree(crop, jitter):
    images = coarse(24)
    transform = augmentation(train_crop=crop, color_jitter=jitter)
    host, device = (way(images, draws(24)) for way in (transform.train, lambda *a: on_device(transform, *a)))
    assert (host - device).abs().mean() < 1 / 255
    for batch in (host, device):
        assert batch.shape == (24, 3, 32, 32)
        assert batch.dtype == torch.float32
        assert batch.is_contiguous(memory_format=torch.channels_last)


def test_training_crops_are_those_of_the_boxes():
    images = coarse()
    found = augmentation(flip=False, scale=(0.1, 0.9)).train(images, draws())
    boxes = random_resized_boxes(draws(), 40, (0.1, 0.9), (3 / 4, 4 / 3))
    assert len({tuple(box) for box in boxes.tolist()}) == len(images)
    for crop, image, box in zip(found, planes(images), boxes.tolist(), strict=True):
        wanted = vision.resized_crop(image, *box, [32, 32], antialias=True)
        torch.testing.assert_close(crop, wanted / 255, rtol=0, atol=1e-6)


@pytest.mark.parametrize("way", ["host", "device"])
def test_flips_are_flips_and_half_of_all(way):
    images = coarse(400)
    transform = augmentation(train_crop="center", size=40)
    batch = transform.train(images, draws(400)) if way == "host" else on_device(transform, images, draws(400))
    plain = planes(images).float() / 255
    same = (batch - plain).abs().amax(dim=(1, 2, 3)) < 1e-6
    mirrored = (batch - plain.flip(-1)).abs().amax(dim=(1, 2, 3)) < 1e-6
    assert (same ^ mirrored).all()
    assert 160 < int(mirrored.sum()) < 240
    still = augmentation(train_crop="center", size=40, flip=False).train(images, draws(400))
    torch.testing.assert_close(still, plain)


def test_random_crops_are_parts_of_the_image_in_its_own_size():
    images = noise(300, 20)
    found = augmentation(train_crop="random", flip=False, resize=20, size=16).train(images, draws(300))
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
    images = noise(3, side)
    transform = augmentation(MEAN, STD, resize=side, size=size)
    start = (side - size) // 2
    part = planes(images)[:, :, start : start + size, start : start + size]
    if (side - size) % 2 == 0:
        assert torch.equal(part, vision.center_crop(planes(images), [size, size]))
    wanted = vision.normalize(part.double() / 255, list(MEAN), list(STD))
    for found in (transform.test(images), transform.test(torch.from_numpy(images))):
        assert found.dtype == torch.float32
        assert found.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(found.double(), wanted, rtol=1e-6, atol=2e-6)


# Colours


def test_colours_are_torchvisions():
    images = torch.cat([planes(coarse(8)), planes(noise(8)), planes(coarse(3) // 255 * 255)]) / 255
    images[3] = images[3, :1]  # grey: no hue
    images[4, 2] = images[4, 0]  # two channels equal
    rng = np.random.default_rng(0)
    factors = torch.from_numpy(rng.uniform([0, 0, 0, -0.5], [2, 2, 2, 0.5], (len(images), 4))).float()
    factors[0], factors[1] = torch.tensor([1, 1, 1, 0]), torch.tensor([0, 0, 0, 0.5])
    found = colour_jitter(images, factors)
    torch.testing.assert_close(found[0], images[0], rtol=0, atol=1e-6)
    for image, crop, (brightness, contrast, saturation, hue) in zip(
        images, found, factors.tolist(), strict=True
    ):
        wanted = vision.adjust_brightness(image, brightness)
        wanted = vision.adjust_contrast(wanted, contrast)
        wanted = vision.adjust_saturation(wanted, saturation)
        wanted = vision.adjust_hue(wanted, hue)
        torch.testing.assert_close(crop, wanted, rtol=0, atol=2e-5)


def test_colour_factors_have_torchvisions_ranges():
    transform = augmentation(color_jitter=(0.3, 1.5, 0.2, 0.1))
    factors = transform._factors(np.random.default_rng(0).random((5000, Augmentation.DRAWS)))
    wanted = [(0.7, 1.3), (0.0, 2.5), (0.8, 1.2), (-0.1, 0.1)]
    for column, (low, high) in zip(factors.T, wanted, strict=True):
        assert low <= column.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < column.max() <= high
    assert np.abs(np.corrcoef(factors.T) - np.eye(4)).max() < 0.1


@pytest.mark.parametrize("part", range(4))
def test_each_part_of_the_jitter_has_its_own_strength(part):
    strengths = [0.0, 0.0, 0.0, 0.0]
    strengths[part] = 0.4
    images = coarse()
    plain = augmentation(train_crop="center").train(images, draws())
    changed = augmentation(train_crop="center", color_jitter=strengths).train(images, draws())
    wanted = torch.ones(6, 4)
    wanted[:, 3] = 0
    wanted[:, part] += torch.from_numpy(0.8 * draws()[:, 23 + part] - 0.4).float()
    torch.testing.assert_close(changed, colour_jitter(plain, wanted), rtol=0, atol=1e-5)
    assert (changed - plain).abs().max() > 0.01


# What decides


@pytest.mark.parametrize("crop", CROPS)
@pytest.mark.parametrize("jitter", [None, JITTER])
def test_the_draws_alone_decide(crop, jitter):
    images = coarse()
    transform = augmentation(MEAN, STD, train_crop=crop, color_jitter=jitter)
    torch.manual_seed(1)
    first = transform.train(images, draws()).clone()
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert torch.equal(first, transform.train(images, draws()))
    assert torch.equal(first, transform.train(torch.from_numpy(images), draws()))
    assert torch.equal(state, torch.get_rng_state())
    assert not torch.equal(first, transform.train(images, draws(6, 1)))


@pytest.mark.parametrize("crop", CROPS)
@pytest.mark.parametrize("jitter", [None, JITTER])
def test_an_image_does_not_depend_on_its_batch_or_the_threads(crop, jitter):
    images, numbers = noise(20, 200), draws(20)
    transform = augmentation(MEAN, STD, train_crop=crop, color_jitter=jitter, resize=200, size=197)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = transform.train(images, numbers)
        torch.set_num_threads(2)
        assert torch.equal(transform.train(images, numbers), one)
    finally:
        torch.set_num_threads(threads)
    order = np.random.default_rng(0).permutation(20)
    assert torch.equal(transform.train(images[order], numbers[order]), one[order])
    assert torch.equal(transform.train(images[7:8], numbers[7:8]), one[7:8])


def test_the_number_of_threads_is_put_back_even_after_an_error():
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        augmentation().train(coarse(), draws())
        assert torch.get_num_threads() == 3
        with pytest.raises(RuntimeError):
            augmentation().train(coarse()[..., 0], draws())
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)


def test_batches_are_made_in_parts_under_inference_mode(monkeypatch):
    monkeypatch.setattr(augment, "PART", 1)
    images, transform, threads = coarse(), augmentation(color_jitter=JITTER), torch.get_num_threads()
    wanted = transform.train(images, draws())
    try:
        torch.set_num_threads(4)
        with torch.inference_mode():
            assert torch.equal(transform.train(images, draws()), wanted)
            assert torch.equal(transform.test(images), augmentation().test(images))
    finally:
        torch.set_num_threads(threads)


def test_switching_a_part_on_leaves_the_others_draws():
    images = coarse()
    plain = augmentation(flip=False).train(images, draws())
    flipped = augmentation().train(images, draws())
    same = (flipped == plain).flatten(1).all(1)
    mirrored = (flipped == plain.flip(-1)).flatten(1).all(1)
    assert (same | mirrored).all()
    assert mirrored.any()
    jittered = augmentation(color_jitter=JITTER).train(images, draws())
    factors = torch.from_numpy(augmentation(color_jitter=JITTER)._factors(draws())).float()
    torch.testing.assert_close(jittered, colour_jitter(flipped, factors), rtol=0, atol=1e-5)


# Memory


def test_a_batch_that_is_still_used_is_never_overwritten():
    images = coarse()
    transform = augmentation()
    first = transform.train(images, draws())
    copy, address = first.clone(), first.data_ptr()
    part = first[2:4, :1].requires_grad_()
    saved = part.exp().sum()  # autograd holds what it needs of the batch
    del first
    gc.collect()
    second = transform.train(images, draws(6, 1))
    assert second.data_ptr() != address
    assert torch.equal(part, copy[2:4, :1])
    saved.backward()
    del part, saved
    gc.collect()
    assert transform.train(images, draws()).data_ptr() == address


def test_read_only_maps_give_no_warning_and_stay_as_they_are(tmp_path):
    images = coarse(8)
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    transform = augmentation()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for part in (mapped[2:5], mapped[np.array([2, 3, 4])]):
            assert torch.equal(transform.test(part), transform.test(images[2:5]))
            assert torch.equal(transform.train(part, draws(3)), transform.train(images[2:5], draws(3)))
    assert np.array_equal(mapped, images)
