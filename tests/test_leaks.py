"""No method reaches the target's labels: they are changed in the data source itself, and nothing happens."""

import copy
import gc
import types
from dataclasses import fields

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import dabench.sweep
from dabench.discovery import discover_methods
from dabench.method import METHODS, FeatureTable, TargetBatch
from dabench.openings import OpenDomains
from dabench.records import RecordStore
from dabench.train import Training

discover_methods()
CLASSES = ["red", "green", "blue"]
HONEST = [name for name in sorted(METHODS) if not METHODS.get(name).cls.uses_target_labels]
# Eight steps of six: the second epoch begins at p = 0.75, where the target may be restricted.
QUICK = ["steps=8", "optimiser.lr=0.05", "image.flip=true"]


def squares(count, background, seed):
    """Images of a square in the class's colour, classes in turn; labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    images = rng.integers(background, background + 40, (count, 16, 16, 3), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        top, left = rng.integers(0, 8, 2)
        image[top : top + 8, left : left + 8, label] = 255
    return images, labels


def write_folders(folder, name, images, labels, order):
    for label, title in enumerate(CLASSES):
        place = folder / name / title
        place.mkdir(parents=True)
        # The same names in every class, as in Office-31; a file's name follows its new class.
        for number, row in enumerate(order[labels[order] == label], start=1):
            Image.fromarray(images[row]).save(place / f"frame_{number:04}.png")
    return name


def write_list(folder, name, images, labels, order):
    place = folder / f"{name}_pool"
    place.mkdir()
    lines = []
    for row in order:
        Image.fromarray(images[row]).save(place / f"{row:03}.png")
        lines.append(f"{place.name}/{row:03}.png {labels[row]}\n")
    (folder / f"{name}.txt").write_text("".join(lines))
    return f"{name}.txt"


def write_arrays(folder, name, images, labels, order):
    np.savez(folder / f"{name}.npz", images=images[order], labels=labels[order])
    return f"{name}.npz"


WRITERS = {"folders": write_folders, "lists": write_list, "arrays": write_arrays}


def write_suite(folder, write, change):
    """A suite on disk. With a change, target images have other labels and come in another order."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    paths = {}
    for name, count, background, seed in (("alpha", 36, 0, 1), ("beta", 30, 120, 2)):
        images, labels = squares(count, background, seed)
        order = np.arange(count)
        if change and name == "beta":
            # Of other sizes too, so that even the score of a network that says one class always changes.
            labels, order = rng.permutation(np.repeat([0, 1, 2], [6, 20, 4])), rng.permutation(order)
        paths[name] = write(folder, name, images, labels, order)
    manifest = {
        "name": "tiny",
        "title": "Coloured squares",
        "loader": "files",
        "classes": CLASSES,
        "domains": {name: {"short": name[0].upper(), "paths": {"all": path}} for name, path in paths.items()},
        "recipe": {
            path: {"value": value, "source": "our choice: fast"}
            for path, value in {
                "backbone": "dann_mnist",
                "weights": "none",
                "evaluations": 2,
                "batch.source": 6,
                "batch.target": 6,
                "head.bottleneck": 8,
                "head.discriminator_hidden": [8],
                "image.resize": 16,
                "image.size": 16,
                "threads": 1,
            }.items()
        },
    }
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(manifest))
    return path


