"""All pictures together: well-formed, named once, the same twice, safe, readable in every light and width."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jinja2
import numpy as np
import pytest

import dabench.leaderboard
from dabench.leaderboard.boards import Reading
from dabench.leaderboard.plots.bars import class_bars
from dabench.leaderboard.plots.confusion import confusion_matrix
from dabench.leaderboard.plots.curves import learning_curves, loss_curves
from dabench.leaderboard.plots.dots import interval_dots
from dabench.leaderboard.plots.heat import gain_heat_map
from dabench.leaderboard.plots.ladder import ablation_ladder
from dabench.leaderboard.plots.pairs import pairwise_matrix
from dabench.leaderboard.plots.pareto import accuracy_against_time
from dabench.leaderboard.plots.picture import Picture
from dabench.leaderboard.plots.profile import performance_profile
from dabench.leaderboard.plots.projection import feature_projection
from dabench.leaderboard.plots.regret import rule_regret
from dabench.leaderboard.plots.strips import seed_strips
from dabench.leaderboard.runs import Run
from dabench.leaderboard.scoring import known_rules
from dabench.leaderboard.statistics.intervals import Interval
from dabench.leaderboard.validators import Correlation, Report, RuleCell, RuleReport
from dabench.records import Evaluation, Record, Timing

TEMPLATES = Path(dabench.leaderboard.__file__).parent / "templates"
HOSTILE = "</script><img src=x onerror=alert(1)>"
METHODS = (
    "source_only", "target_only", "gsda-glb", "gsda-glb-cls", "gsda-glb-cls-grp", "gsda", HOSTILE,
    "\u202eשיטה חדשה",
    "a_method_with_a_name_that_is_far_too_long_for_any_table_or_picture", "mmmmm@@@@@WWWWW",
)  # fmt: skip
TASKS = ("A->W", "W->A", "A->D", "D->A", "D->W", "W->D")
CLASSES = ("back_pack", HOSTILE, "a class of many words indeed", "mug", "pen", "שם")
PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Pictures</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{% include "style.css.j2" %}{% include "plots.css.j2" %}</style></head>
<body><main><h1>Pictures</h1>{% from "picture.html.j2" import picture %}
{% for one in pictures %}{{ picture(one) }}{% endfor %}</main></body></html>"""
# Texts of one picture that cover each other, or leave it. Boxes are higher than letters, hence the margins.
COLLISIONS = """() => [...document.querySelectorAll("svg.plot")].flatMap(svg => {
  const frame = svg.getBoundingClientRect(), scale = frame.width / svg.viewBox.baseVal.width;
  const words = [...svg.querySelectorAll("text")].map(one => {
    const title = one.querySelector("title")?.textContent ?? "";
    return {text: one.textContent.slice(title.length), box: one.getBoundingClientRect()};
  });
  const found = [];
  words.forEach((one, k) => {
    const a = one.box;
    if (a.left < frame.left - 1 || a.right > frame.right + 1) found.push(`${one.text} leaves the picture`);
    for (const other of words.slice(k + 1)) {
      const b = other.box;
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (across > 1.5 * scale && down > 4 * scale) found.push(`${one.text} covers ${other.text}`);
    }
  });
  return found;
})"""


def records(record: Callable[..., Record]) -> list[Record]:
    random = np.random.default_rng(0)
    made = []
    for place, method in enumerate(METHODS):
        seconds = float(np.exp(random.uniform(0, 2)))
        for task in TASKS:
            for seed in range(5):
                bound = method == "target_only"
                value = 0.02 if place == 5 and seed == 3 else (0.97 if bound else 0.7 + 0.02 * place)
                timing = Timing(
                    started_at="2026-01-01T10:00:00", total_seconds=seconds, training_seconds=seconds
                )
                value = float(np.clip(value + random.normal(0, 0.01), 0, 1))
                made.append(record(method, task, seed, value, uses_target_labels=bound, timing=timing))
    return [*made, record("gsda", TASKS[0], 9, failed=True)]


