"""Call functions on the nodes of a cluster."""

from collections.abc import Callable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from gan_core.errors import in_one_line
from sweeps.cluster import nodes
from sweeps.cluster.resources import alive
from sweeps.errors import SweepError

if TYPE_CHECKING:
    from sweeps.cluster.storage import Storage

TIMEOUT_S = 180.0
SECONDS_BETWEEN_CHECKS = 0.1


def check_nodes(storage: "Storage", check: Callable[[], None]) -> None:
    """Check that trials can run on every node.

    Args:
        storage: Where checkpoints are kept.
        check: Called repeatedly while this function waits; an exception of it ends the wait.

    Raises:
        SweepError: Trials cannot run on a node; the message has a line for each reason.
    """
    found = on_each_node(nodes.faults, storage, check=check)
    lines = [f"node {node} {fault}" for node, faults in found.items() for fault in faults]
    if lines:
        raise SweepError("\n".join(lines))


def on_each_node(function: Callable[..., Any], *arguments: Any, check: Callable[[], None]) -> dict[str, Any]:  # noqa: ANN401
    """Call a function on every node, and return its results by the nodes' names.

    Raises:
        SweepError: The function failed on a node, or a node does not answer.
    """
    remote = ray.remote(num_cpus=0, max_retries=0)(function)
    tasks = {remote.options(**on_node(node["NodeID"])).remote(*arguments): _name(node) for node in alive()}
    waiting, until = list(tasks), monotonic() + TIMEOUT_S
    while waiting and monotonic() < until:
        _, waiting = ray.wait(waiting, num_returns=len(waiting), timeout=SECONDS_BETWEEN_CHECKS)
        check()
    if waiting:
        silent = ", ".join(tasks[task] for task in waiting)
        raise SweepError(f"the Ray cluster started no worker within {TIMEOUT_S:.0f} s on {silent}")
    return {name: _result(task, name) for task, name in tasks.items()}


def _result(task: Any, node: str) -> Any:  # noqa: ANN401
    try:
        return ray.get(task)
    except RayTaskError as error:
        raise SweepError(f"node {node}: {in_one_line(error.cause)}") from error
    except RayError as error:
        raise SweepError(f"node {node}: {in_one_line(error)}") from error


def on_node(node_id: str) -> dict[str, Any]:
    """Return the options that pin a task to a node."""
    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node_id, soft=False)}


def own_node_id() -> str:
    """Return Ray's ID of the node that this process runs on."""
    return str(ray.get_runtime_context().get_node_id())


def _name(node: Mapping[str, Any]) -> str:
    return f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']}, {node['NodeID'][:6]})"
