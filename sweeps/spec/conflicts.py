"""Find the faults between parts of a search-space file: conditions, the method, pbt and points."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from gan_core.errors import allowed_and_closest
from gan_core.hyperparameters import Hyperparameter, can_resume, named_loop
from gan_core.imports import is_import_path
from sweeps.errors import Fault, KeyPath
from sweeps.spec.constraints import METRICS, Constraint
from sweeps.spec.domains import MAX_LISTED, Fixed, Scalar
from sweeps.spec.faults import rejection, rule, shown, unknown_parameter
from sweeps.spec.methods import option_faults, sampler_factory, takes_seed
from sweeps.spec.model import SweepSpec
from sweeps.spec.portfolio import PORTFOLIO, portfolio_points
from sweeps.spec.source import Source
from sweeps.spec.space import CycleError, Space


def conflicts(source: Source, faults: Sequence[Fault]) -> list[Fault]:
    """Return the faults between the parts of a file that have no faults themselves.

    Each check leaves out the parts that ``faults`` or an earlier check found fault with: all faults of a
    file are reported at once, and none of them twice.
    """
    found = list(faults)
    checks = (
        *(_condition_faults, _method_faults, _constraint_faults, _population_faults),
        *(_seeds_faults, _point_faults, _loop_faults),
    )
    for check in checks:
        spec = _valid_part(source.content, [fault.path for fault in found])
        found += [] if spec is None else check(spec, source)
    return found[len(faults) :]


def _valid_part(content: Mapping[str, Any], faulty: Sequence[KeyPath]) -> SweepSpec | None:
    """Return a spec without the faulty parts and what depends on them, or None if that is not valid."""
    parameters = content.get("parameters")
    if not isinstance(parameters, dict) or {("parameters",), ("train",)} & {*faulty}:
        return None
    absent = {path[1] for path in faulty if path[:1] == ("parameters",)}
    while depending := {
        name for name in parameters.keys() - absent if _depends_on(name, parameters[name]) & absent
    }:
        absent |= depending
    without = {path[0] for path in faulty if path}
    without |= {"method_options"} if "method" in without else set()
    valid = {key: value for key, value in content.items() if key not in without}
    valid["parameters"] = {name: each for name, each in parameters.items() if name not in absent}
    if isinstance(valid.get("points"), list):
        valid["points"] = [{} if absent & {*point} else point for point in valid["points"]]
    try:
        return SweepSpec.model_validate({"name": "valid"} | valid)
    except ValidationError:
        return None


def _depends_on(name: str, parameter: object) -> set[str]:
    """Return the names in the conditions of a parameter, which may not be well-formed, and its component's.

    The parameter ``architecture.width`` depends on ``architecture``.
    """
    when = parameter.get("when") if isinstance(parameter, Mapping) else None
    component = {name.partition(".")[0]} if "." in name else set[str]()
    return component | (set(when) if isinstance(when, Mapping) else set())


def _condition_faults(spec: SweepSpec, source: Source) -> Iterator[Fault]:
    """Yield the conditions that name an unknown parameter, never hold, or form a cycle."""
    for name, domain in spec.parameters.items():
        for other, allowed in domain.when.items():
            path: KeyPath = ("parameters", name, "when", other)
            if other not in source.hyperparameters:
                if not source.hyperparameters.may_exist(other):
                    yield source.fault(path, unknown_parameter(other, source.hyperparameters), of_key=True)
                continue
            typed = source.content["parameters"][name]["when"][other]
            for index, value in enumerate(allowed):
                message = rejection(source.hyperparameters[other], value) or _never(spec, name, other, value)
                if message:
                    yield source.fault((*path, index) if isinstance(typed, list) else path, message)
    try:
        _ = Space(spec.searched, {})
    except CycleError as cycle:
        path = ("parameters", cycle.names[0], "when")
        yield source.fault(path, f"the conditions form a cycle: {cycle}; remove one of them")


def _never(spec: SweepSpec, conditional: str, name: str, value: Scalar) -> str | None:
    """Return why the parameter ``name`` never has ``value`` where ``conditional`` exists; None if it can."""
    known = spec.hyperparameters[conditional]
    if known.chosen_by == name and value not in known.models:
        return f"{value} has no parameter {conditional!r}; allowed: {', '.join(known.models)}"
    default = spec.defaults.get(name)
    domain = spec.parameters.get(name) or (None if default is None else Fixed(value=default))
    if domain is None:
        return f"{name} is never {shown(value)}, because the file has no {name}: add {name} to parameters"
    return None if domain.contains(value) else f"{name} is never {shown(value)}; allowed: {domain.summary()}"


def _method_faults(spec: SweepSpec, source: Source) -> Iterator[Fault]:
    """Yield the parameters and metrics that the method cannot search."""
    if spec.method == "grid":
        for name, domain in spec.searched.items():
            if domain.all_values() is None:
                message = (
                    f"grid tries at most {MAX_LISTED:,} values of a parameter, and {name} has more:"
                    " type values, or a distribution with a q"
                )
                yield source.fault(("parameters", name), message)
    if len(spec.metric) > 1 and spec.method in {"gp", "cmaes"}:
        message = (
            f"{spec.method} optimises one metric: type one metric, or method: tpe, nsga2, random or grid"
        )
        yield source.fault(("method",), message)
    if not spec.method_options and not is_import_path(spec.method):
        return
    for option, message in option_faults(spec.method, spec.method_options):
        path: KeyPath = ("method",) if option is None else ("method_options", option)
        yield source.fault(path, message, of_key=option is not None)


def _constraint_faults(spec: SweepSpec, source: Source) -> Iterator[Fault]:
    """Yield the constraints on metrics that gan_core's own training does not report, and impossible bounds.

    The constraints are read one by one, so that a malformed one does not hide the faults of the others.
    """
    earlier: list[Constraint] = []
    for index, constraint in _well_formed(source.content.get("constraints")):
        message = None if spec.train else _misfit_of_metric(constraint)
        excluded = next((each for each in earlier if constraint.excludes(each)), None)
        if message is None and excluded:
            message = f"no trial can meet both {excluded} and {constraint}: change one of the bounds"
        if message:
            yield source.fault(("constraints", index), message)
        earlier.append(constraint)


def _well_formed(constraints: object) -> Iterator[tuple[int, Constraint]]:
    """Yield the constraints of a file that can be read, each with its place in the list."""
    texts = [constraints] if isinstance(constraints, str) else constraints
    for index, text in enumerate(texts if isinstance(texts, list) else []):
        if isinstance(text, str):
            with suppress(ValueError):
                yield index, Constraint.parse(text)


def _misfit_of_metric(constraint: Constraint) -> str | None:
    """Return why gan_core's own training cannot meet a constraint; None if it can."""
    metric = constraint.metric
    if metric not in METRICS:
        return f"unknown metric {metric!r}; {allowed_and_closest(metric, METRICS)}"
    if constraint.is_impossible:
        return f"no trial can meet {constraint}: {metric} lies between 0 and 1; type a bound between 0 and 1"
    return None


