"""A Ray cluster of two nodes on this machine; one is killed in the middle of a sweep.

``python two_nodes.py RESULTS ARGUMENT...``: the arguments are those of ``dabench``.
"""

import os
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

from ray.cluster_utils import Cluster

from dabench.cli import main


def kill_when_under_way(cluster: Cluster, node: object, results: Path) -> None:
    """Kill a node, its workers included, once three runs have their record and others are under way."""
    while len(list(results.glob("*/*/*/seed*.json"))) < 3 or not list(results.glob("*/*/*/.*.claim")):
        time.sleep(0.05)
    cluster.remove_node(node, allow_graceful=False)
    print("a node was killed", flush=True)


if __name__ == "__main__":
    folder = tempfile.mkdtemp(prefix="two-nodes-", dir="/tmp")  # paths of sockets are short
    small = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "temp_dir": folder}
    nodes = Cluster(initialize_head=True, head_node_args={**small, "include_dashboard": False})
    second = nodes.add_node(**small)
    killer = threading.Thread(
        target=kill_when_under_way, args=(nodes, second, Path(sys.argv[1])), daemon=True
    )
    killer.start()
    try:
        main([*sys.argv[2:], "--executor", "ray", "--address", nodes.address, "--jobs", "2"])
    finally:
        killer.join()
        nodes.shutdown()
        for _ in range(50):  # Ray's processes may still write as they end
            shutil.rmtree(folder, ignore_errors=True)
            if not Path(folder).exists():
                break
            time.sleep(0.1)
