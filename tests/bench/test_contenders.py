from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from dabench.backbones import build_backbone
from dabench.bench.contenders import EVALUATION_BATCHES, Field, FirstInputs, bare_forward, bare_step
from dabench.bench.middle import MANY_STEPS, looks_between_epochs
from dabench.bench.timing import calls_within
from dabench.method import METHODS, Selection, register
from dabench.train import Training


class Probe(nn.Module):
    """Pools, scales by a weight and notes how it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(2.0))
        self.seen: list[tuple[bool, bool, bool]] = []

    def forward(self, images: Tensor) -> Tensor:
        half = torch.is_autocast_enabled("cpu")
        self.seen.append((self.training, torch.is_inference_mode_enabled(), half))
        return self.weight * avg_pool2d(images, images.shape[-1]).flatten(1)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_bare_step_is_one_forward_and_one_backward_pass(precision: str) -> None:
    probe, images = Probe(), torch.rand(4, 3, 8, 8)
    step = bare_step(probe, images, precision)
    step()
    step()
    assert probe.seen == [(True, False, precision == "bfloat16")] * 2
    expected = avg_pool2d(images, 8).sum()  # of one step: gradients do not add up
    torch.testing.assert_close(probe.weight.grad, expected)
    assert probe.weight.item() == 2.0


def test_a_bare_forward_pass_learns_nothing() -> None:
    probe = Probe()
    bare_forward(probe, torch.rand(2, 3, 8, 8), "float32", 3)()
    assert probe.seen == [(False, True, False)] * 3
    assert probe.weight.grad is None


def test_every_contender_works(tiny_field: Callable[..., Field]) -> None:
    field = tiny_field()
    contenders = [build() for _, build in field.builders()]
    assert [one.name for one in contenders] == [name for name, _ in field.builders()]
    assert [one.name for one in contenders] == [
        "bare float32", "bare bfloat16", "source_only", "dann",
        "loader alone", "bare forward pass", "evaluation",
    ]  # fmt: skip
    assert {one.images for one in contenders[:5]} == {12}
    for one in contenders:
        one.work()
        one.work()


def test_the_resident_batch_is_the_first_of_the_run(tiny_field: Callable[..., Field]) -> None:
    field = tiny_field()
    run = field.runs[0]
    batch = Training(run.config, run.entry, "none", 3, field.images.training, field.device).batch(0)
    expected = torch.cat([batch.source.images, batch.target.images])
    assert torch.equal(field._resident, expected)
    assert field._resident.is_contiguous(memory_format=torch.channels_last)


def test_a_methods_contender_trains_and_the_loader_does_not(
    tiny_field: Callable[..., Field], monkeypatch: pytest.MonkeyPatch
) -> None:
    field = tiny_field()
    made: list[Training] = []
    build = Field.training

    def remember(self: Field, run: object) -> Training:
        made.append(build(self, run))
        return made[-1]

    monkeypatch.setattr(Field, "training", remember)
    field.prepare()
    contenders = [field.method(field.runs[1]), field.loader()]
    weights = [run.network.classifier[0].weight for run in made]
    before = [weight.clone() for weight in weights]
    for one in contenders:
        one.work()
    field.evaluation().work()
    assert len(made) == 2
    assert [torch.equal(*pair) for pair in zip(before, weights, strict=True)] == [True, False]


@pytest.fixture
def looking(own_methods: None) -> list[tuple[str, float]]:
    """Register the method "looking"; what it does, in order: steps and reads, with the progress."""
    log: list[tuple[str, float]] = []

    @register("looking")
    class Looking(METHODS.get("source_only").cls):
        def begin_epoch(self, features, progress):
            log.append(("read", progress))
            return Selection(torch.arange(len(features.target().outputs)))

        def train_step(self, network, batch, optimise):
            log.append(("step", batch.step))
            super().train_step(network, batch, optimise)

    return log


def test_what_a_method_does_between_epochs_is_timed_apart(
    tiny_field: Callable[..., Field], looking: list[tuple[str, float]]
) -> None:
    field = tiny_field(methods=("looking",))  # 36 and 30 images, 6 of each a step: an epoch has 6 steps
    built = {name: build() for name, build in field.builders()}
    steps, between = built["looking"], built["looking, between epochs"]
    assert "source_only, between epochs" not in built
    assert (steps.images, steps.part_of) == (12, None)
    assert (between.images, between.part_of) == (6 * 12, "looking")
    assert looking == [("read", 0.5)]  # the selection of a run's middle holds from the first step on
    looking.clear()
    for _ in range(11):
        steps.work()
    assert {what for what, _ in looking} == {"step"}
    numbers = [number for _, number in looking]
    assert numbers == [n for n in range(int(numbers[0]), int(numbers[-1]) + 1) if n % 6]
    assert len({n // 6 for n in numbers}) > 1
    assert abs(numbers[0] - MANY_STEPS // 2) < 12
    looking.clear()
    calls_within(between, 0.0, lambda: None)
    assert looking[0][1] % 6 == 5  # nothing is read ahead at the end of an epoch
    assert looking[1:] == [("read", 0.5)] * 3
    steps.work()
    assert looking[-1][0] == "step"


def test_where_an_epoch_is_one_step_the_step_has_all(
    tiny_field: Callable[..., Field], looking: list[tuple[str, float]]
) -> None:
    field = tiny_field("batch.source=36", "batch.target=30", methods=("looking",))
    built = dict(field.builders())
    assert "looking, between epochs" not in built
    work = built["looking"]().work
    looking.clear()
    work()
    work()
    assert [what for what, _ in looking] == ["read", "step"] * 2


def test_gsda_looks_between_epochs_and_dann_does_not() -> None:
    assert looks_between_epochs(METHODS.get("gsda"))
    assert not looks_between_epochs(METHODS.get("dann"))


def test_a_run_that_is_timed_has_no_end(tiny_field: Callable[..., Field]) -> None:
    work = tiny_field().method(tiny_field().runs[0]).work
    for _ in range(6):  # the suite's recipe has 4 steps
        work()


@pytest.mark.parametrize(("batch", "images"), [(256, 30), (16, 16), (7, 4 * 7), (2, EVALUATION_BATCHES * 2)])
def test_evaluation_and_forward_pass_have_whole_batches_of_one_size(
    tiny_field: Callable[..., Field], batch: int, images: int
) -> None:
    field = tiny_field(f"batch.test={batch}")
    assert (field.evaluation().images, field.forward().images) == (images, images)


def test_the_first_inputs_are_those_of_the_domain(tiny_field: Callable[..., Field]) -> None:
    field = tiny_field()
    whole = field._still.inputs(field.images.test, "test")
    first = FirstInputs(whole, 5)
    rows = np.array([4, 0])
    assert len(first) == 5
    assert torch.equal(first.test(rows), whole.test(rows))
    assert torch.equal(first.train(first.fetch(rows, 0, 1))[0], whole.train(whole.fetch(rows, 0, 1))[0])


def test_bare_is_the_runs_own_backbone(tiny_field: Callable[..., Field]) -> None:
    field = tiny_field()
    config = field.runs[0].config
    own = build_backbone(config.backbone, config.backbone_args, "none", config.image.size).module
    made, run = field._backbone(), field._still.network.backbone
    shapes = [{key: value.shape for key, value in one.state_dict().items()} for one in (own, made, run)]
    assert shapes[0] == shapes[1] == shapes[2]