def _population_faults(spec: SweepSpec, source: Source) -> Iterator[Fault]:
    """Yield the searched parameters that population based training cannot change during a training."""
    if not spec.is_population_based:
        return
    if not can_resume(spec.train):
        message = (
            f"pbt copies the states of trainings, and {spec.train} has no parameter for a state: add the"
            " parameter state=None"
        )
        yield source.fault(("early_terminate",), message)
    for name in spec.searched:
        path: KeyPath = ("parameters", name)
        if name not in spec.hyperparameters.changeable:
            message = (
                f"pbt changes parameters during a training, and {name} must not change: type one value for"
                f" {name}; pbt can search {', '.join(spec.hyperparameters.changeable)}"
            )
            yield source.fault(path, message, of_key=True)
        elif spec.parameters[name].when:
            message = f"pbt cannot change {name}, because {name} has a condition: remove when"
            yield source.fault((*path, "when"), message, of_key=True)


def _seeds_faults(spec: SweepSpec, source: Source) -> Iterator[Fault]:
    """Yield what prevents a search from training configurations on further seeds."""
    if spec.early_terminate.seeds == 1:
        return
    path: KeyPath = ("early_terminate", "seeds")
    if spec.is_population_based:
        message = "pbt changes the parameters of a training, which no other seed can repeat: remove seeds"
        yield source.fault(path, message, of_key=True)
    if len(spec.metric) > 1:
        message = "seeds compares configurations by the mean of one metric: type one metric, or remove seeds"
        yield source.fault(path, message, of_key=True)
    if "seed" in spec.parameters:
        message = (
            "early_terminate.seeds chooses the seed of each training: remove seed from parameters, or seeds"
            " from early_terminate"
        )
        yield source.fault(("parameters", "seed"), message, of_key=True)


