"""All pages under settings that are not the usual ones: no word is left of the usual reference and level."""

import re
from collections.abc import Callable, Mapping
from html import unescape
from pathlib import Path

import pytest

from dabench.leaderboard.settings import Ci, Compare, Settings
from dabench.leaderboard.site import Order, write_site
from dabench.leaderboard.table import SuiteInfo
from dabench.records import Record

Write = Callable[[list[Record]], Path]
SETTINGS = Settings(ci=Ci(level=0.9), compare=Compare(reference="dann"))


def words(page: str) -> str:
    """What a reader reads, in one line; neither style nor script."""
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", body))).replace("\xa0", " ")


@pytest.fixture
def pages(
    small_sweep: list[Record], written: Write, suites: Mapping[str, SuiteInfo], tmp_path: Path
) -> dict[str, str]:
    site = tmp_path / "site"
    write_site(written(small_sweep), site, Order(settings=SETTINGS, suites=suites))
    return {
        path.relative_to(site).as_posix(): words(path.read_text("utf-8")) for path in site.rglob("*.html")
    }


def test_gains_name_the_reference_of_the_settings(pages: dict[str, str]) -> None:
    assert "Gain over dann" in pages["index.html"]
    assert "Difference to dann in points" in pages["index.html"]
    assert "whose gain over dann with the same task and seed" in pages["index.html"]
    wrong = re.compile(
        r"(gain over|difference to|points (to|over)|above|below|told apart from) source_only", re.I
    )
    assert {name: found for name, page in pages.items() if (found := wrong.search(page))} == {}


def test_the_gap_is_that_between_the_bounds_whatever_the_reference(pages: dict[str, str]) -> None:
    assert "(method − source_only) / (target_only − source_only)" in pages["index.html"]
    assert "(row − source_only) / (target_only − source_only)" in pages["about.html"]
    assert not any("− dann)" in page for page in pages.values())


def test_every_interval_has_the_level_of_the_settings(pages: dict[str, str]) -> None:
    about, simulated = pages["about.html"].split("Do the intervals keep their promise?")
    assert "nominal 95 %" in simulated, "what was simulated stays as it was simulated"
    simulated_words = r"at a level of 95 %|they hold 95 %"  # what was simulated, not what is shown
    read = {name: re.sub(simulated_words, "", page) for name, page in (pages | {"about.html": about}).items()}
    assert {
        name: page[max(0, at - 60) : at + 20] for name, page in read.items() if (at := page.find("95 %")) >= 0
    } == {}
    assert "the values 70, 71, 74 give 68.16 to 75.18" in pages["index.html"]  # 2.920 standard errors
    assert "90 % Student-t intervals over seeds" in pages["index.html"]
    assert "2.92 for 3 seeds" in about
