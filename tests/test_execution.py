"""How a sweep is carried out: in its file, with flags over it, and in no run's identity."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from dabench.errors import UserError
from dabench.execution import Execution
from dabench.sweepfile import read_sweep


def test_flags_that_are_given_win() -> None:
    execution = Execution(executor="ray", jobs=2, lease=120)
    changed = execution.over({"jobs": 4, "executor": None, "checkpoint_every": 0.0})
    assert changed == Execution(executor="ray", jobs=4, lease=120, checkpoint_every=0)
    assert execution.over({}) == execution


@pytest.mark.parametrize(
    "values",
    [{"jobs": 0}, {"jobs": True}, {"lease": 0.5}, {"lease": 4000}, {"checkpoint_every": -1}, {"trackers": 3}],
)
def test_wrong_values_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Execution.model_validate(values)


def test_a_sweep_file_says_it(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump({"suites": ["minidigits"], "execution": {"executor": "ray", "jobs": 3}}))
    sweep, _ = read_sweep(str(path))
    assert sweep.execution == Execution(executor="ray", jobs=3)


def test_a_mistyped_key_is_named_with_the_right_one(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text("execution: {excutor: ray}")
    with pytest.raises(UserError, match=r"execution.excutor.*did you mean 'executor'"):
        read_sweep(str(path))
