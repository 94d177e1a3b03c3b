from collections.abc import Callable
from pathlib import Path

import pytest

from dabench.datasets.files import Files
from dabench.datasets.verification import read_sums, verify, write_sums
from dabench.errors import UserError
from dabench.suite import Manifest

Shipped = Callable[..., Manifest]
Fill = Callable[..., int]


@pytest.fixture
def office(tmp_path: Path, shipped: Shipped, make_domain: Fill) -> Manifest:
    manifest = shipped("office31")
    for domain in manifest.domains:
        make_domain(tmp_path / "office31" / domain / "images", manifest, domain)
    return manifest


def test_recorded_checksums_find_every_kind_of_change(
    tmp_path: Path, office: Manifest, make_image: Fill
) -> None:
    loader = Files(office, tmp_path)
    steps: list[tuple[int, int]] = []
    assert verify(loader, lambda done, total: steps.append((done, total)), record=True) == []
    total = sum(info.images or 0 for info in office.domains.values())
    assert steps[-1] == (total, total)
    assert loader.sums() == tmp_path / "office31" / "office31.sha256"
    assert loader.check() == []
    folder = tmp_path / "office31/amazon/images"
    changed, gone, new = (
        folder / "mug/frame_0001.png",
        folder / "pen/frame_0001.png",
        folder / "pen/other.png",
    )
    changed.write_bytes(make_image(tmp_path / "other.png").read_bytes())  # an image still
    gone.rename(new)
    problems = Files(office, tmp_path).check()
    assert f"{changed} has changed since its checksum was recorded" in problems
    assert f"{gone} was recorded and is not there" in problems
    assert f"{new} was not there when the checksums were recorded" in problems
    assert len(problems) == 3


def test_nothing_is_recorded_of_broken_data(tmp_path: Path, office: Manifest) -> None:
    (tmp_path / "office31/amazon/images/mug/frame_0001.png").write_bytes(b"")
    loader = Files(office, tmp_path)
    assert len(verify(loader, record=True)) == 1
    assert not loader.sums().exists()


def test_format_is_that_of_sha256sum(tmp_path: Path) -> None:
    path = tmp_path / "x.sha256"
    write_sums(path, {tmp_path / "a b" / "1.png": "0" * 64, tmp_path.parent / "2.png": "1" * 64})
    assert path.read_text() == f"{'1' * 64}  ../2.png\n{'0' * 64}  a b/1.png\n"
    assert read_sums(path) == {tmp_path / "a b" / "1.png": "0" * 64, tmp_path.parent / "2.png": "1" * 64}
    assert read_sums(tmp_path / "none.sha256") is None


@pytest.mark.parametrize("text", ["nonsense\n", f"{'g' * 64}  a\n", f"{'0' * 64}  \n"])
def test_other_formats_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.sha256").write_text(text)
    with pytest.raises(UserError, match="line 1"):
        read_sums(tmp_path / "x.sha256")


def test_names_that_the_format_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="line break"):
        write_sums(tmp_path / "x.sha256", {tmp_path / "a\nb": "0" * 64})
