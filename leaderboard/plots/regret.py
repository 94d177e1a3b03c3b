"""What each selection rule lacks to the oracle, which looks at target labels."""

from dabench.leaderboard.plots.axes import Scale, bottom_axis
from dabench.leaderboard.plots.lanes import LEFT, PITCH, RIGHT, Column, Lane, draw_lanes, heads, spans
from dabench.leaderboard.plots.picture import Picture
from dabench.leaderboard.plots.svg import document
from dabench.leaderboard.plots.words import intervals_words, mean_words
from dabench.leaderboard.statistics.intervals import Interval
from dabench.leaderboard.validators import Report, RuleReport

__all__ = ["rule_regret"]

COLUMNS = (Column("runs", RIGHT - 98), Column("points", RIGHT))
TOP = 22.0


def rule_regret(report: Report) -> Picture | None:
    """What the rules lose against the oracle, the best first.

    Args:
        report: all rules on the rows of one table.

    Returns:
        None where no rule could be judged.
    """
    found = [
        (one, one.regret)
        for one in report.rules
        if one.regret is not None and not one.entry.cls.uses_target_labels
    ]
    if not found:
        return None
    found.sort(key=lambda pair: (pair[1].mean, pair[0].name))
    means = [100 * regret.mean for _, regret in found]
    most = max(max(means) * 1.25, 0.5)
    ends = [100 * regret.high for _, regret in found if regret.high is not None]
    most = max([most, *(end for end in ends if end <= 2 * most)])
    scale = Scale(0, most * 1.03, LEFT + 6, RIGHT - 6)
    bottom = TOP + PITCH * len(found)
    lanes = [_lane(one, regret) for one, regret in found]
    words = intervals_words([regret for _, regret in found], report.level)
    lines = bottom_axis(scale, spans(TOP, len(found)), bottom, "points below the oracle (0 is best)")
    parts = [
        *heads(COLUMNS, 14),
        *draw_lanes(lanes, COLUMNS, scale, TOP, lines),
    ]
    return document("rule-regret", "What selection rules cost", _text(lanes, words), bottom + 40, parts)


def _lane(one: RuleReport, regret: Interval) -> Lane:
    runs = sum(cell.runs for cell in one.cells)
    return Lane(
        one.name,
        (f"{one.applied}/{runs}", mean_words(regret)),
        100 * regret.mean,
        None if regret.low is None else 100 * max(regret.low, 0.0),
        None if regret.high is None else 100 * regret.high,
        "full" if one.applied == runs else "hollow",
        tip=f"{one.name}: {mean_words(regret)} points, {one.applied} of {runs} runs",
    )


def _text(lanes: list[Lane], intervals: str) -> str:
    listed = "; ".join(lane.tip for lane in lanes)
    return (
        "What each selection rule lacks to the best evaluation of each run, the mean over rows and tasks, "
        f"with {intervals}: {listed}. Hollow circles: the rule is not available for "
        "some runs."
    )
