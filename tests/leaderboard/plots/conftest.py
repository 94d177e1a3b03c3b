"""Readings of made-up boards, and pictures as trees."""

from collections.abc import Callable, Mapping, Sequence
from xml.etree import ElementTree

import pytest

from dabench.leaderboard.boards import Reading, Site, Way, boards
from dabench.leaderboard.plots.picture import Picture
from dabench.leaderboard.runs import Run
from dabench.leaderboard.settings import Settings
from dabench.leaderboard.table import SuiteInfo
from dabench.records import Record, Timing

SVG = "{http://www.w3.org/2000/svg}"
Values = Mapping[str, Mapping[str, Sequence[float]]]


@pytest.fixture(scope="session")
def read(
    suites: Mapping[str, SuiteInfo], runs_of: Callable[[list[Record]], list[Run]]
) -> Callable[..., Reading]:
    """Read the only board of some records."""

    def build(records: list[Record], tasks: tuple[str, ...] = ()) -> Reading:
        (board,) = boards(runs_of(records))
        known = {**suites, "toy": SuiteInfo("Toy suite", tasks, tuple("abcdefghij"))} if tasks else suites
        return Site((board,), known, Settings()).read(board, Way())

    return build


@pytest.fixture(scope="session")
def reading_of(read: Callable[..., Reading], record: Callable[..., Record]) -> Callable[..., Reading]:
    """A reading of method to task to values by seed; ``seconds`` is the training time of a method's runs."""

    def build(values: Values, failed: Sequence[tuple[str, str, int]] = (), **seconds: float) -> Reading:
        def timing(method: str) -> Timing:
            given = seconds.get(method, 3.0)
            return Timing(started_at="2026-01-01T10:00:00", total_seconds=given, training_seconds=given)

        records = [
            record(
                method, task, seed, value, uses_target_labels=method == "target_only", timing=timing(method)
            )
            for method, by_task in values.items()
            for task, seeds in by_task.items()
            for seed, value in enumerate(seeds)
        ]
        records += [record(method, task, seed, failed=True) for method, task, seed in failed]
        tasks = tuple(dict.fromkeys(task for by_task in values.values() for task in by_task))
        return read(records, tasks)

    return build


class Tree:
    """A picture's elements."""

    def __init__(self, picture: Picture | None) -> None:
        assert picture is not None
        self.picture = picture
        self.root = ElementTree.fromstring(str(picture.svg))

    def all(self, name: str, kind: str = "") -> list[ElementTree.Element]:
        """Elements of a name with a class (or any), in the order of drawing."""
        return [
            one
            for one in self.root.iter(f"{SVG}{name}")
            if not kind or set(kind.split()) <= set(one.get("class", "").split())
        ]

    def one(self, name: str, kind: str = "") -> ElementTree.Element:
        """The only such element."""
        (found,) = self.all(name, kind)
        return found

    def words(self, kind: str = "") -> list[str]:
        """Texts with a class, without what is shown under the pointer."""
        return [own(one) for one in self.all("text", kind)]

    def tips(self) -> list[str]:
        """What is shown under the pointer, but for the title of the whole."""
        return [one.text or "" for one in self.all("title")[1:]]


def own(element: ElementTree.Element) -> str:
    """An element's own text."""
    return (element.text or "") + "".join(child.tail or "" for child in element)


@pytest.fixture(scope="session")
def tree() -> Callable[[Picture | None], Tree]:
    return Tree


def place(element: ElementTree.Element, name: str) -> float:
    """A length of an element."""
    return float(element.get(name, "nan"))


@pytest.fixture(scope="session")
def at() -> Callable[[ElementTree.Element, str], float]:
    return place


@pytest.fixture(scope="session")
def axis() -> Callable[..., Callable[[float], float]]:
    """From a value to its place, by two ticks of an axis that the picture shows."""

    def fitted(found: Tree, name: str, labels: Sequence[str]) -> Callable[[float], float]:
        ticks = [
            (float(own(one).replace("−", "-").split()[0]), place(one, name))
            for one in found.all("text", "tick")
            if own(one) in labels
        ]
        (first, start), (last, stop) = ticks[0], ticks[-1]
        assert first != last
        return lambda value: start + (value - first) / (last - first) * (stop - start)

    return fitted