@pytest.fixture(scope="module")
def reading(read: Callable[..., Reading], record: Callable[..., Record]) -> Reading:
    return read(records(record), TASKS)


@pytest.fixture(scope="module")
def seeds(record: Callable[..., Record], runs_of: Callable[[list[Record]], list[Run]]) -> list[Run]:
    """Runs of one task with curves and losses."""
    random = np.random.default_rng(1)
    made = []
    for seed in range(6):
        evaluations = [
            Evaluation(
                step=100 * k, seconds=k, mean_class_accuracy=0.5,
                accuracy=1 - 0.5 / k + random.uniform(0, 0.01),
                losses={"classification": 1 / k, HOSTILE: 3.0, "domain": random.uniform(0.5, 0.7)},
            )
            for k in range(2, 9)
        ]  # fmt: skip
        made.append(record(seed=seed).model_copy(update={"evaluations": evaluations}))
    return runs_of(made)


def report() -> Report:
    cell = RuleCell(4, 3, None, None, None, Correlation(), {})
    rules = known_rules()
    names = [name for name in sorted(rules) if not rules[name].cls.uses_target_labels]
    return Report(
        (),
        tuple(
            RuleReport(name, rules[name], (cell,), Interval(0.01 * k, 0.02, 3), None, None)
            for k, name in enumerate(names)
        ),
        0.95,
    )


def draw(reading: Reading, seeds: list[Run]) -> list[Picture | None]:
    random = np.random.default_rng(2)
    confusion = random.integers(0, 9, (6, 6)).tolist()
    many = random.integers(0, 9, (65, 65)).tolist()
    values = dict(zip(CLASSES, (1.0, 0.5, 0.25, 0.1, None, 0.0), strict=True))
    return [
        interval_dots(reading),
        gain_heat_map(reading),
        seed_strips(reading),
        seed_strips(reading, TASKS[0]),
        accuracy_against_time(reading),
        pairwise_matrix(reading),
        performance_profile(reading),
        ablation_ladder(reading),
        rule_regret(report()),
        learning_curves(seeds, "accuracy", "curves", {seeds[0].file: 300}),
        loss_curves(seeds[0], "losses"),
        confusion_matrix(confusion, CLASSES, "confusion"),
        confusion_matrix(many, [f"class {k}" for k in range(65)], "many"),
        class_bars(values, "classes"),
        feature_projection(random.normal(size=(50, 8)), random.normal(size=(40, 8)) + 1, "features"),
    ]


@pytest.fixture(scope="module")
def pictures(reading: Reading, seeds: list[Run]) -> list[Picture]:
    found = draw(reading, seeds)
    assert None not in found
    return [one for one in found if one is not None]


def test_each_is_well_formed_and_says_what_it_shows(pictures: list[Picture]) -> None:
    for picture in pictures:
        root = ElementTree.fromstring(str(picture.svg))
        by_id = {one.get("id"): one.text for one in root.iter() if one.get("id")}
        title, text = (by_id[name] for name in (root.get("aria-labelledby") or "").split())
        assert root.get("role") == "img"
        assert (title, text) == (picture.title, picture.text)
        assert len(picture.text) > 60
        assert picture.text.endswith(".")


def test_ids_are_unique_on_a_page(pictures: list[Picture]) -> None:
    svgs = [ElementTree.fromstring(str(picture.svg)) for picture in pictures]
    ids = [one.get("id") for svg in svgs for one in svg.iter() if one.get("id")]
    assert len(ids) == len(set(ids))
    assert len({picture.name for picture in pictures}) == len(pictures)
    assert all(re.fullmatch(r"[a-z][a-z0-9-]*", picture.name) for picture in pictures)


