"""Scores against pytorch-adapt 0.0.83, an implementation that this one shares no code with.

It computes some logarithms of x + 1e-7 or less, for single precision; hence the tolerance.
"""

import numpy as np
import pytest

from dabench.rules.importance import normalised, risk


@pytest.mark.parametrize("name", ["entropy", "infomax", "bnm", "snd"])
def test_rules_on_logits(name, reference, score):
    for arrays, expected in reference:
        nothing = np.zeros((len(arrays["logits"]), 1))
        assert score(name, (arrays["logits"], nothing)) == pytest.approx(expected[name], rel=1e-6)


def test_class_ami(reference, score):
    for arrays, expected in reference:
        found = score("class_ami", (arrays["predictions"], arrays["clusters"]))
        assert found == pytest.approx(expected["class_ami"], rel=1e-9)


def test_risk(reference):
    for arrays, expected in reference:
        weights, losses = arrays["weights"], arrays["losses"]
        assert risk(weights, losses) == pytest.approx(expected["risk"], rel=1e-12)
        assert risk(normalised(weights), losses) == pytest.approx(expected["normalised risk"], rel=1e-12)
