"""Confusion matrices, small and large."""

from typing import Any

import numpy as np
import pytest

from dabench.leaderboard.plots.confusion import confusion_matrix

COUNTS = [[97, 3, 0], [30, 60, 10], [0, 100, 100]]
CLASSES = ["cat", "dog", "<b>"]


def boxes(path: str) -> set[tuple[int, int]]:
    """The cells that a path covers: (row, column)."""
    found = set()
    for one in path.split("z")[:-1]:
        start, width = one[1:].split("h")[:2]
        x, y = (int(part) for part in start.split(" "))
        found |= {(y, x + k) for k in range(int(width.split("v")[0]))}
    return found


def test_cells_have_shade_and_percent_of_their_row(tree: Any) -> None:
    found = tree(confusion_matrix(COUNTS, CLASSES, "confusion"))
    shades = {one.get("class"): boxes(one.get("d")) for one in found.all("path", "cell")}
    assert shades == {
        "cell p4": {(0, 0), (1, 1), (2, 2)},
        "cell m1": {(0, 1)},
        "cell m2": {(1, 2)},
        "cell m3": {(1, 0)},
        "cell m4": {(2, 1)},
    }
    assert found.words("in") == ["97", "3", "30", "60", "10", "50", "50"]
    assert "257 of 400 images are right." in found.picture.text
    assert (
        "The largest confusions: 100 of 200 <b> taken for dog; 30 of 100 dog taken for cat;"
        in found.picture.text
    )
    assert found.words("tick")[2:] == ["cat", "cat", "dog", "dog", "<b>", "<b>"]


def test_numbers_stand_in_their_cells(tree: Any, at: Any) -> None:
    found = tree(confusion_matrix(COUNTS, CLASSES, "confusion"))
    frame = found.one("rect", "frame")
    cell = at(frame, "width") / 3
    text = found.all("text", "in")[3]  # 60: row 1, column 1
    assert at(text, "x") == pytest.approx(at(frame, "x") + 1.5 * cell, abs=0.1)
    assert at(text, "y") == pytest.approx(at(frame, "y") + 1.5 * cell + 4.5, abs=0.1)


def test_hundreds_of_classes_stay_small_and_unnamed(tree: Any) -> None:
    random = np.random.default_rng(0)
    counts = random.multinomial(60, np.full(345, 1 / 345), size=345) + 140 * np.eye(345, dtype=int)
    found = tree(confusion_matrix(counts.tolist(), [f"c{k}" for k in range(345)], "confusion"))
    assert len(found.picture.svg.encode()) < 40_000
    assert found.words() == ["predicted class", "true class"]
    assert "Shares below 1 %" in found.picture.text
    right = {
        cell for one in found.all("path", "cell") if " p" in one.get("class") for cell in boxes(one.get("d"))
    }
    assert right == {(k, k) for k in range(345)}


def test_a_class_without_images_is_an_empty_row(tree: Any) -> None:
    found = tree(confusion_matrix([[5, 0], [0, 0]], ["cat", "dog"], "confusion"))
    assert found.words("in") == ["100"]


def test_nothing_to_show() -> None:
    assert confusion_matrix([], [], "c") is None
    assert confusion_matrix([[0, 0], [0, 0]], ["a", "b"], "c") is None
    assert confusion_matrix([[1, 0]], ["a", "b"], "c") is None  # sizes do not fit
