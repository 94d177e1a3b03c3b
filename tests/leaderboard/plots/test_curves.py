"""Learning and loss curves."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from dabench.leaderboard.plots.curves import learning_curves, loss_curves
from dabench.leaderboard.runs import Run
from dabench.records import Evaluation, Record


@pytest.fixture
def runs(record: Callable[..., Record], trained: Any, runs_of: Any) -> list[Run]:
    values = [(0.5, 0.6, 0.7), (0.5, 0.7, 0.6), (0.2, 0.5, 0.65)]
    found: list[Run] = runs_of([trained(record(seed=seed), *one) for seed, one in enumerate(values)])
    return found


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (one.split(" ") for one in path[1:].split("L"))]


def test_a_line_a_seed_and_their_mean(runs: list[Run], tree: Any, axis: Any) -> None:
    found = tree(learning_curves(runs, "accuracy", "curves"))
    x, y = axis(found, "x", ["0", "100", "200", "300"]), axis(found, "y", ["20", "40", "60"])
    thin = [points(one.get("d")) for one in found.all("path", "thin")]
    assert [len(one) for one in thin] == [3, 3, 3]
    assert [a for a, _ in thin[0]] == pytest.approx([x(100), x(200), x(300)], abs=0.2)
    mean = points(found.one("path", "line").get("d"))
    assert [b for _, b in mean] == pytest.approx([y(v) - 4.5 for v in (40, 60, 65)], abs=0.3)
    assert found.words("label") == ["seed 0", "seed 1", "seed 2", "mean"]
    assert "seed 1: 60.00 at the end, at most 70.00" in found.picture.text


def test_the_chosen_step_is_marked(runs: list[Run], tree: Any, at: Any) -> None:
    found = tree(learning_curves(runs, "accuracy", "curves", {runs[1].file: 200, runs[2].file: 999}))
    # One circle on the curve and one in the key; a step that was never evaluated is not drawn.
    assert len(found.all("circle", "hollow")) == 2
    assert "seed 1, chosen step 200: 70.00" in found.tips()
    thin = points(found.all("path", "thin")[1].get("d"))[1]
    marked = found.all("circle", "hollow")[1]
    assert (at(marked, "cx"), at(marked, "cy")) == thin


def test_labels_keep_apart(record: Any, trained: Any, runs_of: Any, tree: Any, at: Any) -> None:
    close = runs_of([trained(record(seed=seed), 0.5, 0.7 + seed / 1e4) for seed in range(8)])
    labels = sorted(
        at(one, "y") for one in tree(learning_curves(close, "accuracy", "c")).all("text", "label")
    )
    assert all(right - left >= 14.9 for left, right in itertools.pairwise(labels))


def test_of_many_seeds_the_extremes_are_named(record: Any, trained: Any, runs_of: Any, tree: Any) -> None:
    many = runs_of([trained(record(seed=seed), 0.5, 0.6 + seed / 100) for seed in range(12)])
    assert tree(learning_curves(many, "accuracy", "c")).words("label") == ["seed 0", "seed 11", "mean"]


def test_one_evaluation_is_no_curve(record: Any, trained: Any, runs_of: Any) -> None:
    assert learning_curves(runs_of([trained(record(), 0.5)]), "accuracy", "c") is None
    assert learning_curves(runs_of([record(failed=True)]), "accuracy", "c") is None
    assert learning_curves([], "accuracy", "c") is None


def test_each_loss_has_its_own_scale(record: Any, runs_of: Any, tree: Any) -> None:
    evaluations = [
        Evaluation(
            step=100 * k, accuracy=0.5, mean_class_accuracy=0.5, seconds=k,
            losses={"domain": 0.01 / k, "classification": 10.0 / k},
        )
        for k in (1, 2, 4)
    ]  # fmt: skip
    (run,) = runs_of([record().model_copy(update={"evaluations": evaluations})])
    found = tree(loss_curves(run, "losses"))
    assert found.words("name") == ["classification", "domain"]
    assert found.words("number") == ["2.5 at the end", "0.0025 at the end"]
    first, second = ([y for _, y in points(one.get("d"))] for one in found.all("path", "line"))
    assert [y - first[0] for y in first] == pytest.approx([y - second[0] for y in second], abs=0.3)
    assert "classification: from 10 to 2.5" in found.picture.text


def test_losses_without_a_finite_range_are_not_drawn(record: Any, runs_of: Any, tree: Any) -> None:
    evaluations = [
        Evaluation(
            step=k, accuracy=0.5, mean_class_accuracy=0.5, seconds=k, losses={"a": (-1) ** k * 1e308, "b": k}
        )
        for k in (1, 2)
    ]
    (run,) = runs_of([record().model_copy(update={"evaluations": evaluations})])
    assert tree(loss_curves(run, "losses")).words("name") == ["b"]


def test_a_run_without_losses_has_no_picture_of_them(record: Any, runs_of: Any) -> None:
    (run,) = runs_of([record()])
    assert loss_curves(run, "losses") is None
