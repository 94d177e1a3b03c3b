"""The page of a task: all methods on it, image by image and class by class."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest

pytestmark = pytest.mark.page

HOSTILE = "</script><img src=x onerror=alert(1)>"
Open = Callable[..., Any]
Words = Callable[[Any], str]


def lines(page: Any, region: str) -> dict[str, list[str]]:
    """The rows of a table by their heads."""
    rows = page.get_by_role("region", name=region).locator("tbody tr")
    return {
        row.locator("th").inner_text().split("\n")[0]: [
            " ".join(text.split()) for text in row.locator("td").all_inner_texts()
        ]
        for row in rows.all()
    }


def last_right(folder: Any, method: str, task: str, seed: int) -> NDArray[np.bool_]:
    """Which images a run gets right at its last step."""
    with np.load(folder.stored("predictions", method, task, seed)) as arrays:
        return np.asarray(arrays["predictions"][-1] == arrays["labels"])


def test_methods_stand_by_mean_and_bounds_last(folder: Any, open_page: Open) -> None:
    folder.fill(target_only=0.99, source_only=0.4, dann=0.9, cdan=0.7)
    folder.write(folder.record("cdan", seed=9, failed=True))
    page = open_page(folder.page("tasks", "a-b"))
    found = lines(page, "Accuracy on A→B in percent")
    values = {
        method: [np.mean(last_right(folder, method, "A->B", seed)) for seed in range(3)] for method in found
    }
    assert [*found][-1] == "target_only"
    means = [np.mean(values[method]) for method in found][:-1]
    assert means == sorted(means, reverse=True)
    for method, cells in found.items():
        assert cells[0].startswith(f"{100 * np.mean(values[method]):.2f} ±")
        for seed, value in enumerate(values[method]):
            assert f"seed {seed}: {100 * value:.2f}" in cells[2]
        assert cells[3].endswith("40 images")
        assert cells[4] == "1 min 1 s"
    assert "seed 9: ✕" in found["cdan"][2]
    assert found["source_only"][1] == "reference"
    page.get_by_role("link", name="dann", exact=True).first.click()
    assert page.url.endswith("#task-1")


def test_images_are_compared_with_the_reference_by_seed(folder: Any, open_page: Open) -> None:
    folder.fill(source_only=0.4, dann=0.9)
    page = open_page(folder.page("tasks", "b-a"))
    found = lines(page, "Test images gained and lost")
    assert [*found] == ["dann"]
    for seed, cell in enumerate(found["dann"]):
        mine, base = (last_right(folder, method, "B->A", seed) for method in ("dann", "source_only"))
        gained, lost = int((mine & ~base).sum()), int((base & ~mine).sum())
        p = binomtest(gained, gained + lost).pvalue
        assert cell == f"+{gained} −{lost} " + ("p < 0.001" if p < 0.001 else f"p = {p:.3f}")


def test_runs_without_pages_are_not_compared_by_image(folder: Any, open_page: Open) -> None:
    folder.fill(source_only=0.4, dann=0.9)
    page = open_page(folder.page("tasks", "a-b", pages="none"))
    assert page.get_by_text("Image by image").count() == 0
    assert page.locator("a[href*='runs/']").count() == 0


def test_classes_stand_with_their_images_and_gains(folder: Any, open_page: Open) -> None:
    records: dict[str, list[Any]] = {
        method: [folder.add(method, seed=seed, right=right) for seed in range(3)]
        for method, right in (("source_only", 0.4), ("dann", 0.9))
    }
    page = open_page(folder.page("tasks", "a-b"))
    found = lines(page, "Images that runs train on")
    means = {
        method: {
            name: np.mean([100 * one.metrics.per_class[name] for one in runs]) for name in folder.classes
        }
        for method, runs in records.items()
    }
    assert [*found] == [*folder.classes]
    for name, (source, target, best, base) in found.items():
        assert (source, target) == ("30" if name == "cat" else "10", "10")
        gain = means["dann"][name] - means["source_only"][name]
        assert best.startswith(f"{means['dann'][name]:.2f} ")
        assert best.split()[1] == ("0.00" if abs(gain) < 0.005 else f"{gain:+.2f}".replace("-", "−"))
        assert base == f"{means['source_only'][name]:.2f}"
    # 30, 10, 10, 10 of 60 against a quarter each: half of (1/4 + 3/12)
    assert page.get_by_text("Label shift between source and target: 0.250").is_visible()


def test_many_classes_are_left_to_the_pages_of_runs(folder: Any, open_page: Open) -> None:
    folder.classes = [f"c{number}" for number in range(65)]
    folder.add("dann", images=130)
    page = open_page(folder.page("tasks", "a-b"))
    assert page.get_by_text("65 classes are too many for a table of all methods").is_visible()
    assert page.get_by_role("region", name="Images that runs train on").count() == 0


def test_a_task_that_nobody_ran_has_a_page(folder: Any, open_page: Open, violations: Any) -> None:
    folder.write(folder.record(failed=True))
    page = open_page(folder.page("tasks", "b-a"))
    assert lines(page, "Accuracy on B→A")["dann"][0] == "– missing"
    assert violations(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_is_accessible(
    folder: Any, open_page: Open, violations: Callable[[Any], list[str]], scheme: str, width: int
) -> None:
    folder.fill(source_only=0.4, dann=0.9, cdan=0.1, target_only=0.99)
    page = open_page(folder.page("tasks", "a-b"), width, color_scheme=scheme)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("th:not([scope])").count() == 0
    assert page.locator("table").count() == page.locator("table > caption").count() == 3


def test_hostile_names_stay_text(folder: Any, open_page: Open) -> None:
    folder.classes = (HOSTILE, "dog")
    for method in ("source_only", "dann"):
        one = json.loads(folder.add(method).model_dump_json())
        one["method"] = {"dann": HOSTILE}.get(method, method)
        one["task"] = f"A->{HOSTILE}"
        folder.files[method, "A->B", 0].write_text(json.dumps(one))
    pages = [path for path in (folder.site() / "tasks").glob("*.html") if "img" in path.name]
    assert len(pages) == 1
    page = open_page(pages[0])
    assert page.locator("img").count() == 0
    assert HOSTILE in page.locator("h1").inner_text()
    assert HOSTILE in lines(page, "Images that runs train on")
