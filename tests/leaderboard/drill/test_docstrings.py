"""Docstrings keep their paragraphs, lists and equations; breaks of the editor's margin go."""

import pytest

from dabench.leaderboard.drill.docstrings import Block, blocks


def texts(block: Block) -> list[str]:
    return ["`".join(pieces) for pieces in block.texts]


def test_lines_that_were_full_are_joined_and_short_ones_are_kept() -> None:
    text = "A sentence that fills the line to its end\nand goes on.\nAnother, on a line of its own.\n\nLast."
    (first, last) = blocks(text)
    assert texts(first) == [
        "A sentence that fills the line to its end and goes on.\nAnother, on a line of its own."
    ]
    assert texts(last) == ["Last."]


def test_lists_have_items_and_end_where_a_line_is_neither_item_nor_indented() -> None:
    found = blocks("Choices:\n- one\n  and more\n- two\nAfter it.")
    assert [(one.kind, texts(one)) for one in found] == [
        ("paragraph", ["Choices:"]),
        ("list", ["one and more", "two"]),
        ("paragraph", ["After it."]),
    ]


def test_indented_lines_are_kept_as_they_stand() -> None:
    (_, equation, _) = blocks("Minimise\n\n    L = a\n      + b\n\nover all.")
    assert (equation.kind, texts(equation)) == ("verbatim", ["L = a\n  + b"])


@pytest.mark.parametrize(
    ("text", "pieces"),
    [("a ``b`` c", ("a ", "b", " c")), ("odd `` one", ("odd `` one",)), ("``x``", ("", "x", ""))],
)
def test_every_second_piece_is_code(text: str, pieces: tuple[str, ...]) -> None:
    assert blocks(text)[0].texts == (pieces,)


def test_nothing_gives_nothing() -> None:
    assert blocks("") == blocks(" \n\n ") == ()
