"""What the order of rows is worth: families, claims, places, notes; and what must hold for any runs."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import stats

from dabench.leaderboard.runs import Run
from dabench.leaderboard.settings import Ci, Compare, Settings
from dabench.leaderboard.standings import Standings, standings
from dabench.leaderboard.statistics.holm import holm
from dabench.leaderboard.table import Row, SuiteInfo, Table, aggregate
from dabench.records import Record

Make = Callable[..., Record]
Runs = Callable[[list[Record]], list[Run]]
Suites = Mapping[str, SuiteInfo]
PLAIN = Settings()


@pytest.fixture
def read(runs_of: Runs, suites: Suites) -> Callable[..., tuple[Table, Standings]]:
    def build(records: list[Record], settings: Settings = PLAIN, **more: Any) -> tuple[Table, Standings]:
        (table,) = aggregate(runs_of(records), suites, settings=settings, **more)
        return table, standings(table, settings)

    return build


Read = Callable[..., tuple[Table, Standings]]


def many(record: Make, count: int, seeds: int = 5, step: float = 0.01, **fields: Any) -> list[Record]:
    """Rows m0, m1, ..., each ``step`` better than the one before, with noise of 0.004."""
    rng = np.random.default_rng(0)
    return [
        record(f"m{k}", task, seed, float(0.6 + step * k + 0.004 * rng.standard_normal()), **fields)
        for k in range(count)
        for task in ("A->B", "B->A")
        for seed in range(seeds)
    ]


def keys(table: Table) -> dict[str, str]:
    return {row.method: row.group.key for row in table.rows}


def row_of(table: Table, method: str) -> Row:
    (found,) = (row for row in table.rows if row.method == method)
    return found


def test_pairs_of_few_rows_are_paired_t(small_sweep: list[Record], read: Read) -> None:
    table, found = read(small_sweep)
    name = keys(table)
    pair = found.pairs[name["gsda"], name["source_only"]]
    left, right = ([*row_of(table, method).averages.values()] for method in ("gsda", "source_only"))
    assert pair.p == pytest.approx(stats.ttest_rel(left, right).pvalue)
    assert pair.test == "paired t, 3 shared seeds"
    assert found.test.startswith("paired t over the seeds that two rows share")
    family = [one for one in found.pairs.values() if one.adjusted is not None]
    assert len(family) == 6  # gsda, dann, source_only, cdan
    assert [one.adjusted for one in family] == pytest.approx(holm([one.p for one in family]).tolist())
    assert all(one.resolved == (one.adjusted < 0.05) for one in family)


def test_gain_and_pair_are_one_test(record: Make, read: Read) -> None:
    reference = [record("source_only", task, seed, 0.55 + 0.01 * (seed % 2))
                 for task in ("A->B", "B->A") for seed in range(5)]  # fmt: skip
    for records in (many(record, 3), many(record, 8)):
        table, found = read([*records, *reference])
        base = row_of(table, "source_only")
        for row in table.rows:
            if row.gain is None:
                continue
            pair = found.pairs[row.group.key, base.group.key]
            assert row.gain.interval == pair.interval
            assert (row.gain.test, row.gain.p) == (pair.test, pair.p)
            kind = found.test.partition(" over")[0]
            assert pair.test.startswith(kind)
            assert all(
                cell.gain is not None and cell.gain.test.startswith(kind) for cell in row.cells.values()
            )


def test_rows_that_are_not_ranked_have_pairs_outside_the_family(
    small_sweep: list[Record], read: Read
) -> None:
    table, found = read(small_sweep)
    name = keys(table)
    assert set(found.rows) == {name[method] for method in ("gsda", "dann", "source_only", "cdan")}
    bound = found.pairs[name["gsda"], name["target_only"]]
    assert bound.p is not None
    assert (bound.adjusted, bound.resolved) == (None, False)
    assert not any(name["cdan+e"] in pair for pair in found.pairs)  # incomplete: no average


def test_a_row_of_two_seeds_is_compared_and_not_ranked(record: Make, read: Read) -> None:
    few = [record("few", task, seed, 0.9 + seed / 100) for task in ("A->B", "B->A") for seed in range(2)]
    table, found = read([*many(record, 3), *few])
    name = keys(table)
    assert name["few"] not in found.rows
    pair = next(one for key, one in found.pairs.items() if name["few"] in key)
    assert pair.test == "Welch's t, 2 and 5 seeds"
    assert pair.adjusted is None


def test_min_seeds_is_obeyed(record: Make, read: Read) -> None:
    table, found = read(many(record, 3, seeds=4), Settings(min_seeds=5))
    assert [row.rank for row in table.rows] == [None] * 3
    assert (found.rows, found.design) == ({}, None)
    assert len(found.pairs) == 3


def test_places_of_rows_far_apart(record: Make, read: Read) -> None:
    table, found = read(many(record, 8, step=0.05))
    assert found.test.startswith("moderated paired t")
    for row in table.rows:
        place = found.rows[row.group.key]
        assert (place.low, place.high) == (row.rank, row.rank)
        assert place.best_group == (row.rank == 1)
        assert place.without_a_task == (row.rank, row.rank)
    assert [found.rows[row.group.key].letters for row in table.rows] == list("abcdefgh")


def test_equal_rows_are_ties(record: Make, read: Read) -> None:
    table, found = read(many(record, 3, step=0.0))
    assert {(one.low, one.high, one.letters, one.best_group) for one in found.rows.values()} == {
        (1, 3, "a", True)
    }
    same = [
        record(method, task, seed, 0.6) for method in "xyz" for task in ("A->B", "B->A") for seed in range(3)
    ]
    table, found = read(same)
    assert [row.rank for row in table.rows] == [1, 1, 1]
    assert {pair.p for pair in found.pairs.values()} == {1.0}
    assert all(pair.seeds_needed is None for pair in found.pairs.values())


def test_improvement_from_five_seeds_on(record: Make, read: Read) -> None:
    for seeds, expected in ((4, False), (5, True)):
        _, found = read(many(record, 2, seeds=seeds, step=0.05))
        (pair,) = found.pairs.values()
        assert (pair.improvement is not None) == expected
    assert pair.improvement is not None
    assert pair.improvement.value == 1


def test_design_of_two_rows_by_hand(record: Make, read: Read) -> None:
    values = {"a": (0.70, 0.71, 0.75), "b": (0.60, 0.63, 0.62)}
    records = [record(name, task, seed, value) for name, given in values.items()
               for task in ("A->B", "B->A") for seed, value in enumerate(given)]  # fmt: skip
    _, found = read(records)
    design = found.design
    assert design is not None
    assert design.seeds == 3
    pooled = np.mean([np.var(given, ddof=1) for given in values.values()])
    assert design.spread == pytest.approx(pooled**0.5)
    error = (np.var(np.subtract(values["a"], values["b"]), ddof=1) / 3) ** 0.5
    bound = stats.t.ppf(0.975, 2)
    assert stats.nct.sf(bound, 2, design.smallest / error) == pytest.approx(0.8, abs=1e-3)
    assert found.shared_seed == 1  # both tasks have the same values


def test_notes_say_what_would_separate_neighbours(record: Make, read: Read) -> None:
    collapsed = record("m0", "A->B", 9, 0.02)
    table, found = read([*many(record, 8, step=0.001), collapsed])
    text = " ".join(found.notes)
    assert "more seeds of" in text
    assert "to separate them (power 0.8 after Holm's correction)." in text
    assert "1 of 81 finished runs collapsed" in text
    assert "Prior of the moderated t" in text
    assert "one comparison finds a true difference of" in text
    assert row_of(table, "m0").collapsed == row_of(table, "m0").cells["A->B"].collapsed == 1


def test_seeds_that_settle_a_pair_are_planned_at_its_level_after_holm(record: Make, read: Read) -> None:
    values = {"a": (0.70, 0.72, 0.69), "b": (0.69, 0.70, 0.695), "c": (0.60, 0.60, 0.61)}
    records = [record(name, task, seed, value) for name, given in values.items()
               for task in ("A->B", "B->A") for seed, value in enumerate(given)]  # fmt: skip
    table, found = read(records)
    pair = found.pairs[row_of(table, "a").group.key, row_of(table, "b").group.key]
    assert not pair.resolved
    assert pair.seeds_needed is not None
    differences = np.subtract(values["a"], values["b"])
    effect = differences.mean() / differences.std(ddof=1)

    def power(seeds: int) -> float:  # of the paired t at 0.05 over three pairs
        bound = stats.t.ppf(1 - 0.05 / 3 / 2, seeds - 1)
        return float(stats.nct.sf(bound, seeds - 1, effect * seeds**0.5))

    assert power(pair.seeds_needed) >= 0.8 > power(pair.seeds_needed - 1)
    assert pair.more_seeds == pair.seeds_needed - 3
    (alone,) = read([one for one in records if one.method != "c"])[1].pairs.values()
    assert alone.seeds_needed is not None
    assert alone.seeds_needed < pair.seeds_needed, "one pair alone needs fewer"


def test_no_seeds_are_advised_where_the_pair_is_settled_or_too_close(record: Make, read: Read) -> None:
    values = {"a": (0.7001, 0.72, 0.69), "b": (0.70, 0.71, 0.70), "c": (0.50, 0.51, 0.501)}
    records = [record(name, task, seed, value) for name, given in values.items()
               for task in ("A->B", "B->A") for seed, value in enumerate(given)]  # fmt: skip
    table, found = read(records)
    keys = {row.method: row.group.key for row in table.rows}
    settled = found.pairs[keys["b"], keys["c"]]
    assert settled.resolved
    assert settled.more_seeds is None
    close = found.pairs.get((keys["a"], keys["b"])) or found.pairs[keys["b"], keys["a"]]
    assert not close.resolved
    assert (close.seeds_needed, close.more_seeds) == (None, None), "more than a hundred"


def test_one_collapsing_row_does_not_rule_what_the_table_can_tell(record: Make, read: Read) -> None:
    steady = [record(f"m{k}", task, seed, 0.6 + 0.01 * k + 0.003 * (seed - 1) * (-1) ** k)
              for k in range(6) for task in ("A->B", "B->A") for seed in range(3)]  # fmt: skip
    wild = [record("wild", task, seed, value) for task in ("A->B", "B->A")
            for seed, value in enumerate((0.9, 0.1, 0.5))]  # fmt: skip
    _, found = read(steady)
    _, with_wild = read([*steady, *wild])
    assert found.design is not None
    assert with_wild.design is not None
    assert with_wild.design.spread == pytest.approx(found.design.spread)
    assert with_wild.design.smallest < 2 * found.design.smallest


def test_empty_and_single(record: Make, read: Read) -> None:
    _, found = read([record("dann", "A->B", seed, failed=True) for seed in range(3)])
    assert (found.rows, found.pairs, found.design, found.shared_seed, found.notes) == ({}, {}, None, None, ())
    _, found = read(many(record, 1))
    assert [(one.low, one.high, one.letters) for one in found.rows.values()] == [(1, 1, "a")]


def test_settings_choose_test_level_and_reference(record: Make, read: Read) -> None:
    _, welch = read(many(record, 8), Settings(compare=Compare(test="welch")))
    assert {pair.test for pair in welch.pairs.values()} == {"Welch's t, 5 and 5 seeds"}
    _, forced = read(many(record, 4), Settings(compare=Compare(test="moderated_t")))
    assert {pair.test for pair in forced.pairs.values()} == {"moderated paired t, 5 shared seeds"}
    table, _ = read(many(record, 3), Settings(compare=Compare(reference="m0")))
    assert row_of(table, "m0").gain is None
    gain = row_of(table, "m2").gain
    assert gain is not None
    assert gain.interval.mean == pytest.approx(0.02, abs=0.01)
    assert not row_of(table, "m2").harmful
    narrow, _ = read(many(record, 2), Settings(ci=Ci(level=0.8)))
    wide, _ = read(many(record, 2))
    for one, other in zip(narrow.rows, wide.rows, strict=True):
        assert one.average.half_width < other.average.half_width
        assert one.cells["A->B"].interval.half_width < other.cells["A->B"].interval.half_width


@pytest.mark.parametrize(
    ("suite", "seeds", "kind"),
    [
        ("t", 5, "t"),
        ("welch_satterthwaite", 5, "Welch-Satterthwaite"),
        ("moderated_t", 5, "moderated t"),
        ("stratified_bootstrap", 5, "t"),
        ("stratified_bootstrap", 10, "stratified bootstrap"),
    ],
)
def test_an_interval_knows_how_it_was_made(
    record: Make, read: Read, suite: Any, seeds: int, kind: str
) -> None:
    cell, of_cell = ("bootstrap_t", "bootstrap-t") if seeds == 10 else ("moderated_t", "moderated t")
    table, _ = read(many(record, 8, seeds=seeds), Settings(ci=Ci(suite=suite, cell=cell)))
    usual, _ = read(many(record, 8, seeds=seeds))
    for row, plain in zip(table.rows, usual.rows, strict=True):
        assert row.average.kind == kind
        assert row.cells["A->B"].interval.kind == of_cell
        assert row.average.mean == pytest.approx(plain.average.mean)
        assert row.rank == plain.rank


def test_images_give_a_wilson_interval(record: Make, read: Read) -> None:
    data = {"target_test": {"images": 498}}
    records = [record("dann", "A->B", seed, 0.95, dataset=data) for seed in range(3)]
    table, _ = read(records)
    interval = table.rows[0].cells["A->B"].image_interval
    assert interval is not None
    assert interval.ends == (pytest.approx(0.9272, abs=1e-4), pytest.approx(0.9659, abs=1e-4))
    table, _ = read([one.model_copy(update={"dataset": {}}) for one in records])
    interval = table.rows[0].cells["A->B"].image_interval
    assert interval is not None
    assert interval.n == 2  # the confusion's sum
    table, _ = read([one.model_copy(update={"metric": "mean_class_accuracy"}) for one in records])
    assert table.rows[0].cells["A->B"].image_interval is None


def test_common_tasks_are_those_of_every_row_that_ran(record: Make, read: Read) -> None:
    half = [record("half", "A->B", seed, 0.9 + seed / 100) for seed in range(3)]
    bound = [record("target_only", "A->B", seed, 0.99, uses_target_labels=True) for seed in range(3)]
    never = [record("never", "A->B", 0, failed=True)]
    table, found = read([*many(record, 2), *half, *bound, *never], common=True)
    assert table.tasks == ("A->B",)
    assert row_of(table, "half").rank == 1
    assert row_of(table, "never").average is None
    assert {one.without_a_task for one in found.rows.values()} == {None}
    apart = [record("x", "A->B", 0), record("y", "B->A", 0)]
    table, found = read(apart, common=True)
    assert (table.tasks, found.rows) == ((), {})
    assert all(row.average is None for row in table.rows)


one_run = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["source_only", "dann", "gsda", "target_only"]),
        "task": st.sampled_from(["A->B", "B->A"]),
        "seed": st.integers(0, 3),
        "value": st.floats(0, 1),
        "failed": st.booleans(),
        "started_at": st.sampled_from(["", "2026-01-01T00:00:00", "2026-01-01T00:00:00+02:00"]),
    }
)
plain = hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def built(record: Make, drawn: list[dict[str, Any]]) -> list[Record]:
    """The drawn runs, and three rows of three seeds that are always there."""
    always = [record(f"m{k}", task, seed, 0.5 + k * 0.05 + seed * 0.01 * (k + 1))
              for k in range(3) for task in ("A->B", "B->A") for seed in range(3)]  # fmt: skip
    return [*always, *(record(**one, uses_target_labels=one["method"] == "target_only") for one in drawn)]


@plain
@given(drawn=st.lists(one_run, max_size=20), data=st.data())
def test_the_order_of_runs_and_seeds_changes_nothing(
    record: Make, runs_of: Runs, suites: Suites, drawn: list[dict[str, Any]], data: st.DataObject
) -> None:
    runs = runs_of(built(record, drawn))
    (one,) = aggregate(runs, suites)
    (other,) = aggregate(data.draw(st.permutations(runs)), suites)
    assert standings(one, PLAIN) == standings(other, PLAIN)


@plain
@given(drawn=st.lists(one_run, max_size=20), extra=one_run)
def test_a_failed_run_never_raises_a_rank(
    record: Make, runs_of: Runs, suites: Suites, drawn: list[dict[str, Any]], extra: dict[str, Any]
) -> None:
    records = built(record, drawn)
    failed = built(record, [{**extra, "failed": True, "started_at": "2027-01-01T00:00:00"}])[-1]
    (before,) = aggregate(runs_of(records), suites)
    (after,) = aggregate(runs_of([*records, failed]), suites)
    ranks = {row.group.key: row.rank for row in before.rows}
    for row in after.rows:
        assert row.rank is None or row.rank >= ranks[row.group.key]
    old, new = standings(before, PLAIN), standings(after, PLAIN)
    assert {key: (one.low, one.high) for key, one in old.rows.items()} == {
        key: (one.low, one.high) for key, one in new.rows.items()
    }


@plain
@given(drawn=st.lists(one_run, max_size=20))
def test_a_rank_lies_in_its_interval_and_claims_follow_holm(
    record: Make, runs_of: Runs, suites: Suites, drawn: list[dict[str, Any]]
) -> None:
    (table,) = aggregate(runs_of(built(record, drawn)), suites)
    found = standings(table, PLAIN)
    ranked = {row.group.key: row for row in table.rows if row.rank is not None}
    assert set(found.rows) == set(ranked)
    for key, place in found.rows.items():
        assert place.low <= ranked[key].rank <= place.high
        assert not ranked[key].upper_bound
    for (left, right), pair in found.pairs.items():
        assert (pair.adjusted is not None) <= ({left, right} <= set(ranked))
        assert pair.adjusted is None or pair.adjusted >= pair.p
        if {left, right} <= set(ranked):
            shared = set(found.rows[left].letters) & set(found.rows[right].letters)
            assert bool(shared) != pair.resolved
