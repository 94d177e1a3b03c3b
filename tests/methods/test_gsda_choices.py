"""GSDA's configuration: groups, sampling, ablations, values of the paper."""

import math

import pytest
import torch
from pydantic import ValidationError

from dabench.method import METHODS, FeatureTable, Outputs
from dabench.methods.gsda import GSDA, membership, select_confident


class FakeFeatures:
    """Target outputs with the given probabilities of two classes; counts how often they are read."""

    def __init__(self, probabilities):
        self.probabilities = torch.tensor(probabilities, dtype=torch.float64)
        self.reads = 0

    def source(self):
        raise AssertionError("the source is not read")

    def target(self):
        self.reads += 1
        logits = torch.stack([self.probabilities, 1 - self.probabilities], dim=1).log()
        return FeatureTable(Outputs(logits, logits, logits))


@pytest.mark.parametrize(("classes", "groups"), [(31, 6), (65, 13), (12, 4), (10, 2), (5, 5), (7, 1)])
def test_groups_are_a_balanced_partition(classes, groups):
    members = membership(classes, groups, torch.Generator().manual_seed(0))
    assert members.shape == (groups, classes)
    assert torch.equal(members.sum(0), torch.ones(classes))
    assert members.sum(1).max() - members.sum(1).min() <= 1
    assert set(members.unique().tolist()) <= {0.0, 1.0}


