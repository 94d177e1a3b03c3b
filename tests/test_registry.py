"""The registry: names, origins, no name twice, a suggestion for one that is unknown."""

import pytest

from dabench.errors import UserError
from dabench.registry import Registry


@pytest.fixture
def colours() -> Registry[int]:
    registry: Registry[int] = Registry("colour")
    registry.add("red", 1, "a.py")
    registry.add("blue", 2, "b.py")
    return registry


def test_entries_by_name_in_order(colours: Registry[int]) -> None:
    assert list(colours) == ["blue", "red"]
    assert (len(colours), colours.get("red"), colours.origin("blue")) == (2, 1, "b.py")
    assert "red" in colours
    assert "green" not in colours


def test_a_name_taken_names_both_origins(colours: Registry[int]) -> None:
    with pytest.raises(ValueError, match=r"colour 'red' is registered twice: a\.py and c\.py"):
        colours.add("red", 3, "c.py")
    assert colours.get("red") == 1


def test_an_unknown_name_comes_with_a_suggestion(colours: Registry[int]) -> None:
    for ask in (colours.get, colours.origin):
        with pytest.raises(UserError, match="unknown colour 'blu'") as caught:
            ask("blu")
        assert caught.value.hint == "did you mean 'blue'? available: blue, red"
