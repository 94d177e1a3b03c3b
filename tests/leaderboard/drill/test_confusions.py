"""Confusions of a matrix, known by hand; what does not fit is refused."""

from collections.abc import Callable
from typing import Any

import pytest

from dabench.leaderboard.drill.confusions import Confused, confusion_of
from dabench.records import Metrics, Record

CLASSES = {"cat": 0.5, "dog": 1.0, "cow": None}


def with_matrix(record: Callable[..., Record], matrix: Any, classes: Any = None) -> Record:
    known = CLASSES if classes is None else classes
    metrics = Metrics(accuracy=0.5, mean_class_accuracy=0.5, per_class=known, confusion=matrix)
    return record().model_copy(update={"metrics": metrics})


def test_the_largest_confusions_come_first(record: Callable[..., Record]) -> None:
    found = confusion_of(with_matrix(record, [[4, 1, 3], [0, 5, 3], [0, 0, 0]]))
    assert found is not None
    assert found.largest == (
        Confused("cat", "cow", 3, 3 / 8),
        Confused("dog", "cow", 3, 3 / 8),
        Confused("cat", "dog", 1, 1 / 8),
    )
    assert (found.images, found.others) == (16, 0)


def test_what_is_left_out_is_counted(record: Callable[..., Record]) -> None:
    size = 6
    matrix = [[0 if x == y else 1 + x + y for x in range(size)] for y in range(size)]
    found = confusion_of(with_matrix(record, matrix, {str(k): 0.0 for k in range(size)}))
    assert found is not None
    assert len(found.largest) == 20
    assert sum(one.images for one in found.largest) + found.others == sum(map(sum, matrix))


@pytest.mark.parametrize("matrix", [[], [[1, 2], [3, 4]], [[1, 2, 3], [1, 2, 3], [1, 2]]])
def test_a_matrix_that_does_not_fit_is_none(record: Callable[..., Record], matrix: Any) -> None:
    assert confusion_of(with_matrix(record, matrix)) is None


def test_a_failed_run_has_none(record: Callable[..., Record]) -> None:
    assert confusion_of(record(failed=True)) is None
    assert confusion_of(with_matrix(record, [], {})) is None
