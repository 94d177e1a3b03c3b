"""What a record says: models of one run, done or failed. ``dabench.records`` reads and writes them."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["MOST_EVALUATIONS", "Evaluation", "Failure", "Metrics", "Record", "Timing"]

MOST_EVALUATIONS = 10_000  # of one run: pages and checks read them all


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Metrics(_Model):
    """Of one set of predictions. Classes without a test image have no accuracy (None)."""

    accuracy: float = Field(ge=0, le=1)
    mean_class_accuracy: float = Field(ge=0, le=1)
    per_class: dict[str, float | None]
    confusion: list[list[int]] = Field(description="rows: true class, columns: predicted class")


class Evaluation(_Model):
    """One evaluation on the target: the metric values, and the mean losses since the last one."""

    step: int = Field(ge=0)
    accuracy: float = Field(ge=0, le=1)
    mean_class_accuracy: float = Field(ge=0, le=1)
    target_entropy: float | None = Field(
        None, description="mean entropy of the predictions, nats; needs no label"
    )
    losses: dict[str, float] = {}
    seconds: float = Field(ge=0, description="since the run's first step")


class Failure(_Model):
    """Why a run has no result."""

    kind: str
    message: str
    traceback: str = ""


class Timing(_Model):
    """How long, how fast, how much."""

    started_at: str
    total_seconds: float = Field(ge=0)
    training_seconds: float = Field(0.0, ge=0)
    images_per_second: float | None = Field(None, ge=0)
    peak_memory_bytes: int | None = Field(None, ge=0)


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
    seed: int = Field(ge=0, lt=2**63)
    protocol: str
    uses_target_labels: bool = Field(False, description="an upper bound: never ranked")
    metric: Literal["accuracy", "mean_class_accuracy"] = Field(description="the suite's headline metric")
    selection: Literal["last"] = "last"
    value: float | None = Field(None, ge=0, le=1, description="headline metric at the last step")
    oracle: float | None = Field(
        None, ge=0, le=1, description="best over evaluations, chosen on target labels"
    )
    oracle_step: int | None = None
    metrics: Metrics | None = None
    evaluations: list[Evaluation] = Field([], max_length=MOST_EVALUATIONS)
    config: dict[str, Any]
    provenance: dict[str, str] = Field({}, description="configuration path to where its value came from")
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
        """The record's file."""
        return (self.model_dump_json(indent=1) + "\n").encode()

    @model_validator(mode="after")
    def _status_fits(self) -> "Record":
        if self.status == "done" and (self.metrics is None or self.value is None or not self.evaluations):
            raise ValueError("a record that is done needs value, metrics and evaluations")
        if self.status == "failed" and self.failure is None:
            raise ValueError("a failed record needs its failure")
        return self
