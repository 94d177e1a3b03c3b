"""Accuracy by class, the best first."""

from collections.abc import Mapping

from markupsafe import Markup

from dabench.leaderboard.plots.axes import Scale, bottom_axis, fit, text_width
from dabench.leaderboard.plots.picture import Picture
from dabench.leaderboard.plots.svg import WIDTH, document, tag, text_at, tip
from dabench.leaderboard.plots.words import count, isolated

__all__ = ["class_bars"]

ROW, TOP = 20.0, 6.0
MOST = 40  # classes that are all shown
BEST, WORST = 10, 20  # of more classes
LONGEST_NAME = 140.0


def class_bars(per_class: Mapping[str, float | None], name: str) -> Picture | None:
    """A bar for the accuracy on each class. None where no class has an image.

    Args:
        per_class: class to accuracy in [0, 1]; None for a class without a test image.
        name: unique on the page.
    """
    known = sorted(
        ((isolated(one), 100 * value) for one, value in per_class.items() if value is not None),
        key=lambda pair: (-pair[1], pair[0]),
    )
    if not known:
        return None
    shown = known if len(known) <= MOST else [*known[:BEST], *known[-WORST:]]
    names = min(max(text_width(one, 13) for one, _ in shown) + 14, LONGEST_NAME)
    scale = Scale(0, 100, names, WIDTH - 52)
    gap = ROW if len(shown) < len(known) else 0.0
    bottom = TOP + ROW * len(shown) + gap
    parts = bottom_axis(scale, [(TOP, bottom)], bottom, "accuracy, %")
    for place, (one, value) in enumerate(shown):
        y = TOP + ROW * place + (gap if gap and place >= BEST else 0)
        parts += _bar(one, value, y, names, scale)
    if gap:
        hidden = count(len(known) - len(shown), "class", "classes")
        parts.append(text_at(names, TOP + ROW * BEST + 14, f"… {hidden} in between …", "tick"))
    return document(name, "Accuracy by class", _text(known, len(per_class)), bottom + 40, parts)


def _bar(name: str, value: float, y: float, names: float, scale: Scale) -> list[Markup]:
    width = scale(value) - scale.start
    return [
        text_at(names - 6, y + 14.5, fit(name, names - 12, 13), "tick end", name),
        tag(
            "rect",
            tip(f"{name}: {value:.1f}"),
            x=scale.start,
            y=y + 3,
            width=max(width, 0.5),
            height=ROW - 6,
            class_="bar",
        ),
        text_at(WIDTH - 8, y + 14.5, f"{value:.1f}", "number"),
    ]


def _text(known: list[tuple[str, float]], classes: int) -> str:
    mean = sum(value for _, value in known) / len(known)
    best, worst = known[0], known[-1]
    lowest = ", ".join(f"{one} {value:.1f}" for one, value in known[:-4:-1])
    rest = classes - len(known)
    missing = f" {count(rest, 'class', 'classes')} without a test image." if rest else ""
    return (
        f"Accuracy on each of {len(known)} classes in percent, mean {mean:.1f}, from {worst[1]:.1f} "
        f"({worst[0]}) to {best[1]:.1f} ({best[0]}). Lowest: {lowest}.{missing}"
    )
