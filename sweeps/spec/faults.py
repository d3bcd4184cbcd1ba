"""What is wrong with a search-space file."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from gan_core.config import CHANGEABLE, UNUSED_WITH, TrialConfig
from gan_core.errors import allowed_and_closest, closest
from sweeps.errors import Fault
from sweeps.spec.domains import (
    KINDS,
    Choice,
    Domain,
    Fixed,
    IntUniform,
    LogUniform,
    Normal,
    QLogUniform,
    QUniform,
    Scalar,
    Uniform,
)
from sweeps.spec.model import POINT, Parameter, SweepSpec
from sweeps.spec.sections import Confirm, EarlyTerminate, Metric, Resources
from sweeps.spec.source import Source
from sweeps.spec.space import CycleError, Space
from sweeps.spec.wandb import NO_PARAMETER, OUR_PARAMETERS, Path_

LONGEST_VALUE = 60


def sound_part(content: Mapping[str, Any], broken: Sequence[Path_]) -> SweepSpec | None:
    """Return a spec without what is broken, and what depends on it, or None where that is none.

    What stands in it is checked too: all faults of a file are seen at once.
    """
    parameters = content.get("parameters")
    if not isinstance(parameters, dict) or ("parameters",) in broken:
        return None
    absent = {path[1] for path in broken if path[:1] == ("parameters",)}
    while depending := {name for name in parameters.keys() - absent if _when(parameters[name]) & absent}:
        absent |= depending
    sound = {key: value for key, value in content.items() if key not in {path[0] for path in broken if path}}
    sound["parameters"] = {name: each for name, each in parameters.items() if name not in absent}
    if isinstance(sound.get("points"), list):
        sound["points"] = [{} if absent & {*point} else point for point in sound["points"]]
    try:
        return SweepSpec.model_validate({"name": "sound"} | sound)
    except ValidationError:
        return None


def _when(parameter: object) -> set[str]:
    """Return the names of what a parameter depends on, as far as it is well-formed."""
    when = parameter.get("when") if isinstance(parameter, Mapping) else None
    return set(when) if isinstance(when, Mapping) else set()


_SECTIONS: dict[str, type[BaseModel]] = {
    "metric": Metric,
    "early_terminate": EarlyTerminate,
    "resources": Resources,
    "confirm": Confirm,
}


def shape_faults(source: Source) -> Iterator[Fault]:
    """Yield what the models find wrong: unknown and missing keys, wrong types, values out of range."""
    try:
        SweepSpec.model_validate(source.content)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            if detail["type"] != "missing" or not _is_misspelt(detail["loc"], detail["input"]):
                yield _fault(source, detail["loc"], detail["type"], detail["msg"], detail["input"])


def _is_misspelt(location: Path_, mapping: Mapping[str, Any]) -> bool:
    """Return whether a mapping has, for its missing key, an unknown one that is close: that says it all."""
    return bool(closest(str(location[-1]), mapping.keys() - {*_allowed(location)}))


def _fault(source: Source, location: Path_, kind: str, message: str, value: Any) -> Fault:  # noqa: ANN401
    message = message.removeprefix("Value error, ")
    if not location:
        return source.fault((), f"{message[0].lower()}{message[1:]}")
    has_kind = len(location) > 2 and location[2] in (*KINDS, POINT, "word")
    path = location[:2] + location[3:] if has_kind else location
    key = str(path[-1])
    if kind == "extra_forbidden":
        return source.fault(
            path, f"unknown key {key!r}; {allowed_and_closest(key, _allowed(location))}", of_key=True
        )
    if kind == "missing":
        return source.fault(path[:-1], f"missing key {key!r}", of_key=True)
    if kind == "model_type":
        message = f"expected a mapping with the keys {', '.join(_allowed((*location, '')))}"
    shown = f" is {_brief(value)}" if isinstance(value, Scalar | None) else ""
    dotted = ".".join(str(part) for part in source.as_typed(path))
    return source.fault(path, f"{dotted}{shown}: {message[0].lower()}{message[1:]}")


def _allowed(location: Path_) -> list[str]:
    """Return the keys that may stand where the last part of ``location`` does."""
    if location[0] == "parameters" and len(location) > 2:
        kind = KINDS[str(location[2])]
        return list(kind.model_fields) if kind is not Fixed else _ALL_KEYS
    model = _SECTIONS.get(str(location[0]), SweepSpec) if len(location) > 1 else SweepSpec
    return list(model.model_fields)


_ALL_KEYS = list(dict.fromkeys(key for kind in KINDS.values() for key in kind.model_fields))


def _brief(value: Scalar | None) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."


def parameter_faults(source: Source) -> Iterator[Fault]:
    """Yield the parameters that no trial has, and the values that a trial would refuse."""
    parameters = source.content.get("parameters")
    if not isinstance(parameters, dict):
        return
    domain_of = TypeAdapter[Domain](Parameter)
    for name, raw in parameters.items():
        path: Path_ = ("parameters", name)
        if name not in TrialConfig.model_fields:
            yield source.fault(path, f"unknown parameter {name!r}{_instead(name)}", of_key=True)
            continue
        try:
            domain = domain_of.validate_python(raw)
        except ValidationError:
            continue
        misfit = _misfit(name, domain)
        if misfit:
            yield source.fault(path, misfit)
            continue
        for key, value in domain.extremes():
            message = _refusal(name, value)
            if message:
                yield source.fault(_value_path(source, path, key, value), message)


def _instead(name: str) -> str:
    """Return what to type instead of a parameter that there is not, as the end of a sentence."""
    if name in NO_PARAMETER:
        return f": {NO_PARAMETER[name]}"
    if name in OUR_PARAMETERS:
        return f": here it is called {OUR_PARAMETERS[name]}"
    return f"; {allowed_and_closest(name, TrialConfig.model_fields)}"


def _misfit(name: str, domain: Domain) -> str | None:
    """Return what is wrong with a range of whole numbers for a real parameter, or the reverse."""
    kind = TrialConfig.model_fields[name].annotation
    is_range = not isinstance(domain, Fixed | Choice)
    if kind is int and isinstance(domain, Uniform | LogUniform | Normal):
        scale = "q_log_uniform_values with q: 1" if isinstance(domain, LogUniform) else "int_uniform"
        return f"{name} is a whole number: use distribution {scale}, or values"
    if kind is int and isinstance(domain, QUniform | QLogUniform) and not domain.q.is_integer():
        return f"{name} is a whole number: q must be one too"
    if kind is float and isinstance(domain, IntUniform):
        return f"{name} is a real number: use distribution uniform, or write min: {domain.min}.0"
    if is_range and kind not in {int, float, float | None}:
        return f"{name} is not a number: use values"
    return None


def _value_path(source: Source, path: Path_, key: str, value: Scalar) -> Path_:
    raw = source.content["parameters"][path[-1]]
    if not isinstance(raw, dict):
        return path
    return (*path, key, raw[key].index(value)) if key == "values" else (*path, key)


def _refusal(name: str, value: Scalar) -> str | None:
    """Return why a trial would refuse ``value`` for its parameter ``name``."""
    try:
        TrialConfig.model_validate({name: value})
    except ValidationError as error:
        message = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        return f"{name} is {_brief(value)}: {message[0].lower()}{message[1:]}"
    return None


def condition_faults(spec: SweepSpec, source: Source) -> Iterator[Fault]:
    """Yield the conditions that name no parameter, that never hold, or that lead in a circle."""
    for name, domain in spec.parameters.items():
        for other, allowed in domain.when.items():
            path: Path_ = ("parameters", name, "when", other)
            if other not in TrialConfig.model_fields:
                closest = allowed_and_closest(other, TrialConfig.model_fields)
                yield source.fault(path, f"unknown parameter {other!r}; {closest}", of_key=True)
                continue
            typed = source.content["parameters"][name]["when"][other]
            for index, value in enumerate(allowed):
                value_path = (*path, index) if isinstance(typed, list) else path
                refusal = _refusal(other, value)
                if refusal:
                    yield source.fault(value_path, refusal)
                elif not _may_be(spec, other, value):
                    message = f"{other} is never {_brief(value)}, it is {_in_short(spec, other)}"
                    yield source.fault(value_path, message)
    try:
        _ = Space(spec.searched, {})
    except CycleError as cycle:
        path = ("parameters", cycle.names[0], "when")
        yield source.fault(path, f"the conditions lead in a circle: {cycle}")


def _may_be(spec: SweepSpec, name: str, value: Scalar) -> bool:
    """Return whether a trial that has the parameter ``name`` may have ``value`` for it."""
    domain = spec.parameters.get(name)
    return value == spec.defaults[name] if domain is None else domain.contains(value)


def _in_short(spec: SweepSpec, name: str) -> str:
    domain = spec.parameters.get(name)
    return str(spec.defaults[name] or "not set") if domain is None else domain.in_short()


def method_faults(spec: SweepSpec, source: Source) -> Iterator[Fault]:
    """Yield what the method cannot search."""
    if spec.method == "grid":
        for name, domain in spec.searched.items():
            if domain.all_values() is None:
                message = f"{name} has no end of values, a grid needs each: use values, or a q"
                yield source.fault(("parameters", name), message)
    if len(spec.metric) > 1 and spec.method in {"gp", "cmaes"}:
        message = f"{spec.method} searches by one metric: use tpe, nsga2, random or grid"
        yield source.fault(("method",), message)


def population_faults(spec: SweepSpec, source: Source) -> Iterator[Fault]:
    """Yield the searched parameters that trials of a population cannot change on their way."""
    if not spec.exchanges:
        return
    for name, domain in spec.searched.items():
        path: Path_ = ("parameters", name)
        if name not in CHANGEABLE:
            message = (
                f"pbt changes parameters on the way, and {name} is fixed by the weights or the scores: give"
                f" it one value, and search among {', '.join(CHANGEABLE)}"
            )
            yield source.fault(path, message, of_key=True)
        elif domain.when:
            message = f"pbt changes {name} on the way: it can have no condition"
            yield source.fault((*path, "when"), message, of_key=True)


def point_faults(spec: SweepSpec, source: Source) -> Iterator[Fault]:
    """Yield the points that name what is not searched, or that lie outside of the space.

    The empty point is the baseline, which is tried wherever it lies.
    """
    own = ((index, point) for index, point in enumerate(spec.points) if isinstance(point, dict))
    for index, point in own:
        unknown = sorted(point.keys() - spec.searched.keys())
        for name in unknown:
            message = f"{name!r} is not searched; {allowed_and_closest(name, spec.searched)}"
            yield source.fault(("points", index, name), message, of_key=True)
        known = {name: value for name, value in point.items() if name not in unknown}
        refusals = {name: refusal for name, value in known.items() if (refusal := _refusal(name, value))}
        for name, refusal in refusals.items():
            yield source.fault(("points", index, name), refusal)
        if point and not unknown and not refusals:
            yield from _outside(spec, source, index, point)


def _outside(spec: SweepSpec, source: Source, index: int, point: Mapping[str, Scalar]) -> Iterator[Fault]:
    whole = spec.filled(point)
    for name in point.keys() - whole.keys():
        message = f"a trial like this point has no {name}: see its when"
        yield source.fault(("points", index, name), message, of_key=True)
    for name, value in whole.items():
        if not spec.searched[name].contains(value):
            path = ("points", index, name) if name in point else ("points", index)
            left_out = "" if name in point else ", its default, as this point leaves it out"
            message = f"{name} is {_brief(value)}{left_out}: outside of what is searched"
            yield source.fault(path, message)


def unused_parameters(spec: SweepSpec, source: Source) -> Iterator[Fault]:
    """Yield the parameters that some trial would have, and not use."""
    for name, domain in spec.parameters.items():
        for other, value in UNUSED_WITH.get(name, {}).items():
            known = spec.parameters.get(other, Fixed(value=spec.defaults[other]))
            possible = [*(known.all_values() or []), *([spec.defaults[other]] if known.when else [])]
            possible = [each for each in possible if each in domain.when.get(other, possible)]
            used = [each for each in possible if each != value]
            path: Path_ = ("parameters", name)
            if not used:
                message = f"no trial uses {name}: {other} is always {value}"
                yield source.fault(path, message, of_key=True)
            elif value in possible and name in spec.searched:
                shown = ", ".join(map(str, used))
                message = (
                    f"a trial whose {other} is {value} does not use {name}: add when: {{{other}: [{shown}]}}"
                )
                yield source.fault(path, message, of_key=True)
