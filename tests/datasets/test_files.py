from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dabench.datasets.files import Files
from dabench.errors import MissingDataError, UserError
from dabench.suite import DomainData, Manifest

Shipped = Callable[..., Manifest]
Fill = Callable[..., int]


def fill_all(folder: Path, manifest: Manifest, fill: Fill, level: str = "", **names: str) -> None:
    for domain in manifest.domains:
        fill(folder / names.get(domain, domain) / level, manifest, domain)


def open_all(manifest: Manifest, root: Path) -> dict[str, DomainData]:
    loader = Files(manifest, root)
    assert all(status.present for status in loader.status())
    return {domain: loader.open(domain, "train") for domain in manifest.domains}


@pytest.mark.parametrize(
    ("suite", "below", "level", "names"),
    [
        ("office31", "office31", "images", {}),
        ("office31", "office31", "", {}),
        ("office31", "office31/domain_adaptation_images", "images", {}),
        ("office31", "Office-31", "Images", {"amazon": "Amazon"}),
        ("office31", "", "images", {}),
        ("officehome", "officehome/OfficeHomeDataset_10072016", "", {"Real_World": "Real World"}),
        ("officehome", "OfficeHomeDataset_10072016", "", {"Real_World": "Real_World"}),
        ("officehome", "office_home", "", {"Real_World": "RealWorld"}),
        ("officehome", "office-home", "", {"Real_World": "real-world", "Art": "art"}),
        ("visda2017", "visda-2017", "", {}),
        ("visda2017", "visda2017", "", {}),
    ],
)
def test_finds_the_layouts_that_people_have(
    tmp_path: Path,
    shipped: Shipped,
    make_domain: Fill,
    suite: str,
    below: str,
    level: str,
    names: dict[str, str],
) -> None:
    manifest = shipped(suite, 400 if suite == "visda2017" else 40)
    root = tmp_path / "data"
    fill_all(root / below, manifest, make_domain, level, **names)
    for domain, data in open_all(manifest, root).items():
        info = manifest.domains[domain]
        assert len(data) == info.images
        assert data.classes == manifest.classes
        if info.class_counts:
            assert data.class_counts() == info.class_counts
        assert data.read(0).shape == (6, 5, 3)
        assert data.read(0).dtype == np.uint8
    assert Files(manifest, root).check() == []


def test_class_folders_may_be_spelt_differently(tmp_path: Path, shipped: Shipped, make_domain: Fill) -> None:
    manifest = shipped("office31").model_copy(update={"class_aliases": {"rucksack": "back_pack"}})
    spelling = {"back_pack": "Rucksack", "bike_helmet": "Bike Helmet", "desk_lamp": "desk-lamp"}
    for domain in manifest.domains:
        make_domain(tmp_path / "office31" / domain, manifest, domain, lambda name: spelling.get(name, name))
    assert Files(manifest, tmp_path).open("amazon", "train").class_counts()["back_pack"] == 2


def test_keys_and_images_belong_together(tmp_path: Path, shipped: Shipped, make_domain: Fill) -> None:
    manifest = shipped("office31")
    fill_all(tmp_path / "office31", manifest, make_domain, "images")
    data = Files(manifest, tmp_path).open("webcam", "train")
    for row in range(0, len(data), 5):
        with Image.open(tmp_path / "office31/webcam" / data.keys[row]) as image:
            assert np.array_equal(data.read(row), np.asarray(image))
        assert manifest.classes[data.labels[row]] == Path(data.keys[row]).parent.name


def test_missing_data_say_how_to_get_them(tmp_path: Path, shipped: Shipped) -> None:
    loader = Files(shipped("office31"), tmp_path)
    assert [status.present for status in loader.status()] == [False] * 3
    with pytest.raises(MissingDataError, match=r"amazon is not on this machine.*" + str(tmp_path)) as caught:
        loader.open("amazon", "train")
    assert "--archive domain_adaptation_images.tar.gz" in caught.value.hint
    with pytest.raises(MissingDataError, match="give --data DIR"):
        Files(shipped("office31"), None).open("amazon", "train")


def test_junk_is_ignored(tmp_path: Path, shipped: Shipped, make_domain: Fill, make_image: Fill) -> None:
    manifest = shipped("office31")
    fill_all(tmp_path / "office31", manifest, make_domain)
    domain = tmp_path / "office31" / "amazon"
    for junk in ("__MACOSX/x.png", ".hidden/x.png", "bike/.x.png", "bike/._frame_0001.png"):
        make_image(domain / junk)
    (domain / "bike" / "Thumbs.db").write_bytes(b"x")
    (domain / ".DS_Store").write_bytes(b"x")
    assert Files(manifest, tmp_path).check() == []


def problem_of(manifest: Manifest, root: Path, domain: str = "amazon") -> str:
    loader = Files(manifest, root)
    with pytest.raises(UserError) as caught:
        loader.open(domain, "train")
    assert caught.value.hint
    problems = loader.check()
    assert any(text.startswith(domain) for text in problems), problems
    return str(caught.value)


