"""Performance profiles: in which part of all runs a row gains at least so much over the reference."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from dabench.leaderboard.boards import Reading
from dabench.leaderboard.groups import REFERENCE
from dabench.leaderboard.plots.axes import Scale, fit, text_width, tick_text, ticks
from dabench.leaderboard.plots.picture import Picture
from dabench.leaderboard.plots.svg import WIDTH, document, number, tag, text_at
from dabench.leaderboard.plots.words import adapted, row_name
from dabench.leaderboard.rows import Row, Table

__all__ = ["gains_of", "performance_profile", "share_at_least"]

PANEL, HEIGHT, ABOVE, BELOW = 186.0, 66.0, 22.0, 26.0
LEFT = 8.0


@dataclass(frozen=True)
class _Profile:
    name: str
    gains: tuple[float, ...]  # in points, sorted


def gains_of(table: Table, row: Row) -> list[float]:
    """Gains over the reference row in points: one for each task and seed that both have."""
    base = next((one for one in table.rows if row.reference and one.group.key == row.reference.key), None)
    if base is None:
        return []
    return [
        100 * (cell.values[seed] - base.cells[task].values[seed])
        for task, cell in row.cells.items()
        for seed in sorted(set(cell.values) & set(base.cells[task].values))
    ]


def share_at_least(gains: Sequence[float], gain: float) -> float:
    """The part of the gains that are at least so large.

    >>> share_at_least([-1.0, 2.0, 3.0, 4.0], 2.0)
    0.75
    """
    return sum(one >= gain for one in gains) / len(gains)


def performance_profile(reading: Reading) -> Picture | None:
    """A small panel a row, all others grey behind it. None where no row shares a run with the reference."""
    profiles = [
        _Profile(row_name(row), tuple(sorted(gains)))
        for row in adapted(reading.table.rows)
        if (gains := gains_of(reading.table, row))
    ]
    if not profiles:
        return None
    ends = [gain for profile in profiles for gain in (profile.gains[0], profile.gains[-1])]
    low, high = min(0.0, *ends), max(0.0, *ends)
    air = max(0.04 * (high - low), 0.25)
    across, down = Scale(low - air, high + air, 0, PANEL), Scale(0, 1, HEIGHT, 0)
    paths = [_path(profile.gains, across, down) for profile in profiles]
    name = "performance-profile"
    behind = tag("g", *(tag("path", d=path) for path in paths), id=f"{name}-all")
    parts = [tag("defs", behind)]
    pitch = ABOVE + HEIGHT + BELOW
    for place, (profile, path) in enumerate(zip(profiles, paths, strict=True)):
        x = LEFT + (place % 2) * (WIDTH - 2 * LEFT - PANEL)
        parts.append(_panel(profile, path, across, down, name, x, ABOVE + place // 2 * pitch))
    bottom = (len(profiles) + 1) // 2 * pitch
    parts.append(text_at(WIDTH / 2, bottom + 12, "part of runs that gain at least x points;", "tick mid"))
    parts.append(text_at(WIDTH / 2, bottom + 29, "numbers: runs that gain anything", "tick mid"))
    title = "In how many runs a row helps"
    return document(name, title, _text(profiles), bottom + 36, parts)


def _path(gains: Sequence[float], across: Scale, down: Scale) -> str:
    """The part of gains that are at least x, as x grows: steps down from 1 to 0."""
    d = f"M{number(across.start)} {number(down(1))}"
    for k, gain in enumerate(gains):
        d += f"H{number(across(gain))}V{number(down(1 - (k + 1) / len(gains)))}"
    return d + f"H{number(across.stop)}"


def _panel(profile: _Profile, path: str, across: Scale, down: Scale, name: str, x: float, y: float) -> Markup:
    helps = sum(gain > 0 for gain in profile.gains)
    words = f"{helps}/{len(profile.gains)}"
    room = PANEL - text_width(words, 13) - 6
    places = ticks(across.low, across.high, 4)
    lines = "".join(f"M{number(across(value))} 0V{number(HEIGHT)}" for value in places)
    frame = f"M0 {number(HEIGHT)}H{number(PANEL)}M0 {number(HEIGHT / 2)}H{number(PANEL)}M0 0H{number(PANEL)}"
    return tag(
        "g",
        tag("path", d=frame + lines, class_="grid"),
        tag("path", d=f"M{number(across(0))} 0V{number(HEIGHT)}", class_="reference"),
        tag("use", href=f"#{name}-all", class_="others"),  # what is used takes its look from here
        tag("path", d=path, class_="line"),
        text_at(0, -6, fit(profile.name, room), "name", profile.name),
        text_at(PANEL, -6, words, "number"),
        *(
            text_at(across(value), HEIGHT + 15, tick_text(value, places, signed=True), "tick mid")
            for value in places
        ),
        transform=f"translate({number(x)} {number(y)})",
    )


def _text(profiles: Sequence[_Profile]) -> str:
    listed = []
    for profile in profiles:
        n = len(profile.gains)
        middle = (profile.gains[(n - 1) // 2] + profile.gains[n // 2]) / 2
        helps = sum(gain > 0 for gain in profile.gains)
        words = tick_text(round(middle, 2), [round(middle, 2)], signed=True)
        listed.append(f"{profile.name}: above zero in {helps} of {n} runs, median {words} points")
    return (
        f"For each row, the part of its runs (a task and seed each) whose gain over {REFERENCE} with the "
        f"same task and seed is at least x points. {'; '.join(listed)}."
    )
