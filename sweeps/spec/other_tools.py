"""Translate parameters and searches of other tools, for messages that say what to type here.

Hydra's sweepers have ``tag(log, interval(1e-5, 1e-2))``, ``choice(32, 64)``, ``range(1, 5)`` and mappings
with ``low`` and ``high``; Ray Tune and Orion have calls like ``loguniform(1e-5, 1e-2)``.
"""

import re
from collections.abc import Mapping
from typing import Any

from gan_core.hyperparameters import Hyperparameters

SYNONYMS = {
    "learning_rate": "lr",
    "lr_g": "lr",
    "g_lr": "lr",
    "d_lr": "lr_d",
    "epochs": "steps, which counts updates of the generator",
    "n_epochs": "steps, which counts updates of the generator",
    "max_steps": "steps",
    "latent_dim": "noise_dim",
    "latent_size": "noise_dim",
    "z_dim": "noise_dim",
    "nz": "noise_dim",
    "b1": "beta1",
    "b2": "beta2",
    "bs": "batch_size",
    "n_critic": "d_steps",
    "lambda_gp": "penalty_weight",
    "gp_weight": "penalty_weight",
    "negative_slope": "leaky_slope",
    "ema": "ema_decay",
    "model": "architecture",
}
"""Other tools' names of parameters, each with the name here."""

UNSUPPORTED_PARAMETERS = {
    "optimizer": "Adam is the only optimiser: remove it",
    "optim": "Adam is the only optimiser: remove it",
    "dropout": "the built-in networks have no dropout: remove it, or type architecture: MODULE:NAME",
    "weight_decay": "Adam is used without weight decay: remove it",
}
"""Other tools' parameters without a counterpart, each with the reason and what to type."""

_NAME_SEPARATOR = re.compile(r"[./]")
_CALL = re.compile(r"(?:\w+\.)*(\w+)\((.*)\)", re.DOTALL)
_RANGES = {"interval": False, "uniform": False, "loguniform": True, "log_uniform": True}
"""Other tools' ranges, each with whether it is logarithmic."""

_BOUNDS = (("low", "high"), ("minval", "maxval"), ("lower", "upper"), ("min_value", "max_value"))
_LISTS = ("choices", "vals", "options")


def foreign_search(name: str, parameter: object, known: Hyperparameters) -> str | None:
    """Return what to type for the content of the parameter ``name`` if it is a search of another tool.

    Return None if it is not, and for an unknown parameter.
    """
    here = name_here(name, known)
    if here not in known:
        return None
    translated = None
    if isinstance(parameter, str):
        translated = _of_call(parameter.strip(), is_whole=known[here].is_whole)
    elif isinstance(parameter, Mapping):
        translated = _of_mapping(parameter, is_whole=known[here].is_whole)
    if translated is None:
        return None
    return f"{name} has the search syntax of another tool: type {here}: {{{translated}}}"


def name_here(name: str, known: Hyperparameters) -> str:
    """Return this package's name of another tool's parameter: ``lr`` for ``optimizer.lr``.

    >>> from gan_core import TrialConfig
    >>> known = Hyperparameters(TrialConfig)
    >>> [name_here(each, known) for each in ("model.noise_dim", "network.optimizer.learning_rate", "lr")]
    ['noise_dim', 'lr', 'lr']
    """
    last = last_part(name)
    names = (name, last, SYNONYMS.get(last, last))
    return next((each for each in names if each in known), name)


def last_part(name: str) -> str:
    """Return the last part of another tool's dotted name: ``lr`` of ``optimizer.lr``."""
    return _NAME_SEPARATOR.split(name)[-1]


def _of_call(text: str, *, is_whole: bool, is_log: bool = False) -> str | None:
    call = _CALL.fullmatch(text)
    if call is None:
        return None
    function, arguments = call[1].lower(), _arguments(call[2])
    if function == "tag" and arguments:
        return _of_call(arguments[-1], is_whole=is_whole, is_log="log" in arguments[:-1])
    if function in {"int", "float"} and len(arguments) == 1:
        return _of_call(arguments[0], is_whole=is_whole, is_log=is_log)
    if function == "choice" and arguments:
        return f"values: [{', '.join(arguments).strip('[]')}]"
    if function in _RANGES and len(arguments) >= 2:
        return _range(*arguments[:2], is_whole=is_whole, is_log=is_log or _RANGES[function])
    if function == "range" and all(re.fullmatch(r"-?\d+", each) for each in arguments):
        return _of_range(*map(int, arguments), is_whole=is_whole)
    return None


def _arguments(text: str) -> list[str]:
    """Return the arguments of a call, split at the commas outside of brackets."""
    arguments, depth = [""], 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        if character == "," and not depth:
            arguments.append("")
        else:
            arguments[-1] += character
    return [each.strip() for each in arguments if each.strip()]


def _of_range(*limits: int, is_whole: bool) -> str | None:
    """Return Python's ``range(STOP)``, ``range(START, STOP)`` or ``range(START, STOP, STEP)``."""
    numbers = range(*limits) if 1 <= len(limits) <= 3 and limits[2:] != (0,) else range(0)
    if not numbers:
        return None
    if len(numbers) <= 10:
        return f"values: [{', '.join(map(str, numbers))}]"
    return _range(str(numbers[0]), str(numbers[-1]), is_whole=is_whole, is_log=False)


def _of_mapping(parameter: Mapping[str, Any], *, is_whole: bool) -> str | None:
    for key in _LISTS:
        if isinstance(parameter.get(key), list):
            return f"values: [{', '.join(map(str, parameter[key]))}]"
    for low, high in _BOUNDS:
        if low in parameter and high in parameter:
            is_log = parameter.get("log") is True or "log" in str(parameter.get("type", "")).lower()
            return _range(str(parameter[low]), str(parameter[high]), is_whole=is_whole, is_log=is_log)
    return None


def _range(low: str, high: str, *, is_whole: bool, is_log: bool) -> str | None:
    try:
        is_possible = float(low) < float(high) and (float(low) > 0 or not is_log)
    except ValueError:
        return None
    if not is_possible:
        return None
    if is_log and is_whole:
        return f"distribution: q_log_uniform_values, q: 1, min: {low}, max: {high}"
    distribution = "log_uniform_values" if is_log else "int_uniform" if is_whole else "uniform"
    return f"distribution: {distribution}, min: {low}, max: {high}"
