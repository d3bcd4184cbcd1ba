"""Find the faults of single keys and parameters: wrong keys, types and values."""

import re
from collections.abc import Iterator, Mapping
from shlex import quote
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from gan_core.errors import allowed_and_closest, closest
from gan_core.hyperparameters import Hyperparameter, Hyperparameters, config_of
from gan_core.imports import is_import_path
from sweeps.errors import Fault, KeyPath
from sweeps.spec.domains import (
    DOMAINS,
    AnyDomain,
    Choice,
    Fixed,
    IntUniform,
    LogUniform,
    Normal,
    QLogUniform,
    QUniform,
    Scalar,
    Uniform,
)
from sweeps.spec.fields import Parameter
from sweeps.spec.model import SweepSpec
from sweeps.spec.sections import Confirm, EarlyTerminate, Metric, Resources
from sweeps.spec.source import Source
from sweeps.spec.synonyms import SYNONYMS, UNSUPPORTED_PARAMETERS, key_here, last_part, value_here

MAX_SHOWN = 60
"""The most characters of a value that a message shows."""

_SECTIONS: dict[str, type[BaseModel]] = {
    "metric": Metric,
    "early_terminate": EarlyTerminate,
    "resources": Resources,
    "confirm": Confirm,
}
_ALL_KEYS = list(dict.fromkeys(key for kind in DOMAINS.values() for key in kind.model_fields))


def schema_faults(source: Source) -> Iterator[Fault]:
    """Yield the faults that the models find: unknown and missing keys, wrong types, values out of range."""
    try:
        SweepSpec.model_validate(source.content)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            if detail["type"] != "missing" or not _is_misspelt(detail["loc"], detail["input"]):
                yield _fault(source, detail["loc"], detail["type"], detail["msg"], detail["input"])


def _is_misspelt(location: KeyPath, mapping: Mapping[str, Any]) -> bool:
    """Return whether a mapping has an unknown key close to its missing one: one fault is enough for both."""
    return bool(closest(str(location[-1]), mapping.keys() - {*_allowed(location)}))


def _fault(source: Source, location: KeyPath, kind: str, message: str, value: Any) -> Fault:  # noqa: ANN401
    """Return pydantic's error of ``kind`` at ``location`` as a fault of the file."""
    if not location:
        return source.fault((), rule(message))
    is_tagged = location[0] in {"parameters", "points"} and len(location) > 2
    path = location[:2] + location[3:] if is_tagged else location
    key = str(path[-1])
    if kind == "extra_forbidden":
        message = f"unknown key {key!r}; {allowed_and_closest(key, _allowed(location))}"
        if len(location) == 1 and (here := key_here(key)):
            message = f"unknown key {key!r}: type {here}"
        elif len(location) == 1 and key in config_of().model_fields:
            message = f"unknown key {key!r}: it is a hyperparameter, type parameters.{key}"
        return source.fault(path, message, of_key=True)
    if kind == "missing":
        within = ".".join(map(str, source.as_typed(path[:-1])))
        message = f"missing key {key!r}{f' in {within}' if within else ''}"
        return source.fault(path[:-1], message, of_key=True)
    if kind == "unknown_distribution":
        message = f"unknown distribution; {allowed_and_closest(str(value.get('distribution')), DOMAINS)}"
    if kind == "model_type":
        message = f"expected a mapping with the keys {', '.join(_allowed((*location, '')))}"
    if kind == "literal_error":
        message += closest(str(value), re.findall("'([^']+)'", message))
    value_text = f" is {shown(value)}" if isinstance(value, Scalar | None) else ""
    if path[0] == "constraints" and len(path) > 1:
        return source.fault(path, f"constraint {shown(value)}: {_with_hint(rule(message), value)}")
    dotted = ".".join(str(part) for part in source.as_typed(path))
    return source.fault(
        path, f"{dotted}{value_text}: {_with_hint(rule(message), value)}{_beside(source, value)}"
    )


def _beside(source: Source, value: object) -> str:
    """Return the end of a message if the missing module of a path lies beside the file; else nothing."""
    if not (isinstance(value, str) and is_import_path(value)):
        return ""
    file = source.module_beside(value.partition(":")[0].partition(".")[0])
    if file is None:
        return ""
    return f"; {file.name} lies beside {source.file}: type cd {quote(str(source.file.parent))} first"


def _allowed(location: KeyPath) -> list[str]:
    """Return the keys that are allowed in the place of the last part of ``location``."""
    if location[0] == "parameters" and len(location) > 2:
        domain = DOMAINS[str(location[2])]
        return list(domain.model_fields) if domain is not Fixed else _ALL_KEYS
    model = _SECTIONS.get(str(location[0]), SweepSpec) if len(location) > 1 else SweepSpec
    return list(model.model_fields)


