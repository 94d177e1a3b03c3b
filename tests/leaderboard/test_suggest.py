"""``dabench suggest``: neighbours that further seeds would part, with the commands that run them."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from dabench.leaderboard import commands
from dabench.leaderboard.boards import Site, Way, boards
from dabench.leaderboard.runs import Run
from dabench.leaderboard.settings import Settings
from dabench.leaderboard.suggest import Suggestion, suggestions
from dabench.order import read_order
from dabench.records import Record

Make = Callable[..., Record]
VALUES = {
    "source_only": (0.500, 0.504, 0.497),
    "dann": (0.600, 0.612, 0.592),
    "cdan": (0.606, 0.603, 0.613),  # close to dann
    "gsda": (0.900, 0.904, 0.897),
}


@pytest.fixture
def records(record: Make) -> list[Record]:
    return [
        record(method, task, seed, value, config={"params": {"k": 2}} if method == "cdan" else None)
        for method, values in VALUES.items()
        for task in ("A->B", "B->A")
        for seed, value in enumerate(values)
    ]


def found(runs: list[Run], most: int = 100) -> list[Suggestion]:
    site = Site(boards(runs), {}, Settings())
    return suggestions([site.read(board, Way()) for board in site.boards], most)


def test_only_neighbours_that_are_not_told_apart(
    records: list[Record], runs_of: Callable[[list[Record]], list[Run]]
) -> None:
    (one,) = found(runs_of(records))
    assert (one.upper, one.lower) == ("cdan", "dann")
    assert one.difference == pytest.approx(sum(VALUES["cdan"]) / 3 - sum(VALUES["dann"]) / 3)
    assert one.seeds == tuple(range(3, one.needed))
    assert found(runs_of(records), most=len(one.seeds) - 1) == []


def test_commands_repeat_the_rows_with_the_new_seeds(
    records: list[Record], runs_of: Callable[[list[Record]], list[Run]]
) -> None:
    told = [
        one.model_copy(update={"command": f"{one.command} --set params.k=2 --set steps=9"})
        if one.method == "cdan"
        else one
        for one in records
    ]
    (one,) = found(runs_of(told))
    words = shlex.split(one.commands[0])
    assert words[:4] == ["dabench", "run", "--method", "cdan"]
    assert {"params.k=2", "steps=9"} < set(words), "a row's own settings belong to its command"
    assert [words[k + 1] for k, word in enumerate(words) if word == "--seed"] == [str(k) for k in one.seeds]
    assert "--task" not in words


def test_the_command_prints_and_writes_an_order(
    records: list[Record], written: Callable[[list[Record]], Path], tmp_path: Path
) -> None:
    app = typer.Typer()
    commands.add_to(app)
    order = tmp_path / "order.json"
    arguments = ["suggest", "--results", str(written(records)), "--most", "100", "--out", str(order)]
    outcome = CliRunner().invoke(app, arguments)
    assert outcome.exit_code == 0, outcome.output
    assert "cdan and dann" in outcome.stdout
    folder = arguments[2]
    assert outcome.stdout.count(f" --results {folder}") >= 2, "commands go on in the same folder"
    priorities = read_order(order)
    assert [one.method for one in priorities] == ["cdan", "dann"]
    assert (
        priorities[0].seeds
        == json.loads(order.read_text())[0]["seeds"]
        == [*range(3, 3 + len(priorities[0].seeds or []))]
    )
    largest = max(seed for one in priorities for seed in one.seeds or [])
    assert f"add --order {order} --seeds {largest + 1} to the command of your sweep" in outcome.stdout
    outcome = CliRunner().invoke(app, [*arguments[:3], "--most", "1"])
    assert "No neighbours would be told apart by 1 further seeds or fewer" in outcome.stdout
