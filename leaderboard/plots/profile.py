"""Performance profiles: in which part of all runs a row gains at least so much over the reference."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from dabench.leaderboard.boards import Reading
from dabench.leaderboard.plots.axes import Scale, fit, text_width, tick_text, ticks
from dabench.leaderboard.plots.picture import Picture
from dabench.leaderboard.plots.svg import WIDTH, document, number, tag, text_at
from dabench.leaderboard.plots.words import adapted, isolated, row_name, shown
from dabench.leaderboard.rows import Row, Table

__all__ = ["gains_of", "performance_profile", "profile_steps"]

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


def profile_steps(gains: Sequence[float]) -> list[tuple[float, float]]:
    """Each distinct gain and the part of all gains that are larger: there the profile falls to that part.

    >>> profile_steps([3.0, -1.0, 3.0, 4.0])
    [(-1.0, 0.75), (3.0, 0.25), (4.0, 0.0)]
    """
    larger = len(gains)
    steps = []
    for gain, number_of in sorted(Counter(gains).items()):
        larger -= number_of
        steps.append((gain, larger / len(gains)))
    return steps


def performance_profile(reading: Reading) -> Picture | None:
    """A small panel a row, all others grey behind it. None where no row shares a run with the reference."""
    known = {row.group.key: gains_of(reading.table, row) for row in adapted(reading.table.rows)}
    rows, rest = shown([row for row in adapted(reading.table.rows) if known[row.group.key]])
    profiles = [_Profile(row_name(row), tuple(sorted(known[row.group.key]))) for row in rows]
    if not profiles:
        return None
    ends = [gain for profile in profiles for gain in (profile.gains[0], profile.gains[-1])]
    low, high = min(0.0, *ends), max(0.0, *ends)
    air = max(0.04 * (high - low), 0.25)
    across = Scale(low - air, high + air, 0, PANEL)
    paths = [_path(profile.gains, across) for profile in profiles]
    name = "performance-profile"
    lines = (tag("path", d=path, id=f"{name}-{k}") for k, path in enumerate(paths))
    parts = [tag("defs", tag("g", *lines, id=f"{name}-all"))]
    pitch = ABOVE + HEIGHT + BELOW
    for place, profile in enumerate(profiles):
        x = LEFT + (place % 2) * (WIDTH - 2 * LEFT - PANEL)
        at = f"translate({number(x)} {number(ABOVE + place // 2 * pitch)})"
        # Lines that are used take their look from the element that uses them.
        used = [
            tag("use", href=f"#{name}-all", class_="others"),
            tag("use", href=f"#{name}-{place}", class_="line"),
        ]
        parts.append(tag("g", *_panel(profile, across), *used, transform=at))
    bottom = (len(profiles) + 1) // 2 * pitch
    parts.append(text_at(WIDTH / 2, bottom + 12, "part of runs that gain at least x points;", "tick mid"))
    parts.append(text_at(WIDTH / 2, bottom + 29, "numbers: runs that gain anything", "tick mid"))
    title = "In how many runs a row helps"
    text = _text(profiles, isolated(reading.settings.compare.reference))
    return document(name, title, text + rest, bottom + 36, parts)


def _path(gains: Sequence[float], across: Scale) -> str:
    """The profile: 1 from the left, a step down at each gain."""
    down = Scale(0, 1, HEIGHT, 0)
    steps = "".join(f"H{number(across(gain))}V{number(down(part))}" for gain, part in profile_steps(gains))
    return f"M{number(across.start)} {number(down(1))}{steps}H{number(across.stop)}"


def _panel(profile: _Profile, across: Scale) -> list[Markup]:
    """Name, count, grid and axis of a panel."""
    helps = sum(gain > 0 for gain in profile.gains)
    words = f"{helps}/{len(profile.gains)}"
    room = PANEL - text_width(words, 13) - 6
    places = ticks(across.low, across.high, 4)
    upright = "".join(f"M{number(across(value))} 0V{number(HEIGHT)}" for value in places)
    level = "".join(f"M0 {number(part * HEIGHT)}H{number(PANEL)}" for part in (0, 0.5, 1))
    return [
        tag("path", d=upright + level, class_="grid"),
        tag("path", d=f"M{number(across(0))} 0V{number(HEIGHT)}", class_="reference"),
        text_at(0, -6, fit(profile.name, room), "name", profile.name),
        text_at(PANEL, -6, words, "number"),
        *(
            text_at(across(value), HEIGHT + 15, tick_text(value, places, signed=True), "tick mid")
            for value in places
        ),
    ]


def _text(profiles: Sequence[_Profile], reference: str) -> str:
    listed = []
    for profile in profiles:
        n = len(profile.gains)
        middle = (profile.gains[(n - 1) // 2] + profile.gains[n // 2]) / 2
        helps = sum(gain > 0 for gain in profile.gains)
        words = tick_text(round(middle, 2), [round(middle, 2)], signed=True)
        listed.append(f"{profile.name}: above zero in {helps} of {n} runs, median {words} points")
    return (
        f"For each row, the part of its runs (a task and seed each) whose gain over {reference} with the "
        f"same task and seed is at least x points. {'; '.join(listed)}."
    )
