"""Types of the keys of a search-space file: what they accept beyond a plain number or string."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Discriminator, Tag

from sweeps.spec.constraints import Constraint
from sweeps.spec.domains import AnyDomain, Scalar, ScalarField
from sweeps.spec.methods import check_method
from sweeps.words import NAME_PATTERN

RESERVED_NAMES = {"mlflow.db", "mlflow.lock", "mlartifacts", "README.md"}
"""Names in the results folder that are not sweeps."""

POINT, LISTED = "point", "listed"
"""The tags of an item of ``points``, a mapping or the name of a list; pydantic's locations contain them."""

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def check_name(name: str) -> str:
    """Return a sweep's name unchanged.

    Raises:
        ValueError: It cannot be the name of a folder in results.
    """
    if not re.fullmatch(NAME_PATTERN, name):
        raise ValueError("allowed: up to 64 letters, digits, '.', '_' and '-', the first a letter or a digit")
    if name in RESERVED_NAMES:
        raise ValueError(f"reserved for a file of gan-sweep in results: {', '.join(sorted(RESERVED_NAMES))}")
    return name


def parse_seconds(duration: str) -> float:
    """Return a duration, for example ``90m``, in seconds.

    Raises:
        ValueError: ``duration`` is not a number, optionally followed by s, m, h or d.
    """
    parts = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", duration)
    if parts is None:
        raise ValueError("expected seconds, or a number followed by s, m, h or d, for example 90m")
    return float(parts[1]) * _SECONDS[parts[2] or "s"]


def _as_seconds(duration: object) -> object:
    """Return a duration, for example ``90m``, in seconds; return any other value unchanged."""
    return parse_seconds(duration) if isinstance(duration, str) else duration


def _check_channels(channels: int) -> int:
    if channels not in {1, 3}:
        raise ValueError("allowed: 1 (grey) or 3 (colour)")
    return channels


def _check_parameter(parameter: object) -> object:
    if not isinstance(parameter, Mapping | BaseModel):
        raise ValueError("expected a value, or a mapping with value, values, or min and max")  # noqa: TRY004
    return parameter


def _as_domain(parameter: object) -> object:
    """Return a bare scalar as a fixed value: ``steps: 500`` is ``steps: {value: 500}``."""
    return {"value": parameter} if isinstance(parameter, Scalar) else parameter


def _tag_of_point(point: object) -> str:
    return POINT if isinstance(point, Mapping) else LISTED


def _as_points(points: object) -> object:
    return [points] if isinstance(points, str) else points


def _as_method(method: object) -> object:
    return "tpe" if method == "bayes" else method


def _as_constraints(constraints: object) -> object:
    return [constraints] if isinstance(constraints, str) else constraints


def _check_constraint(text: str) -> str:
    return str(Constraint.parse(text))


def _without_repetitions(texts: list[str]) -> list[str]:
    return list(dict.fromkeys(texts))


Name = Annotated[str, AfterValidator(check_name)]

Seconds = Annotated[float, BeforeValidator(_as_seconds, json_schema_input_type=float | str)]

Channels = Annotated[int, AfterValidator(_check_channels)]

Method = Annotated[str, AfterValidator(check_method), BeforeValidator(_as_method, json_schema_input_type=str)]

_ListOfConstraints = list[Annotated[str, AfterValidator(_check_constraint)]]
Constraints = Annotated[
    _ListOfConstraints,
    AfterValidator(_without_repetitions),
    BeforeValidator(_as_constraints, json_schema_input_type=_ListOfConstraints | str),
]

Parameter = Annotated[
    AnyDomain,
    BeforeValidator(_check_parameter),
    BeforeValidator(_as_domain, json_schema_input_type=AnyDomain | Scalar),
]

_ListOfPoints = list[
    Annotated[
        Annotated[dict[str, ScalarField], Tag(POINT)]
        | Annotated[Literal["published", "portfolio"], Tag(LISTED)],
        Discriminator(_tag_of_point),
    ]
]
Points = Annotated[
    _ListOfPoints,
    BeforeValidator(_as_points, json_schema_input_type=_ListOfPoints | Literal["published", "portfolio"]),
]
