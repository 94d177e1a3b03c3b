"""The chooser's links: what each changes, what it keeps, and where it leads when nothing fits."""

from collections.abc import Callable, Mapping

import pytest

from dabench.leaderboard.boards import Board, Site, Way, boards
from dabench.leaderboard.chooser import Dimension, chooser
from dabench.leaderboard.runs import Run
from dabench.leaderboard.scoring import known_rules
from dabench.leaderboard.settings import Settings
from dabench.leaderboard.table import SuiteInfo
from dabench.records import Record

Make = Callable[..., Record]
AsRuns = Callable[[list[Record]], list[Run]]
PLACES = [
    ("one", "resnet50", "transductive", "accuracy"),
    ("one", "resnet50", "inductive", "accuracy"),
    ("one", "vit", "transductive", "accuracy"),
    ("two", "vit", "transductive", "mean_class_accuracy"),
    ("three", "alexnet", "inductive", "accuracy"),
]


@pytest.fixture
def site(record: Make, runs_of: AsRuns, judged: Callable[..., Run], suites: Mapping[str, SuiteInfo]) -> Site:
    records = [
        record("dann", task, 0, 0.5, suite=suite, backbone=backbone, protocol=protocol, metric=metric)
        for suite, backbone, protocol, metric in PLACES
        for task in (("A->B", "B->A") if suite == "one" else ("A->B",))
    ]
    more = record("cdan", "A->B", 0, 0.5, suite="one", backbone="resnet50")
    runs = [
        judged(run, oracle=[0.1]) if run.record.suite == "one" else run for run in runs_of([*records, more])
    ]
    rules = known_rules()
    return Site(boards(runs, rules), suites, Settings(), rules=rules)


def board(site: Site, *key: str) -> Board:
    return next(one for one in site.boards if (one.suite, one.backbone, one.protocol) == key)


def dimensions(site: Site, one: Board, way: Way) -> dict[str, Dimension]:
    return {found.name: found for found in chooser(site, one, way)}


def leads(dimension: Dimension) -> dict[str, tuple[str, str, str, Way]]:
    return {
        option.label: (option.board.suite, option.board.backbone, option.board.protocol, option.way)
        for option in dimension.options
    }


def test_a_link_keeps_what_it_can(site: Site) -> None:
    here = board(site, "one", "vit", "transductive")
    found = dimensions(site, here, Way("oracle"))
    assert list(found) == ["Suite", "Backbone", "Protocol", "Selection rule", "Tasks"]
    assert leads(found["Suite"]) == {
        "one": ("one", "vit", "transductive", Way("oracle")),
        "three": ("three", "alexnet", "inductive", Way()),
        "two": ("two", "vit", "transductive", Way()),
    }
    assert leads(found["Backbone"])["resnet50"] == ("one", "resnet50", "transductive", Way("oracle"))
    # There is no inductive run of this backbone: the link goes to a board that has the protocol.
    assert leads(found["Protocol"])["inductive"] == ("one", "resnet50", "inductive", Way("oracle"))


def test_one_option_of_each_is_current(site: Site) -> None:
    for here in site.boards:
        for way in here.ways:
            for dimension in chooser(site, here, way):
                current = [option for option in dimension.options if option.current]
                assert len(current) == 1
                assert (current[0].board, current[0].way) == (here, way)


def test_rules_and_tasks(site: Site) -> None:
    here = board(site, "one", "resnet50", "transductive")
    found = dimensions(site, here, Way())
    assert leads(found["Selection rule"]) == {
        "last": ("one", "resnet50", "transductive", Way()),
        "oracle": ("one", "resnet50", "transductive", Way("oracle")),
    }
    last, oracle = found["Selection rule"].options
    assert (last.note, last.peeking, oracle.peeking) == ("last step", False, True)
    assert [option.way for option in found["Tasks"].options] == [Way(), Way("", common=True)]
    common = dimensions(site, here, Way("", common=True))
    assert leads(common["Selection rule"])["oracle"][-1] == Way("oracle", common=True)


def test_two_metrics_are_told_apart(record: Make, runs_of: AsRuns, suites: Mapping[str, SuiteInfo]) -> None:
    runs = runs_of([record(metric=metric) for metric in ("accuracy", "mean_class_accuracy")])
    site = Site(boards(runs), suites, Settings())
    protocol = dimensions(site, site.boards[0], Way())["Protocol"]
    assert [option.label for option in protocol.options] == [
        "transductive, accuracy", "transductive, mean class accuracy",
    ]  # fmt: skip
