"""What rules cost, drawn from a report made by hand."""

from typing import Any

import pytest

from dabench.leaderboard.plots.regret import rule_regret
from dabench.leaderboard.scoring import known_rules
from dabench.leaderboard.statistics.intervals import Interval
from dabench.leaderboard.validators import Correlation, Report, RuleCell, RuleReport


def rule(name: str, regret: Interval | None, applied: int = 4) -> RuleReport:
    cell = RuleCell(4, applied, None, regret, None, Correlation(), {})
    return RuleReport(name, known_rules()[name], (cell,), regret, None, None)


def test_rules_by_their_cost_without_the_oracle(tree: Any, axis: Any, at: Any) -> None:
    report = Report(
        (),
        (
            rule("last", Interval(0.02, 0.005, 3)),
            rule("snd", Interval(0.01, 0.02, 3), applied=3),
            rule("bnm", None),
            rule("oracle", Interval(0.0, 0.0, 3)),
        ),
        0.9,
    )
    found = tree(rule_regret(report))
    assert found.words("name") == ["snd", "last"]
    assert "90 % Student-t intervals" in found.picture.text
    x = axis(found, "x", ["0", "1", "2", "3"])
    assert at(found.one("circle", "hollow"), "cx") == pytest.approx(x(1), abs=0.2)
    assert at(found.one("circle", "full"), "cx") == pytest.approx(x(2), abs=0.2)
    assert found.words("number") == ["3/4", "1.00 ±2.00", "4/4", "2.00 ±0.50"]
    # An interval of a cost ends at zero, which no rule can beat.
    assert float(found.all("path", "whisker")[0].get("d")[1:].split(" ")[0]) == pytest.approx(x(0), abs=0.2)


def test_nothing_judged_is_no_picture() -> None:
    assert rule_regret(Report((), (), 0.95)) is None
    assert rule_regret(Report((), (rule("snd", None),), 0.95)) is None