def _point_faults(spec: SweepSpec, source: Source) -> Iterator[Fault]:
    """Yield the points that name a parameter which the file lacks, or that lie outside the search space.

    The empty point is the baseline, which the sweep tries even if it lies outside.
    """
    own = ((index, point) for index, point in enumerate(spec.points) if isinstance(point, dict))
    for index, point in own:
        unknown = sorted(point.keys() - spec.parameters.keys())
        for name in unknown:
            message = f"{name!r} is not in parameters; {allowed_and_closest(name, spec.parameters)}"
            yield source.fault(("points", index, name), message, of_key=True)
        known = {name: value for name, value in point.items() if name not in unknown}
        rejections = {
            name: reason
            for name, value in known.items()
            if (reason := rejection(_of_point(spec, point, name), value))
        }
        for name, reason in rejections.items():
            yield source.fault(("points", index, name), reason)
        if point and not unknown and not rejections:
            yield from _outside_space(spec, source, index, point)


def _of_point(spec: SweepSpec, point: Mapping[str, Scalar], name: str) -> Hyperparameter:
    """Return a parameter as the component that the point chooses declares it."""
    known = spec.hyperparameters[name]
    return known.limited_to([point.get(known.chosen_by or "")])


def _refusal(spec: SweepSpec, point: Mapping[str, Scalar]) -> str | None:
    """Return why a config refuses a point as a whole; None if it does not."""
    try:
        spec.trial_config(spec.with_defaults(point), 0)
    except ValidationError as error:
        return "; ".join(rule(detail["msg"]) for detail in error.errors(include_url=False))
    return None


def _loop_faults(spec: SweepSpec, source: Source) -> Iterator[Fault]:
    """Yield points that a config refuses as a whole, and what only gan_core's own training has."""
    for index, point in [(None, spec.baseline), *enumerate(spec.points)]:
        reason = _refusal(spec, point) if isinstance(point, dict) else None
        if reason:
            which = "the defaults are" if index is None else "the values of this point are"
            path: KeyPath = ("parameters",) if index is None else ("points", index)
            yield source.fault(path, f"{which} not valid together: {reason}", of_key=index is None)
    if {"loss", "penalty"} <= spec.hyperparameters.keys():
        return
    for index, point in enumerate(spec.points):
        if isinstance(point, str):
            message = (
                f"{point} lists points for gan_core's own training, and {spec.train} is a training loop of"
                " your own: type the points yourself"
            )
            yield source.fault(("points", index), message)


def _outside_space(
    spec: SweepSpec, source: Source, index: int, point: Mapping[str, Scalar]
) -> Iterator[Fault]:
    full = spec.with_defaults(point)
    inactive = (point.keys() & spec.searched.keys()) - full.keys()
    for name in inactive:
        message = f"{_why_inactive(spec, name, full)}, or remove {name} from the point"
        yield source.fault(("points", index, name), message, of_key=True)
    for name, value in {**full, **point}.items():
        domain = spec.parameters[name]
        if name not in inactive and not domain.contains(value):
            path = ("points", index, name) if name in point else ("points", index)
            origin = "" if name in point else ", its default, because this point leaves it out"
            message = (
                f"{name} is {shown(value)}{origin}: outside the search space; allowed: {domain.summary()}"
            )
            yield source.fault(path, message)


def _why_inactive(spec: SweepSpec, name: str, point: Mapping[str, Scalar]) -> str:
    """Return why a point has no parameter ``name``, and where to look."""
    known = spec.hyperparameters[name]
    chosen = point.get(known.chosen_by or "")
    if chosen is not None and chosen not in [*known.models]:
        return f"{chosen} has no parameter {name!r}: type {known.chosen_by}: {' or '.join(known.models)}"
    return f"this point does not meet the conditions (when) of {name}: change the point's other values"


