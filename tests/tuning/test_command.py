"""dabench tune on the tiny suite, with the real engine: budget, resuming, failures, refusals, the recipe."""

import errno
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import dabench
import dabench.records as records_module
from dabench import sharing
from dabench.claims import claim
from dabench.openings import OpenDomains
from dabench.recipe import TRIAL, RecipeBook
from dabench.records import Record, RecordStore
from dabench.signals import StepBoundaries

# tests/tuning/conftest.py
Dab = Callable[[str], tuple[object, str, str]]
ReadRecipe = Callable[[str], RecipeBook]


def records(folder: str = "results-tune") -> list[Record]:
    found, problems = RecordStore(Path(folder)).read_all()
    assert problems == []
    return found


def test_a_search_of_two_methods_by_entropy(
    dab: Dab, tiny_suite: Path, counted: Any, read_recipe: ReadRecipe
) -> None:
    code, out, err = dab(
        f"tune -m dann -m source_only -s {tiny_suite} --rule entropy --trials 3 --device cpu"
    )
    assert (code, err) == (0, "")
    assert "budget of each method: 3 trials x 2 tasks x 1 seed = 6 runs; trial 0 is the recipe" in out
    assert "12 runs in all" in out
    assert "by rule entropy (lower is better)" in out
    assert "is not among the methods" not in out
    assert len(counted.labels) == len(set(counted.labels)) == 12
    assert not re.search(r"\d+\.\d+ %", out), "who searches without target labels sees no target accuracy"
    found = records()
    assert {record.method for record in found} == {"dann", "source_only"}
    tried = [record for record in found if record.provenance["optimiser.lr"] == TRIAL]
    assert len(tried) == 8, "all but the recipe itself, twice"
    assert all("--set optimiser.lr=" in record.command for record in tried)
    book = read_recipe("recipes/tiny-dann-entropy.yaml")
    recipe = book.methods["dann"].suites["tiny"]
    assert set(recipe) == {"optimiser.lr", "optimiser.weight_decay", "reversal.maximum"}
    source = (
        "dabench tune: best of 3 trials x 2 tasks x 1 seed by rule entropy (random, search seed 0), "
        f"dabench {dabench.__version__}"
    )
    assert {item.source for item in recipe.values()} == {source}
    assert f"Repeat it: dabench tune --method dann --method source_only --suite {tiny_suite}" in book.about
    assert "target labels" not in book.about + book.title + out.lower()
    # The winner is what the stored scores say, computed anew from files.
    means: dict[float, list[float]] = {}
    for path in Path("results-tune").rglob("*.scores.json"):
        record = RecordStore(Path()).read(path.with_name(path.name.replace(".scores", "")))
        assert isinstance(record, Record)
        if record.method == "dann":
            scores = json.loads(path.read_text())["rules"]["entropy"]
            means.setdefault(record.config["optimiser"]["lr"], []).append(min(scores["scores"]))
    best = min(means, key=lambda lr: sum(means[lr]))
    assert len(means) == 3
    assert recipe["optimiser.lr"].value == best != 0.01


def test_the_recipe_runs(dab: Dab, tiny_suite: Path, read_recipe: ReadRecipe) -> None:
    tune = f"tune -m dann -s {tiny_suite} --task A2B --rule entropy --trials 3 --device cpu"
    code, out, _ = dab(tune)
    assert code == 0
    (line,) = re.findall(r"next: dabench (run .*)", out)
    assert " --task A2B " in line
    code, out, err = dab(f"{line} --seed 0 --device cpu --results table")
    assert (code, err) == (0, "")
    (record,) = records("table")
    book = read_recipe("recipes/tiny-dann-entropy.yaml")
    recipe, name = book.methods["dann"].suites["tiny"], book.name
    assert record.config["optimiser"]["lr"] == recipe["optimiser.lr"].value
    assert record.provenance["optimiser.lr"] == (
        f"recipe {name} for dann on tiny: dabench tune: best of 3 trials x 1 task x 1 seed "
        f"by rule entropy (random, search seed 0), dabench {dabench.__version__}"
    )
    (trial,) = [one for one in records() if one.config == record.config]
    assert trial.run_id == record.run_id  # a trial is an ordinary run


