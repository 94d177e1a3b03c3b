"""Verdicts of whole folders: what runs say of each other, reruns, processes, and files that hold anything."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import t as student_t

from dabench.leaderboard.verdicts import Verdict
from dabench.leaderboard.verify import examine
from dabench.leaderboard.verify.check import verify_runs
from dabench.leaderboard.verify.reading import read_folder
from dabench.records import Record

Honest = Callable[..., Path]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


def verdicts(results: Path, **options: Any) -> dict[str, Verdict]:
    return verify_runs(results, read_folder(results).runs, **options)


def only(found: dict[str, Verdict]) -> Verdict:
    (verdict,) = found.values()
    return verdict


def edit(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_an_honest_folder_is_recomputed(honest: Honest, results: Path) -> None:
    for seed in range(3):
        for task in ("A->B", "B->A"):
            honest(results, "dann", task, seed)
    found = verdicts(results)
    assert len(found) == 6
    assert set(found.values()) == {Verdict("recomputed")}


def test_no_runs_no_verdicts(results: Path) -> None:
    results.mkdir()
    assert verdicts(results) == {}


def test_a_changed_value_is_wrong(honest: Honest, results: Path) -> None:
    edit(honest(results), value=0.95)
    verdict = only(verdicts(results))
    assert verdict.status == "wrong"
    assert verdict.reasons == ("value (accuracy) is 0.950000, its last evaluation gives 0.800000",)


def test_a_record_that_is_consistent_in_itself_still_has_to_fit_its_predictions(
    honest: Honest, results: Path, tmp_path: Path
) -> None:
    path, better = honest(results, wrong=4), honest(tmp_path / "other", wrong=1)
    told = json.loads(better.read_text())
    names = ("predictions_file", "predictions_sha256")
    kept = {name: json.loads(path.read_text())[name] for name in names}
    path.write_text(json.dumps(told | kept))
    verdict = only(verdicts(results))
    assert verdict.status == "wrong"
    assert any("in the record, its predictions give" in reason for reason in verdict.reasons)


def test_without_predictions_a_record_is_self_reported(honest: Honest, results: Path) -> None:
    for file in honest(results).parent.glob("*.npz"):
        file.unlink()
    verdict = only(verdicts(results))
    assert verdict.status == "self-reported"
    assert "is not here" in verdict.reasons[0]


def test_failed_runs_have_nothing_to_recompute(
    record: Callable[..., Any], written: Callable[..., Path]
) -> None:
    verdict = only(verdicts(written([record(failed=True)])))
    assert verdict == Verdict("self-reported", ("the run failed: there is no number to recompute",))


def test_one_run_twice_is_wrong(honest: Honest, results: Path) -> None:
    path = honest(results)
    shutil.copytree(path.parent, results / "copy" / "toy" / "A2B" / "dann")
    found = verdicts(results)
    assert {verdict.status for verdict in found.values()} == {"wrong"}
    assert all("is here twice" in verdict.reasons[0] for verdict in found.values())
    assert all("with the same value" in verdict.reasons[0] for verdict in found.values())


def test_a_seed_that_ran_twice_is_noted(honest: Honest, results: Path) -> None:
    honest(results, config={"threads": 2})
    honest(results, config={"threads": 8})
    found = verdicts(results)
    assert {verdict.status for verdict in found.values()} == {"recomputed"}
    assert all("ran more than once" in verdict.reasons[0] for verdict in found.values())


def test_equal_images_have_equal_labels(honest: Honest, results: Path) -> None:
    for seed in range(3):
        honest(results, seed=seed)
    honest(results, "gsda", labels=np.arange(20) % 4 // 2)  # as many of each class
    honest(results, "gsda", "B->A", labels=np.arange(20) % 4 // 2)  # other images: may differ
    wrong = {file: verdict for file, verdict in verdicts(results).items() if verdict.status == "wrong"}
    assert ["gsda" in file and "A2B" in file for file in wrong] == [True]
    assert "labels differ from those of 3 other runs" in only(wrong).reasons[0]


def test_labels_that_are_as_often_one_way_as_the_other_doubt_both(honest: Honest, results: Path) -> None:
    honest(results, seed=0)
    honest(results, seed=1, labels=np.arange(20) % 4 // 2)
    assert [verdict.status for verdict in verdicts(results).values()] == ["wrong", "wrong"]


def test_no_link_is_followed_out_of_the_folder(honest: Honest, results: Path, tmp_path: Path) -> None:
    elsewhere = honest(tmp_path / "elsewhere")
    results.mkdir()
    (results / "toy").symlink_to(tmp_path / "elsewhere" / "toy")
    (results / "one.json").symlink_to(elsewhere)
    folder = read_folder(results)
    assert folder.runs == []
    assert [problem.reason for problem in folder.broken] == ["not read: it is a link"]


def test_processes_find_what_one_finds(
    honest: Honest, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(4):
        honest(results, seed=seed)
    edit(honest(results, seed=9), value=0.1)
    alone = verdicts(results, jobs=1)
    monkeypatch.setattr(examine, "WORTH_PROCESSES", 2)
    seen: list[tuple[int, int]] = []
    assert verdicts(results, jobs=2, advance=lambda done, total: seen.append((done, total))) == alone
    assert seen == [(k, 5) for k in range(1, 6)]


# Reruns


def again(honest: Honest, folder: Path, seed: int, wrong: int, **options: Any) -> None:
    honest(folder, seed=seed, wrong=wrong, started_at="2026-02-02T10:00:00+00:00", **options)


def test_the_same_value_again_agrees(honest: Honest, results: Path, tmp_path: Path) -> None:
    honest(results, wrong=4)
    again(honest, tmp_path / "reruns", 0, 4)
    verdict = only(verdicts(results, reruns=tmp_path / "reruns"))
    assert verdict == Verdict("rerun agrees", ("run again with seed 0: the same value, 0.8000",))


def test_a_copy_is_no_rerun(honest: Honest, results: Path) -> None:
    honest(results, wrong=4)
    verdict = only(verdicts(results, reruns=results))
    assert verdict.status == "recomputed"
    assert "is a copy of this very run" in verdict.reasons[0]


@pytest.mark.parametrize(("wrong", "status"), [(6, "recomputed"), (15, "rerun differs")])
def test_other_seeds_tell_against_a_run_and_not_for_it(
    honest: Honest, results: Path, tmp_path: Path, wrong: int, status: str
) -> None:
    for seed, mistakes in enumerate((4, 5, 6, 5, 5)):
        honest(results, seed=seed, wrong=mistakes)
    again(honest, tmp_path / "reruns", 7, wrong)
    found = verdicts(results, reruns=tmp_path / "reruns")
    assert {verdict.status for verdict in found.values()} == {status}
    # Without seed 0: 0.75, 0.70, 0.75, 0.75, so 0.7375 ± t(3, 1 - 0.05 / 10) 0.025 sqrt(5 / 4), 5 comparisons
    half = student_t.ppf(0.995, 3) * 0.025 * 1.25**0.5
    words = f"{0.7375 - half:.4f} to {0.7375 + half:.4f}, the prediction interval of 4 seeds besides it"
    assert words in found[min(found)].reasons[0]


def claim(path: Path, wrong: int, folder: Path, honest: Honest) -> None:
    """Put the numbers of another run in a record, without the predictions that they would follow from."""
    seed = json.loads(path.read_text())["seed"]
    told = json.loads(honest(folder, seed=seed, wrong=wrong).read_text())
    edit(path, **told | {"predictions_file": None, "predictions_sha256": None})


def elsewhere(device: str) -> dict[str, Any]:
    return {"environment": {"device": device, "device_name": "of somebody else"}}


@pytest.mark.parametrize(
    ("claimed", "rerun", "own", "status"),
    [
        (0, 6, {}, "rerun differs"),  # an equal machine: exact
        (5, 6, {}, "rerun differs"),
        (6, 6, {}, "rerun agrees"),
        (0, 6, elsewhere("cuda"), "rerun differs"),
        (5, 6, elsewhere("cuda"), "self-reported"),  # within rounding, and still only claimed
        (6, 6, elsewhere("cuda"), "rerun agrees"),
    ],
)
def test_a_claimed_value_is_judged_by_the_rerun_of_its_own_seed(
    honest: Honest, results: Path, tmp_path: Path, claimed: int, rerun: int, own: dict[str, Any], status: str
) -> None:
    cpu = {"environment": {"device": "cpu", "device_name": "mine"}}
    for seed, mistakes in enumerate((6, 6, 5, 6, 5)):
        path = honest(results, seed=seed, wrong=mistakes, **cpu)
        if seed == 0:
            claim(path, claimed, tmp_path / "claims", honest)
            edit(path, **cpu)
    again(honest, tmp_path / "reruns", 0, rerun, **(own or cpu))
    found = verdicts(results, reruns=tmp_path / "reruns")
    (verdict,) = [one for file, one in found.items() if "seed0" in file]
    assert verdict.status == status, verdict
    assert {one.status for file, one in found.items() if "seed0" not in file} == {"recomputed"}


def test_a_recomputed_run_may_differ_by_one_image(honest: Honest, results: Path, tmp_path: Path) -> None:
    for seed, mistakes in enumerate((5, 6, 6, 6)):
        honest(results, seed=seed, wrong=mistakes)
    again(honest, tmp_path / "reruns", 0, 6, **elsewhere("cuda"))
    verdict = verdicts(results, reruns=tmp_path / "reruns")
    (first,) = [one for file, one in verdict.items() if "seed0" in file]
    assert first.status == "rerun agrees"
    assert "0.7000, not 0.7500, within 0.0500" in first.reasons[0]


@pytest.mark.parametrize(("wrong", "status"), [(5, "recomputed"), (7, "recomputed"), (8, "rerun differs")])
def test_a_row_without_spread_allows_one_image(
    honest: Honest, results: Path, tmp_path: Path, wrong: int, status: str
) -> None:
    for seed in range(3):
        honest(results, seed=seed, wrong=6)
    again(honest, tmp_path / "reruns", 7, wrong)
    assert {one.status for one in verdicts(results, reruns=tmp_path / "reruns").values()} == {status}


@pytest.mark.parametrize(
    "other",
    [{"config": {"optimiser": {"lr": 0.5}}}, {"method": "gsda"}, {"task": "B->A"}, {"protocol": "holdout"}],
)
def test_other_runs_are_no_reruns(
    honest: Honest, results: Path, tmp_path: Path, other: dict[str, Any]
) -> None:
    honest(results)
    again(honest, tmp_path / "reruns", 0, 4, **other)
    assert only(verdicts(results, reruns=tmp_path / "reruns")) == Verdict("recomputed")


def test_one_seed_gives_no_interval(honest: Honest, results: Path, tmp_path: Path) -> None:
    honest(results)
    again(honest, tmp_path / "reruns", 1, 4)
    verdict = only(verdicts(results, reruns=tmp_path / "reruns"))
    assert verdict.status == "recomputed"
    assert "0 seeds besides it that could be recomputed give no interval" in verdict.reasons[0]


def test_reruns_that_cannot_be_recomputed_do_not_count(honest: Honest, results: Path, tmp_path: Path) -> None:
    honest(results)
    again(honest, tmp_path / "reruns", 0, 4)
    for file in (tmp_path / "reruns").rglob("*.npz"):
        file.unlink()
    assert only(verdicts(results, reruns=tmp_path / "reruns")) == Verdict("recomputed")


def test_a_rerun_does_not_mend_what_is_wrong(honest: Honest, results: Path, tmp_path: Path) -> None:
    edit(honest(results), oracle=0.99)
    again(honest, tmp_path / "reruns", 0, 4)
    assert only(verdicts(results, reruns=tmp_path / "reruns")).status == "wrong"


# Anything at all


def test_an_error_in_one_check_is_that_records_verdict(
    honest: Honest, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest(results)
    honest(results, seed=1)

    def fail(record: Record) -> Iterator[str]:
        if record.seed == 1:
            raise TypeError("unorderable\x1b")
        return iter(())

    monkeypatch.setattr(examine, "contradictions", fail)
    first, second = verdicts(results).values()
    assert first.status == "recomputed"
    assert second == Verdict("wrong", ("it cannot be checked: TypeError: unorderable\\x1b",))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_whatever_a_record_holds_every_run_gets_a_verdict(
    honest: Honest, tmp_path: Path, data: st.DataObject
) -> None:
    results = tmp_path / "fuzz"
    shutil.rmtree(results, ignore_errors=True)
    path = honest(results)
    content = json.loads(path.read_text())
    for _ in range(data.draw(st.integers(1, 3))):
        inner = content
        key = data.draw(st.sampled_from(sorted(inner)))
        while isinstance(inner[key], dict) and inner[key] and data.draw(st.booleans()):
            inner = inner[key]
            key = data.draw(st.sampled_from(sorted(inner)))
        inner[key] = data.draw(JSON)
    path.write_text(json.dumps(content))
    folder = read_folder(results)
    found = verify_runs(results, folder.runs)
    assert len(found) + len(folder.broken) + len(folder.foreign) == 1
    sentences = [one for verdict in found.values() for one in verdict.reasons]
    sentences += [problem.reason for problem in (*folder.broken, *folder.foreign)]
    assert all(sentence.isprintable() and len(sentence) <= 400 for sentence in sentences)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(content=st.binary(max_size=200))
def test_any_bytes_are_a_problem_at_most(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "any.json").write_bytes(content)
    folder = read_folder(tmp_path)
    assert folder.runs == []
    assert len(folder.broken) + len(folder.foreign) == 1
