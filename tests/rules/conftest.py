"""Stored traces of made-up models, and the reference scores."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest

from dabench.discovery import discover_rules
from dabench.selection import RULES, Part, Snapshot, Trace

HERE = Path(__file__).parent
CLASSES, DIM = 4, 6


def stored(array):
    """As a run stores it and a reader gives it back."""
    return np.asarray(array, np.float64).astype(np.float16).astype(np.float32)


@pytest.fixture
def score():
    """Score one evaluation by a rule's name: logits and features of the target, then of both source parts."""
    discover_rules()

    def of(name, target, source=None, source_val=None):
        parts = [
            None if part is None else Snapshot(*(np.asarray(array) for array in part))
            for part in (target, source, source_val)
        ]
        return RULES.get(name).cls().score(*parts)

    return of


@pytest.fixture
def make_trace():
    """Make a trace: each evaluation's model tells classes apart by ``margins[k]``, in features and logits."""

    def make(margins=(0.3, 1.0, 2.0), seed=0, images=40, held_out=30, shift=0.2):
        rng = np.random.default_rng(seed)

        def part(count, moved, with_labels):
            labels = np.arange(count) % CLASSES
            noise = rng.standard_normal((len(margins), count, DIM))
            centres = np.asarray(margins)[:, None, None] * np.eye(CLASSES, DIM)[labels]
            features = centres + 0.3 * noise + moved
            logits = 5 * features[..., :CLASSES] + 0.1 * rng.standard_normal((len(margins), count, CLASSES))
            return Part(stored(logits), stored(features), labels.astype(np.int64) if with_labels else None)

        return Trace(
            steps=np.arange(1, len(margins) + 1) * 10,
            target=part(images, shift, False),
            source=part(images, 0.0, True),
            source_val=part(held_out, 0.0, True),
            values=np.linspace(0.2, 0.8, len(margins)),
        )

    return make


@pytest.fixture(scope="session")
def reference():
    """(arrays, scores) of each case of make_reference.py, whose scores come from pytorch-adapt 0.0.83."""
    script = runpy.run_path(str(HERE / "make_reference.py"))
    scores = json.loads((HERE / "reference.json").read_text(encoding="utf-8"))["scores"]
    assert scores.keys() == script["CASES"].keys()
    return [(script["arrays"](*sizes), scores[name]) for name, sizes in script["CASES"].items()]
