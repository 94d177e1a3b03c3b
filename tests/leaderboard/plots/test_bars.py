"""Accuracy by class."""

from typing import Any

import pytest

from dabench.leaderboard.plots.bars import class_bars


def test_bars_are_as_long_as_their_accuracy_the_best_first(tree: Any, axis: Any, at: Any) -> None:
    found = tree(class_bars({"cat": 0.5, "dog": 1.0, "cow": None, "hen": 0.0}, "bars"))
    x = axis(found, "x", ["0", "100"])
    assert found.words("end") == ["dog", "cat", "hen"]
    widths = [at(one, "width") for one in found.all("rect", "bar")]
    assert widths == pytest.approx([x(100) - x(0), x(50) - x(0), 0.5], abs=0.2)
    assert found.words("number") == ["100.0", "50.0", "0.0"]
    assert "1 class without a test image." in found.picture.text


def test_of_many_classes_the_best_and_the_worst_are_shown(tree: Any) -> None:
    found = tree(class_bars({f"c{k:03}": k / 344 for k in range(345)}, "bars"))
    names = found.words("end")
    assert names[:2] == ["c344", "c343"]
    assert names[-1] == "c000"
    assert len(names) == 30
    assert "… 315 classes in between …" in found.words("tick")


def test_no_known_class_is_no_picture() -> None:
    assert class_bars({}, "bars") is None
    assert class_bars({"cat": None}, "bars") is None