def test_groups_follow_the_methods_stream():
    draws = [membership(31, 6, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


@pytest.mark.parametrize(
    ("classes", "groups", "expected"),
    [(31, None, 6), (65, None, 13), (10, None, 2), (12, None, 2), (3, None, 2), (1, None, 1), (12, 4, 4)],
)
def test_number_of_groups(classes, groups, expected, make_method):
    method = make_method("gsda", classes=classes, groups=groups)
    assert method.members.shape == (expected, classes)
    assert len(method.discriminators["local"].weights[0]) == expected + classes


def test_groups_are_restored_with_the_weights(make_method):
    method, other = make_method("gsda", classes=20, seed=0), make_method("gsda", classes=20, seed=1)
    assert not torch.equal(method.members, other.members)
    other.load_state_dict(method.state_dict())
    assert torch.equal(method.members, other.members)


@pytest.mark.parametrize(
    ("threshold", "minimum", "expected"),
    [
        (0.9, 1, [1, 3]),  # 0.90 counts
        (0.9, 3, [0, 1, 3]),
        (0.99, 1, [3]),
        (0.99, 2, [1, 3]),
        (0.5, 1, [0, 1, 2, 3, 4]),
        (1.0, 99, [0, 1, 2, 3, 4]),  # never more than there are
    ],
)
def test_selection_by_hand(threshold, minimum, expected):
    largest = torch.tensor([0.8, 0.9, 0.6, 0.98, 0.7])
    probabilities = torch.stack([largest, 1 - largest], dim=1)
    assert select_confident(probabilities, threshold, minimum).tolist() == expected
    assert select_confident(probabilities.flip(1), threshold, minimum).tolist() == expected


def test_ties_go_to_the_first_images():
    assert select_confident(torch.full((6, 2), 0.5), 0.9, 2).tolist() == [0, 1]


def test_selection_over_the_run(make_method):
    features = FakeFeatures([0.95, 0.5, 0.6, 0.99, 0.02, 0.7] + [0.55] * 54)
    method = make_method("gsda", batch_target=3)
    assert method.begin_epoch(features, 0.0) is None
    assert method.begin_epoch(features, 0.19) is None
    assert features.reads == 0
    # Three are confident; a tenth of 60 are six: the next are 0.7, 0.6 and the first 0.55.
    assert method.begin_epoch(features, 0.2).target.tolist() == [0, 2, 3, 4, 5, 6]
    few = make_method("gsda", batch_target=3, selection_minimum=0.0)
    assert few.begin_epoch(features, 0.5).target.tolist() == [0, 3, 4]
    one_batch = make_method("gsda", batch_target=32, selection_minimum=0.0)
    assert len(one_batch.begin_epoch(features, 0.5).target) == 32
    larger_than_target = make_method("gsda", batch_target=500)
    assert len(larger_than_target.begin_epoch(features, 0.5).target) == 60


def test_the_minimum_is_rounded_up(make_method):
    features = FakeFeatures([0.5] * 31)
    selection = make_method("gsda", batch_target=2).begin_epoch(features, 1.0)
    assert len(selection.target) == math.ceil(3.1)


def test_sampling_can_be_switched_off(make_method):
    assert make_method("gsda").source_sampling == "class_balanced"
    method = make_method("gsda", source_sampling="uniform", target_selection=False)
    assert method.source_sampling == "uniform"
    features = FakeFeatures([0.99])
    assert method.begin_epoch(features, 0.9) is None
    assert features.reads == 0


@pytest.mark.parametrize(
    ("name", "levels", "synchronise"),
    [
        ("gsda-glb", {"global"}, False),
        ("gsda-glb-cls", {"global", "class"}, False),
        ("gsda-glb-cls-grp", {"global", "class", "group"}, False),
        ("gsda", {"global", "class", "group"}, True),
    ],
)
def test_rows_of_table_1(name, levels, synchronise, make_method, make_outputs, make_batch):
    method = make_method(name)
    assert METHODS.get(name).cls is GSDA
    assert {level for bank in method.banks.values() for level in bank} == levels
    assert method.discriminators.keys() == method.banks.keys()
    source, target, *_ = make_outputs()
    losses = method.losses(source, make_batch().source.labels, target, make_batch())
    expected = {"classification", "entropy", *levels} | ({"synchronisation"} if synchronise else set())
    assert set(losses) == expected


def test_beta_zero_and_alpha_zero_pay_for_nothing(make_method, make_outputs, make_batch):
    source, target, *_ = make_outputs()
    losses = make_method("gsda", alpha=0.0, beta=0.0).losses(
        source, make_batch().source.labels, target, make_batch()
    )
    assert set(losses) == {"classification", "global", "group", "class"}


@pytest.mark.parametrize(
    ("suite", "alpha", "beta", "groups", "classes"),
    [("office31", 0.02, 1.0, 6, 31), ("officehome", 0.02, 1.0, 13, 65), ("visda2017", 0.2, 10.0, 4, 12)],
)
def test_values_of_the_paper(suite, alpha, beta, groups, classes, make_method):
    recipe = GSDA.recipes[suite]
    assert all("section 3.1" in entry.source for entry in recipe.values())
    params = {key.removeprefix("params."): entry.value for key, entry in recipe.items()}
    assert params == {"alpha": alpha, "beta": beta, "groups": groups}
    method = make_method("gsda", classes=classes, **params)
    assert len(method.discriminators["local"].weights[0]) == groups + classes


@pytest.mark.parametrize(("suite", "width"), [("digits", 100), ("minidigits", 32)])
def test_local_discriminators_on_digits(suite, width, make_method):
    recipe = GSDA.recipes[suite]
    assert recipe["params.local_hidden"].source.startswith("our choice")
    method = make_method("gsda", local_hidden=recipe["params.local_hidden"].value)
    assert [weight.shape[1] for weight in method.discriminators["local"].weights] == [width, 1]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"levels": ["global", "class"]}, "synchronise needs"),
        ({"levels": ["global", "global"], "synchronise": False}, "twice"),
        ({"levels": [], "synchronise": False}, "levels"),
        ({"levels": ["galaxy"]}, "levels"),
        ({"alpha": -1}, "alpha"),
        ({"groups": 0}, "groups"),
        ({"confidence": 1.5}, "confidence"),
        ({"betta": 1.0}, "betta"),
    ],
)
def test_impossible_configurations(params, message):
    with pytest.raises(ValidationError, match=message):
        METHODS.get("gsda").config(params)