def test_wrong_count_names_the_classes(tmp_path: Path, shipped: Shipped, make_domain: Fill) -> None:
    manifest = shipped("office31")
    fill_all(tmp_path / "office31", manifest, make_domain)
    (tmp_path / "office31/amazon/mug/frame_0001.png").unlink()
    text = problem_of(manifest, tmp_path)
    images = manifest.domains["amazon"].images or 0
    assert f"office31: amazon: {images - 1} images, expected {images}" in text
    assert "mug 1 (expected 2)" in text
    assert "unpack it again" in text


def test_renamed_class(tmp_path: Path, shipped: Shipped, make_domain: Fill) -> None:
    manifest = shipped("office31")
    fill_all(tmp_path / "office31", manifest, make_domain)
    (tmp_path / "office31/amazon/mug").rename(tmp_path / "office31/amazon/mugs")
    text = problem_of(manifest, tmp_path)
    assert "amazon/mugs is no class of this suite, did you mean 'mug'? rename it" in text


def test_extra_level_that_makes_one_class(tmp_path: Path, shipped: Shipped, make_domain: Fill) -> None:
    manifest = shipped("office31")
    fill_all(tmp_path / "office31", manifest, make_domain, "amazon/images")
    text = problem_of(manifest, tmp_path)
    assert "extra folder level" in text
    assert f"move what {tmp_path / 'office31/amazon/amazon/images'} holds up" in text


def test_unpacked_twice_into_itself(tmp_path: Path, shipped: Shipped, make_domain: Fill) -> None:
    manifest = shipped("office31")
    fill_all(tmp_path / "office31", manifest, make_domain, "images")
    make_domain(tmp_path / "office31/amazon/images/images", manifest, "amazon")
    assert "second unpacking" in problem_of(manifest, tmp_path)


def test_copied_files(tmp_path: Path, shipped: Shipped, make_domain: Fill, make_image: Fill) -> None:
    manifest = shipped("office31")
    fill_all(tmp_path / "office31", manifest, make_domain)
    make_image(tmp_path / "office31/amazon/mug/frame_0001 (1).png")
    assert "unpacking twice: mug/frame_0001 (1).png" in problem_of(manifest, tmp_path)


def test_every_class_doubled(tmp_path: Path, shipped: Shipped, make_domain: Fill, make_image: Fill) -> None:
    manifest = shipped("office31")
    fill_all(tmp_path / "office31", manifest, make_domain)
    for path in sorted((tmp_path / "office31/amazon").rglob("*.png")):
        make_image(path.with_name(f"other_{path.name}"))
    assert "Exactly twice as many" in problem_of(manifest, tmp_path)


def test_one_domain_in_two_folders(tmp_path: Path, shipped: Shipped, make_domain: Fill) -> None:
    manifest = shipped("officehome")
    fill_all(tmp_path / "officehome", manifest, make_domain, Real_World="Real World")
    make_domain(tmp_path / "officehome" / "Real_World", manifest, "Real_World")
    assert "could each be Real_World" in problem_of(manifest, tmp_path, "Real_World")


def test_broken_image_is_named(tmp_path: Path, shipped: Shipped, make_domain: Fill) -> None:
    manifest = shipped("office31")
    fill_all(tmp_path / "office31", manifest, make_domain)
    path = tmp_path / "office31/amazon/mug/frame_0001.png"
    path.write_bytes(path.read_bytes()[:60])
    problems = Files(manifest, tmp_path).check()
    assert len(problems) == 1
    assert str(path) in problems[0]
    data = Files(manifest, tmp_path).open("amazon", "train")
    with pytest.raises(UserError, match="frame_0001"):
        data.read(list(data.keys).index("mug/frame_0001.png"))


def swap_folders(folder: Path, one: str, other: str) -> None:
    (folder / one).rename(folder / "aside")
    (folder / other).rename(folder / one)
    (folder / "aside").rename(folder / other)


def test_order_tells_nothing_about_labels(tmp_path: Path, shipped: Shipped, make_domain: Fill) -> None:
    manifest = shipped("office31")
    free = manifest.model_copy(
        update={
            "domains": {
                name: info.model_copy(update={"images": None, "class_counts": None})
                for name, info in manifest.domains.items()
            }
        }
    )
    fill_all(tmp_path / "office31", manifest, make_domain)
    before = Files(free, tmp_path).open("amazon", "train")
    images = [before.read(row) for row in range(len(before))]  # files are read when asked for
    swap_folders(tmp_path / "office31/amazon", "mug", "pen")
    swap_folders(tmp_path / "office31/amazon", "bike", "trash_can")
    after = Files(free, tmp_path).open("amazon", "train")
    assert np.array_equal(before.digests, after.digests)
    assert before.content_fingerprint == after.content_fingerprint
    assert before.fingerprint != after.fingerprint
    assert not np.array_equal(before.labels, after.labels)
    assert all(np.array_equal(image, after.read(row)) for row, image in enumerate(images))
