"""Two states of the results: what is new, changed, removed, rescored, and whether it is more than noise."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from dabench.errors import UserError
from dabench.leaderboard.against import BoardChange, Changes, Place, RowChange, compare
from dabench.leaderboard.boards import Reading
from dabench.leaderboard.change_words import noise, ranks, shift, summary, told
from dabench.leaderboard.choices import Selection
from dabench.leaderboard.frame import tidy, to_csv
from dabench.leaderboard.older import read_older
from dabench.leaderboard.reading import read_boards, read_scored
from dabench.leaderboard.runs import Run
from dabench.leaderboard.table import SuiteInfo
from dabench.records import Record

Make = Callable[..., Record]
Readings = tuple[Reading, ...]
Read = Callable[..., Readings]

OTHER = {"config": {"optimiser": {"lr": 0.02}}}  # other runs of the same seeds
OLD = {"source_only": (0.50, 0.52, 0.51), "dann": (0.60, 0.63, 0.61), "cdan": (0.55, 0.56, 0.57)}


@pytest.fixture
def read(record: Make, runs_of: Callable[[list[Record]], list[Run]], suites: Mapping[str, SuiteInfo]) -> Read:
    """Read boards from method to values by seed, equal on both tasks."""

    def make(values: Mapping[str, Sequence[float] | Mapping[int, float]], **fields: Any) -> Readings:
        records = [
            record(method, task, seed, value, **fields)
            for method, given in values.items()
            for seed, value in (given.items() if isinstance(given, Mapping) else enumerate(given))
            for task in ("A->B", "B->A")
        ]
        return read_scored(runs_of(records), None, None, suites)

    return make


def row(changes: Changes, method: str) -> RowChange:
    (found,) = (one for board in changes.boards for one in board.rows if one.method == method)
    return found


def test_equal_states_have_no_change(read: Read) -> None:
    changes = compare(read(OLD), read(OLD))
    assert not changes.any
    assert [board.kind for board in changes.boards] == ["same"]
    assert summary(changes) == "Nothing has changed: 3 rows are the same"


def test_rows_are_new_and_removed(read: Read) -> None:
    old = {name: OLD[name] for name in ("source_only", "dann")}
    new = {name: OLD[name] for name in ("source_only", "cdan")}
    changes = compare(read(old), read(new))
    assert (row(changes, "cdan").kind, row(changes, "dann").kind) == ("new", "removed")
    assert row(changes, "cdan").now is not None
    assert row(changes, "dann").before is not None
    assert summary(changes) == "1 new, 1 removed of 3 rows"


def test_boards_are_new_and_removed(read: Read) -> None:
    changes = compare(read(OLD, backbone="resnet18"), read(OLD))
    assert [(board.backbone, board.kind) for board in changes.boards] == [
        ("resnet50.tv_in1k", "new"),
        ("resnet18", "removed"),
    ]
    assert {one.kind for one in changes.boards[1].rows} == {"removed"}


def test_the_same_run_with_another_value_is_rescored(read: Read) -> None:
    changes = compare(read(OLD), read(OLD | {"dann": (0.60, 0.63, 0.71)}))
    found = row(changes, "dann")
    assert found.kind == "changed"
    assert [(one.task, one.seed, one.before, one.now) for one in found.rescored] == [
        ("A->B", 2, 0.61, 0.71),
        ("B->A", 2, 0.61, 0.71),
    ]
    assert changes.rescored == 2
    assert found.seeds == "seed 2 with another value"
    assert found.difference is None
    assert told(found) == "rescored, 2 runs, largest change +10.00 points"
    assert [told(cell) for cell in found.cells] == ["rescored, 1 run, largest change +10.00 points"] * 2
    assert "2 runs rescored" in summary(changes)


def test_a_change_of_all_seeds_is_compared_in_pairs(read: Read) -> None:
    changes = compare(read(OLD), read(OLD | {"dann": (0.61, 0.641, 0.619)}, **OTHER))
    found = row(changes, "dann")
    assert found.difference is not None
    assert found.difference.paired
    assert found.measure == "now minus before, seed by seed"
    assert found.difference.interval.mean == pytest.approx(0.01)
    assert found.beyond_noise is True
    assert noise(found.difference) == "more than noise"


def test_a_change_within_the_noise(read: Read) -> None:
    found = row(compare(read(OLD), read(OLD | {"dann": (0.62, 0.61, 0.63)}, **OTHER)), "dann")
    assert found.beyond_noise is False
    assert noise(found.difference) == "within noise"


def test_added_seeds_are_compared_with_those_that_were_there(read: Read) -> None:
    new = OLD | {"dann": (*OLD["dann"], 0.80, 0.81)}
    found = row(compare(read(OLD), read(new)), "dann")
    assert found.seeds == "seeds 3, 4 added"
    assert found.measure == found.cells[0].measure == "new seeds minus old"
    assert found.difference is not None
    assert not found.difference.paired
    # By hand: 0.805 - 1.84 / 3, variances 0.00005 / 2 and (7/30000) / 3
    assert found.difference.interval.mean == pytest.approx(0.805 - 1.84 / 3)
    assert found.beyond_noise is True
    assert found.rescored == ()


def test_removed_seeds_are_compared_with_those_that_stay(read: Read) -> None:
    old = OLD | {"dann": {0: 0.60, 1: 0.61, 2: 0.62, 3: 0.30, 4: 0.31}}
    found = row(compare(read(old), read(OLD | {"dann": {0: 0.60, 1: 0.61, 2: 0.62}})), "dann")
    assert found.seeds == "seeds 3, 4 removed"
    assert found.measure == "kept seeds minus removed"
    assert found.difference is not None
    assert found.difference.interval.mean == pytest.approx(0.61 - 0.305)
    assert found.beyond_noise is True


def test_one_seed_cannot_tell(read: Read) -> None:
    found = row(compare(read(OLD), read(OLD | {"dann": (*OLD["dann"], 0.9)})), "dann")
    assert found.beyond_noise is None
    assert noise(found.difference) == "too few seeds to tell"


def test_ranks_that_move_because_of_others(read: Read) -> None:
    changes = compare(read(OLD), read(OLD | {"gsda": (0.90, 0.91, 0.92)}))
    dann = row(changes, "dann")
    assert dann.kind == "moved"
    assert (dann.place_before.rank, dann.place_now.rank) == (1, 2)
    assert ranks(dann).startswith("1 (1")
    assert " → 2 (2" in ranks(dann)


def test_rank_intervals_that_do_not_overlap() -> None:
    one = RowChange("dann", "", "changed", place_before=Place(5, 4, 6), place_now=Place(1, 1, 3))
    assert one.rank_told_apart
    assert not RowChange(
        "dann", "", "same", place_before=Place(5, 3, 6), place_now=Place(1, 1, 3)
    ).rank_told_apart
    assert not RowChange("dann", "", "new", place_now=Place(1, 1, 3)).rank_told_apart


def test_tasks_are_new_and_removed(record: Make, runs_of: Any, suites: Mapping[str, SuiteInfo]) -> None:
    def made(*tasks: str) -> Readings:
        records = [record("dann", task, seed, 0.5 + seed / 100) for task in tasks for seed in range(3)]
        return read_scored(runs_of(records), None, None, suites)

    (cell,) = row(compare(made("A->B"), made("A->B", "B->A")), "dann").cells
    assert (cell.task, cell.kind, cell.before) == ("B->A", "new", None)
    (cell,) = row(compare(made("A->B", "B->A"), made("A->B")), "dann").cells
    assert (cell.task, cell.kind, cell.now) == ("B->A", "removed", None)


def test_another_configuration_of_a_method_is_said(read: Read) -> None:
    new = read(OLD, config={"optimiser": {"lr": 0.02}})
    found = row(compare(read(OLD), new), "dann")
    assert found.kind == "changed"
    assert found.settings == "other configuration: optimiser.lr 0.01 to 0.02"
    assert found.rescored == ()


def test_several_configurations_are_not_guessed_at(
    record: Make, runs_of: Any, suites: Mapping[str, SuiteInfo]
) -> None:
    def made(*rates: float) -> Readings:
        records = [
            record(seed=seed, config={"optimiser": {"lr": rate}}) for rate in rates for seed in range(3)
        ]
        return read_scored(runs_of(records), None, None, suites)

    (board,) = compare(made(0.1, 0.2), made(0.3, 0.4)).boards
    assert sorted(one.kind for one in board.rows) == ["new", "new", "removed", "removed"]


def test_the_order_of_runs_does_not_matter(read: Read) -> None:
    backwards = {name: dict(reversed([*enumerate(values)])) for name, values in reversed([*OLD.items()])}
    assert not compare(read(OLD), read(backwards)).any


# Older states


def test_a_results_csv_tells_the_same_as_its_folder(
    small_sweep: list[Record], written: Callable[..., Path], suites: Mapping[str, SuiteInfo], tmp_path: Path
) -> None:
    new = read_boards(written(small_sweep), suites=suites).readings
    path = tmp_path / "results.csv"
    path.write_bytes(to_csv(tidy([reading.table for reading in new], Selection())))
    old = read_older(path, suites=suites)
    assert not compare(old, new).any
    assert [one.group.method for one in old[0].table.rows] == [one.group.method for one in new[0].table.rows]
    assert [one.average for one in old[0].table.rows] == [one.average for one in new[0].table.rows]
    assert old[0].standings.rows.keys() != set()
    places = {one.method: (one.place_before, one.place_now) for one in compare(old, new).boards[0].rows}
    assert all(before == now for before, now in places.values())
    path.write_text(path.read_text().replace("0.71,", "0.81,"))
    assert row(compare(read_older(path, suites=suites), new), "gsda").rescored != ()


def test_a_folder_is_read_as_an_older_state(
    small_sweep: list[Record], written: Callable[..., Path], suites: Mapping[str, SuiteInfo]
) -> None:
    results = written(small_sweep)
    new = read_boards(results, suites=suites).readings
    assert not compare(read_older(results, suites=suites), new).any


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n", "no results.csv of dabench"),
        ("", "no results.csv of dabench"),
        (None, "there is no older state"),
    ],
)
def test_what_is_no_older_state_is_said(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "x.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=message):
        read_older(path)


@pytest.mark.parametrize(
    ("column", "value"),
    [("seed", "x"), ("last", "85.3"), ("run_id", "../x"), ("status", "won"), ("last", "nan")],
)
def test_a_line_that_was_changed_by_hand_is_named(
    record: Make, written: Callable[..., Path], suites: Mapping[str, SuiteInfo], tmp_path: Path,
    column: str, value: str,
) -> None:  # fmt: skip
    new = read_boards(written([record()]), suites=suites).readings
    frame = tidy([reading.table for reading in new], Selection()).astype(object)
    frame.loc[0, column] = value
    path = tmp_path / "results.csv"
    frame.to_csv(path, index=False)
    with pytest.raises(UserError, match="line 2: "):
        read_older(path)


def test_words_of_a_difference(read: Read) -> None:
    found = row(compare(read(OLD), read(OLD | {"dann": (0.61, 0.641, 0.619)}, **OTHER)), "dann")
    assert told(found) == "+1.00 ±0.25 (now minus before, seed by seed): more than noise"
    assert shift(found.difference) == "+1.00 ±0.25"
    assert (shift(None), noise(None)) == ("", "")
    assert BoardChange("a", "b", "c", "accuracy", "changed", (found,)).of("changed") == (found,)
