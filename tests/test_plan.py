"""From a sweep to its runs: which there are, and what is wrong before any of them starts."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import yaml

from dabench.backbones import build_backbone
from dabench.errors import MissingDataError, UserError
from dabench.openings import OpenDomains
from dabench.plan import OTHER_ORIGIN, PlannedRun, check_weights
from dabench.recipe import TRIAL
from dabench.records import RecordStore
from dabench.resolve import Layer, _of_one_backbone
from dabench.sweep import run_one
from dabench.sweepfile import read_sweep

MakePlan = Callable[..., list[PlannedRun]]


def failure(make_plan: MakePlan, *args: Any, **fields: Any) -> str:
    with pytest.raises(UserError) as caught:
        make_plan(*args, **fields)
    return f"{caught.value} | {caught.value.hint}"


def test_all_tasks_all_methods_one_seed_of_everything_before_the_second(make_plan: MakePlan) -> None:
    runs = make_plan(methods=["dann", "source_only"], seeds=[0, 4])
    assert [(run.config.seed, run.task.name, run.config.method) for run in runs] == [
        (seed, task, method)
        for seed in (0, 4)
        for task in ("A->B", "B->A")
        for method in ("dann", "source_only")
    ]
    assert len({run.run_id for run in runs}) == 8
    assert {run.state for run in runs} == {"to do"}
    assert runs[0].label == "dann tiny A->B seed 0"


def test_what_is_listed_twice_runs_once(make_plan: MakePlan) -> None:
    runs = make_plan(
        methods=["dann", "dann"], seeds=[1, 1], tasks=["A->B", "a2b"], backbones=["dann_mnist"] * 2
    )
    assert len(runs) == 1


def test_tasks_of_several_suites(make_plan: MakePlan, tiny_suite: Path) -> None:
    runs = make_plan(suites=[str(tiny_suite), "minidigits"], tasks=["A:B", "d->m"])
    assert [(run.suite.name, run.task.name) for run in runs] == [("tiny", "A->B"), ("minidigits", "D->M")]
    assert "'X->Y' is no task of suite 'tiny'" in failure(make_plan, tasks=["A->B", "X->Y"])


def test_backbones_of_a_sweep_go_over_everything(make_plan: MakePlan) -> None:
    runs = make_plan(backbones=["dann_mnist", "resnet18"], tasks=["A2B"])
    assert [run.config.backbone for run in runs] == ["dann_mnist", "resnet18"]
    assert make_plan(["backbone=resnet10t"])[0].config.backbone == "resnet10t"
    said = failure(make_plan, backbones=["dann_mnist"], assignments=["backbone=resnet10t"])
    assert "--set backbone does not go with a list of backbones" in said


def test_default_weights_are_named_by_their_tag(make_plan: MakePlan) -> None:
    (run,) = make_plan(["backbone=resnet50"], tasks=["A2B"], weights="default")
    assert run.config.backbone.startswith("resnet50.")
    assert run.config.image.mean is not None
    (run,) = make_plan(["backbone=resnet50"], tasks=["A2B"], weights="none")
    assert run.config.backbone == "resnet50"


def test_more_groups_than_classes_are_refused(make_plan: MakePlan) -> None:
    said = failure(make_plan, methods=["gsda"], assignments=["params.groups=50"])
    assert "params.groups=50 with 3 classes" in said


def test_scopes_of_flags(make_plan: MakePlan, tiny_suite: Path) -> None:
    fields: dict[str, Any] = {
        "suites": [str(tiny_suite), "minidigits"],
        "methods": ["dann", "gsda"],
        "tasks": ["A->B", "D->M"],
    }
    runs = make_plan(["steps=30", "tiny.steps=20", "gsda.params.beta=3", "gsda.steps=40"], **fields)
    steps = {(run.suite.name, run.config.method): run.config.steps for run in runs}
    assert steps == {
        ("tiny", "dann"): 20, ("tiny", "gsda"): 40, ("minidigits", "dann"): 30, ("minidigits", "gsda"): 40,
    }  # fmt: skip
    assert {run.config.params.get("beta") for run in runs} == {None, 3.0}
    assert make_plan(["tiny.steps=20", "steps=30"])[0].config.steps == 30, "the later one counts"


def test_scope_of_a_suite_whose_name_has_a_dot(
    make_tiny_suite: Callable[..., Path], make_plan: MakePlan, tmp_path: Path
) -> None:
    suite = make_tiny_suite(tmp_path / "dotted", name="tiny.v2")
    assert make_plan(["tiny.v2.steps=20"], suites=[str(suite)])[0].config.steps == 20


def test_sections_of_a_sweep_file(make_plan: MakePlan) -> None:
    fields: dict[str, Any] = {
        "methods": ["dann", "gsda"],
        "tasks": ["A->B"],
        "config": {"steps": 10, "optimiser": {"lr": "1e-3"}, "batch.test": 7},
        "per_suite": {"tiny": {"steps": 20, "batch.test": 8}, "office31": {"steps": 99}},
        "per_method": {"gsda": {"steps": 30, "params": {"beta": 2}}},
        "file": Path("folder/my.yaml"),
    }
    dann, gsda = make_plan(["batch.test=9"], **fields)
    assert (dann.config.steps, gsda.config.steps) == (20, 30)
    assert (dann.config.optimiser.lr, dann.config.batch.test, gsda.config.params["beta"]) == (1e-3, 9, 2.0)
    assert dann.provenance["optimiser.lr"] == "file my.yaml, config"
    assert dann.provenance["steps"] == "file my.yaml, per_suite.tiny"
    assert gsda.provenance["steps"] == "file my.yaml, per_method.gsda"
    assert dann.provenance["batch.test"] == "--set"
    assert dann.provenance["batch.source"] == "suite tiny: our choice: fast"


@pytest.mark.parametrize(
    ("assignments", "fields", "expected"),
    [
        ([], {"suites": []}, ("--suite is missing",)),
        ([], {"methods": []}, ("--method is missing",)),
        ([], {"methods": ["gdsa"]}, ("unknown method 'gdsa'", "did you mean 'gsda'?")),
        ([], {"suites": ["ofice31"]}, ("unknown suite 'ofice31'", "did you mean 'office31'?")),
        ([], {"suites": ["office31", "office31"]}, ("a suite is listed twice",)),
        ([], {"tasks": ["A2X"]}, ("'A2X' is no task of suite 'tiny'", "A->B, B->A")),
        ([], {"backbones": ["resnet5"]}, ("unknown backbone 'resnet5'", "did you mean 'resnet50'?")),
        ([], {"backbones": ["resnet50.tv"]}, ("tag of backbone resnet50 'tv'", "did you mean 'tv_in1k'?")),
        (["backbone=resnet5"], {}, ("unknown backbone 'resnet5'",)),
        (["protocol=train-test"], {}, ("protocol train-test) needs a suite with a test part", "tiny")),
        (["target_test=part"], {}, ("protocol transductive) needs a suite with a test part", "tiny")),
        (["protocol=holdoutt"], {}, ("unknown protocol 'holdoutt'", "did you mean 'holdout'?")),
        (["protocol=[a]"], {}, ("unknown protocol",)),
        (["head.discriminator_batch_norm=true"], {"methods": ["dann", "gsda"]}, ("gsda", "METHOD.key")),
        (["selection=dev"], {}, ("selection=dev needs source images", "source_holdout=0.1")),
        (["selection=lst"], {}, ("unknown selection rule 'lst'", "did you mean 'last'?")),
        (["loss_weights.entropy=0"], {}, ("unknown key 'loss_weights.entropy' for method dann",)),
        (["params.beta=1"], {}, ("unknown key 'params.beta' for method dann", "show method dann")),
        (["gsda.params.beta=1"], {}, ("gsda is not part of this sweep", "dann, tiny")),
        (["office31.steps=1"], {}, ("office31 is not part of this sweep",)),
        (["weights=none"], {}, ("weights is not set here", "--weights")),
        (["dann.weights=none"], {}, ("weights is not set here", "--weights")),
        ([], {"config": {"weights": "none"}}, ("config.weights is not set here", "--weights")),
        ([], {"per_suite": {"tiny": {"weights": "none"}}}, ("per_suite.tiny.weights",)),
        ([], {"per_method": {"dann": {"weights": "none"}}}, ("per_method.dann.weights",)),
        ([], {"per_method": {"dan": {}}}, ("per_method.dan: no such name", "did you mean 'dann'?")),
        ([], {"per_suite": {"tyny": {}}}, ("per_suite.tyny: no such name", "did you mean 'tiny'?")),
        (
            [],
            {"config": {"optimiser": {"lrr": 1}}, "file": Path("my.yaml")},
            ("file my.yaml, config: unknown key 'optimiser.lrr'", "did you mean 'optimiser.lr'?"),
        ),
        (
            [],
            {"per_method": {"dann": {"steps": "many"}}, "file": Path("my.yaml")},
            ("steps (file my.yaml, per_method.dann)", "given: 'many'"),
        ),
    ],
)
def test_mistakes_are_told_before_any_run(
    make_plan: MakePlan, assignments: list[str], fields: dict[str, Any], expected: tuple[str, ...]
) -> None:
    text = failure(make_plan, assignments, **fields)
    for part in expected:
        assert part in text


@pytest.mark.parametrize(
    ("assignments", "fields", "expected"),
    [
        ([], {}, "transductive"),
        (["steps=8"], {}, "transductive"),
        (["frozen_backbone=true"], {"weights": "default", "backbones": ["test_resnet"]},
         "transductive, frozen backbone"),
        (["target_test=holdout", "target_holdout=0.5"], {}, "transductive, changed"),
        ([], {"protocol": "holdout"}, "holdout"),
        (["protocol=transductive"], {"protocol": "holdout"}, "transductive"),
        (["target_holdout=0.2"], {"protocol": "holdout"}, "holdout"),
        (["target_holdout=0.5"], {"protocol": "holdout"}, "holdout, changed"),
        (["target_holdout=0.5", "source_holdout=0.1"], {"protocol": "holdout"},
         "holdout, changed, 10% of the source held out"),
    ],
)  # fmt: skip
def test_what_a_record_calls_the_protocol(
    make_plan: MakePlan, assignments: list[str], fields: dict[str, Any], expected: str
) -> None:
    (run,) = make_plan(assignments, tasks=["A2B"], **fields)
    assert run.protocol == expected
    assert bool(run.changed) == ("changed" in expected)


def test_a_protocol_for_one_suite_or_method(make_plan: MakePlan, tiny_suite: Path) -> None:
    fields: dict[str, Any] = {
        "suites": [str(tiny_suite), "minidigits"],
        "tasks": ["A->B", "D->M"],
        "protocol": "holdout",
    }
    runs = make_plan(["minidigits.protocol=transductive"], **fields)
    assert [run.config.protocol for run in runs] == ["holdout", "transductive"]
    runs = make_plan(per_suite={"tiny": {"protocol": "transductive"}}, **fields)
    assert [run.config.protocol for run in runs] == ["transductive", "holdout"]


def test_recipe_files_reach_their_methods_and_suites(make_plan: MakePlan, tmp_path: Path) -> None:
    text = "name: tuned\nmethods: {dann: {suites: {SUITE: {optimiser.lr: {value: 0.5, source: a search}}}}}"
    for suite in ("tiny", "office31"):
        (tmp_path / f"{suite}.yaml").write_text(text.replace("SUITE", suite), encoding="utf-8")
    recipes = [str(tmp_path / "tiny.yaml")]
    dann, other = make_plan(methods=["dann", "source_only"], tasks=["A2B"], recipes=recipes)
    assert (dann.config.optimiser.lr, other.config.optimiser.lr) == (0.5, 0.01)
    assert dann.provenance["optimiser.lr"] == "recipe tuned for dann on tiny: a search"
    assert make_plan(config={"optimiser.lr": 0.25}, recipes=recipes)[0].config.optimiser.lr == 0.25
    said = failure(make_plan, recipes=[str(tmp_path / "office31.yaml")])
    assert "recipe tuned says nothing of these methods on these suites" in said
    assert "does not exist" in failure(make_plan, recipes=[str(tmp_path / "no.yaml")])


def test_what_the_machine_decides_is_settled_and_said(make_plan: MakePlan) -> None:
    (run,) = make_plan(["threads=null", "precision=auto"], tasks=["A2B"])
    assert run.config.precision in {"float32", "bfloat16"}
    assert run.config.threads is not None
    assert run.config.threads >= 1
    assert run.provenance["precision"] == "--set; cpu: what auto is on this machine"
    assert run.provenance["threads"] == "--set; null: the processors of this machine"
    assert make_plan(["precision=bfloat16"])[0].provenance["precision"] == "--set"


def test_missing_images_block_their_runs_only(make_plan: MakePlan, tiny_suite: Path, tmp_path: Path) -> None:
    runs = make_plan(suites=["office31", str(tiny_suite)], data=tmp_path)
    blocked = [run for run in runs if run.state == "blocked"]
    assert {run.suite.name for run in blocked} == {"office31"}
    assert len(blocked) == 6
    assert len(runs) == 8
    assert all(run.run_id is None and run.path is None for run in blocked)
    assert blocked[0].missing is not None
    assert "office31" in blocked[0].missing.hint


def test_the_full_table_plans_855_runs_without_data(make_plan: MakePlan, tmp_path: Path) -> None:
    sweep, file = read_sweep("full-table")
    runs = make_plan(**sweep.model_dump(), file=file, data=tmp_path)
    assert len(runs) == 855
    assert {run.state for run in runs} == {"blocked"}
    assert len({(run.suite.name, run.task.name) for run in runs}) == 19
    visda = next(run for run in runs if run.suite.name == "visda2017" and run.config.method == "gsda")
    assert (visda.config.params["alpha"], visda.config.params["beta"], visda.config.params["groups"]) == (
        0.2,
        10,
        4,
    )
    steps = {run.suite.name: run.config.steps for run in runs}
    assert steps == {"office31": 20_000, "officehome": 30_000, "visda2017": 30_000}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(1)
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(build_backbone("dann_mnist", {}, "none", 16).module.state_dict(), path)
    return path


def test_a_weights_file_counts_by_its_content(make_plan: MakePlan, weights: Path) -> None:
    renamed = weights.with_name("other.safetensors")
    renamed.write_bytes(weights.read_bytes())
    first, second = (make_plan(tasks=["A2B"], weights=str(path))[0] for path in (weights, renamed))
    assert first.run_id == second.run_id != make_plan(tasks=["A2B"])[0].run_id
    assert first.config.weights.startswith("sha256:")
    assert first.weights == weights
    assert first.provenance["weights"] == "weights of the sweep"
    tensors = safetensors.torch.load_file(weights)
    safetensors.torch.save_file({key: tensor + 1 for key, tensor in tensors.items()}, renamed)
    assert make_plan(tasks=["A2B"], weights=str(renamed))[0].run_id != first.run_id
    check_weights([first])


def test_weights_that_cannot_be_loaded(make_plan: MakePlan, weights: Path, tmp_path: Path) -> None:
    assert "does not exist" in failure(make_plan, weights=str(tmp_path / "nothing.pth"))
    assert "several backbones" in failure(
        make_plan, weights=str(weights), backbones=["dann_mnist", "resnet18"]
    )
    with pytest.raises(UserError, match="does not fit backbone resnet10t"):
        check_weights(make_plan(tasks=["A2B"], weights=str(weights), backbones=["resnet10t"]))
    with pytest.raises(MissingDataError) as caught:
        check_weights(make_plan(tasks=["A2B"], weights="default"))
    assert "--weights none" in caught.value.hint


def test_a_recipe_that_asks_for_a_weights_file(
    make_tiny_suite: Callable[..., Path], make_plan: MakePlan, tmp_path: Path
) -> None:
    recipe = {"weights": {"value": "sha256:" + "ab" * 32, "source": "a test"}}
    suite = make_tiny_suite(tmp_path / "asks", recipe=recipe)
    assert "give it with --weights FILE" in failure(make_plan, suites=[str(suite)])
    assert make_plan(suites=[str(suite)], weights="none")[0].config.weights == "none"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ([], "raw"),
        (["image.raw_budget_gb=0.00005072"], "raw"),  # 66 images of 16 x 16 x 3 bytes are 50,688 bytes
        (["image.raw_budget_gb=0.00005"], "packed"),
        (["image.storage=packed"], "packed"),
        (["image.storage=raw", "image.raw_budget_gb=0.00005"], "raw"),
    ],
)
def test_images_are_packed_where_raw_ones_exceed_the_budget(
    make_plan: MakePlan, given: list[str], wanted: str
) -> None:
    (run,) = make_plan(given, tasks=["A2B"])
    assert run.config.image.storage == wanted
    asked = any(text.startswith("image.storage") for text in given)
    assert run.provenance["image.storage"].endswith("auto: raw arrays need 5.1e-05 GB") == (not asked)
    assert run.config.image.raw_budget_gb is None  # what was chosen counts, not how
    assert all(text.partition("=")[0] in run.command for text in given)


def test_what_a_method_derives_from_the_classes_is_recorded(make_plan: MakePlan) -> None:
    given, derived = (
        make_plan(list(flags), methods=["gsda"], tasks=["A2B"])[0] for flags in (["params.groups=2"], [])
    )
    assert given.config.params["groups"] == derived.config.params["groups"] == 2
    assert given.run_id == derived.run_id
    assert derived.provenance["params.groups"].endswith("from 3 classes")


def test_all_tasks_of_a_suite_store_their_images_alike(make_plan: MakePlan) -> None:
    """A->B alone would fit a budget of 66 images; the suite has 66 whichever task is asked for."""
    runs = make_plan(["image.raw_budget_gb=0.00005"])
    assert {run.config.image.storage for run in runs} == {"packed"}


def test_a_recipe_for_one_backbone_does_not_reach_another(
    make_plan: MakePlan, tiny_suite: Path, tmp_path: Path
) -> None:
    manifest = yaml.safe_load(tiny_suite.read_text())
    own = {
        "backbone": "test_resnet",
        "backbone_args.drop_rate": 0.5,
        "image.mean": [0.1, 0.1, 0.1],
        "steps": 6,
    }
    manifest["recipe"] |= {path: {"value": value, "source": "a test"} for path, value in own.items()}
    for name in ("alpha.npz", "beta.npz"):
        (tmp_path / name).symlink_to(tiny_suite.parent / name)
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(manifest))
    kept, other = (
        make_plan(suites=[str(path)], tasks=["A2B"], backbones=names, weights="none")[0].config
        for names in (["test_resnet"], ["dann_mnist"])
    )
    assert (kept.backbone_args, kept.image.mean[0], kept.steps) == ({"drop_rate": 0.5}, 0.1, 6)
    assert (other.backbone_args, other.image.mean[0], other.steps) == ({}, 0.5, 6)


def test_the_recorded_command_names_the_backbone_that_a_flag_gave(make_plan: MakePlan) -> None:
    (run,) = make_plan(tasks=["A2B"], backbones=["resnet18"], weights="default")
    assert run.config.backbone == "resnet18.a1_in1k"
    assert "--backbone resnet18.a1_in1k" in run.command
    (again,) = make_plan(tasks=["A2B"], backbones=["resnet18.a1_in1k"], weights="default")
    assert again.run_id == run.run_id


@pytest.mark.parametrize(
    ("given", "kept"), [("test_resnet", True), ("test_resnet.r160_in1k", True), ("dann_mnist", False)]
)
def test_a_tag_makes_no_other_backbone(given: str, kept: bool) -> None:
    recipe = Layer.of_values("recipe", {"backbone": "test_resnet", "backbone_args.drop_rate": 0.5})
    layers = _of_one_backbone([recipe, Layer.of_values("--set", {"backbone": given})])
    assert ("backbone_args.drop_rate" in layers[0].values) == kept


def test_a_run_that_a_search_made_is_noted(make_plan: MakePlan, tmp_path: Path) -> None:
    """Its record says that a search tried the values, whoever asks for them now."""
    (run,) = make_plan(["optimiser.lr=0.02"], tasks=["A2B"])
    tried = replace(run, provenance={**run.provenance, "optimiser.lr": TRIAL})
    store, domains = RecordStore(tmp_path / "results"), OpenDomains(None)
    assert run_one(tried, domains, store, torch.device("cpu"), lambda *_: None).status == "done"
    (again,) = make_plan(["optimiser.lr=0.02"], tasks=["A2B"])
    assert (again.state, again.note) == ("done", OTHER_ORIGIN)
    run_one(run, domains, store, torch.device("cpu"), lambda *_: None)
    (again,) = make_plan(["optimiser.lr=0.02"], tasks=["A2B"])
    assert (again.state, again.note) == ("done", "")


def test_more_tasks_or_classes_than_a_record_holds_are_refused(
    make_plan: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("dabench.settle.MOST_TASKS", 1)
        with pytest.raises(UserError, match="tiny has 2 tasks, more than 1"):
            make_plan()
    monkeypatch.setattr("dabench.settle.MOST_CLASSES", 2)
    with pytest.raises(UserError, match="tiny has 3 classes"):
        make_plan()
