"""Bounds: the share of the gap that a row closes, harm in words, and how to run a bound that is missing."""

import shlex
from collections.abc import Callable, Mapping

import pytest

from dabench.leaderboard.bounds import absent_bounds, further_seeds
from dabench.leaderboard.runs import Run
from dabench.leaderboard.statistics.intervals import paired_share
from dabench.leaderboard.table import Row, SuiteInfo, Table, aggregate
from dabench.records import Record

Make = Callable[..., Record]
Runs = Callable[[list[Record]], list[Run]]


@pytest.fixture
def table(runs_of: Runs, suites: Mapping[str, SuiteInfo]) -> Callable[[list[Record]], Table]:
    return lambda records: aggregate(runs_of(records), suites)[0]


def row_of(table: Table, method: str) -> Row:
    (found,) = (row for row in table.rows if row.method == method)
    return found


def test_share_of_the_gap(table: Callable[..., Table], small_sweep: list[Record]) -> None:
    found = table(small_sweep)
    # Averages by seed: source_only 0.55, 0.565, 0.55; target_only 0.96, 0.97, 0.96; gsda 0.64, 0.675, 0.67.
    share = row_of(found, "gsda").share
    expected = paired_share([0.09, 0.11, 0.12], [0.41, 0.405, 0.41])
    assert share is not None
    assert share.value == pytest.approx(0.32 / 1.225)
    assert (share.low, share.high, share.n) == (
        pytest.approx(expected.low), pytest.approx(expected.high), 3,
    )  # fmt: skip
    assert row_of(found, "cdan").share is not None
    assert row_of(found, "cdan").share.value < 0
    assert [row_of(found, name).share for name in ("source_only", "target_only", "cdan+e")] == [None] * 3


def test_only_seeds_that_all_three_share_count(record: Make, table: Callable[..., Table]) -> None:
    seeds = {"source_only": (0, 1, 2), "dann": (1, 2, 3), "target_only": (0, 1, 2, 3)}
    values = {"source_only": 0.5, "dann": 0.7, "target_only": 0.9}
    found = table(
        [
            record(
                method, task, seed, values[method] + seed / 100, uses_target_labels=method == "target_only"
            )
            for method, numbers in seeds.items()
            for task in ("A->B", "B->A")
            for seed in numbers
        ]
    )
    share = row_of(found, "dann").share
    assert share is not None
    assert (share.n, share.value) == (2, pytest.approx(0.5))


def test_harm_is_said(table: Callable[..., Table], small_sweep: list[Record]) -> None:
    found = table(small_sweep)
    assert [row.method for row in found.rows if row.harmful] == ["cdan"]


def test_nothing_is_absent_where_both_bounds_ran(
    table: Callable[..., Table], small_sweep: list[Record], record: Make
) -> None:
    assert table(small_sweep).absent == ()
    assert [one.method for one in table([record("dann")]).absent] == ["source_only", "target_only"]
    failed = [record("source_only", failed=True), record("target_only", failed=True)]
    assert table([record("dann"), *failed]).absent == (), "a failed bound has a row that says so"


def commands(runs_of: Runs, records: list[Record]) -> list[str]:
    return [one.command for one in absent_bounds(runs_of(records))]


def test_a_command_has_what_all_runs_of_the_table_share(record: Make, runs_of: Runs) -> None:
    shared = "--suite mine --protocol holdout --backbone vit_tiny --set steps=100"
    records = [
        record(seed=0, command=f"dabench run --method dann --task A --seed 0 {shared} --set params.x=1"),
        record("gsda", seed=1, command=f"dabench run --method gsda --seed 1 {shared} --set optimiser.lr=0.1"),
        record("gsda", seed=2, command=f"dabench run --method gsda --frozen-backbone {shared}"),
    ]
    tail = "--suite mine --protocol holdout --backbone vit_tiny --set steps=100"
    assert commands(runs_of, records) == [
        f"dabench run --method source_only {tail}", f"dabench run --method target_only {tail}",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("seeds", "words"), [((0, 1, 2), ""), ((0,), " --seeds 1"), ((0, 5), " --seed 0 --seed 5")]
)
def test_a_command_has_the_seeds_of_the_table(
    record: Make, runs_of: Runs, seeds: tuple[int, ...], words: str
) -> None:
    found = commands(runs_of, [record("source_only", seed=seed) for seed in seeds])
    assert found == [f"dabench run --method target_only --suite toy{words}"]


