"""The projection against scikit-learn's PCA."""

from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA

from dabench.leaderboard.plots.projection import feature_projection, principal_plane, thinned

RANDOM = np.random.default_rng(3)
SOURCE = RANDOM.normal(size=(80, 16)) @ np.diag(np.linspace(3, 0.1, 16))
TARGET = RANDOM.normal(size=(50, 16)) @ np.diag(np.linspace(3, 0.1, 16)) + 2


def test_places_are_those_of_scikit_learn_up_to_sign() -> None:
    both = np.concatenate([SOURCE, TARGET])
    places, shares = principal_plane(both)
    pca = PCA(2)
    expected = pca.fit_transform(both)
    signs = np.sign((expected * places).sum(0))
    np.testing.assert_allclose(places, expected * signs, atol=1e-9)
    np.testing.assert_allclose(shares, pca.explained_variance_ratio_, atol=1e-9)


def test_the_largest_weight_of_a_component_is_positive() -> None:
    places, _ = principal_plane(SOURCE)
    axes = np.linalg.lstsq(SOURCE - SOURCE.mean(0), places, rcond=None)[0]  # (D, 2)
    assert (axes[np.abs(axes).argmax(0), range(2)] > 0).all()


def points(path: str, head: str) -> list[tuple[float, float]]:
    """Where circles (head "a") or horizontal strokes (head "h") begin: one arm left of the mark's centre."""
    begun = [one.split(head)[0].split(" ") for one in path.split("M")[1:] if head in one]
    return [(float(x), float(y)) for x, y in begun]


def test_marks_lie_as_the_components_say(tree: Any) -> None:
    found = tree(feature_projection(SOURCE, TARGET, "plane"))
    (_, circles), (_, plusses) = (found.all("path", kind) for kind in ("source", "target"))
    left = np.array(points(circles.get("d"), "a"))
    right = np.array(points(plusses.get("d"), "h"))
    assert (len(left), len(right)) == (80, 50)
    drawn = np.concatenate([left, right])
    places, shares = principal_plane(np.concatenate([SOURCE, TARGET]))
    for axis, sign in ((0, 1), (1, -1)):
        assert np.corrcoef(drawn[:, axis], sign * places[:, axis])[0, 1] == pytest.approx(1, abs=1e-4)
    # Equal units on both axes.
    assert np.ptp(drawn[:, 0]) / np.ptp(places[:, 0]) == pytest.approx(
        np.ptp(drawn[:, 1]) / np.ptp(places[:, 1]), rel=0.01
    )
    assert f"{100 * shares.sum():.0f} % of the variance" in "".join(found.words())
    assert "80 source images (circles) and 50 target images" in found.picture.text


def test_at_most_three_hundred_of_a_domain_evenly_spaced(tree: Any) -> None:
    rows = np.arange(1000.0)[:, None]
    kept = thinned(rows)[:, 0]
    assert (len(kept), kept[0], kept[-1]) == (300, 0, 999)
    assert set(np.diff(kept)) <= {3, 4}
    picture = feature_projection(RANDOM.normal(size=(1000, 8)), RANDOM.normal(size=(1000, 8)), "plane")
    assert picture is not None
    assert len(picture.svg.encode()) < 40_000


def test_half_precision_and_constant_features_do_no_harm() -> None:
    assert feature_projection(SOURCE.astype("float16"), TARGET.astype("float16"), "plane") is not None
    assert feature_projection(np.zeros((3, 4)), np.zeros((2, 4)), "plane") is not None
    assert feature_projection(np.ones((1, 1)), np.zeros((1, 1)), "plane") is not None


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (np.zeros((0, 4)), np.zeros((3, 4))),
        (np.zeros((3, 4)), np.zeros((3, 5))),
        (np.zeros(3), np.zeros(3)),
        (np.full((3, 4), np.nan), np.zeros((3, 4))),
    ],
)
def test_nothing_to_show(source: np.ndarray, target: np.ndarray) -> None:
    assert feature_projection(source, target, "plane") is None
