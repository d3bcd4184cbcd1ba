"""The values that a parameter may take, in W&B's words, and when a trial has it."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from math import exp
from math import log as ln
from random import Random
from typing import TYPE_CHECKING, Any

from sweeps.spec.domains import Domain_, Fixed, Scalar

if TYPE_CHECKING:
    import optuna

MOST_POINTS = 100_000
"""Points of a space, where parameters have conditions, that is still called finite."""


class Space:
    """The searched parameters, in an order in which each comes after those that its conditions name.

    Args:
        searched: The parameters that differ between trials, by name.
        others: The value that every other parameter has in all trials.

    Raises:
        CycleError: A parameter's conditions lead back to it.
    """

    def __init__(self, searched: Mapping[str, Domain_], others: Mapping[str, Any]) -> None:
        self._domains = {name: searched[name] for name in _in_order(searched)}
        self._others = others

    def suggest(self, trial: "optuna.trial.BaseTrial") -> dict[str, Scalar]:
        """Return the parameters that ``trial`` has, each as its sampler chooses."""
        params: dict[str, Scalar] = {}
        for name, domain in self._domains.items():
            if self.has(name, params):
                params[name] = domain.suggest(trial, name)
        return params

    def has(self, name: str, params: Mapping[str, Scalar]) -> bool:
        """Return whether a trial with ``params`` has the parameter ``name``."""
        return all(
            self._value(other, params) in allowed for other, allowed in self._domains[name].when.items()
        )

    def filled(self, point: Mapping[str, Scalar], defaults: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """Return a whole point: what it leaves out, and a trial like it has, has its default."""
        params: dict[str, Scalar] = {}
        for name in self._domains:
            if self.has(name, params):
                params[name] = point.get(name, defaults[name])
        return params

    def contains(self, params: Mapping[str, Scalar]) -> bool:
        """Return whether a trial may have just these parameters."""
        names = [name for name in self._domains if self.has(name, params)]
        return params.keys() == set(names) and all(
            self._domains[name].contains(params[name]) for name in names
        )

    def to_optuna(self, params: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """Return what Optuna's trial holds of ``params``."""
        return {
            name: self._domains[name].to_optuna(value)
            for name, value in params.items()
            if not isinstance(self._domains[name], Fixed)
        }

    def points(self) -> Iterator[dict[str, Scalar]] | None:
        """Return every point, or None where they are not finitely many."""
        values = {name: domain.all_values() for name, domain in self._domains.items()}
        listed = {name: each for name, each in values.items() if each is not None}
        return self._points(list(self._domains), listed, {}) if len(listed) == len(values) else None

    def size(self) -> int | None:
        """Return how many points there are, or None where they are not finitely many, or very many."""
        values = [domain.all_values() for domain in self._domains.values()]
        if any(each is None for each in values):
            return None
        if not any(domain.when for domain in self._domains.values()):
            product = 1
            for each in values:
                product *= len(each or ())
            return product
        count = sum(1 for _ in islice(self.points() or (), MOST_POINTS + 1))
        return count if count <= MOST_POINTS else None

    def _points(
        self, names: list[str], values: Mapping[str, list[Scalar]], params: dict[str, Scalar]
    ) -> Iterator[dict[str, Scalar]]:
        if not names:
            yield params
            return
        name, *later = names
        if not self.has(name, params):
            yield from self._points(later, values, params)
            return
        for value in values[name]:
            yield from self._points(later, values, params | {name: value})

    def _value(self, name: str, params: Mapping[str, Scalar]) -> Scalar | None:
        return params.get(name) if name in self._domains else self._others.get(name)


class RandomTrial:
    """Chooses as a trial of Optuna's random sampler does, without the time that it takes to import Optuna."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng

    def suggest_float(self, _name: str, low: float, high: float, *, log: bool = False) -> float:
        """Return a number from ``low`` to ``high``."""
        return exp(self._rng.uniform(ln(low), ln(high))) if log else self._rng.uniform(low, high)

    def suggest_int(self, _name: str, low: int, high: int) -> int:
        """Return a whole number from ``low`` to ``high``."""
        return self._rng.randint(low, high)

    def suggest_categorical(self, _name: str, choices: Sequence[Scalar]) -> Scalar:
        """Return one of the choices."""
        return self._rng.choice(choices)


class CycleError(ValueError):
    """Conditions lead in a circle.

    Args:
        names: The parameters on the circle, each named by a condition of the one before.
    """

    def __init__(self, names: list[str]) -> None:
        self.names = names
        super().__init__(" -> ".join([*names, names[0]]))


def _in_order(domains: Mapping[str, Domain_]) -> list[str]:
    """Return the names so that each comes after those that its conditions name, else as they stand."""
    ordered: list[str] = []
    on_the_way: list[str] = []

    def visit(name: str) -> None:
        if name in ordered:
            return
        if name in on_the_way:
            raise CycleError(on_the_way[on_the_way.index(name) :])
        on_the_way.append(name)
        for other in domains[name].when:
            if other in domains:
                visit(other)
        on_the_way.remove(name)
        ordered.append(name)

    for name in domains:
        visit(name)
    return ordered
