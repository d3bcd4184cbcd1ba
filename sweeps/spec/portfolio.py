"""Configurations that did well in recorded sweeps, as first points: ``points: portfolio``."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from sweeps.spec.domains import Choice, Domain, Scalar

PORTFOLIO = "portfolio"

FILE = Path(__file__).with_name("portfolio.json")
"""Written by ``python -m benchmarks.portfolio``."""


@cache
def portfolio() -> list[dict[str, Scalar]]:
    """Return the hyperparameters of each configuration, the most widely useful configuration first."""
    content = json.loads(FILE.read_text(encoding="utf-8"))
    return [dict(configuration) for configuration in content["configurations"]]


def portfolio_points(searched: Mapping[str, Domain]) -> Iterator[dict[str, Scalar]]:
    """Yield the values of each configuration that lie in the search space.

    A value outside of its parameter's domain is left out, and so is a configuration without a value in the
    space.

    Args:
        searched: The searched parameters.
    """
    for configuration in portfolio():
        point = {
            name: value
            for name, value in configuration.items()
            if name in searched and searched[name].contains(value)
        }
        if point:
            yield point


def inside(searched: Mapping[str, Domain], point: Mapping[str, Scalar | None]) -> dict[str, Scalar]:
    """Return a full point in which the nearest value inside replaces each value outside of its domain.

    A default may lie outside. If it is not set, or if the values have no order, the first or least value of
    the domain replaces it.
    """
    return {name: _inside(searched[name], value) for name, value in point.items()}


def _inside(domain: Domain, value: Scalar | None) -> Scalar:
    if value is not None and domain.contains(value):
        return value
    first = domain.boundary_values()[0][1]
    is_number = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (value, first))
    if value is None or not is_number or (isinstance(domain, Choice) and not _are_numbers(domain)):
        return first
    return domain.nearest(value)


def _are_numbers(domain: Choice) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in domain.values)
