"""What a record says: models of one run, done or failed. ``dabench.records`` reads and writes them."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

__all__ = ["COUNTS", "MOST_EVALUATIONS", "Evaluation", "Failure", "Metrics", "Record", "Timing"]

MOST_EVALUATIONS = 10_000  # of one run: pages and checks read them all
MOST_CLASSES, MOST_TASKS = 20_000, 1_000  # every task has a column and a page
# Of the fields without a form of their own together.
MOST_VALUES = 200_000
DEEPEST = 32
NESTED = frozenset({dict, list, tuple})
COUNTS = 2**53
"""All counts are below it: there every whole number is a float, too."""
LONGEST = 1e10  # seconds: three hundred years
ROW = re.compile(
    r"\[\n\s*(\d+(?:,\n\s*\d+)*)\n\s*\]"
)  # of a confusion matrix; no text in JSON holds a line end


Count = Annotated[int, Field(ge=0, lt=COUNTS)]
Seconds = Annotated[float, Field(ge=0, le=LONGEST)]


def _counts(rows: list[list[int]]) -> list[list[int]]:
    """Refuse what counts no images; to check number by number takes twice as long."""
    numbers = set().union(*rows)
    if numbers and not 0 <= min(numbers) <= max(numbers) < COUNTS:
        raise ValueError(f"counts are from 0 to {COUNTS - 1}")
    return rows


def _require_few_values(forms: Sequence[dict[str, Any]]) -> None:
    """Refuse what would take a reader's memory, or its recursion."""
    level: Sequence[Any] = forms
    count = 0
    for _ in range(DEEPEST):
        values: list[Any] = []
        for one in level:
            values += one.values() if type(one) is dict else one
        count += len(values)
        if count > MOST_VALUES:
            raise ValueError(f"its fields without a form have more than {MOST_VALUES} values")
        level = [value for value in values if type(value) in NESTED]
        if not level:
            return
    raise ValueError(f"its fields without a form are nested more than {DEEPEST} levels deep")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Metrics(_Model):
    """Of one set of predictions. Classes without a test image have no accuracy (None)."""

    accuracy: float = Field(ge=0, le=1)
    mean_class_accuracy: float = Field(ge=0, le=1)
    per_class: dict[str, float | None] = Field(max_length=MOST_CLASSES)
    confusion: Annotated[list[list[int]], AfterValidator(_counts)] = Field(
        description="rows: true class, columns: predicted class"
    )


class Evaluation(_Model):
    """One evaluation on the target: the metric values, and the mean losses since the last one."""

    step: Count
    accuracy: float = Field(ge=0, le=1)
    mean_class_accuracy: float = Field(ge=0, le=1)
    target_entropy: float | None = Field(
        None, description="mean entropy of the predictions, nats; needs no label"
    )
    losses: dict[str, float] = {}
    seconds: Seconds = Field(description="since the run's first step")


class Failure(_Model):
    """Why a run has no result."""

    kind: str
    message: str
    traceback: str = ""


class Timing(_Model):
    """How long, how fast, how much."""

    started_at: str
    total_seconds: Seconds
    training_seconds: Seconds = 0.0
    images_per_second: float | None = Field(None, ge=0, lt=COUNTS)
    peak_memory_bytes: Count | None = None


class Record(_Model):
    """One run. ``status`` is ``done`` with metrics, or ``failed`` with the reason."""

    schema_version: Literal[1] = 1
    run_id: str = Field(pattern=r"^[0-9a-f]{16}$")
    status: Literal["done", "failed"]
    failure: Failure | None = None
    suite: str
    task: str
    source: str
    target: str
    method: str
    backbone: str
    seed: int = Field(ge=0, lt=2**31)
    protocol: str
    uses_target_labels: bool = Field(False, description="an upper bound: never ranked")
    metric: Literal["accuracy", "mean_class_accuracy"] = Field(description="the suite's headline metric")
    selection: Literal["last"] = "last"
    value: float | None = Field(None, ge=0, le=1, description="headline metric at the last step")
    oracle: float | None = Field(
        None, ge=0, le=1, description="best over evaluations, chosen on target labels"
    )
    oracle_step: Count | None = None
    metrics: Metrics | None = None
    evaluations: list[Evaluation] = Field([], max_length=MOST_EVALUATIONS)
    config: dict[str, Any]
    provenance: dict[str, str] = Field(
        {}, max_length=MOST_VALUES, description="configuration path to where its value came from"
    )
    method_info: dict[str, Any] = Field({}, description="version, source_sha256, title, paper")
    suite_info: dict[str, Any] = Field(
        {}, description="title, tasks and classes, for pages that lack the manifest"
    )
    dataset: dict[str, Any] = Field(
        {}, description="fingerprints, image and class counts of source and target"
    )
    environment: dict[str, Any] = {}
    code: dict[str, Any] = Field({}, description="version of dabench, commit, whether there were changes")
    timing: Timing | None = None
    command: str = ""
    predictions_file: str | None = None
    predictions_sha256: str | None = None
    validation_file: str | None = None
    validation_sha256: str | None = None

    def content(self) -> bytes:
        """The record's file; a row of the confusion matrix is a line."""
        text = ROW.sub(lambda row: f"[{''.join(row[1].split())}]", self.model_dump_json(indent=1))
        return f"{text}\n".encode()

    @model_validator(mode="after")
    def _status_fits(self) -> "Record":
        if self.status == "done" and (self.metrics is None or self.value is None or not self.evaluations):
            raise ValueError("a record that is done needs value, metrics and evaluations")
        if self.status == "failed" and self.failure is None:
            raise ValueError("a failed record needs its failure")
        return self

    @model_validator(mode="after")
    def _is_readable(self) -> "Record":
        _require_few_values((
            self.config, self.method_info, self.suite_info, self.dataset, self.environment, self.code,
        ))  # fmt: skip
        for key, most in (("classes", MOST_CLASSES), ("tasks", MOST_TASKS)):
            listed = self.suite_info.get(key)
            if isinstance(listed, list | tuple | dict) and len(listed) > most:
                raise ValueError(f"suite_info has more than {most} {key}")
        return self
