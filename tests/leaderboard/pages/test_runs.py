"""The page of a run shows what its record and its files say, whoever wrote them."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scipy.optimize import brentq

from dabench.leaderboard.boards import Site, Way, boards
from dabench.leaderboard.pages.renderer import Renderer
from dabench.leaderboard.pages.runs import rule_lines, run_pages
from dabench.leaderboard.runs import Run
from dabench.leaderboard.settings import Settings
from dabench.leaderboard.verdicts import Entry, Ledger, Verdict
from dabench.records import Failure, Metrics, Record

pytestmark = pytest.mark.page

HOSTILE = "</script><img src=x onerror=alert(1)>"
RIGHT_TO_LEFT = "שיטה (dann)"
Open = Callable[..., Any]
Words = Callable[[Any], str]


def facts(page: Any, section: str) -> dict[str, str]:
    """Terms and descriptions of a section."""
    place = page.locator(f"section[aria-labelledby={section}]")
    names, texts = place.locator("dt").all_inner_texts(), place.locator("dd").all_inner_texts()
    return {" ".join(name.split()): " ".join(text.split()) for name, text in zip(names, texts, strict=True)}


def site_of(runs: list[Run], **fields: Any) -> Site:
    return Site(boards(runs), {}, Settings(), detailed=frozenset(run.file for run in runs), **fields)


def pages_of(site: Site) -> dict[str, str]:
    renderer, reading = Renderer(site), site.read(site.boards[0], Way())
    return {path: content.decode() for path, content in run_pages(renderer, reading)}


def score_interval(part: float, n: int) -> tuple[float, float]:
    """Wilson's interval as its definition: all p that the score test does not reject."""

    def distance(p: float) -> float:
        return (part - p) ** 2 * n - 1.959963984540054**2 * p * (1 - p)

    return brentq(distance, 0, part), brentq(distance, part, 1)


def test_a_run_shows_its_record(folder: Any, open_page: Open, words: Words) -> None:
    for method in ("source_only", "dann"):
        folder.add(method, images=40)
    record = folder.add("dann", seed=1, right=0.7)
    page = open_page(folder.page("runs", "dann-1-"))
    assert page.locator("h1").inner_text() == "dann on A→B, seed 1"
    result = facts(page, "result")
    low, high = score_interval(record.value, 40)
    assert result["Accuracy"] == f"{100 * record.value:.2f} step 30"
    assert (
        result["Test images, 95 % Wilson interval"]
        == f"{100 * low:.2f} to {100 * high:.2f} accuracy over 40 images"
    )
    assert result["Training"] == "1 min 1 s 1 min 15 s in all"
    assert result["Mean class accuracy"].startswith(f"{100 * record.metrics.mean_class_accuracy:.2f}")
    told = facts(page, "repeat")
    assert told["Code"] == f"dabench 0.1.0, commit {record.code['commit']}, with changes that no commit holds"
    assert told["Predictions"] == f"{record.predictions_file}, SHA-256 {record.predictions_sha256}"
    assert "123 images a second; 1.03 GB of memory at most" in told["Time"]
    assert page.locator("pre.copy").inner_text() == record.command
    assert facts(page, "environment") == {"python": "3.11.7", "packages.torch": "2.6.0", "device": "cpu"}
    images = page.get_by_role("region", name="The images of each part").locator("tbody tr")
    assert [words(one) for one in images.all()] == [
        "source, trained on A 80 4 10 to 30 images of A",
        "target, trained on without labels B 40 4 10 to 10 images of B",
        "target, tested on B 40 – missing of B",
    ]
    settings = page.get_by_role("region", name="What is not a default")
    assert "steps 500 flags" in [words(one) for one in settings.locator("tbody tr").all()]
    page.locator("summary", has_text="Defaults, by where they come from").click()
    assert facts(page, "configuration") == {"default": "optimiser.lr = 0.01"}
    assert page.locator("figure").count() == 4


def test_the_confusion_matrix_stands_as_a_table_too(folder: Any, open_page: Open) -> None:
    record = folder.add("dann")
    page = open_page(folder.page("runs", "dann-0-"))
    page.locator("summary", has_text="Confusion matrix as a table").click()
    table = page.get_by_role("region", name="Test images by true class")
    counts = [row.locator("td").all_inner_texts()[:-1] for row in table.locator("tbody tr").all()]
    assert [[int(count) for count in row] for row in counts] == record.metrics.confusion
    right = [row.locator("td").last.inner_text() for row in table.locator("tbody tr").all()]
    assert right == [f"{100 * value:.2f}" for value in record.metrics.per_class.values()]


