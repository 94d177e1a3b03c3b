"""Hand-made records, and a real headless Chromium for the page."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dabench
from dabench.discovery import discover_rules
from dabench.leaderboard.runs import Run
from dabench.leaderboard.table import SuiteInfo
from dabench.leaderboard.verify.consistency import expected_run_id
from dabench.metrics import measure
from dabench.records import Evaluation, Failure, Metrics, Record, RecordStore, Timing
from dabench.scores import RuleScores
from dabench.selection import RULES, choose

CONFIG: dict[str, Any] = {
    "backbone": "resnet50.tv_in1k",
    "weights": "default",
    "protocol": "transductive",
    "steps": 500,
    "threads": 2,
    "batch": {"source": 32, "target": 32, "test": 256},
    "optimiser": {"lr": 0.01},
    "params": {},
}
SUITES = {
    "toy": SuiteInfo("Toy suite", ("A->B", "B->A"), ("cat", "dog")),
    "visda2017": SuiteInfo("VisDA-2017", ("T->V",), ("plane", "car", "train")),
}


def make_record(
    method: str = "dann",
    task: str = "A->B",
    seed: int = 0,
    value: float = 0.5,
    *,
    failed: bool = False,
    config: dict[str, Any] | None = None,
    per_class: dict[str, float | None] | None = None,
    accuracy: float | None = None,
    started_at: str = "2026-01-01T10:00:00+00:00",
    images: dict[str, str] | None = None,
    method_info: dict[str, Any] | None = None,
    **fields: Any,
) -> Record:
    """A valid record; ``config`` is laid over CONFIG, ``images`` maps source and target to fingerprints."""
    source, _, target = task.partition("->")
    suite = fields.get("suite", "toy")
    fields.setdefault("metric", "accuracy")
    resolved = {**CONFIG, "suite": suite, "task": task, "method": method, "seed": seed, **(config or {})}
    identity = repr((sorted(resolved.items(), key=str), images, method_info, fields.get("backbone")))
    content: dict[str, Any] = {
        "run_id": hashlib.sha256(identity.encode()).hexdigest()[:16],
        "suite": suite,
        "task": task,
        "source": source,
        "target": target,
        "method": method,
        "backbone": "resnet50.tv_in1k",
        "seed": seed,
        "protocol": "transductive",
        "config": resolved,
        "provenance": {"steps": "flags", "optimiser.lr": "default"},
        "method_info": {
            "version": 1,
            "source_sha256": "ab" * 32,
            "title": method.upper(),
            **(method_info or {}),
        },
        "dataset": {
            name: {"fingerprint": fingerprint, "images": 10}
            for name, fingerprint in (images or {"source": f"of {source}", "target": f"of {target}"}).items()
        },
        "timing": Timing(started_at=started_at, total_seconds=3.5, training_seconds=3.0),
        "command": f"dabench run --method {method} --suite {suite} --task {task} --seed {seed}",
    }
    if failed:
        failure = Failure(kind="FloatingPointError", message="loss is not finite at step 120")
        return Record(status="failed", failure=failure, **{**content, **fields})
    overall = value if accuracy is None else accuracy
    metrics = Metrics(
        accuracy=overall,
        mean_class_accuracy=value,
        per_class=per_class or {"cat": value, "dog": value},
        confusion=[[1, 0], [0, 1]],
    )
    evaluation = Evaluation(step=500, accuracy=overall, mean_class_accuracy=value, seconds=3.0)
    content |= {
        "value": value,
        "oracle": min(1.0, value + 0.01),
        "oracle_step": 450,
        "metrics": metrics,
        "evaluations": [evaluation],
    }
    return Record(status="done", **{**content, **fields})


def over_time(record: Record, *values: float) -> Record:
    """The record with an evaluation of each value: its last is the run's, its best the oracle's."""
    evaluations = [
        Evaluation(step=100 * (k + 1), accuracy=value, mean_class_accuracy=value, seconds=k)
        for k, value in enumerate(values)
    ]
    best = int(np.argmax(values))
    return record.model_copy(
        update={
            "evaluations": evaluations,
            "value": values[-1],
            "oracle": values[best],
            "oracle_step": evaluations[best].step,
        }
    )


def as_scored(run: Run, **rules: list[float | None] | str) -> Run:
    """The run with scores of rules; a text is the reason why a rule is not available."""
    discover_rules()
    found = dict(run.scores)
    for name, given in rules.items():
        if isinstance(given, str):
            found[name] = RuleScores(reason=given)
            continue
        numbers = np.array([np.nan if score is None else score for score in given])
        chosen = choose(numbers, RULES.get(name).cls.higher_is_better)
        place = {"reason": "the score is not defined at any evaluation"}
        if chosen is not None:
            evaluation = run.record.evaluations[chosen]
            place = {"step": evaluation.step, "value": getattr(evaluation, run.record.metric)}
        found[name] = RuleScores(scores=given, **place)
    return replace(run, scores=found)


def as_runs(records: list[Record]) -> list[Run]:
    """Runs with the files that the record store would choose, numbered where two would share one."""
    store = RecordStore(Path())
    runs: list[Run] = []
    for record in records:
        file = store.path(record).as_posix()
        taken = sum(run.file.startswith(file.removesuffix(".json")) for run in runs)
        runs.append(Run(record, file.replace(".json", f"-{taken}.json") if taken else file))
    return runs


@pytest.fixture(scope="session")
def record() -> Callable[..., Record]:
    return make_record


@pytest.fixture(scope="session")
def runs_of() -> Callable[[list[Record]], list[Run]]:
    return as_runs


@pytest.fixture(scope="session")
def trained() -> Callable[..., Record]:
    return over_time


@pytest.fixture(scope="session")
def judged() -> Callable[..., Run]:
    return as_scored


@pytest.fixture(autouse=True)
def _one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records of these tests store nothing for rules: to start processes would cost more than it saves."""
    monkeypatch.setattr("dabench.scores.WORTH_PROCESSES", 10**6)


