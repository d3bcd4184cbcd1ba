"""The search space: the searched parameters together, with the conditions between them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from math import exp
from math import log as ln
from random import Random
from typing import TYPE_CHECKING, Any

from sweeps.spec.domains import Domain, Fixed, Scalar

if TYPE_CHECKING:
    import optuna

MAX_POINTS = 100_000
"""The most points that a space with conditions lists as a finite set."""


def searched_domains(parameters: Mapping[str, Domain]) -> dict[str, Domain]:
    """Return the domains of the parameters that have several values, or conditions."""
    return {name: domain for name, domain in parameters.items() if domain.only_value() is None or domain.when}


def fixed_values(parameters: Mapping[str, Domain]) -> dict[str, Scalar]:
    """Return the values of the parameters that have one value in every trial."""
    return {
        name: value
        for name, domain in parameters.items()
        if (value := domain.only_value()) is not None and not domain.when
    }


class Space:
    """The searched parameters, each after the parameters that its conditions name.

    Args:
        searched: The parameters that differ between trials, by name.
        fixed: The values of all other parameters, which are the same in every trial.

    Raises:
        CycleError: A parameter's conditions lead back to it.
    """

    def __init__(self, searched: Mapping[str, Domain], fixed: Mapping[str, Any]) -> None:
        self._domains = {name: searched[name] for name in _topological_order(searched)}
        self._fixed = fixed

    def suggest(self, trial: "optuna.trial.BaseTrial") -> dict[str, Scalar]:
        """Return the active parameters of ``trial``, each with the value that Optuna's sampler chooses."""
        params: dict[str, Scalar] = {}
        for name, domain in self._domains.items():
            if self.is_active(name, params):
                params[name] = domain.suggest(trial, name)
        return params

    def is_active(self, name: str, params: Mapping[str, Scalar]) -> bool:
        """Return whether the parameter ``name`` is active: ``params`` meet all of its conditions."""
        return all(
            self._value(other, params) in allowed for other, allowed in self._domains[name].when.items()
        )

    def with_defaults(self, point: Mapping[str, Scalar], defaults: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """Return a point with every active parameter; a parameter that it leaves out has its default."""
        params: dict[str, Scalar] = {}
        for name in self._domains:
            if self.is_active(name, params):
                params[name] = point.get(name, defaults[name])
        return params

    def contains(self, params: Mapping[str, Scalar]) -> bool:
        """Return whether ``params`` are a point: exactly the active parameters, each within its domain."""
        active = {name for name in self._domains if self.is_active(name, params)}
        return params.keys() == active and all(self._domains[name].contains(params[name]) for name in active)

    def optuna_params(self, params: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """Return what Optuna's trial stores for the point ``params``."""
        return {
            name: self._domains[name].optuna_value(value)
            for name, value in params.items()
            if not isinstance(self._domains[name], Fixed)
        }

    def points(self) -> Iterator[dict[str, Scalar]] | None:
        """Return every point, or None if the space is not finite."""
        values = {name: domain.all_values() for name, domain in self._domains.items()}
        listed = {name: each for name, each in values.items() if each is not None}
        return self._points(list(self._domains), listed, {}) if len(listed) == len(values) else None

    def size(self) -> int | None:
        """Return the number of points, or None if the space is not finite or has over :data:`MAX_POINTS`."""
        values = [domain.all_values() for domain in self._domains.values()]
        if any(each is None for each in values):
            return None
        if not any(domain.when for domain in self._domains.values()):
            product = 1
            for each in values:
                product *= len(each or ())
            return product
        count = sum(1 for _ in islice(self.points() or (), MAX_POINTS + 1))
        return count if count <= MAX_POINTS else None

    def _points(
        self, names: list[str], values: Mapping[str, list[Scalar]], params: dict[str, Scalar]
    ) -> Iterator[dict[str, Scalar]]:
        if not names:
            yield params
            return
        name, *later = names
        if not self.is_active(name, params):
            yield from self._points(later, values, params)
            return
        for value in values[name]:
            yield from self._points(later, values, params | {name: value})

    def _value(self, name: str, params: Mapping[str, Scalar]) -> Scalar | None:
        return params.get(name) if name in self._domains else self._fixed.get(name)


class RandomTrial:
    """Samples like a trial of Optuna's random sampler, without the cost of importing Optuna."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng

    def suggest_float(self, _name: str, low: float, high: float, *, log: bool = False) -> float:
        """Return a random number from ``low`` to ``high``; with ``log``, its logarithm is uniform."""
        return exp(self._rng.uniform(ln(low), ln(high))) if log else self._rng.uniform(low, high)

    def suggest_int(self, _name: str, low: int, high: int) -> int:
        """Return a random whole number from ``low`` to ``high``, both included."""
        return self._rng.randint(low, high)

    def suggest_categorical(self, _name: str, choices: Sequence[Scalar]) -> Scalar:
        """Return a random choice."""
        return self._rng.choice(choices)


class CycleError(ValueError):
    """The conditions of some parameters form a cycle.

    Args:
        names: The parameters of the cycle; a condition of each one names the next.
    """

    def __init__(self, names: list[str]) -> None:
        self.names = names
        super().__init__(" -> ".join([*names, names[0]]))


def _topological_order(domains: Mapping[str, Domain]) -> list[str]:
    """Return the names, each after those that its conditions name, and otherwise in the given order."""
    ordered: list[str] = []
    path: list[str] = []

    def visit(name: str) -> None:
        if name in ordered:
            return
        if name in path:
            raise CycleError(path[path.index(name) :])
        path.append(name)
        for other in domains[name].when:
            if other in domains:
                visit(other)
        path.remove(name)
        ordered.append(name)

    for name in domains:
        visit(name)
    return ordered