def test_every_rule_says_what_it_makes_of_the_run(
    record: Callable[..., Record],
    trained: Callable[..., Record],
    judged: Callable[..., Run],
    runs_of: Callable[[list[Record]], list[Run]],
) -> None:
    run = judged(runs_of([trained(record(), 0.4, 0.6, 0.5)])[0], snd=[1.0, 0.5, 0.2], dev="no holdout")
    site = site_of([run])
    row = site.read(site.boards[0], Way()).table.rows[0]
    lines = {line.rule: line for line in rule_lines(site, row, run)}
    assert [*lines][:2] == ["last", "dev"]
    assert (lines["last"].step, lines["last"].value, lines["last"].used) == (300, 0.5, True)
    assert (lines["snd"].step, lines["snd"].value) == (100, 0.4)
    assert (lines["dev"].value, lines["dev"].reason) == (None, "no holdout")
    by_snd = replace(site, select="snd")
    (text,) = pages_of(by_snd).values()
    assert "by <code>snd</code>" in text
    assert "step 100" in text


def test_a_failed_run_says_why_without_the_paths_of_its_machine(
    folder: Any, record: Callable[..., Record], open_page: Open
) -> None:
    trace = (
        'Traceback (most recent call last):\n  File "/home/me/secret/train.py", line 7, in run\n'
        '    step(x)\n  File "C:\\\\Users\\\\me\\\\gsda.py", line 12, in step\nValueError: no\n'
    )
    failure = Failure(kind="ValueError", message="no", traceback=trace)
    folder.write(record(failed=True).model_copy(update={"failure": failure}))
    page = open_page(folder.page("runs", "dann-0-"))
    assert page.locator(".failed").inner_text() == "✕ ValueError: no"
    assert page.locator("section ol li").all_inner_texts() == [
        "train.py:7 in run\nstep(x)",
        "gsda.py:12 in step",
    ]
    assert "secret" not in page.content()
    assert page.locator("#result").count() == 0


def test_a_record_that_says_next_to_nothing_has_a_page(folder: Any, open_page: Open, violations: Any) -> None:
    bare = folder.record().model_copy(
        update={
            "timing": None, "dataset": {}, "code": {}, "environment": {}, "command": "", "provenance": {},
            "method_info": {},
        }
    )  # fmt: skip
    folder.write(bare)
    page = open_page(folder.page("runs", "dann-0-"))
    told = facts(page, "repeat")
    assert (told["Code"], told["Time"]) == ("version unknown, commit unknown", "not recorded")
    assert told["Predictions"] == "none stored, so nobody can recompute the accuracy"
    assert page.get_by_text("The record keeps no command.").is_visible()
    assert page.get_by_text("The record says nothing of its images.").is_visible()
    assert page.get_by_text("not checked").is_visible()
    assert violations(page) == []


def test_values_of_the_wrong_kind_are_shown_as_they_are(folder: Any, open_page: Open) -> None:
    odd = folder.record().model_copy(
        update={
            "dataset": {"source": [1, 2], "target": {"images": "many", "class_counts": [3]}, HOSTILE: None},
            "code": {"version": {"a": 1}, "commit": 5, "dirty": "yes"},
            "method_info": {"version": [1], "source_sha256": HOSTILE},
            "environment": {"gpu": [HOSTILE]},
        }
    )
    folder.write(odd)
    page = open_page(folder.page("runs", "dann-0-"))
    assert page.locator("img").count() == 0
    assert page.get_by_text("many", exact=False).count() == 1


@pytest.mark.parametrize("classes", [31, 65])
def test_many_classes_keep_the_page_small(folder: Any, open_page: Open, words: Words, classes: int) -> None:
    folder.classes = [f"class {number:02}" for number in range(classes)]
    folder.add("source_only", images=20 * classes)
    record = folder.add("dann", images=20 * classes)
    path = folder.page("runs", "dann-0-")
    page = open_page(path, 360)
    page.locator("summary", has_text="The largest confusions as a table").click()
    lines = page.get_by_role("region", name="Test images of one class").locator("tbody tr")
    beside = sorted(
        (
            count
            for true, row in enumerate(record.metrics.confusion)
            for name, count in enumerate(row)
            if name != true
        ),
        reverse=True,
    )
    shown = [int(line.locator("td").nth(1).inner_text()) for line in lines.all()]
    assert shown == beside[:20]
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    own = path.stat().st_size - len(page.locator("style").text_content())
    assert own < {31: 40_000, 65: 50_000}[classes]


