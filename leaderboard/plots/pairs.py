"""Every pair of rows: their difference above the diagonal, the adjusted p below it."""

from collections.abc import Sequence

from markupsafe import Markup

from dabench.leaderboard.boards import Reading
from dabench.leaderboard.plots.axes import fit, text_width
from dabench.leaderboard.plots.picture import Picture
from dabench.leaderboard.plots.svg import WIDTH, document, tag, text_at, tip
from dabench.leaderboard.plots.words import row_name
from dabench.leaderboard.rows import Row
from dabench.leaderboard.standings import Comparison
from dabench.leaderboard.view import MINUS, points

__all__ = ["p_words", "pairwise_matrix"]

HEIGHT, TOP = 27.0, 44.0
COLUMN = 36.0
LONGEST_NAME = 150.0
LONGEST_TEXT = 12  # pairs that the text names


def p_words(p: float) -> str:
    """A p-value in a small cell.

    >>> p_words(0.034), p_words(0.0004), p_words(1.0)
    ('.034', '<.001', '1')
    """
    if p < 0.001:
        return "<.001"
    if p >= 0.9995:
        return "1"
    return f"{p:.3f}"[1:] if p < 0.1 else f"{p:.2f}"[1:] if p < 0.995 else "1"


def pairwise_matrix(reading: Reading) -> Picture | None:
    """Differences and adjusted p of all pairs of rows. None where no pair was compared."""
    pairs = reading.standings.pairs
    keys = {key for pair in pairs for key in pair}
    rows = [row for row in reading.table.rows if row.group.key in keys]
    if len(rows) < 2:
        return None
    names = min(max(text_width(f"{len(rows)} {row_name(row)}") for row in rows) + 16, LONGEST_NAME)
    column = max(COLUMN, min((WIDTH - names - 8) / len(rows), 70.0))
    width = max(WIDTH, names + len(rows) * column + 8)
    parts = [
        text_at(names, 14, "row minus column, points", "tick"),
        *(text_at(names + (k + 0.5) * column, TOP - 8, str(k + 1), "tick mid") for k in range(len(rows))),
    ]
    for place, row in enumerate(rows):
        y = TOP + place * HEIGHT
        parts += _name(place + 1, row, y, names)
        for other, column_row in enumerate(rows):
            x = names + other * column
            if other == place:
                parts.append(
                    tag("rect", x=x + 1, y=y + 1, width=column - 2, height=HEIGHT - 2, rx=3, class_="self")
                )
            else:
                parts += _cell(x, y, column, rows, place, other, _compared(reading, row, column_row))
    bottom = TOP + len(rows) * HEIGHT
    parts.append(text_at(names, bottom + 17, "p after Holm’s correction", "tick"))
    text = _text(reading, rows)
    return document("pairwise-matrix", "Which rows are told apart", text, bottom + 26, parts, width)


def _compared(reading: Reading, row: Row, other: Row) -> tuple[Comparison, float] | None:
    """The comparison of two rows and the sign of row minus other in it."""
    key = row.group.key, other.group.key
    pairs = reading.standings.pairs
    if key in pairs:
        return pairs[key], 1.0
    return (pairs[key[::-1]], -1.0) if key[::-1] in pairs else None


def _name(place: int, row: Row, y: float, names: float) -> list[Markup]:
    label = str(place)
    return [
        text_at(8, y + 18, fit(row_name(row), names - 38), "name", row_name(row)),
        text_at(names - 6, y + 18, label, "tick end"),
    ]


def _cell(
    x: float, y: float, width: float, rows: Sequence[Row], place: int, other: int,
    found: tuple[Comparison, float] | None,
) -> list[Markup]:  # fmt: skip
    if found is None:
        return [text_at(x + width / 2, y + 18, "–", "tick mid")]
    comparison, sign = found
    mean = sign * comparison.interval.mean
    upper = other > place
    if upper:
        text = f"{100 * mean:+.1f}".replace("-", MINUS)
        text = "0.0" if text in ("+0.0", f"{MINUS}0.0") else text
    else:
        p = comparison.adjusted
        text = "–" if p is None else p_words(p)
    tone = ("up" if mean > 0 else "down") if comparison.resolved and upper else ""
    class_ = f"pair {'resolved' if comparison.resolved else ''} {tone}".strip()
    parts = [tip(_sentence(row_name(rows[place]), row_name(rows[other]), comparison, sign))]
    if comparison.resolved:
        box = tag("rect", x=x + 1.5, y=y + 1.5, width=width - 3, height=HEIGHT - 3, rx=3, class_=class_)
        parts.append(box)
    parts.append(
        text_at(
            x + width / 2, y + 18, text, f"in {'sure' if comparison.resolved else 'unsure'} {tone}".strip()
        )
    )
    return [tag("g", *parts)]


def _sentence(left: str, right: str, comparison: Comparison, sign: float) -> str:
    mean = sign * comparison.interval.mean
    half = comparison.interval.half_width
    width = "" if half is None else f" ±{100 * half:.2f}"
    p = "" if comparison.adjusted is None else f", adjusted p {_p(comparison.adjusted)}"
    return f"{left} minus {right}: {points(mean)} points{width}{p}"


def _p(p: float) -> str:
    return "below 0.001" if p < 0.001 else f"{p:.3f}"


def _text(reading: Reading, rows: Sequence[Row]) -> str:
    names = {row.group.key: row_name(row) for row in rows}
    pairs = reading.standings.pairs
    resolved = [one for one in pairs.values() if one.resolved]
    shown = sorted(resolved, key=lambda one: (one.adjusted or 0.0, one.left, one.right))[:LONGEST_TEXT]
    listed = "; ".join(_sentence(names[one.left], names[one.right], one, 1.0) for one in shown)
    more = f"; and {len(resolved) - len(shown)} more" if len(resolved) > len(shown) else ""
    return (
        f"All pairs of {len(rows)} rows by the {reading.standings.test}: above the diagonal row minus column "
        "in points, below it the p-value after Holm's correction. Framed bold cells are told apart: "
        f"{len(resolved)} of {len(pairs)} pairs. {listed}{more}{'.' if listed else ''}"
    ).rstrip()
