"""Frozen features: extracted once, trained on by every method, a protocol of their own."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from dabench import frozen
from dabench.backbones import build_backbone
from dabench.config import RunConfig
from dabench.discovery import discover_suites
from dabench.errors import UserError
from dabench.frozen import Extractor, _built
from dabench.openings import OpenDomains
from dabench.records import RecordStore
from dabench.suite import parse_task
from dabench.sweep import run_one
from dabench.sweepfile import find_suite

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _own_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("DABENCH_CACHE", str(tmp_path / "cache"))
    _built.cache_clear()


@pytest.fixture
def suite(tiny_suite):
    discover_suites()
    return find_suite(str(tiny_suite))


@pytest.fixture
def weights(tmp_path):
    """A file of weights for dann_mnist at 16 pixels."""
    return write_weights(tmp_path / "weights.safetensors", seed=0)


def write_weights(path, seed):
    torch.manual_seed(seed)
    save_file(build_backbone("dann_mnist", {}, "none", 16).module.state_dict(), path)
    return path


def config(**changes):
    names = {"suite": "tiny", "task": "A->B", "method": "dann", "seed": 0, "backbone": "dann_mnist"}
    fixed = {"frozen_backbone": True, "precision": "float32", "threads": 1, "steps": 20, "evaluations": 2}
    image = {"resize": 20, "size": 16, "storage": "raw"}
    return RunConfig.model_validate({**names, **fixed, "image": image, **changes})


def test_features_are_those_of_the_test_view(suite, weights, tiny_run):
    run = OpenDomains(None).images(suite, parse_task("A2B", suite.manifest), config(), False, weights)
    plain = OpenDomains(None).images(
        suite, parse_task("A2B", suite.manifest), config(frozen_backbone=False), False
    )
    extractor = Extractor(config(), weights, CPU)
    network = build_backbone("dann_mnist", {}, weights, 16).module.eval()
    pixels = plain.training.source.take(np.arange(36))[:, 2:18, 2:18]  # the centre 16 of 20 pixels
    expected = network((torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5)
    assert run.training.source.shape == (36, expected.shape[1])
    np.testing.assert_allclose(run.training.source, expected.detach().numpy(), rtol=1e-4, atol=1e-5)
    assert np.array_equal(run.training.source_labels, plain.training.source_labels)
    assert run.test is run.training.target
    assert extractor.path("x") != Extractor(config(threads=2), weights, CPU).path("x")


def test_features_are_extracted_once(suite, weights):
    calls = []
    task = parse_task("A2B", suite.manifest)
    for _ in range(2):  # the second time from the cache, as another process would
        domains = OpenDomains(None, lambda *event: calls.append(event))
        domains.images(suite, task, config(), False, weights)
        domains.images(suite, task, config(seed=1, method="gsda"), False, weights)
    extracted = [event for event in calls if event[0].startswith("features")]
    assert extracted == [("features of alpha", 36, 36), ("features of beta", 30, 30)]


@pytest.mark.parametrize(
    "change",
    [
        {"image": {"resize": 20, "size": 18, "storage": "raw"}},
        {"image": {"resize": 20, "size": 16, "storage": "packed"}},
        {"image": {"resize": 20, "size": 16, "storage": "raw", "mean": (0.1, 0.2, 0.3)}},
        {"precision": "bfloat16"},
    ],
    ids=["size", "storage", "mean", "precision"],
)
def test_what_features_depend_on_is_in_their_key(weights, change):
    one, other = Extractor(config(), weights, CPU), Extractor(config(**change), weights, CPU)
    assert one.path("x") != other.path("x") != one.path("y") != one.path("x")


def test_the_weights_are_in_the_key(tmp_path, weights):
    one = Extractor(config(), weights, CPU).path("x")
    assert Extractor(config(), write_weights(tmp_path / "same.safetensors", 0), CPU).path("x") == one
    assert Extractor(config(), write_weights(tmp_path / "other.safetensors", 1), CPU).path("x") != one


@pytest.mark.parametrize("method", ["source_only", "dann", "cdan", "gsda", "target_only"])
def test_a_run_on_features(make_plan, weights, tmp_path, method):
    store = RecordStore(tmp_path / "results")
    records = []
    for _ in range(2):
        runs = make_plan(
            ["frozen_backbone=true", "steps=20", "evaluations=2"], methods=[method], weights=str(weights)
        )
        records.append(run_one(runs[0], OpenDomains(None), store, CPU, lambda *event: None))
    assert [record.status for record in records] == ["done", "done"], records[0].failure
    assert records[0].predictions_sha256 == records[1].predictions_sha256
    record = store.read(store.path(records[0]))
    assert record.protocol == "transductive, frozen backbone"
    assert record.config["frozen_backbone"] is True
    assert record.provenance["batch.source"].startswith("frozen features: ")


def test_the_recipe_stands_between_suite_and_user(make_plan, weights):
    tasks = {"tasks": ["A2B"]}
    (plain,) = make_plan(**tasks)
    (given,) = make_plan(["frozen_backbone=true"], weights=str(weights), **tasks)
    (own,) = make_plan(["frozen_backbone=true", "batch.source=7"], weights=str(weights), **tasks)
    assert (plain.config.steps, plain.config.batch.source) == (4, 6)
    assert (given.config.steps, given.config.batch.source) == (500, 32)
    assert (own.config.steps, own.config.batch.source) == (500, 7)
    assert len({plain.run_id, given.run_id, own.run_id}) == 3
    assert "--set frozen_backbone=true" in given.command


@pytest.mark.parametrize("text", ["1", "'true'", "yes please"])
def test_half_a_truth_is_refused(make_plan, weights, text):
    """Read loosely, these would be true for the run and not for its recipe."""
    with pytest.raises(UserError, match="frozen_backbone"):
        make_plan([f"frozen_backbone={text}"], weights=str(weights))


def test_compiling_nothing_is_refused(make_plan, weights):
    with pytest.raises(UserError, match="compile"):
        make_plan(["frozen_backbone=true", "compile=true"], weights=str(weights))


def test_features_that_are_dropped_meanwhile_are_extracted_again(suite, weights, monkeypatch):
    real, calls = frozen.sealed_file, []

    def dropped_once(path, about, build):
        real(path, about, build)
        calls.append(path)
        if len(calls) == 1:
            path.unlink()

    monkeypatch.setattr(frozen, "sealed_file", dropped_once)
    run = OpenDomains(None).images(suite, parse_task("A2B", suite.manifest), config(), False, weights)
    assert run.training.source.shape[0] == 36
    assert len(calls) == 3  # alpha twice, beta


def test_features_of_random_weights_are_refused(make_plan):
    with pytest.raises(UserError, match="without pretrained weights"):
        make_plan(["frozen_backbone=true"])
