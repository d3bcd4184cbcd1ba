"""Translate searches of other tools, for messages that say what to type here.

Hydra's sweepers have ``tag(log, interval(1e-5, 1e-2))``, ``choice(32, 64)``, ``range(1, 5)`` and
``1e-4,1e-3``; Ray Tune, Optuna, Hyperopt, Orion and Keras Tuner have calls like ``loguniform(1e-5, 1e-2)``;
Determined, NNI, Ax, Katib and Polyaxon have mappings with keys like ``low`` and ``high``.
"""

import re
from collections.abc import Mapping, Sequence
from math import exp
from typing import Any

from gan_core.hyperparameters import Hyperparameters
from sweeps.spec.domains import DOMAINS
from sweeps.spec.ranges import Number, rounded, typed_range
from sweeps.spec.synonyms import name_here
from sweeps.spec.wandb import DISTRIBUTIONS
from sweeps.spec.wandb_distributions import EXPONENTS, OTHERS

_CALL = re.compile(r"(?:orion)?~?(?:\w+\.)*(\w+)(?:\((.*)\)|\[(.*)\])", re.DOTALL)
_LIST = re.compile(r"[^,()\[\]{}]+(,[^,()\[\]{}]+)+,?")
_KEYWORD = re.compile(r"(\w+)\s*=(?!=)\s*(.*)", re.DOTALL)

_CHOICES = {"choice", "choices", "gridsearch", "categorical", "suggestcategorical", "ordinal", "enum"}
_LOGARITHMIC = {
    "loguniform",
    "reciprocal",
    "lograndint",
    "qloguniform",
    "qlograndint",
    "suggestloguniform",
    "log",
}
_LINEAR = {
    *("interval", "uniform", "float", "int", "quniform", "randint", "qrandint", "real", "integer", "double"),
    *("suggestuniform", "suggestfloat", "suggestint", "suggestdiscreteuniform", "range", "discreteuniform"),
}
_EXCLUSIVE = {"randint", "lograndint"}
"""Ray Tune's ranges of whole numbers without their upper end."""

_WRAPPERS = {"int", "float", "shuffle", "sort", "tag"}
_LOW = ("low", "lower", "minval", "minvalue", "min", "start", "lb")
_HIGH = ("high", "upper", "maxval", "maxvalue", "max", "stop", "end", "ub")
_STEP = ("q", "step", "quantum")
_LISTS = ("choices", "vals", "options", "gridsearch", "categories", "list", "values")
_KINDS = ("type", "kind", "parametertype", "distribution")
_OF_LOG = ("log", "logscale", "scale", "scalingtype", "sampling", "prior")
_ABOUT = (
    "name",
    "description",
    "default",
    "valuetype",
    "dtype",
    "base",
    "bounds",
    "value",
    "feasiblespace",
    "count",
)
_FOREIGN_KEYS = {*_LOW, *_HIGH, *_STEP, *_LISTS, *_KINDS, *_OF_LOG, *_ABOUT, "val"}
_OWN_KEYS = {key for kind in DOMAINS.values() for key in kind.model_fields}


def foreign_search(name: str, parameter: object, known: Hyperparameters) -> str | None:
    """Return what to type for the parameter ``name`` if its content has the search syntax of another tool.

    Return None for any other content, and for an unknown parameter.
    """
    here = name_here(name, known)
    if here not in known:
        return None
    translated = None
    if isinstance(parameter, str):
        translated = _of_text(parameter.strip(), is_whole=known[here].is_whole)
    elif isinstance(parameter, Mapping):
        translated = _of_mapping(parameter, is_whole=known[here].is_whole)
    if translated is None:
        return None
    return f"{name} has the search syntax of another tool: type {here}: {{{translated}}}"


def _of_text(text: str, *, is_whole: bool) -> str | None:
    if _LIST.fullmatch(text):
        return _of_list([part.strip() for part in text.strip(",").split(",")])
    return _of_call(text, is_whole=is_whole)


def _of_list(values: Sequence[object]) -> str | None:
    """Return a list of scalars as ``values``, without those that are listed twice."""
    if not values or any(isinstance(value, list | Mapping) for value in values):
        return None
    return f"values: [{', '.join(dict.fromkeys(map(_scalar, values)))}]"


def _scalar(value: object) -> str:
    """Return a scalar as YAML shows it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _of_call(text: str, *, is_whole: bool, is_log: bool = False) -> str | None:
    call = _CALL.fullmatch(text)
    if call is None:
        return None
    function = call[1].lower().replace("_", "")
    arguments, keywords = _arguments(call[2] or (call[3] or "").replace(":", ","))
    if function in _WRAPPERS and arguments and _CALL.fullmatch(arguments[-1]):
        return _of_call(arguments[-1], is_whole=is_whole, is_log=is_log or "log" in arguments[:-1])
    if _begins_with_name(function, arguments):
        del arguments[0]
    if function in _CHOICES or function == "shuffle":
        listed = arguments or [keywords.get("categories", keywords.get("choices", ""))]
        return _of_list(_items(listed))
    if function == "range" and not keywords:
        return _of_range(arguments, is_whole=is_whole)
    if function in {"normal", "randn"} and len(arguments) == 2:
        return f"distribution: normal, mu: {arguments[0]}, sigma: {arguments[1]}"
    if function not in _LINEAR | _LOGARITHMIC:
        return None
    is_log = is_log or function in _LOGARITHMIC or "log" in "".join(arguments[2:]) or _says_log(keywords)
    low, high = _first(keywords, _LOW, arguments[0:1]), _first(keywords, _HIGH, arguments[1:2])
    q = _first(keywords, _STEP, arguments[2:3] if function.startswith(("q", "suggestdiscrete")) else [])
    return _range(low, high, is_whole=is_whole, is_log=is_log, q=q, excludes_high=function in _EXCLUSIVE)


def _begins_with_name(function: str, arguments: Sequence[str]) -> bool:
    """Return whether the first argument of a call is the parameter's name, as in Optuna and Hyperopt."""
    if function in _CHOICES:
        return len(arguments) == 2 and arguments[1][:1] in {"[", "("}
    return len(arguments) > 1 and arguments[0][:1] in {"'", '"'} and function != "shuffle"


