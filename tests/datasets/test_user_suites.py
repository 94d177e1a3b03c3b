"""Suites of a user's own: folders, lists and arrays, classes from the data."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from dabench.discovery import read_manifest
from dabench.errors import UserError
from dabench.suite import Suite

Fill = Callable[..., int]


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


def test_a_number_that_can_be_no_class(tmp_path: Path, make_image: Fill) -> None:
    """Without class names each number up to the highest gets one."""
    for domain in ("photos", "sketches"):
        make_image(tmp_path / domain / "1.png")
        (tmp_path / f"{domain}.txt").write_text(f"{domain}/1.png 999999999\n")
    domains = {
        domain: {"short": domain[0], "paths": {"all": f"{domain}.txt"}} for domain in ("photos", "sketches")
    }
    with pytest.raises(UserError, match="label 999999999 stands for no class"):
        user_suite(tmp_path, domains=domains).loader(None).open("photos", "train")


def test_a_home_folder_of_nobody(tmp_path: Path) -> None:
    domains = {name: {"short": name, "paths": {"all": f"~nobody-of-{name}/x"}} for name in ("p", "q")}
    with pytest.raises(UserError, match=r"domains\.p\.paths\.all: "):
        user_suite(tmp_path, domains=domains).loader(None).open("p", "train")