def test_names_from_strangers_are_text_and_no_markup(pictures: list[Picture]) -> None:
    allowed = {
        "svg", "title", "desc", "g", "defs", "use", "path", "circle", "rect", "text",
    }  # fmt: skip
    seen = set()
    for picture in pictures:
        root = ElementTree.fromstring(str(picture.svg))
        tags = {one.tag.rpartition("}")[2] for one in root.iter()}
        assert tags <= allowed
        attributes = {name for one in root.iter() for name in one.attrib}
        assert not {name for name in attributes if name.startswith("on") or name in ("style", "src")}
        assert all(one.get("href", "#").startswith("#") for one in root.iter())
        assert "<img" not in picture.svg
        seen |= {one.text for one in root.iter()}
    assert HOSTILE in seen


def test_equal_input_gives_equal_bytes(reading: Reading, seeds: list[Run], pictures: list[Picture]) -> None:
    assert draw(reading, seeds) == pictures


def test_each_is_small(pictures: list[Picture]) -> None:
    assert {one.name: len(one.svg.encode()) for one in pictures if len(one.svg.encode()) > 30_000} == {}


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def colours(dark: bool) -> dict[str, str]:
    """The custom properties of light or dark pages."""
    found: dict[str, str] = {}
    for name in ("style.css.j2", "plots.css.j2"):
        light, _, rest = (
            (TEMPLATES / name).read_text(encoding="utf-8").partition("(prefers-color-scheme: dark)")
        )
        text = light + (rest.split("\n}\n")[0] if dark else "")
        found |= dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6})", text))
    return found


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_words_and_marks_have_contrast(dark: bool) -> None:
    found = colours(dark)
    shades = [f"--heat-{sign}{step}" for sign in ("", "m") for step in (1, 2, 3, 4)]
    assert {
        name: contrast(found["--ink"], found[name])
        for name in shades
        if contrast(found["--ink"], found[name]) < 4.5
    } == {}
    for ground in ("--panel", "--soft"):
        assert contrast(found["--muted"], found[ground]) >= 4.5
        assert all(contrast(found[mark], found[ground]) >= 3 for mark in ("--plot-first", "--plot-second"))
    steps = [luminance(found[name]) for name in shades[:4]]
    assert steps == sorted(steps, reverse=not dark)


@pytest.fixture(scope="module")
def page(pictures: list[Picture], tmp_path_factory: pytest.TempPathFactory) -> Path:
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True)
    path = tmp_path_factory.mktemp("pictures") / "pictures.html"
    path.write_text(environment.from_string(PAGE).render(pictures=pictures), encoding="utf-8")
    return path


@pytest.mark.page
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_readable_in_a_browser(
    page: Path, open_page: Any, violations: Callable[[Any], list[str]], width: int, scheme: str
) -> None:
    shown = open_page(page, width, color_scheme=scheme)
    assert violations(shown) == []
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    assert shown.evaluate(COLLISIONS) == []
    widths = shown.evaluate(
        "[...document.querySelectorAll('svg.plot:not(.wide)')].map(one => one.clientWidth)"
    )
    assert max(widths) <= width
    smallest = shown.evaluate(
        "Math.min(...[...document.querySelectorAll('svg.plot text')].map(one => parseFloat("
        "getComputedStyle(one).fontSize) * one.ownerSVGElement.clientWidth"
        " / one.ownerSVGElement.viewBox.baseVal.width))"
    )
    assert smallest > 9


@pytest.mark.page
def test_the_words_can_be_opened_and_used_lines_are_drawn_as_lines(page: Path, open_page: Any) -> None:
    shown = open_page(page)
    figure = shown.locator("#interval-dots")
    figure.locator("summary").click()
    assert figure.locator("details p").is_visible()
    assert "gsda" in figure.locator("details p").inner_text()
    fills = shown.evaluate("[...document.querySelectorAll('use')].map(one => getComputedStyle(one).fill)")
    assert set(fills) == {"none"}