def test_a_matrix_that_fits_no_classes_is_not_drawn(folder: Any, open_page: Open) -> None:
    metrics = Metrics(
        accuracy=0.5, mean_class_accuracy=0.5, per_class={"cat": 0.5}, confusion=[[1, 2], [3, 4]]
    )
    folder.write(folder.record().model_copy(update={"metrics": metrics}))
    page = open_page(folder.page("runs", "dann-0-"))
    assert page.get_by_text("does not fit its classes").is_visible()


def test_stored_features_are_drawn_and_broken_ones_are_said(folder: Any, open_page: Open) -> None:
    folder.add("dann", "A->B", 0, features=True)
    folder.add("dann", "B->A", 0, features=True)
    folder.add("dann", "B->A", 1, arrays=False)
    broken = folder.stored("validation", "dann", "B->A", 0)
    broken.write_bytes(broken.read_bytes()[:-200])
    site = folder.site() / "runs"
    page = open_page(next(site.glob("*a-b-dann-0-*")))
    assert page.locator("section[aria-labelledby=features] svg").count() == 1
    page = open_page(next(site.glob("*b-a-dann-0-*")))
    text = page.locator("section[aria-labelledby=features]").inner_text()
    assert "No picture: the stored features cannot be read: " in text
    page = open_page(next(site.glob("*b-a-dann-1-*")))
    assert page.locator("#features").count() == 0


def test_a_verdict_and_the_ledger_stand_on_the_page(
    record: Callable[..., Record], runs_of: Callable[[list[Record]], list[Run]]
) -> None:
    run, other = runs_of([record(), record(seed=1)])
    entry = Entry("2026-02-03", "rescored", run.file, "wrong labels & co", 0.5, 0.4)
    site = site_of(
        [run, other],
        verdicts={run.file: Verdict("wrong", ("accuracy is 0.4 by its predictions",))},
        ledger=Ledger((entry,)),
    )
    first, second = sorted(pages_of(site).values(), key=lambda text: "seed 1: run" in text)
    assert "wrong</span> accuracy is 0.4 by its predictions" in first
    assert "2026-02-03: rescored, 40.00 to 50.00. wrong labels &amp; co" in first
    assert "not checked" in second
    assert "2026-02-03" not in second


def test_only_detailed_runs_have_pages(
    record: Callable[..., Record], runs_of: Callable[[list[Record]], list[Run]]
) -> None:
    site = site_of(runs_of([record(seed=seed) for seed in range(3)]))
    assert len(pages_of(site)) == 3
    assert not pages_of(replace(site, detailed=frozenset()))


@pytest.mark.parametrize("name", [HOSTILE, RIGHT_TO_LEFT])
def test_odd_names_stay_text(folder: Any, open_page: Open, name: str) -> None:
    folder.classes = (name, "dog")
    one = folder.add("dann", command=name, environment={name: name}, code={"commit": name})
    odd = json.loads(one.model_dump_json()) | {"method": name, "task": name, "backbone": name}
    odd["evaluations"] = [{**one, "losses": {name: 1.0}} for one in odd["evaluations"]]
    folder.files["dann", "A->B", 0].write_text(json.dumps(odd))
    page = open_page(next((folder.site() / "runs").glob("*.html")))
    assert page.locator("img").count() == 0
    assert name in page.locator("h1").inner_text()
    assert page.locator("pre.copy").inner_text() == name


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_is_accessible(
    folder: Any, open_page: Open, violations: Callable[[Any], list[str]], scheme: str, width: int
) -> None:
    folder.add("source_only")
    folder.add("dann", features=True)
    folder.write(folder.record(failed=True, seed=7))
    site: Path = folder.site()
    for path in sorted((site / "runs").glob("*dann*")):
        page = open_page(path, width, color_scheme=scheme)
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_equal_input_gives_equal_pages(folder: Any) -> None:
    folder.add("dann", features=True)
    path = folder.page("runs", "dann-0-")
    before = path.read_bytes()
    folder.site()
    assert path.read_bytes() == before
