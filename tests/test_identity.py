"""A run's identity: equal for what gives equal results, different for whatever determines them."""

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dabench.cli import main
from dabench.config import RunConfig
from dabench.discovery import discover_methods
from dabench.method import METHODS
from dabench.plan import PlannedRun, run_identity
from dabench.records import Failure, Record, RecordStore
from dabench.resolve import settings_of

MakePlan = Callable[..., list[PlannedRun]]
COUNTS = {"class_counts": {"bus": 1, "car": 2}}
DATASET: dict[str, dict[str, Any]] = {
    name: {"fingerprint": f"of {name}", "images": 3, **COUNTS} for name in ("source", "target", "target_test")
}
BASE: dict[str, Any] = {
    "suite": "tiny", "task": "A->B", "method": "gsda", "seed": 0, "precision": "float32", "threads": 2,
    "backbone_args": {"drop_rate": 0.1}, "loss_weights": {"entropy": 0.5},
    "params": {"beta": 1.0, "levels": ["global"]},
}  # fmt: skip
# Another valid value of every setting there is.
OTHER: dict[str, Any] = {
    "suite": "other", "task": "B->A", "method": "dann", "seed": 1, "backbone": "resnet18", "weights": "none",
    "backbone_args": {"drop_rate": 0.2}, "protocol": "train-test", "steps": 19_999, "evaluations": 9,
    "batch.source": 31, "batch.target": 31, "batch.test": 255, "optimiser.lr": 0.0100001,
    "optimiser.momentum": 0.8, "optimiser.nesterov": False, "optimiser.weight_decay": 0.0,
    "optimiser.backbone_lr_factor": 1.0,
    "optimiser.clip_norm": 1.0, "schedule.alpha": 0.0, "schedule.power": 1.0, "reversal.gamma": 5.0,
    "reversal.maximum": 0.5, "head.bottleneck": None, "head.bottleneck_batch_norm": False,
    "head.classifier_hidden": [1], "head.discriminator_hidden": [1024], "image.resize": 255,
    "image.size": 223, "image.train_crop": "center", "image.scale": [0.1, 1.0], "image.ratio": [1.0, 1.0],
    "image.flip": False, "image.mean": [0.5, 0.5, 0.5], "image.std": [0.5, 0.5, 0.5],
    "image.color_jitter": [0.4, 0.4, 0.4, 0.1], "image.storage": "packed", "image.raw_budget_gb": 1.0,
    "precision": "bfloat16", "threads": 1, "frozen_backbone": True, "compile": True, "tf32": True,
    "loss_weights": {"entropy": 0.25}, "params": {"beta": 1.0, "levels": ["group"]},
    "target_test": "part", "source_holdout": 0.1, "selection": "oracle", "stored_images": 999,
    "target_holdout": 0.25, "head.discriminator_batch_norm": True,
}  # fmt: skip
# What a setting needs beside it to be valid.
BESIDE: dict[str, dict[str, Any]] = {
    "target_holdout": {"target_test": "holdout", "target_holdout": 0.5},
}


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, value in values.items():
        section, _, key = path.rpartition(".")
        (tree.setdefault(section, {}) if section else tree)[key] = value
    return tree


def identity(changes: Mapping[str, Any] | None = None, dataset: Mapping[str, Any] = DATASET) -> str:
    discover_methods()
    config = RunConfig.model_validate(nested({**BASE, **(changes or {})}))
    return run_identity(config, dataset, METHODS.get("gsda"))


@pytest.mark.parametrize("path", list(settings_of(RunConfig)))
def test_every_setting_counts(path: str) -> None:
    beside = BESIDE.get(path, {})
    assert identity({**beside, path: OTHER[path]}) != identity(beside)


@given(
    st.dictionaries(st.sampled_from(sorted(OTHER.keys() - BESIDE.keys())), st.none(), max_size=6),
    st.randoms(use_true_random=False),
)
def test_equal_configurations_and_no_others_are_equal(chosen: dict[str, None], random: Any) -> None:
    changes = {path: OTHER[path] for path in chosen}
    shuffled = list(changes.items())
    random.shuffle(shuffled)
    assert identity(dict(shuffled)) == identity(changes)
    assert (identity(changes) == identity()) == (not changes)


