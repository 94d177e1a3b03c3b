from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from dabench.bench.planning import BASELINE, BenchPlan, open_domains, plan_runs
from dabench.errors import MissingDataError, UserError
from dabench.method import METHODS, Method, register
from dabench.plan import PlannedRun

CPU = torch.device("cpu")
Ask = Callable[..., BenchPlan]


def planned(request: BenchPlan) -> tuple[PlannedRun, ...]:
    return plan_runs(request, open_domains(request), CPU)


def names(request: BenchPlan) -> list[str]:
    return [run.entry.name for run in planned(request)]


def test_the_baseline_comes_first_and_once(tiny_request: Ask) -> None:
    assert names(tiny_request(methods=("dann",))) == [BASELINE, "dann"]
    assert names(tiny_request(methods=("dann", BASELINE))) == [BASELINE, "dann"]


def test_by_default_all_that_train_without_target_labels(tiny_request: Ask, own_methods: None) -> None:
    @register("features-alone")
    class FeaturesAlone(Method):
        trains_network = False

    found = names(tiny_request(methods=()))
    assert set(found) == set(METHODS) - {"target_only", "features-alone"}
    with pytest.raises(UserError, match="takes no training steps"):
        planned(tiny_request(methods=("features-alone",)))


def test_configuration_is_resolved_as_for_a_run(
    tiny_request: Ask, make_plan: Callable[..., list[PlannedRun]]
) -> None:
    assignments = ["optimiser.lr=0.5", "batch.source=4"]
    (expected,) = make_plan(assignments, tasks=("A->B",))
    run = planned(tiny_request(*assignments))[-1]
    assert run.config == expected.config
    assert (run.run_id, run.provenance) == (expected.run_id, expected.provenance)


def test_the_first_task_unless_another_is_asked_for(tiny_request: Ask) -> None:
    assert planned(tiny_request())[0].task.name == "A->B"
    assert planned(tiny_request(task="B2A"))[0].task.name == "B->A"


def test_methods_must_be_timed_alike(tiny_request: Ask) -> None:
    with pytest.raises(UserError, match=r"source_only and dann differ in batch: .*source=6.*source=4"):
        planned(tiny_request("dann.batch.source=4"))
    with pytest.raises(UserError, match="differ in tf32"):
        planned(tiny_request("dann.tf32=true"))
    planned(tiny_request("dann.optimiser.lr=0.5"))  # does not change the work


def test_a_frozen_backbone_is_refused(tiny_request: Ask, tmp_path: Path) -> None:
    weights = tmp_path / "w.pt"
    torch.save({}, weights)
    with pytest.raises(UserError, match="frozen backbone takes no part"):
        planned(tiny_request("frozen_backbone=true", weights=str(weights)))


def test_the_upper_bound_is_refused(tiny_request: Ask) -> None:
    with pytest.raises(UserError, match="target_only trains on the target's labels"):
        planned(tiny_request(methods=("target_only",)))


def test_missing_images_are_said(tiny_request: Ask, tmp_path: Path) -> None:
    with pytest.raises(MissingDataError):
        planned(tiny_request(suite="office31", data=tmp_path))


def test_drawn_labels_change_the_labels_alone(tiny_request: Ask) -> None:
    opened = []
    for classes in (None, 65):
        request = tiny_request(classes=classes)
        domains = open_domains(request)
        run = plan_runs(request, domains, CPU)[0]
        opened.append(domains.images(run.suite, run.task, run.config, False))
    own, drawn = opened
    for stored, other in ((own.training.source, drawn.training.source), (own.test, drawn.test)):
        rows = np.arange(len(stored))
        assert np.array_equal(stored.take(rows), other.take(rows))
    assert len(drawn.classes) == 65
    for labels, before in (
        (drawn.training.source_labels, own.training.source_labels),
        (drawn.test_labels, own.test_labels),
    ):
        assert labels.shape == before.shape
        assert 3 < labels.max() < 65
        assert labels.min() >= 0


def test_with_drawn_labels_a_method_may_ask_for_more_classes_than_there_are(tiny_request: Ask) -> None:
    wanted = {"methods": ("gsda",)}
    with pytest.raises(UserError, match=r"params\.groups=13 with 3 classes"):
        planned(tiny_request("gsda.params.groups=13", **wanted))
    run = planned(tiny_request("gsda.params.groups=13", classes=65, **wanted))[-1]
    assert run.config.params["groups"] == 13