def remarks(spec: SweepSpec, source: Source) -> list[Fault]:
    """Return the warnings about parts of a valid file that have no effect."""
    checks = (
        *(_unused_parameters, _unreachable_rungs, _unused_constraints),
        *(_no_state, _no_seed, _no_portfolio, _idle_gpus),
    )
    found = [fault for check in checks for fault in check(spec, source)]
    return sorted(found, key=source.order)


def _no_state(spec: SweepSpec, source: Source) -> Iterator[Fault]:
    """Yield a warning if an interrupted trial cannot resume."""
    if not can_resume(spec.train):
        from gan_core.loops.declaration import loop_name

        name = loop_name(named_loop(spec.train))
        message = (
            f"{name} has no parameter for a state, so that interrupted trials start over: add the parameter"
            " state=None"
        )
        yield source.fault(("train",), message)


def _idle_gpus(spec: SweepSpec, source: Source) -> Iterator[Fault]:
    """Yield a warning if a trial reserves GPUs that it does not use."""
    gpu = spec.resources.gpu
    if isinstance(gpu, float) and gpu > 1:
        message = f"a trial trains on one GPU, and {gpu - 1:.0f} more would be idle: type gpu: 1"
        yield source.fault(("resources", "gpu"), message)


def _unused_constraints(spec: SweepSpec, source: Source) -> Iterator[Fault]:
    """Yield a warning if the method ignores the constraints."""
    if spec.constraints and spec.method == "cmaes":
        message = (
            "cmaes does not learn from constraints: they only rank the trials; to search by them, too, type"
            " method: tpe or gp"
        )
        yield source.fault(("constraints",), message)


def _no_portfolio(spec: SweepSpec, source: Source) -> Iterator[Fault]:
    """Yield a warning if the portfolio has no value in the search space."""
    if PORTFOLIO in spec.points and not [*portfolio_points(spec.searched)]:
        message = "no value of the portfolio lies in the search space: remove portfolio from points"
        yield source.fault(("points",), message)


def _no_seed(spec: SweepSpec, source: Source) -> Iterator[Fault]:
    """Yield a warning if a user's sampler cannot be seeded."""
    if is_import_path(spec.method) and not takes_seed(sampler_factory(spec.method)):
        message = (
            f"{spec.method} has no parameter for a seed, so that the same file suggests other trials in each"
            " sweep: add the parameter seed"
        )
        yield source.fault(("method",), message)


def _unreachable_rungs(spec: SweepSpec, source: Source) -> Iterator[Fault]:
    """Yield a warning if every training is over before early termination starts."""
    rules, n_reports = spec.early_terminate, spec.reports_per_trial
    key = "min_iter" if rules.min_iter is not None else "max_iter" if rules.max_iter is not None else None
    if key is None or rules.type == "none" or rules.first_rung < n_reports:
        return
    effect = "copies another one" if spec.is_population_based else "is stopped early"
    message = (
        f"no trial {effect} before report {rules.first_rung}, and a trial makes {n_reports} at most:"
        f" type a smaller {key} or report_every, or early_terminate: {{type: none}}"
    )
    yield source.fault(("early_terminate", key), message)


def _unused_parameters(spec: SweepSpec, source: Source) -> Iterator[Fault]:
    """Yield a warning for each parameter that some trials would have without using it."""
    for name, domain in spec.domains.items():
        for other, unused_with in spec.hyperparameters[name].unused_with.items():
            known = spec.parameters.get(other, Fixed(value=spec.defaults[other]))
            possible = [*(known.all_values() or []), *([spec.defaults[other]] if known.when else [])]
            possible = [each for each in possible if each in domain.when.get(other, possible)]
            used_with = [each for each in possible if each != unused_with]
            if not used_with:
                message = f"no trial uses {name}: {other} is always {unused_with}; remove {name}"
            elif unused_with in possible and name in spec.searched:
                when = f"{{{other}: [{', '.join(map(str, used_with))}]}}"
                message = f"a trial with {other}: {unused_with} does not use {name}: add when: {when}"
            else:
                continue
            yield source.fault(("parameters", name), message, of_key=True)
