"""What Ray's nodes have, and how many trials fit."""

from collections.abc import Iterable, Mapping
from typing import Any

import ray

from sweeps.errors import SweepError
from sweeps.spec.sections import Resources

UNITS = 10_000
"""Ray counts fractions of a resource in these."""


def alive() -> list[dict[str, Any]]:
    """Return the nodes that are there, as Ray describes them."""
    return [node for node in ray.nodes() if node["Alive"]]


def reserved(resources: Resources) -> dict[str, float]:
    """Return what Ray reserves for a trial.

    Raises:
        SweepError: No node has that.
    """
    there = [node["Resources"] for node in alive()]
    gpus = min(1, _most(there, "gpu")) if resources.gpu == "auto" else resources.gpu
    asked = {"cpu": resources.cpu, "gpu": gpus}
    where = "here" if len(there) == 1 else f"on any of the {len(there)} nodes"
    for what, amount in asked.items():
        available = _most(there, what)
        if amount > available:
            raise SweepError(
                f"resources.{what} is {amount:g}: a trial must fit, and there are {available:g} {where}"
            )
    if slots(asked) == 0:
        raise SweepError(
            f"a trial must fit into a node, and none has both: resources.cpu {asked['cpu']:g} and"
            f" resources.gpu {asked['gpu']:g}"
        )
    return asked


def _most(there: Iterable[Mapping[str, float]], what: str) -> float:
    return max(node.get(what.upper(), 0) for node in there)


def slots(reserves: Mapping[str, float]) -> int:
    """Return how many trials fit at a time, of which each reserves so much of one node."""
    return sum(_fitting(node["Resources"], reserves) for node in alive())


def _fitting(there: Mapping[str, float], reserves: Mapping[str, float]) -> int:
    """Return how many trials fit on a node; a part of a GPU is a part of one."""
    counts = []
    for what, amount in reserves.items():
        n, units = there.get(what.upper(), 0), round(amount * UNITS)
        if what == "gpu" and 0 < amount < 1:
            counts.append(int(n) * (UNITS // units))
        elif amount:
            counts.append(round(n * UNITS) // units)
    return min(counts)
