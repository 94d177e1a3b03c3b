"""The page of a method, and the links of the whole site."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from dabench.records import RecordStore

pytestmark = pytest.mark.page

HOSTILE = "</script><img src=x onerror=alert(1)>"
RIGHT_TO_LEFT = "שיטה (2)"
Open = Callable[..., Any]
Words = Callable[[Any], str]


def facts(page: Any) -> dict[str, str]:
    place = page.locator("section[aria-labelledby=paper]")
    names, texts = place.locator("dt").all_inner_texts(), place.locator("dd").all_inner_texts()
    return {name: " ".join(text.split()) for name, text in zip(names, texts, strict=True)}


def test_a_registered_method_says_what_its_file_says(folder: Any, open_page: Open) -> None:
    folder.fill(**{"source_only": 0.4, "gsda": 0.9, "gsda-glb": 0.8})
    page = open_page(next((folder.site() / "methods").glob("gsda-????????.html")))
    told = facts(page)
    assert told["Paper"].startswith("Hu, Kan, Shan & Chen, ")
    assert told["Of the same paper"] == "gsda-glb, gsda-glb-cls (no run), gsda-glb-cls-grp (no run)"
    assert "runs here were made by another state of it: abababababa…" in told["Its file"]
    assert page.locator("pre.copy").inner_text().startswith("@inproceedings{hu2020unsupervised,")
    about = page.locator("section[aria-labelledby=about]")
    assert (
        "The discriminators minimise L_g + L_l + beta L_syn (14), the features L_c + beta L_syn"
        in about.inner_text()
    )
    assert "the sample weights are constants;" in about.locator("li").all_inner_texts()
    assert about.locator("code", has_text="StackedMLP").count() == 1
    ranges = page.get_by_role("region", name="Ranges that dabench tune").locator("tbody th")
    assert {"params.alpha", "optimiser.lr", "reversal.maximum"} <= set(ranges.all_inner_texts())
    assert page.get_by_text("Re-implementation, written for dabench from the paper.").is_visible()
    page.get_by_role("link", name="gsda-glb", exact=True).click()
    assert facts(page)["This name"] == 'levels = ["global"], synchronise = false'


def test_a_method_that_is_not_installed_has_what_its_records_say(
    folder: Any, open_page: Open, words: Words
) -> None:
    for seed in range(2):
        folder.add("theirs", seed=seed, method_info={"title": "Theirs", "paper": "Ito, 2031", "version": 7})
    page = open_page(folder.page("methods", "theirs"))
    assert words(page.locator(".lead")) == "Theirs"
    assert page.get_by_text("Not installed here: all that is known of it").is_visible()
    assert facts(page) == {"Paper": "Ito, 2031", "Version": "7", "Its file": f"SHA-256 {'ab' * 32}"}
    assert page.locator("#about, #ranges, pre").count() == 0


def test_all_tables_stand_together_and_settings_say_where_they_hold(
    folder: Any, record: Callable[..., Any], open_page: Open, words: Words
) -> None:
    folder.fill(source_only=0.4, dann=0.9)
    for seed in range(3):
        one = record("dann", "T->V", seed, 0.6, suite="visda2017", metric="mean_class_accuracy",
                     config={"steps": 900, "optimiser": {"lr": 0.02}})  # fmt: skip
        RecordStore(folder.root).write(one)
    page = open_page(folder.page("methods", "dann"))
    rows = page.get_by_role("region", name="Averages in percent").locator("tbody tr")
    assert [words(row.locator("th")).split(" resnet50")[0] for row in rows.all()] == [
        "Toy suite", "visda2017",
    ]  # fmt: skip
    chosen = page.get_by_role("region", name="What is not a default").locator("tbody")
    assert [words(one) for one in chosen.all() if one.locator("th").inner_text() == "steps"] == [
        "steps 500 flags toy 900 flags visda2017"
    ]
    page.locator("summary", has_text="default").click()
    usual = page.get_by_role("region", name="Defaults, and where").locator("tbody")
    assert [words(one) for one in usual.all()] == ["optimiser.lr 0.01 default toy 0.02 default visda2017"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_is_accessible(
    folder: Any, open_page: Open, violations: Callable[[Any], list[str]], scheme: str, width: int
) -> None:
    folder.fill(source_only=0.4, gsda=0.9, target_only=0.99, theirs=0.2)
    for path in sorted((folder.site() / "methods").glob("*.html")):
        page = open_page(path, width, color_scheme=scheme)
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("name", [HOSTILE, RIGHT_TO_LEFT])
def test_odd_names_stay_text(folder: Any, open_page: Open, name: str) -> None:
    info = {"title": name, "paper": name, "version": [name], "source_sha256": name}
    one = folder.record(method_info=info, config={name: name}).model_copy(update={"method": name})
    folder.root.mkdir()
    (folder.root / "one.json").write_text(one.model_dump_json())
    page = open_page(next((folder.site() / "methods").glob("*.html")))
    assert page.locator("img").count() == 0
    assert page.locator("h1 bdi").inner_text() == name
    assert facts(page)["Paper"] == name


def test_every_link_of_the_site_leads_somewhere(folder: Any) -> None:
    folder.fill(source_only=0.4, gsda=0.9, theirs=0.3)
    folder.add("dann")
    folder.write(folder.record("dann", "B->A", 4, failed=True))
    folder.write(folder.record("theirs", "A->B", 5, config={"steps": 7}))
    site: Path = folder.site()
    anchors = {path: set(re.findall(r'\bid="([^"]+)"', path.read_text())) for path in site.rglob("*.html")}
    kinds = {path.parent.name for path in anchors}
    assert {"rows", "runs", "tasks", "methods"} <= kinds
    links = 0
    for path in anchors:
        for address in re.findall(r'\bhref="([^"]*)"', path.read_text()):
            file, _, anchor = unquote(address).partition("#")
            goal = (path.parent / file).resolve() if file else path
            assert goal.is_file(), (path, address)
            assert not anchor or goal.suffix != ".html" or "=" in anchor or anchor in anchors[goal], address
            links += 1
        assert len(anchors[path]) == len(re.findall(r'\bid="', path.read_text())), f"an id twice: {path}"
    assert links > 200
