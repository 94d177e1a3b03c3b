"""Labels of points that do not cover each other."""

from itertools import combinations

import numpy as np

from dabench.leaderboard.plots.labels import Box, place_labels

AREA = Box(40, 18, 390, 290)


def test_a_lone_label_stands_right_of_its_point() -> None:
    (label,) = place_labels([(100, 100)], [50], AREA)
    assert (label.x, label.anchor, label.far) == (109, "", False)


def test_at_the_right_edge_it_stands_left() -> None:
    (label,) = place_labels([(385, 100)], [50], AREA)
    assert (label.x, label.anchor) == (376, "end")


def test_twenty_labels_cover_neither_each_other_nor_other_points() -> None:
    random = np.random.default_rng(0)
    points = [
        (float(x), float(y))
        for x, y in zip(random.uniform(50, 380, 20), random.uniform(30, 280, 20), strict=True)
    ]
    labels = place_labels(points, [70.0] * 20, AREA)
    assert all(one.box.overlap(other.box) == 0 for one, other in combinations(labels, 2))
    for label in labels:
        assert all(label.box.overlap(Box(x - 5, y - 5, x + 5, y + 5)) == 0 for x, y in points)
        assert label.box.overlap(AREA) == (label.box.right - label.box.left) * (
            label.box.bottom - label.box.top
        )


def test_a_label_leaves_a_line_free_where_that_costs_little() -> None:
    line = Box(100, 98.5, 390, 101.5)
    (label,) = place_labels([(100, 100)], [50], AREA, [line])
    assert label.box.overlap(line) == 0
    assert not label.far
