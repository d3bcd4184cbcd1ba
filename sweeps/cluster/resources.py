"""The resources of Ray's nodes, and how many trials fit into them."""

import os
from collections.abc import Iterable, Mapping
from itertools import takewhile
from typing import Any

import ray

from sweeps.errors import SweepError
from sweeps.spec.sections import Resources

UNITS = 10_000
"""Ray counts a resource in units of one ten-thousandth."""


VISIBLE = "CUDA_VISIBLE_DEVICES"
MIG_SLICE = "MIG-"
"""How CUDA's name of a slice of a GPU begins."""


def n_visible_gpus() -> int | None:
    """Return how many GPUs CUDA_VISIBLE_DEVICES leaves to this process; None if Ray counts them correctly.

    Ray counts whole cards: of several slices of one card (MIG) it would use a single one, and it would take
    -1, which hides all GPUs, for a GPU.
    """
    names = os.environ.get(VISIBLE, "").split(",")
    if not any(name.startswith((MIG_SLICE, "-")) for name in names):
        return None
    return sum(1 for _ in takewhile(lambda name: name and not name.startswith("-"), names))


def alive() -> list[dict[str, Any]]:
    """Return Ray's description of every node that is alive."""
    return [node for node in ray.nodes() if node["Alive"]]


def reserved(resources: Resources) -> dict[str, float]:
    """Return the resources that Ray reserves for a trial.

    Raises:
        SweepError: No node has as much.
    """
    nodes = [node["Resources"] for node in alive()]
    gpus = min(1, _most(nodes, "gpu")) if resources.gpu == "auto" else resources.gpu
    asked = {"cpu": resources.cpu, "gpu": gpus}
    where = "on this machine" if len(nodes) == 1 else f"on any of the {len(nodes)} nodes"
    for what, amount in asked.items():
        available = _most(nodes, what)
        if amount > available:
            raise SweepError(
                f"resources.{what} is {amount:g}, for each trial: expected {available:g} at most {where}"
            )
    if slots(asked) == 0:
        raise SweepError(
            f"no node has both resources.cpu {asked['cpu']:g} and resources.gpu {asked['gpu']:g} for a trial:"
            f" reduce one of them"
        )
    return asked


def _most(nodes: Iterable[Mapping[str, float]], what: str) -> float:
    return max(node.get(what.upper(), 0) for node in nodes)


def slots(reserves: Mapping[str, float]) -> int:
    """Return how many trials, each of which reserves resources of one node, run at a time."""
    return sum(_fitting(node["Resources"], reserves) for node in alive())


def _fitting(available: Mapping[str, float], reserves: Mapping[str, float]) -> int:
    """Return how many trials fit on a node; a fraction of a GPU is never split over several GPUs."""
    counts = []
    for what, amount in reserves.items():
        n, units = available.get(what.upper(), 0), round(amount * UNITS)
        if what == "gpu" and 0 < amount < 1:
            counts.append(int(n) * (UNITS // units))
        elif amount:
            counts.append(round(n * UNITS) // units)
    return min(counts)
