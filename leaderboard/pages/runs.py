"""The page of a run: curves, classes, confusion, configuration, and how to repeat it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dabench.leaderboard import view
from dabench.leaderboard.addresses import run_page
from dabench.leaderboard.boards import Reading, Site
from dabench.leaderboard.choices import LAST, Choice, Selection
from dabench.leaderboard.drill.confusions import confusion_of
from dabench.leaderboard.drill.data import parts, test_images
from dabench.leaderboard.drill.failures import frames
from dabench.leaderboard.drill.features import Features, stored_features
from dabench.leaderboard.drill.words import memory
from dabench.leaderboard.pages.renderer import Page, Renderer
from dabench.leaderboard.plots.bars import class_bars
from dabench.leaderboard.plots.confusion import confusion_matrix
from dabench.leaderboard.plots.curves import learning_curves, loss_curves
from dabench.leaderboard.plots.picture import Picture
from dabench.leaderboard.plots.projection import feature_projection
from dabench.leaderboard.rows import Row
from dabench.leaderboard.runs import Run, flatten
from dabench.leaderboard.statistics.images import wilson_interval
from dabench.leaderboard.verdicts import Entry
from dabench.records import Evaluation

__all__ = ["RuleLine", "rule_lines", "run_pages"]

# A matrix of more classes is no table that anybody reads; its largest confusions are.
MOST_CLASSES_IN_TABLE = 20
DEFAULT, METHOD_VERSION = "default", "method version"


@dataclass(frozen=True)
class RuleLine:
    """What one selection rule says of a run: step and value, or the reason why not."""

    rule: str
    title: str
    step: int | None
    value: float | None
    reason: str
    peeking: bool
    used: bool


def run_pages(renderer: Renderer, reading: Reading) -> Iterator[Page]:
    """One page for each run of a board that has one (``site.detailed``)."""
    site = renderer.site
    history: dict[str, list[Entry]] = defaultdict(list)
    for entry in site.ledger.entries:
        history[entry.record].append(entry)
    for row in reading.table.rows:
        for run in row.group.runs:
            if run.file in site.detailed:
                yield renderer.page(
                    run_page(run), "run.html.j2", reading=reading, table=reading.table, row=row, run=run,
                    scripted="pictures", view=view, record=run.record, history=history.get(run.file, []),
                    **_told(run),
                    **(_measured(site, row, run) if run.record.status == "done" else {}),
                )  # fmt: skip


def _told(run: Run) -> dict[str, Any]:
    """What any record says, that of a failed run too."""
    record = run.record
    usual: dict[str, dict[str, str]] = defaultdict(dict)
    chosen: dict[str, str] = {}
    for path, value in sorted(run.settings.items()):
        if path == METHOD_VERSION:  # stands with the code
            continue
        source = record.provenance.get(path, "")
        (usual[source] if source.startswith(DEFAULT) else chosen)[path] = value
    return {
        "chosen": chosen,
        "defaults": usual,  # many share a source: it stands once
        "parts": parts(record),
        "surroundings": flatten(record.environment),
        "frames": frames(record.failure) if record.failure else (),
        "memory": memory,
    }


def _measured(site: Site, row: Row, run: Run) -> dict[str, Any]:
    """What a finished run says besides."""
    record, metrics = run.record, run.record.metrics
    choice = row.choices.get(run.file) or Selection(row.rule, site.peeking).choose(run)
    evaluation = _evaluation(run, choice)
    images = test_images(record)
    confusion = confusion_of(record)
    level = site.settings.ci.level
    return {
        "counted": run.file in row.choices,
        "choice": choice,
        "evaluation": evaluation,
        "interval": wilson_interval(evaluation.accuracy, images, level) if evaluation and images else None,
        "images": images,
        "lines": rule_lines(site, row, run),
        "confusion": confusion,
        "table_of_classes": confusion is not None and len(confusion.classes) <= MOST_CLASSES_IN_TABLE,
        "curves": _pictures(
            learning_curves(
                [run], record.metric, "curve", {run.file: choice.step} if choice.step is not None else {}
            ),
            loss_curves(run, "losses"),
        ),
        "class_pictures": _pictures(
            class_bars(metrics.per_class, "bars") if metrics else None,
            confusion_matrix(confusion.counts, confusion.classes, "matrix") if confusion else None,
        ),
        **_features(site, run),
    }


def _pictures(*drawn: Picture | None) -> list[Picture]:
    return [one for one in drawn if one is not None]


def _evaluation(run: Run, choice: Choice) -> Evaluation | None:
    """The evaluation that the rule chose."""
    return next((one for one in reversed(run.record.evaluations) if one.step == choice.step), None)


def rule_lines(site: Site, row: Row, run: Run) -> tuple[RuleLine, ...]:
    """What every rule that was scored says of a finished run: that of its row first, then by name."""
    names = dict.fromkeys([row.rule, LAST, *sorted(run.scores)])
    return tuple(_line(site, row, run, name) for name in names)


def _line(site: Site, row: Row, run: Run, name: str) -> RuleLine:
    choice = Selection(name, site.peeking).choose(run)
    title = site.rules[name].cls.title if name in site.rules else ""
    return RuleLine(
        name, title, choice.step, choice.value, choice.reason, name in site.peeking, name == row.rule
    )


def _features(site: Site, run: Run) -> Mapping[str, Any]:
    if run.file not in site.with_features:
        return {"projection": None, "no_projection": ""}
    found = stored_features(site.results, run)
    if not isinstance(found, Features):
        return {"projection": None, "no_projection": found}
    return {"projection": feature_projection(found.source, found.target, "projection"), "no_projection": ""}
