"""The values that a parameter may take, in W&B's words."""

from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Discriminator, Field, PlainValidator, Tag, model_validator

if TYPE_CHECKING:
    import optuna

Scalar = bool | int | float | str


def _check_scalar(value: object) -> object:
    if isinstance(value, bool | int | str) or (isinstance(value, float) and isfinite(value)):
        return value
    raise ValueError("expected a finite number or a word")


ScalarField = Annotated[Scalar, PlainValidator(_check_scalar, json_schema_input_type=Scalar)]
"""A scalar in a model: one message where it is none, not one for each type that it might have been."""


class _Domain(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def suggest(self, trial: "optuna.Trial", name: str) -> Scalar:
        """Return the value that Optuna's sampler chooses for ``trial``."""
        raise NotImplementedError

    def contains(self, value: Scalar | None) -> bool:
        """Return whether the parameter may take ``value``; None, an unset default, it may not."""
        raise NotImplementedError

    def extremes(self) -> list[tuple[str, Scalar]]:
        """Return the values to check the parameter's own limits with, each with the key it is under."""
        raise NotImplementedError


class Fixed(_Domain):
    """One value for every trial."""

    value: ScalarField

    def suggest(self, trial: "optuna.Trial", name: str) -> Scalar:  # noqa: ARG002, D102
        return self.value

    def contains(self, value: Scalar | None) -> bool:  # noqa: D102
        return value == self.value

    def extremes(self) -> list[tuple[str, Scalar]]:  # noqa: D102
        return [("value", self.value)]


class Choice(_Domain):
    """One of several values, in no order."""

    values: list[ScalarField] = Field(min_length=1)

    @model_validator(mode="after")
    def _check_distinct(self) -> "Choice":
        if len(set(self.values)) < len(self.values):
            raise ValueError("a value is listed twice")
        return self

    def suggest(self, trial: "optuna.Trial", name: str) -> Scalar:  # noqa: D102
        return cast("Scalar", trial.suggest_categorical(name, self.values))

    def contains(self, value: Scalar | None) -> bool:  # noqa: D102
        return value in self.values

    def extremes(self) -> list[tuple[str, Scalar]]:  # noqa: D102
        return [("values", value) for value in self.values]


class _Range(_Domain):
    min: float
    max: float

    @model_validator(mode="after")
    def _check_order(self) -> "_Range":
        if self.min >= self.max:
            raise ValueError(f"min {self.min:g} must be less than max {self.max:g}")
        return self

    def contains(self, value: Scalar | None) -> bool:
        return isinstance(value, int | float) and self.min <= value <= self.max

    def extremes(self) -> list[tuple[str, Scalar]]:
        return [("min", self.min), ("max", self.max)]


class Uniform(_Range):
    """A real number, every value as likely."""

    distribution: Literal["uniform"] = "uniform"

    def suggest(self, trial: "optuna.Trial", name: str) -> Scalar:  # noqa: D102
        return trial.suggest_float(name, self.min, self.max)


class LogUniform(_Range):
    """A positive real number, every order of magnitude as likely."""

    distribution: Literal["log_uniform_values"]
    min: float = Field(gt=0)

    def suggest(self, trial: "optuna.Trial", name: str) -> Scalar:  # noqa: D102
        return trial.suggest_float(name, self.min, self.max, log=True)


class IntUniform(_Range):
    """A whole number, both ends included, every value as likely."""

    distribution: Literal["int_uniform"] = "int_uniform"
    min: int = Field(ge=-(2**63), lt=2**63)
    max: int = Field(ge=-(2**63), lt=2**63)

    def suggest(self, trial: "optuna.Trial", name: str) -> Scalar:  # noqa: D102
        return trial.suggest_int(name, self.min, self.max)

    def contains(self, value: Scalar | None) -> bool:  # noqa: D102
        return isinstance(value, int) and super().contains(value)


DISTRIBUTIONS = {"int_uniform": "IntUniform", "log_uniform_values": "LogUniform", "uniform": "Uniform"}


def _kind(parameter: Any) -> str | None:  # noqa: ANN401 - whatever stands in the file
    """Return the kind of a parameter by its keys: W&B's rules where no distribution is named."""
    if isinstance(parameter, _Domain):
        return type(parameter).__name__
    if "values" in parameter:
        return "Choice"
    if "distribution" in parameter:
        return DISTRIBUTIONS.get(str(parameter["distribution"]))
    if {"min", "max"} & parameter.keys():
        whole = all(isinstance(parameter.get(key, 0), int) for key in ("min", "max"))
        return "IntUniform" if whole else "Uniform"
    return "Fixed"


Domain = Annotated[
    Annotated[Fixed, Tag("Fixed")]
    | Annotated[Choice, Tag("Choice")]
    | Annotated[Uniform, Tag("Uniform")]
    | Annotated[LogUniform, Tag("LogUniform")]
    | Annotated[IntUniform, Tag("IntUniform")],
    Discriminator(
        _kind,
        custom_error_type="unknown_distribution",
        custom_error_message=f"unknown distribution; allowed: {', '.join(DISTRIBUTIONS)}",
    ),
]
