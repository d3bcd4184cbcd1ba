"""Function calls on the nodes of a cluster."""

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
ANSWERS_S = 180.0
SECONDS_BETWEEN_CHECKS = 0.1


def check_nodes(storage: "Storage", check: Callable[[], None]) -> None:
    """Check that every node has what trials need.

    Args:
        storage: Where their states are kept.
        check: Called again and again meanwhile; what it raises ends the waiting.

    Raises:
        SweepError: A node lacks something; the message has one line for each.
    """
    found = on_each_node(nodes.faults, storage, check=check)
    lines = [f"node {node} {fault}" for node, its in found.items() for fault in its]
    if lines:
        raise SweepError("\n".join(lines))


def on_each_node(function: Callable[..., Any], *arguments: Any, check: Callable[[], None]) -> dict[str, Any]:  # noqa: ANN401
    """Call a function on every node, and return what it returned, by the node's name.

    Raises:
        SweepError: It failed on a node, or one does not answer.
    """
    remote = ray.remote(num_cpus=0, max_retries=0)(function)
    tasks = {remote.options(**on_node(node["NodeID"])).remote(*arguments): _name(node) for node in alive()}
    waiting, until = list(tasks), monotonic() + ANSWERS_S
    while waiting and monotonic() < until:
        _, waiting = ray.wait(waiting, num_returns=len(waiting), timeout=SECONDS_BETWEEN_CHECKS)
        check()
    if waiting:
        silent = ", ".join(tasks[task] for task in waiting)
        raise SweepError(f"the Ray cluster starts no worker within {ANSWERS_S:.0f} s on {silent}")
    return {name: _result(task, name) for task, name in tasks.items()}


def _result(task: Any, node: str) -> Any:  # noqa: ANN401
    try:
        return ray.get(task)
    except RayTaskError as error:
        raise SweepError(f"node {node}: {in_one_line(error.cause)}") from error
    except RayError as error:
        raise SweepError(f"node {node}: {in_one_line(error)}") from error


def on_node(node_id: str) -> dict[str, Any]:
    """Return the options of a task that runs on one node and no other."""
    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node_id, soft=False)}


def own_node_id() -> str:
    """Return Ray's name of the node that this process is on."""
    return str(ray.get_runtime_context().get_node_id())


def _name(node: Mapping[str, Any]) -> str:
    return f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']}, {node['NodeID'][:6]})"
