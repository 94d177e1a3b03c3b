"""How the numbers are made: formulas, the test that each figure uses, what was simulated."""

from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from dabench.leaderboard.addresses import ABOUT
from dabench.leaderboard.pages.renderer import Page, Renderer
from dabench.leaderboard.statistics.bootstrap import FEWEST
from dabench.leaderboard.statistics.coverage import HIGH, LOW, Coverage, coverage_rows, from_csv
from dabench.leaderboard.statistics.improvement import FEWEST_SEEDS
from dabench.leaderboard.statistics.intervals import EXAMPLE, quantile, t_interval
from dabench.leaderboard.statistics.moderated import MOST_WEIGHT
from dabench.leaderboard.statistics.pairs import FEWEST_ROWS

__all__ = ["about_pages", "measured_coverage"]


@cache
def measured_coverage() -> tuple[Coverage, ...]:
    """The coverage table that ships with dabench: what ``dabench stats selftest --format csv`` printed."""
    table = files("dabench.leaderboard.statistics") / "coverage.csv"
    return from_csv(table.read_text(encoding="utf-8"))


def about_pages(renderer: Renderer) -> Iterator[Page]:
    """The page on method."""
    found, settings = measured_coverage(), renderer.site.settings
    level = settings.ci.level
    yield renderer.page(
        ABOUT,
        "about.html.j2",
        settings=settings,
        example=t_interval(EXAMPLE, level),
        quantiles=[(n, quantile(level, n - 1)) for n in (3, 5, 10)],
        coverage=coverage_rows(found),
        seeds=sorted({one.seeds for one in found}),
        promise=(LOW, HIGH),
        fewest_rows=FEWEST_ROWS,
        fewest_bootstrap=FEWEST,
        fewest_improvement=FEWEST_SEEDS,
        most_weight=MOST_WEIGHT,
    )
