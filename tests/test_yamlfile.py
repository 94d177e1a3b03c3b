"""YAML of strangers: data as PyYAML's safe loader reads them, and one kind of error for everything else."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dabench.yamlfile import LARGEST_BYTES, parse_yaml, read_yaml

NINE = "abcdefghi"
LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip(NINE, NINE[1:] + "j", strict=True)
)
CHAIN = "a0: &a0 [x]\n" + "".join(f"a{number + 1}: &a{number + 1} [*a{number}]\n" for number in range(40))


@pytest.mark.parametrize(
    "text", ["", "a: 1", "a: [1, {b: c}]\nd: 2001-01-01", "a: &x {b: 1}\nc: *x\nd: {<<: *x, e: 2}", "- yes"]
)
def test_plain_data_are_read_as_the_safe_loader_reads_them(text: str) -> None:
    assert parse_yaml(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (LAUGHS, "line 6: more than 200000 values with all aliases written out"),
        (CHAIN, "line 32: nested more than 32 levels deep"),
        ("[" * 100_000, "nested more than 32 levels deep"),
        ("a: &a [*a]", "line 1: a value that holds itself"),
        ("a: " + "9" * 5000, "line 1: a value of 5000 characters that is no text"),
        ("a: 0x" + "f" * 5000, "that is no text"),
        ("!!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("!!bool maybe", "does not fit its tag"),
        ("!!timestamp soon", "does not fit its tag"),
        ('"\\ud800"', "surrogates not allowed"),
        ("a: *nobody", "undefined alias"),
        ("[a", "expected ',' or ']'"),
        ("? [1]\n: 2", "unhashable key"),
    ],
)
def test_everything_else_is_a_value_error_of_one_line(text: str, reason: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_yaml(text)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(alphabet="ab:- \n[]{}&*!<>|'\"#%@,?0.~\t", max_size=60))
def test_any_text_is_data_or_a_value_error(text: str) -> None:
    try:
        expected = yaml.safe_load(text)
    except Exception:
        with pytest.raises(ValueError):
            parse_yaml(text)
    else:
        try:
            assert repr(parse_yaml(text)) == repr(expected)
        except ValueError as error:
            assert "holds itself" in str(error)  # noqa: PT017


def test_large_files_and_other_things_than_files_are_not_read(tmp_path: Path) -> None:
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * (LARGEST_BYTES + 1))
    with pytest.raises(OSError, match="larger than 1048576 bytes"):
        read_yaml(large)
    with pytest.raises(OSError, match="no regular file"):
        read_yaml(tmp_path)
    with pytest.raises(OSError, match="no regular file"):
        read_yaml(Path("/dev/zero"))
