"""The builder of elements escapes everything."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from dabench.leaderboard.plots.svg import WIDTH, Boxes, document, number, points_path, tag, text_at


@given(st.text(st.characters()), st.text(st.characters()))
def test_any_text_gives_a_well_formed_picture_with_that_text(words: str, name: str) -> None:
    picture = document("a", words, words, 10, [text_at(1, 2, words, None, words + name)])
    root = ElementTree.fromstring(str(picture.svg))
    title = root.find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    expected = "".join("\ufffd" if forbidden(letter) else letter for letter in words)
    # XML reads every line end as \n.
    assert (title.text or "") == expected.replace("\r\n", "\n").replace("\r", "\n")


def forbidden(letter: str) -> bool:
    """XML 1.0, production 2."""
    control = letter < " " and letter not in "\t\n\r"
    return control or 0xD800 <= ord(letter) <= 0xDFFF or letter in "\ufffe\uffff"


def test_attributes_are_escaped_and_named_as_in_xml() -> None:
    made = tag("text", Markup("<b/>"), "<c>", None, class_='"x"', text_anchor="a&b", dx=None, y=2.0)
    assert made == '<text class="&#34;x&#34;" text-anchor="a&amp;b" y="2"><b/>&lt;c&gt;</text>'


@pytest.mark.parametrize(
    ("value", "text"), [(1.26, "1.3"), (-0.04, "0"), (100.0, "100"), (0.05 + 0.05, "0.1"), (-7.0, "-7")]
)
def test_lengths_have_a_tenth_at_most(value: float, text: str) -> None:
    assert number(value) == text


def test_a_path_through_points() -> None:
    assert points_path([(1, 2.04), (3.55, 4)]) == "M1 2L3.5 4"


def test_a_document_is_named_and_has_a_text_alternative() -> None:
    picture = document("dots", "Title", "Text", 50, [])
    root = ElementTree.fromstring(str(picture.svg))
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "dots-title dots-text"
    assert [one.get("id") for one in root] == ["dots-title", "dots-text"]
    assert root.get("viewBox") == "0 0 400 50"
    assert not picture.wide
    assert document("dots", "Title", "Text", 50, [], WIDTH + 100).wide


def test_boxes_of_a_kind_are_one_path() -> None:
    boxes = Boxes(12, 10)
    boxes.add("b", 0, 0)
    boxes.add("a", 0, 0)
    boxes.add("b", 12, 0)
    assert boxes.paths("cell") == [
        '<path d="M1 1h10v8h-10z" class="cell a"/>',
        '<path d="M1 1h10v8h-10zM13 1h10v8h-10z" class="cell b"/>',
    ]
