"""Learning curves: accuracy over steps with a line a seed, and a run's losses."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from dabench.leaderboard.plots.axes import (
    Scale,
    around,
    bottom_axis,
    dodge,
    fit,
    left_axis,
    text_width,
)
from dabench.leaderboard.plots.marks import mark
from dabench.leaderboard.plots.picture import Picture
from dabench.leaderboard.plots.svg import WIDTH, document, number, points_path, tag, text_at, tip
from dabench.leaderboard.plots.words import count
from dabench.leaderboard.runs import Run
from dabench.leaderboard.view import metric_name

__all__ = ["learning_curves", "loss_curves"]

LEFT, TOP, BOTTOM = 46.0, 26.0, 250.0
MOST_LABELLED = 10
DRAWN = 1e100  # the range of larger losses may not be finite
PANEL, ABOVE, BELOW = 64.0, 24.0, 12.0

Curve = list[tuple[int, float]]


def learning_curves(
    runs: Sequence[Run], metric: str, name: str, chosen: Mapping[str, int] | None = None
) -> Picture | None:
    """A metric over steps, a thin line a seed and a thick one for their mean.

    Args:
        runs: those of one method and task.
        metric: ``accuracy`` or ``mean_class_accuracy``.
        name: unique on the page.
        chosen: a run's file to the step that its rule chose, which is marked.

    Returns:
        None where no run has two evaluations.
    """
    curves = [(run, curve) for run in runs if len(curve := _curve(run, metric)) > 1]
    if not curves:
        return None
    everything = [value for _, curve in curves for _, value in curve]
    labels = [f"seed {run.record.seed}" for run, _ in curves]
    right = WIDTH - 12 - max(text_width(label, 13) for label in labels) - 12
    across = Scale(0, max(step for _, curve in curves for step, _ in curve), LEFT, right)
    down = around(everything, BOTTOM, TOP, (0, 100))
    parts = [
        text_at(8, 14, f"target {metric_name(metric)}, %", "tick"),
        *_key(chosen or {}, curves),
        *left_axis(down, LEFT, right),
        *bottom_axis(across, [(TOP, BOTTOM)], BOTTOM, "step"),
    ]
    mean = _mean([curve for _, curve in curves])
    for run, curve in curves:
        label = tip(f"seed {run.record.seed}: {curve[-1][1]:.2f} at step {curve[-1][0]}")
        parts.append(tag("path", label, d=_path(curve, across, down), class_="thin"))
    if len(curves) > 1 and len(mean) > 1:
        parts.append(tag("path", d=_path(mean, across, down), class_="line"))
    parts += _chosen(curves, chosen or {}, across, down)
    parts += _ends(curves, mean, across, down)
    text = _curves_text(curves, mean, metric, chosen or {})
    return document(name, "Learning curves", text, BOTTOM + 40, parts)


def _curve(run: Run, metric: str) -> Curve:
    return [(one.step, 100 * float(getattr(one, metric))) for one in run.record.evaluations]


def _mean(curves: Sequence[Curve]) -> Curve:
    """The mean at the steps that all curves have."""
    values: dict[int, list[float]] = defaultdict(list)
    for curve in curves:
        for step, value in dict(curve).items():
            values[step].append(value)
    return [(step, sum(v) / len(v)) for step, v in sorted(values.items()) if len(v) == len(curves)]


def _path(curve: Curve, across: Scale, down: Scale) -> str:
    return points_path((across(step), down(value)) for step, value in curve)


def _chosen(
    curves: Sequence[tuple[Run, Curve]], chosen: Mapping[str, int], across: Scale, down: Scale
) -> list[Markup]:
    parts = []
    for run, curve in curves:
        values = dict(curve)
        step = chosen.get(run.file)
        if step in values:
            words = f"seed {run.record.seed}, chosen step {step}: {values[step]:.2f}"
            parts.append(mark(across(step), down(values[step]), "hollow", tip(words), size=4.5))
    return parts


def _key(chosen: Mapping[str, int], curves: Sequence[tuple[Run, Curve]]) -> list[Markup]:
    if not any(chosen.get(run.file) in dict(curve) for run, curve in curves):
        return []
    return [mark(WIDTH - 104, 9.5, "hollow", size=4.5), text_at(WIDTH - 95, 14, "chosen step", "tick")]


def _ends(curves: Sequence[tuple[Run, Curve]], mean: Curve, across: Scale, down: Scale) -> list[Markup]:
    """Names at the right ends of the lines, kept apart; of many seeds only the lowest and the highest."""
    ends = [(f"seed {run.record.seed}", curve[-1][1], "label") for run, curve in curves]
    if len(ends) > MOST_LABELLED:
        ends.sort(key=lambda end: end[1])
        ends = [ends[0], ends[-1]]
    if len(curves) > 1 and len(mean) > 1:
        ends.append(("mean", mean[-1][1], "label lead"))
    wanted = [down(value) for _, value, _ in ends]
    places = dodge(wanted, 15, TOP, BOTTOM)
    x = across.stop
    parts = []
    for (label, _, class_), at, y in zip(ends, wanted, places, strict=True):
        d = f"M{number(x + 2)} {number(at)}L{number(x + 11)} {number(y)}"
        parts += [tag("path", d=d, class_="leader"), text_at(x + 14, y + 4.5, label, class_)]
    return parts


def _curves_text(
    curves: Sequence[tuple[Run, Curve]], mean: Curve, metric: str, chosen: Mapping[str, int]
) -> str:
    listed = []
    for run, curve in curves:
        values = [value for _, value in curve]
        step = chosen.get(run.file)
        marked = f", chosen step {step}" if step in dict(curve) else ""
        listed.append(
            f"seed {run.record.seed}: {values[-1]:.2f} at the end, at most {max(values):.2f}{marked}"
        )
    average = (
        f" The thick line is their mean, {mean[-1][1]:.2f} at the end." if len(curves) > 1 and mean else ""
    )
    return (
        f"Target {metric_name(metric)} in percent over training steps of {count(len(curves), 'run')}, a thin "
        f"line a seed.{average} {'; '.join(listed)}."
    )


def loss_curves(run: Run, name: str) -> Picture | None:
    """Each loss of a run over steps, in a panel with its own scale. None where no loss has two values."""
    found: dict[str, Curve] = defaultdict(list)
    for evaluation in run.record.evaluations:
        for loss, value in evaluation.losses.items():
            if abs(value) < DRAWN:
                found[loss].append((evaluation.step, value))
    losses = {loss: curve for loss, curve in sorted(found.items()) if len(curve) > 1}
    if not losses:
        return None
    across = Scale(0, max(step for curve in losses.values() for step, _ in curve), LEFT + 8, WIDTH - 12)
    parts: list[Markup] = []
    pitch = ABOVE + PANEL + BELOW
    for place, (loss, curve) in enumerate(losses.items()):
        top = place * pitch + ABOVE
        values = [value for _, value in curve]
        down = around(values, top + PANEL, top, smallest=1e-6 + 1e-3 * max(map(abs, values)))
        last = f"{values[-1]:.4g} at the end"
        parts += [
            text_at(8, top - 8, fit(loss, WIDTH - 30 - text_width(last, 13)), "name", loss),
            text_at(WIDTH - 12, top - 8, last, "number"),
            *left_axis(down, across.start, across.stop, 4),
            tag("path", d=_path(curve, across, down), class_="line"),
        ]
    bottom = len(losses) * pitch - BELOW
    parts += bottom_axis(across, [], bottom, "step")
    return document(name, "Losses", _losses_text(losses), bottom + 40, parts)


def _losses_text(losses: Mapping[str, Curve]) -> str:
    listed = "; ".join(
        f"{loss}: from {curve[0][1]:.4g} to {curve[-1][1]:.4g}" for loss, curve in losses.items()
    )
    return f"Mean losses between evaluations over training steps, each on its own scale. {listed}."