@pytest.mark.parametrize(
    "odd", ["", "make demo", "dabench run 'open", "rm -rf / --suite x", "dabench leaderboard"]
)
def test_an_odd_command_is_not_repeated(record: Make, runs_of: Runs, odd: str) -> None:
    found = commands(runs_of, [record("source_only", seed=seed, command=odd) for seed in range(3)])
    assert found == ["dabench run --method target_only --suite toy"]


HARMLESS = (
    "--suite office31", "--weights none", "--weights default", "--frozen-backbone", "--set steps=100",
    "--set optimiser.lr=0.01", "--set params.levels='[\"global\", \"class\"]'", "--set compile=true",
    "--set precision=bf16", "--backbone vit_tiny_patch16_224.augreg_in21k", "--protocol gsda-paper",
)  # fmt: skip
HARMFUL = (
    "--suite /tmp/mine.yaml", "--suite 'a; rm -rf /'", "--weights /tmp/x.pth", "--weights x.pth",
    "--set backbone_args.checkpoint_path=/x",
    "--set 'backbone_args={\"pretrained_cfg\": 1}'", "--set 'b=$(c)'",
    "--set params.file=/etc/passwd", "--set params.a='{\"b\": 1}'", "--set params.a='[[1]]'", "--set suite=x",
    "--set steps", "--backbone hf-hub:evil/model", "--backbone local-dir:/tmp", "--protocol mine.yaml",
    "--recipe x.yaml", "--results /tmp", "--data /tmp", "--address auto", "--order x.json", "--executor ray",
    "--force", "--suite=x.yaml", "--config evil.yaml", "--suite office31 sweep.yaml", "--set seed=2",
)  # fmt: skip


@pytest.mark.parametrize("option", HARMLESS)
def test_settings_and_names_of_a_record_are_repeated(record: Make, runs_of: Runs, option: str) -> None:
    command = f"dabench run --method dann {option}"
    told, note = further_seeds(runs_of([record(command=command)]), [0])
    assert shlex.split(told)[4:] == [
        *([] if "--suite" in option else ["--suite", "toy"]), *shlex.split(option), "--seeds", "1",
    ]  # fmt: skip
    assert note == ""


@pytest.mark.parametrize("option", HARMFUL)
def test_what_may_name_files_or_code_is_left_out_and_said(record: Make, runs_of: Runs, option: str) -> None:
    command = f"dabench run --method dann {option}"
    told, note = further_seeds(runs_of([record(command=command)]), [0])
    assert told in ("dabench run --method dann --suite toy --seeds 1", "dabench run --method dann --seeds 1")
    assert "left out" in note
    (lower, upper) = absent_bounds(runs_of([record(command=command)]))
    assert option not in f"{lower.command}{upper.command}"
    assert lower.note == upper.note


@pytest.mark.parametrize("method", ["/tmp/evil.py", "evil.py", "a/b", "--force", "", "x y", "$(x)"])
def test_a_method_that_may_be_a_file_has_no_command(record: Make, runs_of: Runs, method: str) -> None:
    told, note = further_seeds(runs_of([record(method)]), [0])
    assert (told, "may be that of a file" in note) == ("", True)


def test_a_suite_that_may_be_a_file_is_left_out(record: Make, runs_of: Runs) -> None:
    told, note = further_seeds(runs_of([record(suite="../evil.yaml", command="")]), [0])
    assert told == "dabench run --method dann --seeds 1"
    assert "suite" in note
