"""Source and target features in the plane of their first two principal components, as in DANN's Figure 3."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from dabench.leaderboard.plots.axes import Scale
from dabench.leaderboard.plots.picture import Picture
from dabench.leaderboard.plots.svg import WIDTH, document, number, tag, text_at

__all__ = ["MOST", "feature_projection", "principal_plane", "thinned"]

MOST = 300  # points a domain
SIDE, TOP = 380.0, 30.0
ARM = 3.2

Floats = NDArray[np.floating[Any]]


def thinned(features: Floats, most: int = MOST) -> Floats:
    """At most so many rows of (n, D), evenly spaced, the first and last among them."""
    if len(features) <= most:
        return features
    rows = np.linspace(0, len(features) - 1, most).round().astype(int)
    kept: Floats = features[rows]
    return kept


def principal_plane(features: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates (n, 2) on the first two principal components of (n, D), and their shares of variance (2,).

    A component's largest weight (in absolute value) is positive, so that signs do not depend on the machine.
    """
    centred = np.asarray(features, dtype=np.float64)
    centred = centred - centred.mean(0)
    rows, width = centred.shape
    # Two eigenvectors of the smaller square matrix: a tenth of the time of all singular vectors.
    square = centred @ centred.T if rows < width else centred.T @ centred
    size = len(square)
    values, vectors = eigh(square, subset_by_index=[max(size - 2, 0), size - 1])
    found = vectors.T[::-1]
    components = found @ centred if rows < width else found
    lengths = np.linalg.norm(components, axis=1, keepdims=True)
    plane = np.zeros((2, width))
    plane[: len(components)] = np.divide(
        components, lengths, out=np.zeros_like(components), where=lengths > 0
    )
    largest = np.abs(plane).argmax(1)
    signs = np.where(plane[np.arange(2), largest] < 0, -1.0, 1.0)
    plane *= signs[:, None]
    variance = np.zeros(2)
    total = float(np.trace(square))
    if total > 0:
        variance[: len(values)] = np.maximum(values[::-1], 0.0) / total
    return centred @ plane.T, variance


def feature_projection(source: Floats, target: Floats, name: str) -> Picture | None:
    """Features of both domains on the two directions in which they vary most together.

    Args:
        source: (n, D).
        target: (m, D).
        name: unique on the page.

    Returns:
        None where a domain has no features, the sizes differ, or a number is not finite.
    """
    if source.ndim != 2 or target.ndim != 2 or source.shape[1:] != target.shape[1:]:
        return None
    if not source.size or not target.size:
        return None
    left, right = thinned(source), thinned(target)
    both = np.concatenate([left, right]).astype(np.float64)
    if not np.isfinite(both).all():
        return None
    places, shares = principal_plane(both)
    low, high = places.min(0), places.max(0)
    reach = max(float((high - low).max()), 1e-9) * 1.06
    middle = (low + high) / 2
    across = Scale(middle[0] - reach / 2, middle[0] + reach / 2, 10, 10 + SIDE)
    down = Scale(middle[1] - reach / 2, middle[1] + reach / 2, TOP + SIDE, TOP)
    at = [(across(x), down(y)) for x, y in places.tolist()]
    upper = min(y for _, y in at) - 14
    lower = max(y for _, y in at) + 14
    # No empty bands above and below the points; the units of both axes stay equal.
    shift = TOP - upper
    circles = "".join(_circle(x, y + shift) for x, y in at[: len(left)])
    plusses = "".join(_plus(x, y + shift) for x, y in at[len(left) :])
    bottom = lower + shift
    drawn = [
        tag("path", d=_circle(16, 14), class_="source"),
        text_at(24, 18.5, f"source, {len(left)} images", "label"),
        tag("path", d=_plus(206, 14), class_="target"),
        text_at(214, 18.5, f"target, {len(right)} images", "label"),
        tag("rect", x=10, y=TOP, width=SIDE, height=bottom - TOP, class_="frame"),
        tag("path", d=circles, class_="source"),
        tag("path", d=plusses, class_="target"),
        text_at(
            WIDTH / 2,
            bottom + 17,
            f"first two principal components: {100 * shares.sum():.0f} % of the variance",
            "tick mid",
        ),
    ]
    text = _text(places, len(left), shares)
    return document(name, "Features of both domains", text, bottom + 26, drawn)


def _circle(x: float, y: float) -> str:
    r, d = number(ARM - 0.4), number(2 * ARM - 0.8)
    return f"M{number(x - ARM + 0.4)} {number(y)}a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0 -{d} 0"


def _plus(x: float, y: float) -> str:
    arm = number(2 * ARM)
    return f"M{number(x - ARM)} {number(y)}h{arm}M{number(x)} {number(y - ARM)}v{arm}"


def _text(places: NDArray[np.float64], source: int, variance: NDArray[np.float64]) -> str:
    """How far apart the domains' means lie, in units of the spread within them."""
    left, right = places[:source], places[source:]
    between = float(np.linalg.norm(left.mean(0) - right.mean(0)))
    within = float(np.sqrt((left.var(0).sum() + right.var(0).sum()) / 2))
    ratio = (
        f" Their means lie {between / within:.2f} standard deviations apart in this plane."
        if within > 0
        else ""
    )
    return (
        f"{source} source images (circles) and {len(right)} target images (plus signs) by their features, on "
        f"the two principal components of both together, which hold {100 * variance[0]:.0f} % and "
        f"{100 * variance[1]:.0f} % of the variance.{ratio}"
    )
