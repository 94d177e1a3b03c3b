"""The same runs on a GPU, where there is one: nothing waits in the loop, and both devices agree."""

import contextlib

import numpy as np
import pytest
import torch

from dabench.augment import Augmentation
from dabench.checkpoint import Checkpoints, TimeIsUp
from dabench.config import ImageConfig
from dabench.inputs import ArrayImages, ResidentImages, inputs_of
from dabench.streams import Streams

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

CPU, GPU = torch.device("cpu"), torch.device("cuda")
PIXELS = np.random.default_rng(0).integers(0, 256, (20, 40, 40, 3), dtype=np.uint8)


def views(device, images):
    config = ImageConfig(resize=40, size=32, color_jitter=(0.4, 0.4, 0.4, 0.1))
    augmentation = Augmentation(config, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), device)
    inputs = inputs_of(images, "source", augmentation, Streams(0), device)
    (found,) = inputs.train(inputs.fetch(np.arange(20), 3, 1))
    return found


def test_augmentation_agrees_with_the_processors():
    wanted = views(CPU, PIXELS)
    for images in (PIXELS, ResidentImages(ArrayImages(PIXELS), GPU)):
        found = views(GPU, images)
        assert found.device.type == "cuda"
        assert (found.cpu() - wanted).abs().mean() < 2 / 255  # normalised: 1/255 of the range [-1, 1]


@pytest.mark.parametrize("method", ["source_only", "dann", "cdan", "gsda"])
@pytest.mark.parametrize("put", [lambda array: array, lambda array: ResidentImages(ArrayImages(array), GPU)])
def test_a_step_does_not_wait_for_the_device(tiny_run, method, put):
    run = tiny_run(method, run=False, device=GPU, put=put, steps=20, **{"image.train_crop": "random_resized"})
    training = run.training
    training.begin()
    training.step(0)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for step in range(1, 5):
            training.step(step)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_a_run_on_the_gpu_learns_what_one_on_the_processor_does(tiny_run):
    runs = [tiny_run("gsda", steps=8, device=device) for device in (CPU, GPU)]
    losses = [run.evaluator.evaluations[0].losses for run in runs]
    assert losses[0].keys() == losses[1].keys()
    for name, value in losses[0].items():
        assert losses[1][name] == pytest.approx(value, rel=0.02, abs=1e-3)


@pytest.mark.parametrize("put", [lambda array: array, lambda array: ResidentImages(ArrayImages(array), GPU)])
def test_a_run_on_the_gpu_is_resumed(tiny_run, tmp_path, put):
    def part(stop):
        def check():
            taken.append(0)
            if len(taken) == stop:
                raise TimeIsUp

        taken = []
        run = tiny_run("gsda", run=False, device=GPU, put=put, steps=12)
        checkpoints = Checkpoints(tmp_path / "run.json", {}, 0)
        with contextlib.suppress(TimeIsUp):
            run.training.run(run.evaluator, lambda *_: None, checkpoints, check)
        assert checkpoints.notes == []
        return run

    part(9)
    resumed, whole = part(None), tiny_run("gsda", device=GPU, put=put, steps=12)
    assert resumed.training.resumed_from == 8
    wanted = whole.weights()
    for name, value in resumed.weights().items():
        torch.testing.assert_close(value, wanted[name], rtol=1e-3, atol=1e-4)