@pytest.fixture(scope="session")
def suites() -> dict[str, SuiteInfo]:
    return dict(SUITES)


def sweep(**fields: Any) -> list[Record]:
    """A small sweep with everything a page must show: gains, an upper bound, failures, an incomplete row."""
    values = {
        "source_only": {"A->B": (0.50, 0.52, 0.51), "B->A": (0.60, 0.61, 0.59)},
        "dann": {"A->B": (0.60, 0.63, 0.61), "B->A": (0.64, 0.66, 0.62)},
        "cdan": {"A->B": (0.44, 0.45, 0.43), "B->A": (0.55, 0.56, 0.54)},
        "gsda": {"A->B": (0.70, 0.71, 0.74), "B->A": (0.58, 0.64, 0.60)},
        "cdan+e": {"A->B": (0.70, 0.71, 0.74)},
        "target_only": {"A->B": (0.97, 0.98, 0.97), "B->A": (0.95, 0.96, 0.95)},
    }
    records = [
        make_record(method, task, seed, value, uses_target_labels=method == "target_only", **fields)
        for method, by_task in values.items()
        for task, seeds in by_task.items()
        for seed, value in enumerate(seeds)
    ]
    return [*records, make_record("cdan+e", "B->A", 0, failed=True, **fields)]


@pytest.fixture
def small_sweep() -> list[Record]:
    return sweep()


@pytest.fixture
def written(tmp_path: Path) -> Callable[[list[Record]], Path]:
    """Write records into a results folder and return it."""

    def write(records: list[Record]) -> Path:
        store = RecordStore(tmp_path / "results")
        for one in records:
            store.write(one)
        store.root.mkdir(exist_ok=True)
        return store.root

    return write


def write_honest(
    results: Path,
    method: str = "dann",
    task: str = "A->B",
    seed: int = 0,
    wrong: int = 4,
    *,
    labels: Any = None,
    **fields: Any,
) -> Path:
    """Write a record whose every number follows from its predictions, as a run does; return its path.

    Of 20 test images, ``wrong`` are predicted wrongly at the last of three evaluations, one more at each
    earlier one; which ones depends on the seed.
    """
    classes = ["cat", "dog"]
    labels = np.arange(20) % 2 if labels is None else labels
    order = np.random.default_rng(seed).permutation(20)
    predictions = np.stack([labels, labels, labels]).astype(np.uint8)
    for row, mistakes in zip(predictions, (wrong + 2, wrong + 1, wrong), strict=True):
        row[order[:mistakes]] ^= 1
    probabilities = np.where(predictions[..., None] == np.arange(2), 0.75, 0.25).astype(np.float16)
    found = [measure(labels, row, classes) for row in predictions]
    evaluations = [
        Evaluation(
            step=step, accuracy=one.accuracy, mean_class_accuracy=one.mean_class_accuracy, seconds=step
        )
        for step, one in zip((100, 300, 500), found, strict=True)
    ]
    counts = {name: int((labels == k).sum()) for k, name in enumerate(classes)}
    source, target = task.split("->")
    images = {"source": f"of {source}", "target": f"of {target}", "target_test": f"of {target}"}
    domains = {
        role: {"fingerprint": name, "images": 20, "class_counts": counts} for role, name in images.items()
    }
    fields.setdefault("metric", "accuracy")
    record = make_record(method, task, seed, getattr(found[-1], fields["metric"]), **fields)
    values = [getattr(one, record.metric) for one in found]
    update = {
        "metrics": found[-1],
        "evaluations": evaluations,
        "value": values[-1],
        "oracle": max(values),
        "oracle_step": evaluations[int(np.argmax(values))].step,
        "dataset": domains,
        "suite_info": {"title": "Toy", "tasks": ["A->B", "B->A"], "classes": classes},
        "code": {"version": dabench.__version__, "commit": "ab" * 20, "dirty": False},
    }
    record = record.model_copy(update=update)
    record = record.model_copy(update={"run_id": expected_run_id(record)})
    steps = np.array([100, 300, 500])
    arrays = {"steps": steps, "predictions": predictions, "probabilities": probabilities}
    return RecordStore(results).write(
        record, {**arrays, "labels": labels.astype(np.uint16)}, {"steps": steps, "target_rows": np.arange(3)}
    )


@pytest.fixture(scope="session")
def honest() -> Callable[..., Path]:
    return write_honest


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium through Playwright; without it the page tests fail, they do not skip."""
    from playwright.sync_api import sync_playwright

    path = os.environ.get("DABENCH_CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.fail(
            "the page tests need Debian's package: apt-get install chromium (or set DABENCH_CHROMIUM)"
        )
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a file offline; at the end nothing may have been requested but files, logged or popped up."""
    contexts: list[Any] = []
    foreign: list[str] = []
    trouble: list[str] = []

    def show(path: Path, width: int = 1280, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 800}, offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: foreign.append(request.url))
        page.on("console", lambda message: trouble.append(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("dialog", lambda dialog: (trouble.append(dialog.message), dialog.dismiss()))
        page.goto(path.as_uri())
        return page

    yield show
    for context in contexts:
        context.close()
    assert [url for url in foreign if not url.startswith("file://")] == []
    assert trouble == []


@pytest.fixture(scope="session")
def violations() -> Callable[[Any], list[str]]:
    """What axe-core finds on an open page: rule and first element of each violation."""
    from axe_playwright_python.sync_playwright import Axe

    def run(page: Any) -> list[str]:
        found = Axe().run(page).response["violations"]
        return [f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]}" for one in found]

    return run
