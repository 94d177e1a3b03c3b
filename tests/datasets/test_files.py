from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from dabench.datasets.files import Files
from dabench.discovery import read_manifest
from dabench.errors import MissingDataError, UserError
from dabench.suite import DomainData, Manifest, Suite

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
    swap_folders(tmp_path / "office31/amazon", "mug", "pen")
    swap_folders(tmp_path / "office31/amazon", "bike", "trash_can")
    after = Files(free, tmp_path).open("amazon", "train")
    assert np.array_equal(before.digests, after.digests)
    assert before.content_fingerprint == after.content_fingerprint
    assert before.fingerprint != after.fingerprint
    assert not np.array_equal(before.labels, after.labels)
    assert np.array_equal(before.read(3), after.read(3))


def user_suite(folder: Path, **changes: object) -> Suite:
    content: dict[str, object] = {
        "name": "mine",
        "title": "My own",
        "loader": "files",
        "domains": {
            "photos": {"short": "P", "paths": {"all": "photos"}},
            "sketches": {"short": "K", "paths": {"all": "sketches"}},
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(content | changes, sort_keys=False), encoding="utf-8")
    return Suite(read_manifest(path), folder, str(path))


def test_user_suite_takes_classes_from_folders(tmp_path: Path, make_image: Fill) -> None:
    for name in (
        "photos/cat/1.png",
        "photos/dog/1.png",
        "photos/dog/2.png",
        "sketches/Cat/1.png",
        "sketches/Dog/1.png",
    ):
        make_image(tmp_path / "own" / name)
    loader = user_suite(tmp_path / "own").loader(tmp_path / "elsewhere")
    data = loader.open("sketches", "train")
    assert data.classes == ("cat", "dog")
    assert data.class_counts() == {"cat": 1, "dog": 1}
    assert loader.check() == []


def test_relative_paths_fall_back_to_the_data_folder(tmp_path: Path, make_image: Fill) -> None:
    for name in ("photos/cat/1.png", "photos/dog/1.png", "sketches/cat/1.png", "sketches/dog/1.png"):
        make_image(tmp_path / "data" / name)
    suite = user_suite(tmp_path / "own")
    assert len(suite.loader(tmp_path / "data").open("photos", "train")) == 2
    assert [status.present for status in suite.loader(None).status()] == [False, False]


def test_user_suite_with_different_classes(tmp_path: Path, make_image: Fill) -> None:
    for name in ("photos/cat/1.png", "photos/dog/1.png", "sketches/cat/1.png", "sketches/dogs/1.png"):
        make_image(tmp_path / name)
    with pytest.raises(
        UserError, match=r"only in sketches: dogs \(did you mean 'dog'\?\); only in photos: dog"
    ):
        user_suite(tmp_path).loader(None).open("photos", "train")


def test_user_suite_with_an_extra_level(tmp_path: Path, make_image: Fill) -> None:
    for name in ("photos/all/cat/1.png", "photos/all/dog/1.png", "sketches/cat/1.png", "sketches/dog/1.png"):
        make_image(tmp_path / name)
    with pytest.raises(
        UserError, match=r"extra folder level that makes one class; point the path at .*photos/all"
    ):
        user_suite(tmp_path).loader(None).open("photos", "train")


def test_user_suite_mixes_folders_lists_and_arrays(tmp_path: Path, make_image: Fill) -> None:
    for name in ("photos/cat/1.png", "photos/dog/1.png", "raw/a.png", "raw/b.png", "raw/c.png"):
        make_image(tmp_path / name)
    (tmp_path / "list.txt").write_text("raw/a.png 1\nraw/b.png 0\nraw/c.png 1\n")
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "grey.npz", images=images, labels=np.array([0, 1, 1, 1]))
    domains = {
        "photos": {"short": "P", "paths": {"all": "photos"}},
        "listed": {"short": "L", "paths": {"all": "list.txt"}},
        "grey": {"short": "G", "paths": {"all": "grey.npz"}},
    }
    with pytest.raises(UserError, match="photos is sorted into folders, listed, grey has numbers"):
        user_suite(tmp_path, domains=domains).loader(None).open("photos", "train")
    loader = user_suite(tmp_path, domains=domains, classes=["cat", "dog"]).loader(None)
    assert loader.open("photos", "train").class_counts() == {"cat": 1, "dog": 1}
    assert loader.open("listed", "train").class_counts() == {"cat": 1, "dog": 2}
    grey = loader.open("grey", "test")
    assert grey.class_counts() == {"cat": 1, "dog": 3}
    assert grey.read(0).shape == (8, 8, 3)
    assert [status.images for status in loader.status()] == [2, 3, 4]
    assert loader.check() == []


def test_numbered_classes_get_names(tmp_path: Path) -> None:
    for name, labels in (("one", [0, 1]), ("two", [2, 1])):
        np.savez(tmp_path / f"{name}.npz", images=np.zeros((2, 8, 8), np.uint8), labels=np.array(labels))
    domains = {name: {"short": name[0], "paths": {"all": f"{name}.npz"}} for name in ("one", "two")}
    loader = user_suite(tmp_path, domains=domains).loader(None)
    assert loader.open("one", "train").classes == ("class 0", "class 1", "class 2")


def test_user_suite_with_parts(tmp_path: Path, make_image: Fill) -> None:
    for domain in ("photos", "sketches"):
        for part, count in (("train", 3), ("test", 1)):
            for number in range(count):
                make_image(tmp_path / domain / part / "cat" / f"{number}.png")
                make_image(tmp_path / domain / part / "dog" / f"{number}.png")
    domains = {"photos": {"short": "P"}, "sketches": {"short": "K"}}
    loader = user_suite(tmp_path, domains=domains, has_test_part=True).loader(None)
    assert len(loader.open("photos", "train")) == 6
    assert len(loader.open("photos", "test")) == 2
    assert loader.check() == []
    wrong = user_suite(tmp_path, has_test_part=True).loader(None)
    with pytest.raises(UserError, match="has no 'train', only all"):
        wrong.open("photos", "train")


def test_empty_folder_stands_for_a_class_without_images(tmp_path: Path, make_image: Fill) -> None:
    for name in ("photos/cat/1.png", "photos/dog/1.png", "sketches/cat/1.png"):
        make_image(tmp_path / name)
    (tmp_path / "sketches/dog").mkdir()
    loader = user_suite(tmp_path).loader(None)
    assert loader.open("sketches", "train").class_counts() == {"cat": 1, "dog": 0}
    assert loader.check() == [f"sketches: {tmp_path / 'sketches/dog'} holds no image"]


@pytest.mark.real
def test_real_office_photos_as_a_users_suite(tmp_path: Path, real_data: Path) -> None:
    domains = {
        name: {"short": name[0].upper(), "paths": {"all": f"office31_shared10/{name}"}}
        for name in ("amazon", "dslr", "webcam")
    }
    loader = user_suite(tmp_path, domains=domains).loader(real_data)
    opened = {name: loader.open(name, "train") for name in domains}
    assert [len(data) for data in opened.values()] == [958, 157, 295]
    assert len(opened["amazon"].classes) == 10
    assert opened["webcam"].read(0).ndim == 3
    assert loader.check() == []