@pytest.fixture
def run_suite(make_plan, monkeypatch, tmp_path):
    """Run A->B of a suite as ``dabench run`` does; return record, stored arrays and weights."""
    built = []

    class Kept(Training):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            built.append(self)

    monkeypatch.setattr(dabench.sweep, "Training", Kept)

    def run(manifest, method):
        (planned,) = make_plan(QUICK, suites=[str(manifest)], methods=[method], tasks=["A2B"])
        store = RecordStore(tmp_path / f"results of {manifest.parent.name}")
        domains = OpenDomains(None)
        record = dabench.sweep.run_one(planned, domains, store, torch.device("cpu"), lambda *_: None)
        assert record.status == "done", record.failure
        stored = store.read(store.path(record))
        with np.load(store.path(record).with_name(stored.predictions_file), allow_pickle=False) as file:
            return stored, dict(file), built[-1].state(), planned

    return run


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("name", HONEST)
def test_other_target_labels_change_nothing_but_the_score(tmp_path, run_suite, name, kind):
    plain, changed = (
        run_suite(write_suite(tmp_path / folder, WRITERS[kind], folder == "changed"), name)
        for folder in ("plain", "changed")
    )
    for part in ("network", "method"):
        ours, theirs = plain[2][part], changed[2][part]
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    for key in ("steps", "predictions", "probabilities"):
        assert np.array_equal(plain[1][key], changed[1][key]), key
    assert not np.array_equal(plain[1]["labels"], changed[1]["labels"])
    assert plain[0].value != changed[0].value
    assert [item.losses for item in plain[0].evaluations] == [item.losses for item in changed[0].evaluations]
    # It is another run all the same: labels are part of what is measured.
    assert plain[3].run_id != changed[3].run_id


@pytest.mark.parametrize("kind", WRITERS)
def test_the_upper_bound_does_notice(tmp_path, run_suite, kind):
    """What the test above would say of a method that learns from target labels."""
    plain, changed = (
        run_suite(write_suite(tmp_path / folder, WRITERS[kind], folder == "changed"), "target_only")
        for folder in ("plain", "changed")
    )
    ours, theirs = plain[2]["network"], changed[2]["network"]
    assert any(not torch.equal(ours[key], theirs[key]) for key in ours)


def test_target_batches_have_neither_labels_nor_paths():
    assert [field.name for field in fields(TargetBatch)] == ["views", "positions"]
    assert {name for name in dir(TargetBatch) if not name.startswith("_")} == {"images"}


def test_a_table_of_target_features_has_no_labels(tiny_run):
    tables = []

    class Reading(METHODS.get("source_only").cls):
        def begin_epoch(self, features, progress):
            tables.extend([features.source(), features.target()])

    tiny_run(Reading)
    source, target = tables
    assert isinstance(target, FeatureTable)
    assert len(source.labels) == 36
    assert target.labels is None


def held_by(start):
    """Every object that can be reached from an object, without going through classes and modules."""
    seen, found, waiting = set(), [], [start]
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, type | types.ModuleType | types.FrameType):
            continue
        seen.add(id(item))
        found.append(item)
        if isinstance(item, types.FunctionType):  # not its module's names
            waiting += [item.__closure__, item.__defaults__, item.__kwdefaults__]
        elif isinstance(item, types.BuiltinFunctionType):
            continue
        else:
            waiting += gc.get_referents(item)
            waiting += [getattr(item, "base", None)] if isinstance(item, np.ndarray) else []
    return found


def holds(start, labels):
    """Whether some array or tensor that can be reached has these labels, in this order."""
    for item in held_by(start):
        if isinstance(item, torch.Tensor):
            item = item.detach().cpu().numpy()
        if isinstance(item, np.ndarray) and item.shape == labels.shape and np.array_equal(item, labels):
            return True
        if isinstance(item, list | tuple) and len(item) == len(labels) and list(item) == labels.tolist():
            return True
    return False


@pytest.mark.parametrize("name", sorted(METHODS))
def test_training_holds_target_labels_nowhere(tmp_path, make_plan, name):
    manifest = write_suite(tmp_path / "plain", write_arrays, False)
    (planned,) = make_plan(QUICK, suites=[str(manifest)], methods=[name], tasks=["A2B"])
    cls = planned.entry.cls
    images = OpenDomains(None).images(planned.suite, planned.task, planned.config, cls.uses_target_labels)
    labels = copy.deepcopy(images.test_labels)
    assert not np.array_equal(labels, images.training.source_labels[: len(labels)]) or cls.uses_target_labels
    training = Training(planned.config, planned.entry, "none", 3, images.training, torch.device("cpu"))
    assert holds(training, np.asarray(images.training.source_labels))
    assert holds(training, labels) == cls.uses_target_labels
