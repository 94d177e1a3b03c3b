"""The page on method: settings in force, the measured coverage, and nothing that a reader cannot reach."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dabench.leaderboard.addresses import ABOUT
from dabench.leaderboard.boards import Site
from dabench.leaderboard.pages.about import about_pages, measured_coverage
from dabench.leaderboard.pages.renderer import Renderer
from dabench.leaderboard.settings import Ci, Compare, Settings
from dabench.leaderboard.statistics.coverage import keeps_promise, simulate


def page(settings: Settings | None = None) -> str:
    ((path, content),) = about_pages(Renderer(Site((), {}, settings or Settings())))
    assert path == ABOUT
    return content.decode()


def test_it_states_the_settings_in_force() -> None:
    assert "95&nbsp;% Student-t, over seeds" in page()
    settings = Settings(
        ci=Ci(cell="bootstrap_t", suite="welch_satterthwaite", level=0.9),
        compare=Compare(reference="dann", test="welch"),
        min_seeds=5,
    )
    text = page(settings)
    assert "90&nbsp;% bootstrap-t (Student-t below 10 seeds), over seeds" in text
    assert "90&nbsp;% Welch-Satterthwaite" in text
    assert "<code>dann</code>" in text
    assert "Welch&#39;s t; each table names" in text
    assert "at least 5 on every task" in text
    assert "adjusted p below 0.1." in text


def test_the_shipped_table_is_what_the_simulation_gives() -> None:
    """Fewer experiments, another seed of the generator: equal but for chance (six standard errors)."""
    experiments = 4000
    shipped, again = measured_coverage(), simulate(experiments, seed=1)
    assert keeps_promise(shipped)
    assert len(shipped) == len(again)
    for old, new in zip(shipped, again, strict=True):
        assert (old.of, old.interval, old.noise, old.seeds, old.tasks) == (
            new.of, new.interval, new.noise, new.seeds, new.tasks,
        )  # fmt: skip
        few = experiments / 10 if "bootstrap" in new.interval else experiments / 10 * (1 + 9 * new.default)
        p = min(max(old.percent / 100, 0.02), 0.98)
        assert abs(old.percent - new.percent) < 100 * 6 * (p * (1 - p) / few) ** 0.5 + 1, (old, new)


def test_every_row_of_the_table_is_on_the_page() -> None:
    text = page()
    assert text.count("<small>default</small>") == 5
    for one in measured_coverage():
        assert f"<td>{one.percent:.1f}</td>" in text


@pytest.mark.page
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_is_accessible(
    scheme: str,
    width: int,
    open_page: Callable[..., Any],
    violations: Callable[[Any], list[str]],
    tmp_path: Path,
) -> None:
    path = tmp_path / ABOUT
    path.write_text(page(), encoding="utf-8")
    shown = open_page(path, width=width, color_scheme=scheme)
    assert violations(shown) == []
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
