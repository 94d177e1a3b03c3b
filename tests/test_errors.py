"""Errors that are the user's to mend: a message, and how to go on."""

import pytest

from dabench.errors import MissingDataError, UserError, did_you_mean, unknown


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("gdsa", "did you mean 'gsda'?"),
        ("DANN", "did you mean 'dann'?"),
        ("lr", "did you mean 'optimiser.lr'?"),
        ("optimiser.lrr", "did you mean 'optimiser.lr'?"),
        ("opt", "did you mean 'optimiser.lr'?"),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_did_you_mean(word: str, expected: str) -> None:
    assert did_you_mean(word, ["gsda", "dann", "optimiser.lr", "optimiser.momentum"]) == expected


def test_long_lists_of_choices_are_cut_and_say_so() -> None:
    error = unknown("name", "x", [f"choice{number:03d}" for number in range(50)], where="my.yaml")
    assert str(error) == "my.yaml: unknown name 'x'"
    assert "choice039, ..." in error.hint
    assert "choice040" not in error.hint
    assert unknown("name", "x", []).hint == "available:"


def test_a_user_error_without_a_hint_has_an_empty_one() -> None:
    assert UserError("message").hint == ""
    assert isinstance(MissingDataError("message", "hint"), UserError)
