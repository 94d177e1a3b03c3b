"""What records say of their images, in order or not."""

from collections.abc import Callable
from typing import Any

import pytest

from dabench.leaderboard.drill.data import parts
from dabench.leaderboard.drill.data import test_images as images_of
from dabench.records import Metrics, Record


def test_parts_come_in_our_order_with_their_domains(record: Callable[..., Record]) -> None:
    dataset = {
        "extra": {"fingerprint": "e"},
        "target_test": {"images": 5, "fingerprint": "t"},
        "source": {"images": 9, "fingerprint": "s", "whole": 12, "class_counts": {"cat": 4, "dog": 5}},
    }
    source, test, extra = parts(record().model_copy(update={"dataset": dataset}))
    assert (source.key, source.domain, source.images, source.fingerprint) == ("source", "A", 9, "s")
    assert (source.class_counts, source.others) == ({"cat": 4, "dog": 5}, {"whole": "12"})
    assert (test.name, test.domain, test.images) == ("target, tested on", "B", 5)
    assert (extra.name, extra.domain, extra.images, extra.fingerprint) == ("extra", "", None, "e")


@pytest.mark.parametrize("odd", [None, 3, [1], "text", {"images": True}, {"images": -1, "class_counts": [1]}])
def test_odd_parts_are_shown_as_they_are(record: Callable[..., Record], odd: Any) -> None:
    (part,) = parts(record().model_copy(update={"dataset": {"source": odd}}))
    assert part.images is None
    assert part.class_counts == {}


def test_the_number_of_test_images(record: Callable[..., Record]) -> None:
    one = record()
    assert images_of(one) == 2
    empty = Metrics(accuracy=0.5, mean_class_accuracy=0.5, per_class={}, confusion=[])
    slim = one.model_copy(update={"metrics": empty, "dataset": {"target_test": {"images": 7}}})
    assert images_of(slim) == 7
    assert images_of(slim.model_copy(update={"dataset": {"target_test": {"images": "7"}}})) is None
    assert images_of(slim.model_copy(update={"dataset": {}})) is None