@pytest.mark.parametrize("part", ["source", "target", "target_test"])
def test_images_and_labels_count_and_their_number_only_through_them(part: str) -> None:
    other = {**DATASET, part: {**DATASET[part], "fingerprint": "of others"}}
    assert identity(dataset=other) != identity()
    reordered = {**DATASET, part: {**DATASET[part], "class_counts": {"car": 2, "bus": 1}}}
    assert identity(dataset=reordered) != identity()
    assert identity(dataset={**DATASET, part: {**DATASET[part], "images": 4}}) == identity()


def test_the_methods_version_counts(own_methods: None) -> None:
    entry = METHODS.get("gsda")
    config = RunConfig.model_validate(nested(BASE))
    newer = type("Newer", (entry.cls,), {"version": entry.cls.version + 1})
    assert run_identity(config, DATASET, replace(entry, cls=newer)) != run_identity(config, DATASET, entry)
    assert run_identity(config, DATASET, replace(entry, file=None)) == run_identity(config, DATASET, entry)


def test_where_it_runs_does_not_count(
    make_plan: MakePlan, make_tiny_suite: Callable[..., Path], tiny_suite: Path, tmp_path: Path
) -> None:
    here = make_plan(tasks=["A2B"])[0]
    moved = make_tiny_suite(tmp_path / "elsewhere")
    there = make_plan(suites=[str(moved)], results=tmp_path / "r", data=tmp_path / "d", tasks=["a->b"])[0]
    assert here.run_id == there.run_id
    assert here.path != there.path
    one, two = (
        make_plan(["precision=float32"], device=name, tasks=["A2B"])[0] for name in ("cuda:0", "cuda:1")
    )
    assert one.run_id == two.run_id


def test_how_it_was_said_does_not_count(make_plan: MakePlan) -> None:
    flags = make_plan(["steps=8", "optimiser.lr=1e-3"], tasks=["A2B"])[0]
    turned = make_plan(["optimiser={lr: 0.001}", "dann.steps=8.0"], tasks=["A2B"])[0]
    file = make_plan(tasks=["A2B"], config={"optimiser.lr": 0.001}, per_suite={"tiny": {"steps": 8}})[0]
    assert flags.run_id == turned.run_id == file.run_id


def test_one_changed_pixel_or_label_counts(
    make_plan: MakePlan, make_tiny_suite: Callable[..., Path], tmp_path: Path
) -> None:
    seen = {run.run_id for run in make_plan(tasks=["A2B", "B2A"])}
    for number, name in enumerate(("images", "labels")):
        suite = make_tiny_suite(tmp_path / name)
        with np.load(suite.parent / "beta.npz") as file:
            arrays = dict(file)
        arrays[name].flat[0] ^= 1
        np.savez(suite.parent / "beta.npz", **arrays)
        seen |= {run.run_id for run in make_plan(suites=[str(suite)], tasks=["A2B", "B2A"])}
        assert len(seen) == 4 + 2 * number


def record_of(run: PlannedRun, **changes: Any) -> Record:
    content: dict[str, Any] = {
        "run_id": run.run_id, "status": "failed", "failure": Failure(kind="Error", message="no luck"),
        "suite": run.suite.name, "task": run.task.name, "source": run.task.source, "target": run.task.target,
        "method": run.config.method, "backbone": run.config.backbone, "seed": run.config.seed,
        "protocol": run.config.protocol, "metric": "accuracy", "config": run.config.model_dump(mode="json"),
    }  # fmt: skip
    return Record.model_validate({**content, **changes})


