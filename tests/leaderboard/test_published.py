"""Published numbers: complete, in percent, with their rule and source, and apart from measured ones."""

import re
from collections.abc import Callable
from pathlib import Path

from dabench.leaderboard.boards import Site
from dabench.leaderboard.pages.published import published_pages
from dabench.leaderboard.pages.renderer import Renderer
from dabench.leaderboard.published import published_tables
from dabench.leaderboard.settings import Settings
from dabench.leaderboard.site import write_site
from dabench.records import Record


def test_every_line_of_the_file_is_shown_once() -> None:
    tables = published_tables()
    assert sum(len(row.values) for table in tables for row in table.rows) == 1087
    assert {table.suite for table in tables} == {"office31", "officehome", "visda2017", "digits-dann"}
    assert all(table.source and table.selection for table in tables)
    assert all(0 <= value <= 100 for table in tables for row in table.rows for value in row.values.values())


def test_selection_rules_are_not_lined_up_with_each_other() -> None:
    rules = {(table.suite, table.source, table.backbone): table.selection for table in published_tables()}
    assert len(rules) == len(published_tables())
    assert rules["office31", "TLLib README benchmark", "resnet50"] == "best epoch on target test labels"
    assert rules["office31", "Hu et al. CVPR 2020 (GSDA), Table 2", "resnet50"] == "unstated"


def test_a_row_as_printed() -> None:
    (table,) = (one for one in published_tables() if one.source == "Hu et al. CVPR 2020 (GSDA), Table 1")
    (gsda,) = (row for row in table.rows if row.registry_name == "gsda")
    assert table.columns == ("A->W", "D->W", "W->D", "A->D", "D->A", "W->A", "Avg")
    assert [gsda.values[key] for key in table.columns] == [95.7, 99.1, 100.0, 94.8, 73.5, 74.9, 89.7]
    assert gsda.notes == ("same row as GSDA in Table 2",)


def test_measured_and_published_figures_stand_side_by_side_and_apart(
    record: Callable[..., Record], written: Callable[[list[Record]], Path], tmp_path: Path
) -> None:
    values = {0: 0.953, 1: 0.957, 2: 0.961}
    records = [record("gsda", "A->W", seed, value, suite="office31") for seed, value in values.items()]
    page = write_site(written(records), tmp_path / "site").index.read_text(encoding="utf-8")
    measured, beside = page.split('<h2 id="published">')
    assert "95.70" in measured
    assert "89.7" not in measured  # the reported average
    texts = " ".join(re.sub(r"<[^>]+>", " ", beside).split())
    assert "95.7 0.00 , ● inside" in texts.replace("0.00,", "0.00 ,")
    assert "the method's own paper" in texts.replace("&#39;", "'")
    assert "Selection rule there: unstated; here: last" in texts
    assert "published" not in (tmp_path / "site" / "results.csv").read_text()


def test_the_page_of_published_figures_holds_every_table() -> None:
    renderer = Renderer(Site((), {}, Settings(), published=published_tables()))
    ((path, content),) = published_pages(renderer)
    assert path == "published.html"
    captions = re.findall(r"<caption[^>]*><span>\s*(.*?)\s*</span></caption>", content.decode(), re.DOTALL)
    assert len(captions) == len(published_tables())
    assert all("not measured here" in text and "Selection rule: " in text for text in captions)
    assert list(published_pages(Renderer(Site((), {}, Settings())))) == []
