"""The validator report on runs whose best step is known."""

import math
from collections.abc import Callable, Mapping

import pytest

from dabench.leaderboard.rank_correlation import weighted_spearman
from dabench.leaderboard.runs import Run
from dabench.leaderboard.scoring import known_rules
from dabench.leaderboard.table import SuiteInfo, aggregate
from dabench.leaderboard.validators import Report, RuleReport, validator_report
from dabench.records import Record

Make = Callable[..., Record]
Runs = Callable[[list[Record]], list[Run]]
Judge = Callable[..., Run]
T_2 = 4.302652729911275  # 0.975 quantile of Student's t with two degrees of freedom
# Method, task and seed to the values of three evaluations.
VALUES = {
    ("dann", "A->B"): [(0.50, 0.70, 0.60), (0.50, 0.72, 0.60), (0.50, 0.65, 0.64)],
    ("dann", "B->A"): [(0.40, 0.50, 0.60), (0.40, 0.50, 0.60), (0.40, 0.50, 0.60)],
    ("gsda", "A->B"): [(0.30, 0.20, 0.10), (0.30, 0.20, 0.10), (0.30, 0.20, 0.10)],
    ("gsda", "B->A"): [(0.30, 0.30, 0.30), (0.30, 0.30, 0.30), (0.30, 0.30, 0.30)],
}


@pytest.fixture
def report(
    record: Make, trained: Callable[..., Record], runs_of: Runs, judged: Judge,
    suites: Mapping[str, SuiteInfo],
) -> Callable[..., Report]:  # fmt: skip
    def build(**scores: Callable[[tuple[float, ...], int], object]) -> Report:
        records = [
            trained(record(method, task, seed), *values)
            for (method, task), seeds in VALUES.items()
            for seed, values in enumerate(seeds)
        ]
        records.append(trained(record("target_only", uses_target_labels=True), 0.9, 0.8))
        runs = []
        for run in runs_of(records):
            values = tuple(item.accuracy for item in run.record.evaluations)
            given = {name: score(values, run.record.seed) for name, score in scores.items()}
            runs.append(judged(run, **given))
        (table,) = aggregate(runs, suites)
        return validator_report(table, known_rules([*scores, "last", "oracle"]))

    return build


def rule(found: Report, name: str) -> RuleReport:
    (one,) = (one for one in found.rules if one.name == name)
    return one


def test_columns_are_methods_without_bounds_and_rules_are_in_order(report: Callable[..., Report]) -> None:
    found = report(snd=lambda values, seed: list(values), bnm=lambda values, seed: list(values))
    assert [row.method for row in found.rows] == ["dann", "gsda"]
    assert [one.name for one in found.rules] == ["last", "bnm", "snd", "oracle"]


def test_regret_and_gain_by_hand(report: Callable[..., Report]) -> None:
    # snd always chooses the first step. dann lacks 0.20, 0.22, 0.15 on A->B and 0.20 on B->A.
    cell = rule(report(snd=lambda values, seed: [3, 2, 1][: len(values)]), "snd").cells[0]
    assert cell.regret is not None
    assert cell.gain is not None
    assert cell.average is not None
    regrets = [0.20, 0.21, 0.175]
    mean = sum(regrets) / 3
    deviation = math.sqrt(sum((one - mean) ** 2 for one in regrets) / 2)
    assert cell.regret.mean == pytest.approx(mean)
    assert cell.regret.half_width == pytest.approx(T_2 * deviation / math.sqrt(3))
    # Against the last step: -0.10, -0.10, -0.14 and -0.20.
    assert cell.gain.mean == pytest.approx((-0.15 - 0.15 - 0.17) / 3)
    assert cell.average.mean == pytest.approx(0.45)
    assert (cell.runs, cell.applied) == (6, 6)


def test_the_truth_correlates_and_its_opposite_does_not(report: Callable[..., Report]) -> None:
    found = report(
        snd=lambda values, seed: list(values),
        entropy=lambda values, seed: [-value for value in values],  # lower is better: also the truth
        bnm=lambda values, seed: [-value for value in values],
    )
    for name in ("snd", "entropy"):
        assert rule(found, name).cells[0].correlation.value == pytest.approx(1)
        pooled = rule(found, name).pooled
        assert pooled is not None
        assert pooled.value == pytest.approx(1)
        assert pooled.points == 36
    value = rule(found, "bnm").cells[0].correlation.value
    assert value is not None
    assert value < 0


def test_evaluations_of_all_seeds_of_a_task_are_pooled(report: Callable[..., Report]) -> None:
    scores = {0: [1.0, 2.0, 3.0], 1: [7.0, 5.0, 6.0], 2: [4.0, 9.0, 8.0]}
    cell = rule(report(snd=lambda values, seed: scores[seed][: len(values)]), "snd").cells[0]
    pooled = [
        weighted_spearman(
            [s for seed in scores for s in scores[seed]], [v for one in VALUES["dann", task] for v in one]
        )
        for task in ("A->B", "B->A")
    ]
    assert cell.correlation.value == pytest.approx(sum(pooled) / 2)
    assert (cell.correlation.tasks, cell.correlation.points) == (2, 18)


def test_constant_and_missing_scores_are_counted_not_guessed(report: Callable[..., Report]) -> None:
    found = report(
        snd=lambda values, seed: [None, 0.5, 0.7][: len(values)],
        bnm=lambda values, seed: [0.5] * len(values),
        dev=lambda values, seed: "no source images held out" if seed == 0 else list(values),
    )
    snd, bnm, dev = (rule(found, name).cells[0] for name in ("snd", "bnm", "dev"))
    assert (snd.correlation.points, snd.correlation.undefined) == (12, 6)
    assert (bnm.correlation.value, bnm.correlation.tasks) == (None, 0)
    assert (dev.runs, dev.applied, dict(dev.reasons)) == (6, 4, {"no source images held out": 2})
    assert dev.regret is not None
    assert dev.regret.n == 2
    assert rule(found, "dev").reasons == {"no source images held out": 4}


def test_a_task_without_order_has_no_correlation(report: Callable[..., Report]) -> None:
    cell = rule(report(snd=lambda values, seed: list(range(len(values)))), "snd").cells[1]
    assert cell.correlation.tasks == 1, "gsda is constant on B->A"


def test_last_and_oracle(report: Callable[..., Report]) -> None:
    found = report(
        oracle=lambda values, seed: list(values), last=lambda values, seed: [1, 2, 3][: len(values)]
    )
    last, oracle = rule(found, "last"), rule(found, "oracle")
    assert last.pooled is None, "steps do not compare runs"
    assert oracle.cells[0].regret is not None
    assert oracle.cells[0].regret.mean == 0
    assert last.cells[0].gain is not None
    assert last.cells[0].gain.mean == 0
    assert last.cells[0].regret is not None
    assert oracle.cells[0].gain is not None
    assert last.cells[0].regret.mean == pytest.approx(oracle.cells[0].gain.mean)


def test_a_suite_in_part_has_costs_over_the_tasks_that_were_run(
    record: Make, trained: Callable[..., Record], runs_of: Runs, suites: Mapping[str, SuiteInfo]
) -> None:
    runs = runs_of([trained(record("dann", "A->B", seed), 0.5, 0.7, 0.6) for seed in range(3)])
    (table,) = aggregate(runs, suites)
    (cell,) = rule(validator_report(table, known_rules(["last"])), "last").cells
    assert cell.average is None
    assert cell.regret is not None
    assert cell.regret.mean == pytest.approx(0.1)