def test_failed_and_foreign_records_are_run_again(make_plan: MakePlan, tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "results")
    run = make_plan(tasks=["A2B"])[0]
    assert run.path is not None
    assert store.write(record_of(run)) == run.path
    failed = make_plan(tasks=["A2B"])[0]
    assert (failed.state, failed.note) == ("failed", "no luck")

    content = run.path.read_text(encoding="utf-8")
    other = json.loads(content) | {"run_id": "0" * 16}
    for text, reason in (
        (content[: len(content) // 2], "no readable JSON"),
        ("{}", "no record of dabench"),
        ("[1]", "no record of dabench"),
        (json.dumps(json.loads(content) | {"schema_version": 99}), "schema_version 99"),
        (json.dumps(other), "the record of another run (0000000000000000)"),
    ):
        run.path.write_text(text, encoding="utf-8")
        again = make_plan(tasks=["A2B"])[0]
        assert again.state == "to do"
        assert str(run.path) in again.note
        assert reason in again.note
        assert make_plan(tasks=["A2B"], force=True)[0].note == ""


PROTOCOL = """
name: mine
recipe: {steps: {value: 6, source: a test}, threads: {value: 1, source: a test}}
methods: {gsda: {recipe: {params.beta: {value: 2.5, source: a test}}}}
"""
RECIPE = """
name: tuned
recipe: {evaluations: {value: 1, source: a search}, weights: {value: none, source: a search}}
methods:
  gsda:
    suites: {tiny: {params.alpha: {value: 0.125, source: a search}, steps: {value: 7, source: a search}}}
"""
COMMANDS: list[tuple[list[str], dict[str, Any]]] = [
    ([], {}),
    (["steps=8", "optimiser.lr=1e-5", "head.bottleneck=null", "image.flip=false"], {}),
    (["image.scale=[1e-5, 1]", "loss_weights.domain=0", "backbone_args={note: 'a b'}", "threads=null"], {}),
    (["reversal.gamma=5"], {"weights": "none", "backbones": ["dann_mnist"]}),
    (["gsda.params.levels=[global]", "gsda.params.synchronise=false"], {"methods": ["gsda"]}),
    (
        ["precision=auto"],
        {"file": Path("my sweep.yaml"), "config": {"steps": 8}, "per_method": {"dann": {"evaluations": 1}}},
    ),
    (["protocol=holdout"], {}),
    (["protocol=tllib", "steps=40"], {"methods": ["cdan"]}),
    ([], {"protocol": "holdout", "file": Path("s.yaml"), "per_suite": {"tiny": {"source_holdout": 0.25}}}),
    (
        ["frozen_backbone=true"],
        {"protocol": "gsda-paper", "weights": "default", "backbones": ["test_resnet"]},
    ),
    (["gsda.params.alpha=1"], {"protocol": "mine.yaml", "recipes": ["tuned.yaml"], "methods": ["gsda"]}),
]


@pytest.mark.parametrize(("assignments", "fields"), COMMANDS)
def test_the_records_command_plans_the_same_run(
    make_plan: MakePlan,
    assignments: list[str],
    fields: dict[str, Any],
    tiny_suite: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(PROTOCOL, encoding="utf-8")
    Path("tuned.yaml").write_text(RECIPE, encoding="utf-8")
    run = make_plan(assignments, suites=[str(tiny_suite)], tasks=["B2A"], seeds=[3], **fields)[0]
    Path("tuned.yaml").unlink()  # a record travels without recipe files
    program, *words = shlex.split(run.command)
    assert program == "dabench"
    planned: list[PlannedRun] = []
    monkeypatch.setattr("dabench.commands._print_plan", lambda console, runs: planned.extend(runs))
    monkeypatch.setattr("dabench.commands.check_weights", lambda runs: None)
    with pytest.raises(SystemExit) as caught:
        main([*words, "--dry-run", "--results", str(tmp_path)])
    assert caught.value.code == 0
    (again,) = planned
    assert (again.run_id, again.config, again.protocol) == (run.run_id, run.config, run.protocol)


def test_the_records_command_names_a_weights_file_and_another_device(
    make_plan: MakePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "my weights.pth"
    file.write_bytes(b"anything")
    words = shlex.split(make_plan(weights=str(file))[0].command)
    assert words[words.index("--weights") + 1] == str(file)
    assert not any(word.startswith("weights=") for word in words)
    assert "--device" not in words
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    words = shlex.split(make_plan()[0].command)
    assert words[words.index("--device") + 1] == "cpu"


def test_a_users_suite_is_told_by_its_file(make_plan: MakePlan, tiny_suite: Path) -> None:
    words = shlex.split(make_plan()[0].command)
    assert words[words.index("--suite") + 1] == str(tiny_suite)
    assert make_plan()[0].config.suite == "tiny"
