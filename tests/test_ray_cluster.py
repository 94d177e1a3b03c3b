"""How Ray is started, and what of its machines a run takes."""

import fcntl
import os
import signal
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dabench import ray_cluster
from dabench.errors import UserError
from dabench.executor import Workers
from dabench.ray_cluster import Gpus, Processors, connected, set_environment, shares

CPU = torch.device("cpu")
GONE = 2**22 + 1  # above any process


def run_with(threads: int | None) -> Any:
    return SimpleNamespace(config=SimpleNamespace(threads=threads))


@pytest.mark.parametrize(
    ("nodes", "jobs", "address", "threads", "expected"),
    [
        ([16], 4, None, 2, (4, 1)),
        ([2], 2, None, 8, (2, 1)),
        ([4, 4], 2, "there", 8, (2, 4)),
        ([4, 4], None, "there", 8, (2, 4)),
        ([4, 6], None, "there", 2, (5, 2)),
        ([4, 4], None, "there", 1, (8, 1)),
        ([4, 4], 2, "there", None, (2, 1)),
    ],
)
def test_a_run_takes_no_more_processors_than_a_machine_has(
    nodes: list[int], jobs: int | None, address: str | None, threads: int | None, expected: Any
) -> None:
    run = run_with(threads)
    share = Processors([{"CPU": count} for count in nodes], Workers(jobs, address), [run])
    assert (share.jobs, share.take(run)) == (expected[0], (None, {"num_cpus": expected[1]}))


def test_a_cluster_on_which_nothing_can_run() -> None:
    with pytest.raises(UserError, match="no machine of the cluster has a processor"):
        Processors([{"memory": 1.0}], Workers(None, "there"), [])
    with pytest.raises(UserError, match="no machine of the cluster has a GPU"):
        Gpus([{"CPU": 64}, {"CPU": 64, "GPU": 0.5}], None)


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[list[dict[str, float]]]:
    """Ray with placement groups that are there at once."""
    made: list[list[dict[str, float]]] = []

    def group(bundles: list[dict[str, float]]) -> Any:
        made.append(bundles)
        return SimpleNamespace(id=SimpleNamespace(hex=partial(str, len(made))))

    util = SimpleNamespace(
        placement_group=group,
        placement_group_table=lambda: {str(number + 1): {"state": "CREATED"} for number in range(len(made))},
        scheduling_strategies=SimpleNamespace(
            PlacementGroupSchedulingStrategy=lambda group, placement_group_bundle_index: group
        ),
    )
    monkeypatch.setattr(ray_cluster, "load_ray", lambda: SimpleNamespace(util=util))
    return made


@pytest.mark.parametrize(
    ("nodes", "jobs", "count", "each"),
    [
        ([8], None, 8, [1] * 8),
        ([8], 9, 8, [2] + [1] * 7),
        ([2, 1], 7, 3, [3, 2, 2]),
        ([4], 2, 2, [1, 1]),
        ([1], 7, 1, [7]),
    ],
)
def test_no_gpu_is_idle_while_another_is_shared(
    nodes: list[int], jobs: int | None, count: int, each: list[int], groups: list[Any]
) -> None:
    share = Gpus([{"CPU": 8, "GPU": number} for number in nodes], jobs)
    assert groups == [[{"GPU": 1, "CPU": 1}]] * count
    assert share.jobs == sum(each)
    taken = [share.take(run_with(1)) for _ in range(share.jobs)]
    given = [found for found in taken if found is not None]
    assert [sum(number == found[0] for found in given) for number in range(count)] == each
    assert all(found[1]["num_gpus"] * max(each) <= 1 for found in given), "all that share one fit"
    share.give_back(count - 1)
    again = share.take(run_with(1))
    assert again is not None
    assert again[0] == count - 1


def test_gpus_of_machines_with_fewer_processors(groups: list[Any]) -> None:
    share = Gpus([{"CPU": 2, "GPU": 4}], None)
    assert groups[0] == [{"GPU": 1, "CPU": 0}]
    found = share.take(run_with(1))
    assert found is not None
    assert found[1]["num_cpus"] == 0


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short folder in the place of /tmp."""
    with tempfile.TemporaryDirectory(prefix="dabench-test-") as folder:
        monkeypatch.setattr(ray_cluster, "temporary_place", lambda: Path(folder))
        yield Path(folder)


def test_folders_of_killed_processes_go(temporary: Path) -> None:
    names = {name: temporary / name for name in (
        f"dabench-ray-{GONE}-a", f"dabench-ray-{GONE}-locked", f"dabench-ray-{GONE}-new",
        f"dabench-ray-{os.getpid()}-b", "dabench-ray-c", "other",
    )}  # fmt: skip
    for folder in names.values():
        folder.mkdir()
        if not folder.name.endswith("new"):
            (folder / "alive").touch()
    with (names[f"dabench-ray-{GONE}-locked"] / "alive").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with ray_cluster._folder() as made:
            assert made.name.startswith(f"dabench-ray-{os.getpid()}-")
            left = {folder.name for folder in temporary.iterdir()} - {made.name}
            assert not ray_cluster._abandoned(made)
    assert left == names.keys() - {f"dabench-ray-{GONE}-a"}
    assert not made.exists()


def refusing(error: BaseException) -> Any:
    def init(**_: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise error

    return lambda: SimpleNamespace(init=init, shutdown=lambda: None)


@pytest.mark.parametrize("error", [ConnectionError("x\ny"), TypeError("x y"), AssertionError("x y")])
def test_every_failure_of_starting_ray_is_the_users_to_mend(
    error: Exception, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_cluster, "load_ray", refusing(error))
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(UserError, match="Ray does not start on this machine: x y"), connected(Workers(), CPU):
        pass
    assert signal.getsignal(signal.SIGTERM) == before
    assert list(temporary.iterdir()) == []


def test_sigterm_while_ray_starts(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "load_ray", refusing(SystemExit(15)))
    for address in (None, "there"):
        with pytest.raises(KeyboardInterrupt), connected(Workers(None, address), CPU):
            pass
    assert list(temporary.iterdir()) == []


def test_a_machine_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [{"NodeManagerAddress": "10.0.0.1", "NodeManagerHostname": "a", "Alive": False, "Resources": {}}]
    monkeypatch.setattr(ray_cluster, "load_ray", lambda: SimpleNamespace(nodes=lambda: nodes))
    assert ray_cluster.host_of("10.0.0.1") == "a (10.0.0.1)"
    assert ray_cluster.host_of("10.0.0.2") == "10.0.0.2"
    with pytest.raises(UserError, match="GPU"):
        shares(Workers(None, "there"), torch.device("cuda"), [])


@pytest.mark.parametrize(
    ("file", "mode", "expected"),
    [(True, None, "token"), (False, None, None), (True, "disabled", "disabled")],
)
def test_a_token_that_is_there_is_used_for_clusters(
    file: bool, mode: str | None, expected: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_USAGE_STATS_ENABLED"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    if mode is not None:
        monkeypatch.setenv("RAY_AUTH_MODE", mode)
    if file:
        (tmp_path / ".ray").mkdir()
        (tmp_path / ".ray" / "auth_token").write_text("f" * 64, encoding="ascii")
    set_environment(own=False)
    assert os.environ.get("RAY_AUTH_MODE") == expected
    assert "RAY_AUTH_TOKEN" not in os.environ
