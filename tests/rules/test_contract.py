"""What every registered rule owes: metadata, order, determinism, honesty about what it reads, no crash."""

import dataclasses
import re
import warnings

import numpy as np
import pytest

from dabench.discovery import discover_rules
from dabench.selection import RULES, Part

discover_rules()
NAMES = sorted(RULES)
UNSUPERVISED = [name for name in NAMES if name not in {"last", "oracle"}]


def trace_of(trace, **changes):
    return dataclasses.replace(trace, **changes)


def mapped(part, change):
    return Part(change(part.logits), change(part.features), part.labels)


def picked(part, rows):
    labels = None if part.labels is None else part.labels[rows]
    return Part(part.logits[:, rows], part.features[:, rows], labels)


def each_part(trace, change):
    parts = {key: change(getattr(trace, key)) for key in ("target", "source", "source_val")}
    return trace_of(trace, **parts)


def scores_of(name, trace):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = RULES.get(name).cls().scores(trace)
    assert scores.dtype == np.float64
    assert scores.shape == trace.steps.shape
    assert not np.isinf(scores).any()
    return scores


def test_the_rules_are_found():
    assert set(NAMES) >= {
        "last", "oracle", "source_val", "entropy", "infomax", "bnm", "snd", "dev", "devn", "class_ami",
        "rankme", "atc", "mano",
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_introduces_itself(name):
    entry = RULES.get(name)
    cls = entry.cls
    assert entry.file is not None
    assert entry.file.stem == name
    assert cls.title
    assert cls.formula
    assert cls.version >= 1
    assert set(cls.needs) <= {"source", "source_val"}
    assert cls.uses_target_labels == (name == "oracle")
    assert cls.compares_runs == (name != "last")
    assert cls.reads_outputs == (name in UNSUPERVISED)
    if name in UNSUPERVISED:  # the other two are nobody's invention
        assert re.search(r"(19|20)\d\d", cls.paper)
        for item in filter(None, re.split(r"(?m)^(?=@)", cls.bibtex)):
            assert re.match(r"@\w+\{\w+,\n", item)
            assert item.count("{") == item.count("}")
            for field in ("title", "author", "year"):
                assert re.search(rf"(?m)^  {field} +=", item), field


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_images_says_nothing(name, make_trace):
    trace = make_trace()
    rng = np.random.default_rng(5)
    shuffled = each_part(trace, lambda part: picked(part, rng.permutation(part.logits.shape[1])))
    expected = scores_of(name, trace)
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(scores_of(name, shuffled), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_one_input_gives_one_score_and_no_global_draw(name, make_trace):
    trace = make_trace()
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    first = scores_of(name, trace)
    assert (np.random.get_state()[1] == before).all()
    np.random.seed(2)
    assert scores_of(name, trace).tobytes() == first.tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_leaves_what_is_stored_alone(name, make_trace):
    trace, same = make_trace(), make_trace()
    scores_of(name, trace)
    for key in ("target", "source", "source_val"):
        assert (getattr(trace, key).logits == getattr(same, key).logits).all()
        assert (getattr(trace, key).features == getattr(same, key).features).all()


@pytest.mark.parametrize("name", UNSUPERVISED)
def test_an_evaluation_is_scored_by_itself(name, make_trace):
    trace = make_trace()
    together = scores_of(name, trace)
    for k in range(len(trace.steps)):
        alone = each_part(trace, lambda part, k=k: mapped(part, lambda array: array[k : k + 1]))
        assert scores_of(name, trace_of(alone, steps=trace.steps[k : k + 1])) == together[k]


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_reads_no_more_than_it_declares(name, make_trace):
    trace = make_trace()
    cls = RULES.get(name).cls
    hidden = {key: None for key in ("source", "source_val") if key not in cls.needs}
    if not cls.uses_target_labels:
        hidden["values"] = None
    assert scores_of(name, trace_of(trace, **hidden)).tobytes() == scores_of(name, trace).tobytes()


@pytest.mark.parametrize(
    ("name", "part"), [(name, part) for name in NAMES for part in RULES.get(name).cls.needs]
)
def test_a_rule_misses_what_it_declares(name, part, make_trace):
    with pytest.raises(ValueError, match=part):
        scores_of(name, trace_of(make_trace(), **{part: None}))
    unlabelled = dataclasses.replace(getattr(make_trace(), part), labels=None)
    with pytest.raises(ValueError, match=part):
        scores_of(name, trace_of(make_trace(), **{part: unlabelled}))


def test_the_oracle_misses_the_metric(make_trace):
    with pytest.raises(ValueError, match="metric"):
        scores_of("oracle", trace_of(make_trace(), values=None))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", UNSUPERVISED)
def test_what_is_not_finite_has_no_score(name, bad, make_trace):
    def spoil(array):
        array = array.copy()
        array[1, 3, 2] = bad
        return array

    trace = make_trace()
    spoilt = scores_of(name, each_part(trace, lambda part: mapped(part, spoil)))
    clean = scores_of(name, trace)
    assert np.isnan(spoilt).tolist() == [False, True, False]
    assert (spoilt[[0, 2]] == clean[[0, 2]]).all()


def one_class(part):
    logits = np.zeros_like(part.logits)
    logits[..., 1] = 20
    return Part(logits, np.ones_like(part.features), part.labels)


COLLAPSES = {
    "one sure class, equal features": one_class,
    "one sure class, features as they were": lambda part: dataclasses.replace(
        one_class(part), features=part.features
    ),
    "equal features, logits as they were": lambda part: dataclasses.replace(
        part, features=np.full_like(part.features, 0.1)
    ),
    "two different images": lambda part: Part(
        np.where(np.arange(part.logits.shape[1])[:, None] % 2, part.logits[:, :1], part.logits[:, 1:2]),
        np.where(np.arange(part.features.shape[1])[:, None] % 2, part.features[:, :1], part.features[:, 1:2]),
        part.labels,
    ),
    "all zero": lambda part: mapped(part, np.zeros_like),
    "largest float16": lambda part: mapped(part, lambda array: np.where(array > 0, 65504.0, -65504.0)),
    "smallest float16": lambda part: mapped(part, lambda array: array * 6e-8),
    "one dead feature": lambda part: dataclasses.replace(
        part, features=part.features * (np.arange(part.features.shape[2]) > 0)
    ),
    "one image": lambda part: picked(part, slice(0, 1)),
    "two images": lambda part: picked(part, slice(0, 2)),
    "no image": lambda part: picked(part, slice(0, 0)),
}


@pytest.mark.parametrize("collapse", COLLAPSES)
@pytest.mark.parametrize("name", NAMES)
def test_a_collapsed_model_is_no_error(name, collapse, make_trace):
    scores = scores_of(name, each_part(make_trace(), COLLAPSES[collapse]))
    if collapse == "no image" and name in UNSUPERVISED:
        assert np.isnan(scores).all()


@pytest.mark.parametrize("name", UNSUPERVISED)
def test_far_domains_are_no_error(name, make_trace):
    assert np.isfinite(scores_of(name, make_trace(shift=500.0))).all()


@pytest.mark.parametrize("name", [name for name in UNSUPERVISED if name not in {"snd", "rankme"}])
def test_a_good_model_beats_one_that_knows_nothing(name, make_trace):
    """Not for snd and rankme: what they prefer is on record in test_predictions.py and test_features.py."""
    cls = RULES.get(name).cls
    ignorant, good = scores_of(name, make_trace(margins=(0.0, 3.0), shift=0.0))
    assert (good > ignorant) if cls.higher_is_better else (good < ignorant)
