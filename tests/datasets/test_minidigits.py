import re
from pathlib import Path

import numpy as np
import pytest

from dabench.datasets.embedded import Embedded
from dabench.datasets.minidigits import MiniDigitsOptions, draw
from dabench.datasets.rendered_digits import FONTS, font_files
from dabench.discovery import discover_suites
from dabench.errors import UserError
from dabench.suite import SUITES, DomainData, Manifest


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    discover_suites()
    return SUITES.get("minidigits").manifest


def test_counts_classes_and_sizes(manifest: Manifest) -> None:
    side = manifest.options["side"]
    for name, info in manifest.domains.items():
        data = Embedded(manifest).open(name, "train")
        assert len(data) == info.images
        counts = data.class_counts()
        assert list(counts) == [str(digit) for digit in range(10)]
        assert max(counts.values()) - min(counts.values()) <= 3  # 174 to 183 handwritten digits a class
        image = data.read(0)
        assert image.shape == (side, side, 3)
        assert image.dtype == np.uint8


def sources(data: DomainData) -> set[str]:
    return {match.group() for key in data.keys if (match := re.match(r"handwritten \d+", key))}


def test_no_image_shares_its_source_digit_across_domains(manifest: Manifest) -> None:
    loader = Embedded(manifest)
    handwritten, blended, drawn = (sources(loader.open(name, "train")) for name in "DMS")
    assert len(handwritten) == manifest.domains["D"].images
    assert len(blended) > 800
    assert not handwritten & blended
    assert not drawn


def test_labels_are_those_of_the_source_digits(manifest: Manifest) -> None:
    from sklearn.datasets import load_digits

    truth = load_digits().target
    for name in "DM":
        data = Embedded(manifest).open(name, "train")
        rows = [int(key.split()[1]) for key in data.keys]
        assert np.array_equal(data.labels, truth[rows])
    drawn = Embedded(manifest).open("S", "train")
    assert [int(key.split()[3]) for key in drawn.keys] == drawn.labels.tolist()


@pytest.mark.parametrize("domain", ["D", "M", "S"])
def test_the_same_bytes_each_time(manifest: Manifest, domain: str) -> None:
    options = MiniDigitsOptions.model_validate(manifest.options | {"images": 50})
    first, again = draw(domain, options), draw(domain, options)
    assert np.array_equal(first.images, again.images)
    assert first.keys == again.keys
    other = draw(domain, options.model_copy(update={"seed": 1}))
    assert not np.array_equal(first.images, other.images)


def test_cache_gives_what_was_made(manifest: Manifest, cache: Path) -> None:
    made = Embedded(manifest).open("M", "train")
    files = list((cache / "minidigits").iterdir())
    assert len(files) == 1
    assert Embedded(manifest).open("M", "test").fingerprint == made.fingerprint
    assert Embedded(manifest).check() == []
    files[0].write_bytes(files[0].read_bytes()[:1000])  # a cut file is made anew
    assert Embedded(manifest).open("M", "train").fingerprint == made.fingerprint


def test_check_finds_a_changed_cache(manifest: Manifest, cache: Path) -> None:
    Embedded(manifest).open("D", "train")
    (file,) = (cache / "minidigits").iterdir()
    with np.load(file) as stored:
        arrays = dict(stored)
    arrays["labels"][0] += 1
    np.savez(file, **arrays)
    assert "differs from what its recipe gives" in Embedded(manifest).check()[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [({"sides": 20}, "options.sides"), ({"blend": 2.0}, "options.blend"), ({"margin": 10}, "fills side 20")],
)
def test_wrong_options_are_named(manifest: Manifest, change: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Embedded(manifest.model_copy(update={"options": manifest.options | change}))


def test_fonts_are_there_and_their_digits_differ() -> None:
    from dabench.datasets.rendered_digits import _glyph

    files = font_files()
    assert tuple(files) == FONTS
    for file in files.values():
        shapes = {(_glyph(file, digit).size, _glyph(file, digit).tobytes()) for digit in range(10)}
        assert len(shapes) == 10