def parameter_faults(source: Source) -> Iterator[Fault]:
    """Yield the parameters that do not exist, and the values that a trial would reject."""
    parameters = source.content.get("parameters")
    if not isinstance(parameters, dict):
        return
    domain_of, known = TypeAdapter[AnyDomain](Parameter), source.hyperparameters
    for name, raw in parameters.items():
        path: KeyPath = ("parameters", name)
        if name not in known:
            if not known.may_exist(name):
                yield source.fault(path, unknown_parameter(name, known), of_key=True)
            continue
        try:
            domain = domain_of.validate_python(raw)
        except ValidationError:
            continue
        chosen = domain.when.get(known[name].chosen_by or "")
        hyperparameter = known[name].limited_to(chosen) if chosen else known[name]
        mismatch = _type_mismatch(hyperparameter, domain)
        if mismatch:
            yield source.fault(path, mismatch)
            continue
        for key, value in domain.boundary_values():
            message = rejection(hyperparameter, value)
            if message:
                yield source.fault(_value_path(source, path, key, value), message)


def unknown_parameter(name: str, known: Hyperparameters) -> str:
    """Return the message for an unknown parameter, which ends with what to type instead."""
    return f"unknown parameter {name!r}{_replacement(name, known)}"


def _replacement(name: str, known: Hyperparameters) -> str:
    field, last = name.partition(".")[0], last_part(name)
    if "." in name and field in known.registries:
        of_field = [each for each in known if known[each].chosen_by == field]
        if of_field:
            return f"; {allowed_and_closest(name, of_field)}"
        return f": no {field} in this file has parameters; a class of your own can declare them"
    if last in UNSUPPORTED_PARAMETERS and known.registries:
        return f": {UNSUPPORTED_PARAMETERS[last]}"
    if SYNONYMS.get(last, "").partition(",")[0] in known:
        return f": type {SYNONYMS[last]}"
    if last in SweepSpec.model_fields.keys() - {*known}:
        return f": {last} is a key of the file beside parameters: move it there"
    if of_component := next(
        (each for each in known if known[each].chosen_by and last_part(each) == last), None
    ):
        return f": type {of_component}"
    return f"; {allowed_and_closest(last, known)}"


def _type_mismatch(known: Hyperparameter, domain: AnyDomain) -> str | None:
    """Return why a range has the wrong type for its parameter, or None if it has the right one."""
    name, is_range = known.name, not isinstance(domain, Fixed | Choice)
    if known.is_whole and isinstance(domain, Uniform | LogUniform | Normal):
        scale = "q_log_uniform_values with q: 1" if isinstance(domain, LogUniform) else "int_uniform"
        return f"{name} must be a whole number: type distribution: {scale}, or values"
    if known.is_whole and isinstance(domain, QUniform | QLogUniform) and not domain.q.is_integer():
        return f"{name} must be a whole number: type a whole number as q"
    if known.is_real and isinstance(domain, IntUniform):
        return f"{name} is a real number: type distribution: uniform, or min: {domain.min}.0"
    if is_range and not (known.is_whole or known.is_real):
        return f"{name} is not a number: type values"
    return None


def _value_path(source: Source, path: KeyPath, key: str, value: Scalar) -> KeyPath:
    """Return the path of a parameter's value: under ``key``, unless the parameter is a bare scalar."""
    raw = source.content["parameters"][path[-1]]
    if not isinstance(raw, dict):
        return path
    return (*path, key, raw[key].index(value)) if key == "values" else (*path, key)


def rejection(hyperparameter: Hyperparameter, value: Scalar) -> str | None:
    """Return why a trial would reject ``value`` for a parameter, or None if it would not."""
    reason = hyperparameter.rejection(value)
    if reason is None:
        return None
    return f"{hyperparameter.name} is {shown(value)}: {_with_hint(rule(reason), value)}"


_DID_YOU_MEAN = "; did you mean "


def _with_hint(message: str, value: object) -> str:
    """Return a message with what to type for a value that other tools write in another way."""
    if isinstance(value, list) and message.startswith("expected a value, or a mapping"):
        return f"{message}; type values: [{', '.join(map(str, value))}]"
    if message.endswith("valid string") and not isinstance(value, list | Mapping):
        return f"{message}; put it in quotes"
    if not isinstance(value, str):
        return message
    if message.endswith(("valid integer", "valid number")) and _is_number(value):
        return f"{message}; remove the quotes"
    rules = message.partition(_DID_YOU_MEAN)[0]
    listed = rules.partition("allowed: ")[2] or rules.partition("should be ")[2]
    allowed = ["true", "false"] if "boolean" in listed else re.findall(r"[\w-]+", listed)
    here = value_here(value, allowed)
    return message if here is None else f"{rules}; type {here}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def rule(message: str) -> str:
    """Return pydantic's message as the end of a sentence.

    >>> rule("Value error, Expected seconds")
    'expected seconds'
    """
    message = message.removeprefix("Value error, ")
    return f"{message[0].lower()}{message[1:]}"


def shown(value: Scalar | None) -> str:
    """Return a value as a message shows it, without the end of a long one."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
