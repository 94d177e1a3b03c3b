"""What is searched for a method: shared and own ranges, less what the user sets, and the recipe's place."""

from collections.abc import Callable
from typing import ClassVar

import pytest

from dabench.discovery import discover_methods
from dabench.errors import UserError
from dabench.method import METHODS, Method, register
from dabench.plan import PlannedRun
from dabench.search import SHARED, Choice, LogUniform, Uniform
from dabench.tuning.space import fixed_paths, ranges_of, recipe_numbers, recipe_values

discover_methods()


def test_every_method_has_the_shared_ranges_and_its_own() -> None:
    assert ranges_of(METHODS.get("source_only")) == SHARED
    gsda = ranges_of(METHODS.get("gsda"))
    assert (
        SHARED.keys() | {"reversal.maximum", "params.alpha", "params.beta", "params.confidence"}
        == gsda.keys()
    )
    assert list(gsda) == sorted(gsda)


@pytest.mark.usefixtures("own_methods")
def test_own_ranges_win_and_methods_without_training_have_no_others() -> None:
    wide = LogUniform(1e-6, 1, "ours")

    @register("toy-wide")
    class Wide(Method):
        search: ClassVar = {"optimiser.lr": wide}

    @register("toy-still")
    class Still(Method):
        trains_network = False
        search: ClassVar = {"head.bottleneck": Choice((64, 128), "ours")}

    assert ranges_of(METHODS.get("toy-wide"))["optimiser.lr"] is wide
    assert list(ranges_of(METHODS.get("toy-still"))) == ["head.bottleneck"]


@pytest.mark.usefixtures("own_methods")
def test_a_range_for_no_key_is_named() -> None:
    @register("toy-slip")
    class Slip(Method):
        search: ClassVar = {"optimizer.lr": Uniform(0, 1, "ours")}

    with pytest.raises(UserError, match="toy-slip declares a search range for the unknown key") as caught:
        ranges_of(METHODS.get("toy-slip"))
    assert "did you mean 'optimiser.lr'?" in caught.value.hint


def test_what_the_user_sets_is_not_searched(make_plan: Callable[..., list[PlannedRun]]) -> None:
    ranges = ranges_of(METHODS.get("gsda"))
    flags = ["optimiser.lr=0.02", "gsda.params.alpha=0.5", "tiny.reversal.maximum=2", "steps=8"]
    (one, other) = make_plan(flags, methods=["gsda"])
    assert fixed_paths(one, ranges) == fixed_paths(other, ranges)
    assert fixed_paths(one, ranges) == ["optimiser.lr", "params.alpha", "reversal.maximum"]
    assert fixed_paths(make_plan()[0], ranges) == []


def test_the_recipe_is_a_point_of_the_cube_where_it_lies_inside(
    make_plan: Callable[..., list[PlannedRun]],
) -> None:
    ranges = ranges_of(METHODS.get("dann"))
    values = recipe_values(make_plan()[0], ranges)
    assert values == {"optimiser.lr": 0.01, "optimiser.weight_decay": 0.001, "reversal.maximum": 1.0}
    assert recipe_numbers(values, ranges) == pytest.approx(dict.fromkeys(ranges, 0.5))
    assert recipe_numbers({**values, "optimiser.lr": 0.5}, ranges) == {}


def test_a_loss_weight_that_nobody_set_is_one(make_plan: Callable[..., list[PlannedRun]]) -> None:
    ranges = {"loss_weights.domain": LogUniform(0.1, 10, "ours")}
    assert recipe_values(make_plan()[0], ranges) == {"loss_weights.domain": 1.0}
    assert recipe_values(make_plan(["loss_weights.domain=3"])[0], ranges) == {"loss_weights.domain": 3}
