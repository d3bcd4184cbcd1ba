"""Translate W&B's sweep files: supported aliases, and replacements for unsupported keys."""

from collections.abc import Iterator, Mapping
from typing import Any

from sweeps.errors import KeyPath

ALIASES = {"run_cap": "trials"}
"""W&B's names of keys that have another name here."""

UNSUPPORTED_KEYS = {
    "program": "gan-sweep does not start scripts: type train: MODULE:NAME for a training loop of your own, or"
    " parameters: {architecture: MODULE:NAME} for networks of your own",
    "command": "gan-sweep does not start your programs: remove it, and fix parameters with"
    " parameters: {NAME: VALUE}",
    "controller": "gan-sweep is its own controller: remove it",
    "entity": "gan-sweep has no accounts: remove it",
    "project": "remove it; the key name names a sweep and its folder",
    "job": "gan-sweep does not start your jobs: remove it",
    "image_uri": "gan-sweep does not start containers: remove it",
}
"""W&B's keys without a counterpart, each with the reason and what to type."""

UNSUPPORTED_IN_SECTIONS = {
    ("metric", "target"): "a sweep does not end at a score: remove it",
    ("metric", "impute"): "trials without a score are ranked last: remove it",
    ("early_terminate", "strict"): "ASHA never waits for other trials: remove it",
}
"""W&B's keys of sections without a counterpart, likewise."""

DISTRIBUTIONS = {"categorical_w_probabilities": "categorical"}
"""W&B's distributions that have another name here."""


def flatten(parameters: Mapping[str, Any], above: KeyPath) -> Iterator[tuple[str, Any, KeyPath]]:
    """Yield the name, content and path of each parameter, including those in nested ``parameters``.

    A trial's parameters have no groups: W&B's nested groups only arrange the file.
    """
    for name, parameter in parameters.items():
        path = (*above, name)
        if is_group(parameter):
            yield from flatten(parameter["parameters"], (*path, "parameters"))
        else:
            yield name, parameter, path


def is_group(parameter: object) -> bool:
    """Return whether the content of a parameter is a group of parameters instead."""
    return isinstance(parameter, Mapping) and isinstance(parameter.get("parameters"), Mapping)


def keys_beside_groups(parameters: Mapping[str, Any], above: KeyPath) -> Iterator[KeyPath]:
    """Yield the path of each key in a group other than ``parameters``."""
    for name, parameter in parameters.items():
        if is_group(parameter):
            path = (*above, name)
            yield from ((*path, key) for key in parameter if key != "parameters")
            yield from keys_beside_groups(parameter["parameters"], (*path, "parameters"))
