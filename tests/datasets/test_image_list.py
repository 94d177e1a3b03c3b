import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dabench.datasets.class_folders import class_lookup
from dabench.datasets.files import Files
from dabench.datasets.image_list import find_list, parse_list, scan_list
from dabench.errors import UserError
from dabench.suite import Manifest

Shipped = Callable[..., Manifest]
Fill = Callable[..., int]

PATHS = st.text(
    st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp"), blacklist_characters="\x85"), min_size=1
).filter(lambda text: text.strip() == text and text != "")


@given(st.lists(st.tuples(PATHS, st.integers(0, 999_999_999)), min_size=1, max_size=20))
def test_what_is_written_is_read_back(rows: list[tuple[str, int]]) -> None:
    text = "\n".join(f"{path} {label}" for path, label in rows)
    assert [(entry.path, entry.label) for entry in parse_list(text, "list")] == rows


@given(st.text(max_size=200))
def test_any_text_gives_entries_or_a_user_error(text: str) -> None:
    entries = []
    with contextlib.suppress(UserError):
        entries = parse_list(text, "list")
    assert all(entry.path and entry.label >= 0 for entry in entries)


@pytest.mark.parametrize("line", ["a.png", "a.png -1", "a.png one", "a.png 1.0", "a.png ²", "7"])
def test_bad_line_is_named(line: str) -> None:
    with pytest.raises(UserError, match="list, line 3"):
        parse_list(f"b.png 0\n\n{line}\n", "list")


def test_empty_list() -> None:
    with pytest.raises(UserError, match="lists no image"):
        parse_list("\n  \n", "list")


def test_windows_line_ends_and_tabs() -> None:
    entries = parse_list("a b.png\t3\r\nc.png 4\r\n", "list")
    assert [(entry.path, entry.label) for entry in entries] == [("a b.png", 3), ("c.png", 4)]


CLASSES = ("cat", "dog")
LOOKUP = class_lookup(CLASSES, {})


@pytest.fixture
def pictures(tmp_path: Path, make_image: Fill) -> Path:
    for name in ("Real World/cat/1.png", "Real World/dog/1.png"):
        make_image(tmp_path / "office" / name)
    return tmp_path / "office"


@pytest.mark.parametrize(
    "prefix",
    [
        "Real World",
        "Real_World",
        "/data/office/Real World",
        "office/RealWorld",
        "./Real World",
        "../x/Real World",
    ],
)
def test_paths_are_rerooted(pictures: Path, prefix: str) -> None:
    path = pictures / "list.txt"
    path.write_text(f"{prefix}/cat/1.png 0\n{prefix}/dog/1.png 1\n")
    scan = scan_list(path, [pictures, pictures.parent], CLASSES, LOOKUP)
    assert scan.problems == []
    assert scan.files == [str(pictures / "Real World/cat/1.png"), str(pictures / "Real World/dog/1.png")]
    assert scan.labels == [0, 1]


def test_absolute_paths_of_this_machine(pictures: Path, tmp_path: Path) -> None:
    path = tmp_path / "elsewhere.txt"
    path.write_text(f"{pictures}/Real World/cat/1.png 0\n")
    assert scan_list(path, [], CLASSES, LOOKUP).files == [str(pictures / "Real World/cat/1.png")]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("cat/1.png 0\ncat/2.png 0", "files that are not there: line 2 Real World/cat/2.png"),
        ("cat/1.png 0\ncat/1.png 0", "listed twice: line 2"),
        ("cat/1.png 2", "no class .there are 2, from 0.: line 1"),
        ("cat/1.png 1", "another order: line 1 Real World/cat/1.png 1 .its folder is number 0"),
    ],
)
def test_problems_of_a_list(pictures: Path, lines: str, expected: str) -> None:
    path = pictures / "list.txt"
    path.write_text("\n".join(f"Real World/{line}" for line in lines.split("\n")))
    scan = scan_list(path, [pictures], CLASSES, LOOKUP)
    assert len(scan.problems) == 1
    with pytest.raises(UserError, match=expected):
        scan.require_sound("suite", "hint")


def test_list_whose_files_are_nowhere(pictures: Path) -> None:
    path = pictures / "list.txt"
    path.write_text("a/b/c.png 0\n")
    assert "'a/b/c.png' is found nowhere" in scan_list(path, [pictures], CLASSES, LOOKUP).problems[0]


@pytest.mark.parametrize(
    "name",
    ["amazon.txt", "amazon_list.txt", "image_list/amazon.txt", "amazon/image_list.txt", "amazon/list.txt"],
)
def test_lists_are_found_where_people_put_them(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("x 0")
    (tmp_path / "dslr_list.txt").write_text("x 0")
    assert find_list([tmp_path], tmp_path / "amazon", ["amazon"]) == tmp_path / name


def test_visda_validation_as_a_list_and_flat_files(
    tmp_path: Path, shipped: Shipped, make_image: Fill
) -> None:
    manifest = shipped("visda2017", 400)
    counts = manifest.domains["validation"].class_counts or {}
    lines, number = [], 0
    for label, name in enumerate(manifest.classes):
        for _ in range(counts[name]):
            make_image(tmp_path / "visda" / "validation" / f"{number:06d}.jpg")
            lines.append(f"{number:06d}.jpg {label}")
            number += 1
    (tmp_path / "visda" / "validation" / "image_list.txt").write_text("\n".join(lines))
    data = Files(manifest, tmp_path).open("validation", "train")
    assert data.class_counts() == counts


def test_cdan_list_beside_folders_without_classes(tmp_path: Path, shipped: Shipped, make_image: Fill) -> None:
    """Lists with another machine's absolute paths, as CDAN's repository ships them."""
    manifest = shipped("office31", 400)
    for domain, info in manifest.domains.items():
        lines = []
        for label, (name, count) in enumerate((info.class_counts or {}).items()):
            for number in range(count):
                make_image(tmp_path / "office" / "flat" / domain / f"{name}_{number}.png")
                lines.append(f"/data/office/flat/{domain}/{name}_{number}.png {label}\n")
        (tmp_path / "office" / f"{domain}_list.txt").write_text("".join(lines))
    data = Files(manifest, tmp_path).open("amazon", "train")
    assert data.class_counts() == manifest.domains["amazon"].class_counts


def test_class_folders_go_before_lists(tmp_path: Path, shipped: Shipped, make_domain: Fill) -> None:
    manifest = shipped("visda2017", 1000)
    for domain in manifest.domains:
        make_domain(tmp_path / "visda" / domain, manifest, domain)
        (tmp_path / "visda" / domain / "image_list.txt").write_text("nothing.png 0\n")
    assert len(Files(manifest, tmp_path).open("train", "train")) == manifest.domains["train"].images
