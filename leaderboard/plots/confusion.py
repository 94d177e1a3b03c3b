"""Which classes are taken for which: small for two classes as for hundreds."""

from collections.abc import Sequence
from itertools import groupby

from markupsafe import Markup

from dabench.leaderboard.plots.axes import fit, text_width
from dabench.leaderboard.plots.picture import Picture
from dabench.leaderboard.plots.svg import WIDTH, document, number, tag, text_at, tip
from dabench.leaderboard.plots.words import isolated

__all__ = ["STEPS", "confusion_matrix"]

STEPS = (0.05, 0.25, 0.5)  # a share of at least STEPS[k] has shade k + 2; smaller ones have shade 1
MOST_NUMBERED, MOST_NAMED = 12, 20
SMALLEST = 0.01  # of a true class; smaller shares are not drawn beyond ``MOST_NAMED`` classes
LONGEST_NAME, LARGEST_CELL = 110.0, 60.0
LARGEST = 5  # confusions that the text names


def confusion_matrix(confusion: Sequence[Sequence[int]], classes: Sequence[str], name: str) -> Picture | None:
    """A square with a row for each true class and a column for each prediction, shaded by shares of the row.

    Args:
        confusion: (r, r) counts, rows true classes.
        classes: the r names.
        name: unique on the page.

    Returns:
        None for no images, or where the sizes do not fit.
    """
    r = len(classes)
    if len(confusion) != r or any(len(row) != r for row in confusion) or not sum(map(sum, confusion)):
        return None
    named = [isolated(one) for one in classes]
    room = min(max(text_width(one, 13) for one in named) + 10, LONGEST_NAME) if r <= MOST_NAMED else 26.0
    left, top = room + 18, room + 20
    side = min(WIDTH - left - 8, LARGEST_CELL * r)
    parts = [
        text_at(left + side / 2, 14, "predicted class", "tick mid"),
        tag(
            "text",
            "true class",
            class_="tick mid",
            transform=f"translate(13 {number(top + side / 2)})rotate(-90)",
        ),
        tag("rect", x=left, y=top, width=side, height=side, class_="frame"),
        _shades(confusion, left, top, side / r),
    ]
    if r <= MOST_NAMED:
        parts += _names(named, left, top, side / r, room)
    if r <= MOST_NUMBERED:
        parts += _numbers(confusion, named, left, top, side / r)
    text = _text(confusion, named)
    return document(name, "Confusion matrix", text, top + side + 8, parts)


def _class(right: bool, share: float) -> str:
    shade = 1 + sum(share >= step for step in STEPS)
    return f"p{shade}" if right else f"m{shade}"


def _shades(confusion: Sequence[Sequence[int]], left: float, top: float, cell: float) -> Markup:
    """One path a shade, in units of a cell; neighbours of one shade are one rectangle."""
    least = 0.0 if len(confusion) <= MOST_NAMED else SMALLEST
    paths: dict[str, list[str]] = {}
    for y, row in enumerate(confusion):
        total = max(sum(row), 1)
        drawn = [(_class(x == y, count / total), x) for x, count in enumerate(row) if count > least * total]
        for (kind, _), cells in groupby(enumerate(drawn), lambda one: (one[1][0], one[1][1] - one[0])):
            places = [x for _, (_, x) in cells]
            width = len(places)
            paths.setdefault(kind, []).append(f"M{places[0]} {y}h{width}v1h-{width}z")
    found = [tag("path", d="".join(paths[kind]), class_=f"cell {kind}") for kind in sorted(paths)]
    return tag("g", *found, transform=f"translate({number(left)} {number(top)})scale({cell:.4f})")


def _names(classes: Sequence[str], left: float, top: float, cell: float, room: float) -> list[Markup]:
    parts = []
    for k, one in enumerate(classes):
        middle = (k + 0.5) * cell
        short = fit(one, room - 6, 13)
        parts.append(text_at(left - 6, top + middle + 4.5, short, "tick end", one))
        turned = f"translate({number(left + middle + 4.5)} {number(top - 6)})rotate(-90)"
        parts.append(tag("text", tip(one) if short != one else None, short, class_="tick", transform=turned))
    return parts


def _numbers(
    confusion: Sequence[Sequence[int]],
    classes: Sequence[str],
    left: float,
    top: float,
    cell: float,
) -> list[Markup]:
    """The percent of the true class in every cell that is not empty."""
    parts = []
    for y, row in enumerate(confusion):
        for x, count in enumerate(row):
            if count:
                share = count / sum(row)
                words = f"{count} of {sum(row)} {classes[y]} taken for {classes[x]}"
                text = f"{100 * share:.0f}" if share >= 0.005 else "<1"
                at = left + (x + 0.5) * cell, top + (y + 0.5) * cell + 4.5
                parts.append(tag("text", tip(words), text, x=at[0], y=at[1], class_="in"))
    return parts


def _text(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> str:
    total = sum(map(sum, confusion))
    right = sum(row[k] for k, row in enumerate(confusion))
    wrong = sorted(
        ((count, y, x) for y, row in enumerate(confusion) for x, count in enumerate(row) if x != y and count),
        key=lambda one: (-one[0], one[1], one[2]),
    )
    listed = "; ".join(
        f"{count} of {sum(confusion[y])} {classes[y]} taken for {classes[x]}"
        for count, y, x in wrong[:LARGEST]
    )
    largest = f" The largest confusions: {listed}." if listed else ""
    unit = "Numbers are percent of the true class. " if len(classes) <= MOST_NUMBERED else ""
    hidden = "Shares below 1 % of a class are not drawn. " if len(classes) > MOST_NAMED else ""
    return (
        "A row for each true class, a column for each predicted one; the diagonal is right. Shades begin at "
        f"more than 0, 5, 25 and 50 % of the true class. {unit}{hidden}{right} of {total} images are right."
        f"{largest}"
    )