def _arguments(text: str) -> tuple[list[str], dict[str, str]]:
    """Return the positional and the keyword arguments of a call, split at the commas outside of brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    stripped = [part.strip() for part in parts if part.strip()]
    keywords = [match for part in stripped if (match := _KEYWORD.fullmatch(part))]
    return [part for part in stripped if not _KEYWORD.fullmatch(part)], {
        match[1].lower().replace("_", ""): match[2].strip("'\" ") for match in keywords
    }


def _items(arguments: Sequence[str]) -> list[str]:
    """Return the items of one list, or else all arguments."""
    if len(arguments) == 1 and arguments[0][:1] in {"[", "("}:
        arguments = _arguments(arguments[0][1:-1])[0]
    return [each.strip("'\"") for each in arguments]


def _first(keywords: Mapping[str, Any], names: Sequence[str], positional: Sequence[Any] = ()) -> Any:  # noqa: ANN401
    return next((keywords[name] for name in names if name in keywords), next(iter(positional), None))


def _says_log(keys: Mapping[str, Any]) -> bool:
    return any("log" in str(keys.get(key, "")).lower() or str(keys.get(key)) == "True" for key in _OF_LOG)


def _of_range(limits: Sequence[str], *, is_whole: bool) -> str | None:
    """Return Python's ``range(STOP)``, ``range(START, STOP)`` or ``range(START, STOP, STEP)``."""
    if not 1 <= len(limits) <= 3 or not all(re.fullmatch(r"-?\d+", each) for each in limits):
        return None
    whole = [int(each) for each in limits]
    numbers = range(*whole) if whole[2:] != [0] else range(0)
    if not numbers:
        return None
    if len(numbers) <= 10:
        return _of_list([str(number) for number in numbers])
    q = numbers.step if numbers.step > 1 else None
    return _range(
        min(numbers[0], numbers[-1]), max(numbers[0], numbers[-1]), is_whole=is_whole, is_log=False, q=q
    )


def _of_mapping(parameter: Mapping[str, Any], *, is_whole: bool) -> str | None:
    kind_here = str(parameter.get("distribution", "constant"))
    if kind_here in (*EXPONENTS, *OTHERS, *DISTRIBUTIONS):
        return None
    keys = _plain_keys(parameter)
    is_own = parameter.keys() <= _OWN_KEYS and kind_here in DOMAINS
    if is_own or not keys.keys() <= _FOREIGN_KEYS | _OWN_KEYS:
        return None
    kind = re.sub(r"[^a-z]", "", str(_first(keys, _KINDS, [""])).lower())
    if "distribution" in parameter and kind not in _CHOICES | _LINEAR | _LOGARITHMIC:
        return None
    value = keys.get("value")
    if isinstance(value, list) and kind not in _LINEAR | _LOGARITHMIC:
        return _of_list(value)
    for key in _LISTS:
        if isinstance(keys.get(key), list):
            return _of_list(keys[key])
    if kind in {"const", "constant"} and "val" in keys:
        return f"value: {_scalar(keys['val'])}"
    bounds = keys.get("bounds", value if isinstance(value, list) else [])
    ends = bounds if isinstance(bounds, list) else []
    low, high = _first(keys, _LOW, ends[0:1]), _first(keys, _HIGH, ends[1:2])
    base = keys.get("base", 10) if kind == "log" else None
    if base is not None and isinstance(low, int | float) and isinstance(high, int | float):
        low, high = rounded(float(base) ** low), rounded(float(base) ** high)
    is_log = "log" in kind or _says_log(keys)
    q = _first(keys, _STEP, ends[2:3])
    return _range(low, high, is_whole=is_whole, is_log=is_log, q=q, excludes_high=kind in _EXCLUSIVE)


def _plain_keys(parameter: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping with its keys in lower case, and with the content of what Katib and Polyaxon nest."""
    keys = {str(key).lower().replace("_", ""): value for key, value in parameter.items()}
    for nested in ("feasiblespace", "value"):
        if isinstance(keys.get(nested), Mapping):
            keys |= _plain_keys(keys.pop(nested))
    return keys


def _range(
    low: Number | None,
    high: Number | None,
    *,
    is_whole: bool,
    is_log: bool,
    q: Number | None = None,
    excludes_high: bool = False,
) -> str | None:
    """Return the range to type, or None; negative bounds of a logarithmic range are exponents of e."""
    if low is None or high is None:
        return None
    try:
        if excludes_high:
            high = float(high) - 1
        if is_log and float(low) < 0:
            low, high = rounded(exp(float(low))), rounded(exp(float(high)))
    except (TypeError, ValueError, OverflowError):
        return None
    found = typed_range(low, high, is_whole=is_whole, is_log=is_log, q=q)
    return None if found is None else str(found)
