"""Every pair of rows: their difference above the diagonal, the adjusted p below it."""

from collections.abc import Sequence

from markupsafe import Markup

from dabench.leaderboard.boards import Reading
from dabench.leaderboard.plots.axes import fit, text_width
from dabench.leaderboard.plots.picture import Picture
from dabench.leaderboard.plots.svg import WIDTH, Boxes, document, text_at
from dabench.leaderboard.plots.words import adapted, difference_words, row_name, short_points, shown
from dabench.leaderboard.rows import Row
from dabench.leaderboard.standings import Comparison
from dabench.leaderboard.view import p_value

__all__ = ["p_words", "pairwise_matrix"]

HEIGHT, TOP = 27.0, 42.0
NARROWEST, WIDEST = 35.0, 60.0
LONGEST_NAME = 150.0
MOST_ROWS = 20
LONGEST_TEXT = 12  # pairs that the text names


def p_words(p: float) -> str:
    """A p-value in a small cell.

    >>> p_words(0.034), p_words(0.0004), p_words(0.314), p_words(1.0)
    ('.034', '<.01', '.31', '1')
    """
    if p < 0.01:
        return "<.01"
    if p >= 0.995:
        return "1"
    return (f"{p:.3f}" if p < 0.0995 else f"{p:.2f}").removeprefix("0")


def pairwise_matrix(reading: Reading) -> Picture | None:
    """Differences and adjusted p of all pairs of rows but upper bounds. None where no pair was compared."""
    compared = {key for pair in reading.standings.pairs for key in pair}
    rows, rest = shown([row for row in adapted(reading.table.rows) if row.group.key in compared], MOST_ROWS)
    if len(rows) < 2:
        return None
    left = min(max(text_width(row_name(row)) for row in rows) + 40, LONGEST_NAME)
    size = max(NARROWEST, min((WIDTH - left - 8) / len(rows), WIDEST))
    parts = [text_at(left + 2, 14, "row minus column, points", "tick")]
    boxes = Boxes(size, HEIGHT)
    for place, row in enumerate(rows):
        y = TOP + place * HEIGHT
        parts.append(text_at(left + (place + 0.5) * size, TOP - 7, str(place + 1), "tick mid"))
        parts.append(text_at(8, y + 18, fit(row_name(row), left - 38), "name", row_name(row)))
        parts.append(text_at(left - 8, y + 18, str(place + 1), "tick end"))
        for other, beside in enumerate(rows):
            x = left + other * size
            if other == place:
                boxes.add("self", x, y)
                continue
            found = _compared(reading, row, beside)
            parts.append(_cell(boxes, x, y, found, other > place))
    bottom = TOP + len(rows) * HEIGHT
    parts.append(text_at(left + 2, bottom + 17, "p after Holm’s correction", "tick"))
    total = max(WIDTH, left + len(rows) * size + 8)
    title, text = "Which rows are told apart", _text(reading, rows) + rest
    return document("pairwise-matrix", title, text, bottom + 26, [*boxes.paths("pair"), *parts], total)


def _compared(reading: Reading, row: Row, other: Row) -> tuple[Comparison, float] | None:
    """The comparison of two rows and the sign of row minus other in it."""
    key = row.group.key, other.group.key
    pairs = reading.standings.pairs
    if key in pairs:
        return pairs[key], 1.0
    return (pairs[key[::-1]], -1.0) if key[::-1] in pairs else None


def _cell(boxes: Boxes, x: float, y: float, found: tuple[Comparison, float] | None, above: bool) -> Markup:
    """The words of a cell; where the pair is told apart it also gets a box."""
    middle = x + boxes.width / 2
    if found is None:
        return text_at(middle, y + 18, "–", "tick mid")
    comparison, sign = found
    gain = sign * comparison.interval.mean
    class_ = "in" if comparison.resolved else "in unsure"
    if comparison.resolved:
        boxes.add("lower" if not above else "up" if gain > 0 else "down", x, y)
    if not above:
        return text_at(middle, y + 18, _p(comparison), class_)
    return text_at(middle, y + 18, short_points(gain), class_, _tip(comparison, sign))


def _p(comparison: Comparison) -> str:
    return "–" if comparison.adjusted is None else p_words(comparison.adjusted)


def _tip(comparison: Comparison, sign: float) -> str:
    """Difference, interval, p, seeds and verdict of a pair; the cell across the diagonal has no own one."""
    verdict = "not ranked together"
    if comparison.adjusted is not None:
        verdict = "told apart" if comparison.resolved else "not told apart"
    p = "" if comparison.p is None else f", alone p {p_value(comparison.p)}"
    return f"{_words(comparison, sign)}{p}, n={comparison.interval.n}, {verdict}"


def _words(comparison: Comparison, sign: float = 1.0) -> str:
    p = "" if comparison.adjusted is None else f", p {p_value(comparison.adjusted)}"
    return f"{difference_words(comparison.interval, sign)}{p}"


def _text(reading: Reading, rows: Sequence[Row]) -> str:
    names = {row.group.key: row_name(row) for row in rows}
    pairs = {key: one for key, one in reading.standings.pairs.items() if set(key) <= set(names)}
    resolved = [one for one in pairs.values() if one.resolved]
    shown = sorted(resolved, key=lambda one: (one.adjusted or 0.0, one.left, one.right))[:LONGEST_TEXT]
    listed = [f"{names[one.left]} minus {names[one.right]}: {_words(one)}" for one in shown]
    if len(resolved) > len(shown):
        listed.append(f"and {len(resolved) - len(shown)} more")
    return (
        f"All pairs of {len(rows)} rows. Above the diagonal: row minus column in points; below it: p after "
        f"Holm’s correction, by the {reading.standings.test}. Framed cells are told apart: "
        f"{len(resolved)} of {len(pairs)} pairs. {'; '.join(listed)}{'. ' if listed else ''}"
        "Any pair in words: dabench stats compare A B."
    )