@pytest.mark.parametrize(("sampler", "trials"), [("random", 4), ("tpe", 12)])
def test_an_interrupted_search_goes_on_and_runs_nothing_twice(
    dab: Dab, tiny_suite: Path, counted: Any, sampler: str, trials: int
) -> None:
    rest = f"-m source_only -s {tiny_suite} --task A2B --rule infomax --device cpu"
    line = f"tune {rest} --trials {trials} --sampler {sampler} --set steps=2"
    assert dab(f"{line} --results whole --out whole")[0] == 0
    whole = list(counted.labels)
    assert len(whole) == len(set(whole)) == trials
    counted.labels.clear()
    for stop_at in (1, 2, 3, len(whole)):  # in trial 0, in the next ones, in the last
        counted.stop_at = stop_at
        code, out, err = dab(f"{line} --results parts --out parts")
        assert code == 130
        assert "run the same command again" in err
        assert not Path("parts").exists() or not list(Path("parts").glob("*.yaml"))
        assert "wins" not in out
    if sampler == "random":  # the journal is for people
        for journal in Path("parts").glob("*.jsonl"):
            journal.unlink()
    else:
        (journal,) = Path("parts").glob("*.jsonl")
        journal.write_bytes(journal.read_bytes()[:-7])  # the machine went down
    code, out, _ = dab(f"{line} --results parts --out parts")
    assert code == 0
    assert counted.labels == whole
    names = {path.name for path in Path("whole").glob("[!.]*.*")}
    assert {path.suffix for path in Path("whole").glob("[!.]*.*")} == {".jsonl", ".yaml"}
    for name in names:
        assert (Path("parts") / name).read_bytes().splitlines()[-1] == (
            (Path("whole") / name).read_bytes().splitlines()[-1]
        )
    (recipe,) = Path("whole").glob("*.yaml")
    assert (Path("parts") / recipe.name).read_bytes() == recipe.read_bytes()
    before = len(counted.labels)
    assert dab(f"{line} --results parts --out parts")[0] == 0  # all done: nothing to run
    assert len(counted.labels) == before


def test_more_trials_go_on_where_fewer_ended(
    dab: Dab, tiny_suite: Path, counted: Any, find_recipe: Any
) -> None:
    line = f"tune -m source_only -s {tiny_suite} --task A2B --rule entropy --device cpu"
    assert dab(f"{line} --trials 2")[0] == 0
    first = find_recipe("recipes/tiny-source_only-entropy.yaml").read_text()
    assert dab(f"{line} --trials 4")[0] == 0
    assert len(counted.labels) == len(set(counted.labels)) == 4
    (journal,) = Path("results-tune").glob("*.jsonl")
    assert len(journal.read_text().splitlines()) == 5
    assert dab(f"{line} --trials 2")[0] == 0  # and the smaller budget is what it was
    assert find_recipe("recipes/tiny-source_only-entropy.yaml").read_text() == first


def test_a_failed_run_makes_its_trial_lose_and_the_search_goes_on(
    dab: Dab, tiny_suite: Path, counted: Any, read_recipe: ReadRecipe
) -> None:
    line = f"tune -m source_only -s {tiny_suite} --rule entropy --trials 3 --device cpu"
    counted.fail = lambda run: len(counted.labels) == 3  # the first run of trial 1
    code, out, _ = dab(line)
    assert code == 0
    assert len(counted.labels) == 5  # the other task of trial 1 is left out
    assert "FAILED: 'NoneType' object is not callable" in out
    assert "failed: 'NoneType' object is not callable" in out
    assert "a failed run is not repeated: delete its record below results-tune" in out
    assert "Trials without a score: 1." in read_recipe("recipes/tiny-source_only-entropy.yaml").about
    (journal,) = Path("results-tune").glob("*.jsonl")
    states = [json.loads(text)["state"] for text in journal.read_text().splitlines()[1:]]
    assert states == ["done", "failed", "done"]
    counted.fail = lambda run: False
    assert dab(line)[0] == 0
    assert len(counted.labels) == 5
    (failed,) = [record for record in records() if record.status == "failed"]
    RecordStore(Path("results-tune")).path(failed).unlink()
    assert dab(line)[0] == 0
    assert len(counted.labels) == 7
    states = [json.loads(text)["state"] for text in journal.read_text().splitlines()[1:]]
    assert states == ["done", "failed", "done", "done"]


def test_a_folder_that_is_gone_stops_the_search_and_costs_no_trial(
    dab: Dab, tiny_suite: Path, counted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = f"tune -m source_only -s {tiny_suite} --task A2B --rule entropy --trials 3 --device cpu"
    open_images = OpenDomains.images
    gone = iter([False, True])

    def images(self: OpenDomains, *others: Any) -> Any:
        if next(gone, False):
            raise OSError(errno.ESTALE, "Stale file handle", str(tiny_suite.parent / "alpha.npz"))
        return open_images(self, *others)

    monkeypatch.setattr(OpenDomains, "images", images)
    code, _, err = dab(line)
    assert code == 2
    assert "Stale file handle" in err
    assert "mend it and run the same command again" in err
    assert dab(line)[0] == 0
    assert len(counted.labels) == 4, "the run is tried again, no other is"
    (journal,) = Path("results-tune").glob("*.jsonl")
    states = [json.loads(text)["state"] for text in journal.read_text().splitlines()[1:]]
    assert states == ["done", "done", "done"]


def test_a_record_that_cannot_be_read_at_the_moment_is_waited_for(
    dab: Dab, tiny_suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = f"tune -m source_only -s {tiny_suite} --rule entropy --trials 2 --seed 0 --seed 1 --device cpu"
    assert dab(f"{line} --results whole")[0] == 0
    read, left = records_module.read_limited, [6]

    def stale(path: Path, limit: int) -> bytes:
        if path.name.startswith("seed1") and left[0]:
            left[0] -= 1
            raise OSError(errno.ESTALE, "Stale file handle")
        return read(path, limit)

    monkeypatch.setattr(records_module, "read_limited", stale)
    monkeypatch.setattr("dabench.patience.time.sleep", lambda seconds: None)
    assert dab(f"{line} --results parts")[0] == 0
    assert left == [0]
    (whole,), (parts,) = Path("whole").glob("*.jsonl"), Path("parts").glob("*.jsonl")
    assert parts.read_bytes() == whole.read_bytes()


def test_a_results_folder_that_goes_away_ends_the_search(
    dab: Dab, tiny_suite: Path, counted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remove(run: Any) -> bool:
        if len(counted.labels) == 2:
            shutil.rmtree("results-tune", ignore_errors=True)
        return False

    counted.fail = remove
    code, _, err = dab(f"tune -m source_only -s {tiny_suite} --rule entropy --trials 2 --device cpu")
    assert code == 2
    assert "the results folder results-tune is gone" in err
    assert not Path("results-tune").exists()


def test_runs_of_another_process_are_waited_for(
    dab: Dab, tiny_suite: Path, counted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = f"tune -m source_only -s {tiny_suite} --task A2B --rule entropy --trials 2 --device cpu"
    assert dab(f"{line} --results first")[0] == 0
    (path, *_) = Path("first").rglob("seed*.json")
    held = claim(Path("second") / path.relative_to("first"), 60)
    assert held is not None
    monkeypatch.setattr(sharing.time, "sleep", lambda seconds: held.release())
    code, out, _ = dab(f"{line} --results second")
    assert code == 0
    assert "waiting for runs of other processes: source_only tiny A->B seed 0" in out
    assert sorted(counted.labels[2:]) == sorted([*counted.labels[:2], str(path.stem.partition("-")[2])])


def test_an_interrupted_run_goes_on_from_its_checkpoint(
    dab: Dab, tiny_suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = f"tune -m source_only -s {tiny_suite} --task A2B --rule entropy --trials 1 --device cpu"
    steps = iter(range(100))

    def interrupt(self: StepBoundaries) -> None:
        if next(steps) == 4:  # before the last of four steps
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(StepBoundaries, "check", interrupt)
        assert dab(f"{line} --checkpoint-every 0")[0] == 130
    assert dab(line)[0] == 0
    (events,) = Path("results-tune").rglob("*.events.jsonl")
    begun = [json.loads(text) for text in events.read_text().splitlines()]
    assert [event["step"] for event in begun if event["event"] == "begin"] == [0, 2]
    assert not list(Path("results-tune").rglob(".seed*")), "nothing is left"


def test_where_all_trials_fail_nothing_is_chosen(dab: Dab, tiny_suite: Path, counted: Any) -> None:
    counted.fail = lambda run: run.config.method == "dann"
    line = f"tune -m dann -m source_only -s {tiny_suite} --task A2B --rule entropy --trials 2 --device cpu"
    code, out, _ = dab(line)
    assert code == 1
    assert "dann: no trial has a score, so nothing is chosen" in out
    (written,) = Path("recipes").iterdir()
    assert written.name.startswith("tiny-source_only-entropy-")


def test_the_oracle_is_marked_everywhere(dab: Dab, tiny_suite: Path, read_recipe: ReadRecipe) -> None:
    code, out, _ = dab(f"tune -m cdan+e -s {tiny_suite} --task A2B --rule oracle --trials 1 --device cpu")
    assert code == 0
    assert "by rule oracle (higher is better), chosen on target labels" in out
    assert "rule oracle reads target labels: what it finds is an upper bound for other rules" in out
    assert "cdan+e by oracle (higher is better, chosen on target labels)" in out
    assert "cdan+e: the untouched recipe wins, chosen on target labels" in out
    book = read_recipe("recipes/tiny-cdan-e-oracle.yaml")
    assert "chosen on target labels" in book.title
    assert "CHOSEN ON TARGET LABELS" in book.about


def test_the_untouched_recipe_may_win(dab: Dab, tiny_suite: Path, read_recipe: ReadRecipe) -> None:
    code, out, _ = dab(f"tune -m source_only -s {tiny_suite} --rule entropy --trials 1 --device cpu")
    assert code == 0
    assert "source_only: the untouched recipe wins" in out
    book = read_recipe("recipes/tiny-source_only-entropy.yaml")
    assert "That is the untouched recipe" in book.about
    recipe = book.methods["source_only"].suites["tiny"]
    assert {path: item.value for path, item in recipe.items()} == {
        "optimiser.lr": 0.01,
        "optimiser.weight_decay": 0.001,
    }
    assert recipe["optimiser.lr"].source.startswith(
        "unchanged (default: Ganin & Lempitsky, ICML 2015 (DANN), appendix C: mu0); dabench tune: best of 1 "
    )
    (line,) = re.findall(r"next: dabench (run .*)", out)
    assert dab(f"{line} --seed 0 --device cpu --results results-tune")[0] == 0
    assert len(records()) == 2  # the runs of trial 0, which are done


def test_a_dry_run_shows_ranges_and_budget_and_runs_nothing(dab: Dab, tiny_suite: Path, counted: Any) -> None:
    line = f"tune -m gsda -s {tiny_suite} --rule entropy --set optimiser.lr=0.02 --dry-run --device cpu"
    code, out, _ = dab(line)
    assert (code, counted.labels) == (0, [])
    assert "20 trials x 2 tasks x 1 seed = 40 runs" in out
    for text in ("0.3 to 30, logarithmic", "one of 0.7, 0.8, 0.9, 0.95", "half a decade beyond the paper's"):
        assert text in out
    assert "gsda: --set gives optimiser.lr, which is not searched" in out
    assert "0.001 to 0.1" not in out
    assert "source_only is not among the methods: a published comparison needs it with the same budget" in out
    assert not Path("results-tune").exists()
    assert not Path("recipes").exists()


def test_a_recipe_that_was_chosen_on_the_target_says_so(
    dab: Dab, make_tiny_suite: Callable[..., Path], tmp_path: Path, read_recipe: ReadRecipe
) -> None:
    shutil.rmtree(tmp_path / "own", ignore_errors=True)
    path = make_tiny_suite(tmp_path / "own", name="peeked")
    text = path.read_text()
    looked = "our choice by looking at target accuracy"
    path.write_text(text.replace("steps:\n    source: 'our choice: fast'", f"steps:\n    source: {looked}"))
    assert path.read_text() != text
    code, out, _ = dab(f"tune -m source_only -s {path} --task A2B --rule entropy --trials 1 --device cpu")
    assert code == 0
    said = "was chosen by looking at target accuracy, in steps"
    assert said in out
    assert said in read_recipe("recipes/peeked-source_only-entropy.yaml").about


@pytest.mark.parametrize(
    ("flags", "message", "hint"),
    [
        ("-m dann --rule last", "scores do not compare two runs", "rules that can: "),
        ("-m dann --rule sdn", "unknown selection rule 'sdn'", "did you mean 'snd'?"),
        ("-m dann --rule source_val", "no run would keep any", "--set source_holdout=0.2"),
        ("-m dann --rule snd --set stored_images=0", "stored_images=0 stores nothing", "leave"),
        ("-m dann --rule snd --sampler tpi", "unknown sampler 'tpi'", "did you mean 'tpe'?"),
        ("-m target_only --rule snd", "trains on the target's labels", "leave it out"),
        ("-m dan --rule snd", "unknown method 'dan'", "did you mean 'dann'?"),
        ("-m dann --rule snd --set stepz=1", "unknown key 'stepz'", "did you mean 'steps'?"),
        ("-m dann --rule snd --set cdan.steps=1", "cdan is not part of this sweep", "it runs dann"),
        ("-m dann --rule snd --protocol tranductive", "tranductive", "did you mean 'transductive'?"),
        (
            "-m source_only --rule snd --set optimiser.lr=1 --set optimiser.weight_decay=0",
            "nothing to search for source_only: --set gives optimiser.lr, optimiser.weight_decay",
            "ranges stand",
        ),
    ],
)
def test_what_cannot_be_searched_is_refused_before_any_run(
    dab: Dab, tiny_suite: Path, counted: Any, flags: str, message: str, hint: str
) -> None:
    code, _, err = dab(f"tune -s {tiny_suite} {flags} --device cpu")
    assert code == 2
    assert message in err
    assert hint in err
    assert counted.labels == []
    assert not Path("results-tune").exists()


def test_a_rule_that_needs_held_out_source_images_gets_them(
    dab: Dab, tiny_suite: Path, read_recipe: ReadRecipe
) -> None:
    line = f"tune -m source_only -s {tiny_suite} --task A2B --rule source_val --trials 2 --device cpu"
    code, out, _ = dab(f"{line} --set source_holdout=0.25")
    assert code == 0
    assert "25% of the source held out" in out
    assert "25% of the source held out" in read_recipe("recipes/tiny-source_only-source_val.yaml").about


def test_missing_images_end_with_a_hint(
    dab: Dab, make_tiny_suite: Callable[..., Path], tmp_path: Path
) -> None:
    path = make_tiny_suite(tmp_path / "gone", name="gone")
    (tmp_path / "gone" / "beta.npz").unlink()
    code, _, err = dab(f"tune -m dann -s {path} --rule snd --trials 2 --device cpu")
    assert code == 2
    assert "beta.npz" in err


def test_methods_are_searched_side_by_side_with_their_own_values(dab: Dab, tiny_suite: Path) -> None:
    flags = "--task A2B --rule entropy --trials 2 --set dann.steps=6 --seed 3 --frozen-backbone --dry-run"
    code, _, err = dab(f"tune -m dann -m source_only -s {tiny_suite} {flags} --device cpu")
    assert (code, "frozen backbone without pretrained weights" in err) == (2, True)
    flags = "--task A2B --rule entropy --trials 2 --set dann.steps=6 --seed 3 --protocol holdout"
    code, out, _ = dab(f"tune -m dann -m source_only -s {tiny_suite} {flags} --device cpu")
    assert code == 0
    rest = f"--suite {tiny_suite} --task A2B --protocol holdout"
    assert f"next: dabench run --method dann {rest} --set dann.steps=6 --device cpu --recipe recipes" in out
    assert f"next: dabench run --method source_only {rest} --device cpu --recipe recipes" in out
    by_method: dict[str, list[Any]] = {}
    for record in records():
        by_method.setdefault(record.method, []).append(record.config)
        assert record.seed == 3
    assert {name: {one["steps"] for one in configs} for name, configs in by_method.items()} == {
        "dann": {6},
        "source_only": {4},
    }
    rates = {config["optimiser"]["lr"] for configs in by_method.values() for config in configs}
    assert len(rates) == 3  # the recipe's, and one of each method


def test_another_search_leaves_a_recipe_as_it_is(dab: Dab, tiny_suite: Path, find_recipe: Any) -> None:
    line = f"tune -m source_only -s {tiny_suite} --rule entropy --trials 1 --device cpu"
    assert dab(f"{line} --task A2B")[0] == 0
    first = find_recipe("recipes/tiny-source_only-entropy.yaml")
    content = first.read_bytes()
    assert dab(line)[0] == 0  # on both tasks: another search
    assert first.read_bytes() == content
    assert len(list(Path("recipes").glob("*.yaml"))) == 2
