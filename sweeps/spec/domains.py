"""The values that one parameter may take."""

from collections.abc import Iterator
from math import ceil, floor, isfinite, log10
from statistics import NormalDist
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    model_validator,
)

if TYPE_CHECKING:
    import optuna

Scalar = bool | int | float | str

LEAST_PROBABILITY = 1e-3

TAIL = 4.0
"""Standard deviations at which a normal distribution is cut."""


def _check_scalar(value: object) -> object:
    if isinstance(value, bool | int | str) or (isinstance(value, float) and isfinite(value)):
        return value
    raise ValueError("expected a finite number or a word")


ScalarField = Annotated[Scalar, PlainValidator(_check_scalar, json_schema_input_type=Scalar)]
"""A scalar in a model: one message where it is none, not one for each type that it might have been."""


def _as_list(values: object) -> object:
    return [values] if isinstance(values, Scalar) else values


Alternatives = Annotated[
    list[ScalarField],
    Field(min_length=1),
    BeforeValidator(_as_list, json_schema_input_type=list[Scalar] | Scalar),
]


class Domain_(BaseModel):  # noqa: N801 - Domain is the union of its kinds
    """What a parameter may be, and in which trials there is any choice of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    when: dict[str, Alternatives] = Field(
        default={}, description="Other parameters and the values with which a trial has this one."
    )

    def suggest(self, trial: "optuna.trial.BaseTrial", name: str) -> Scalar:
        """Return the value that a sampler of Optuna's chooses for ``trial``."""
        raise NotImplementedError

    def to_optuna(self, value: Scalar) -> Scalar:
        """Return what Optuna's trial holds where :meth:`suggest` returns ``value``."""
        return value

    def contains(self, value: Scalar | None) -> bool:
        """Return whether the parameter may take ``value``; None, an unset default, it may not."""
        raise NotImplementedError

    def nearest(self, value: Scalar) -> Scalar:
        """Return the value that the parameter may take which is nearest to a number."""
        return value

    def extremes(self) -> list[tuple[str, Scalar]]:
        """Return the values to check the parameter's own limits with, each with the key it is under."""
        raise NotImplementedError

    def all_values(self) -> list[Scalar] | None:
        """Return every value, or None where they are not finitely many."""
        return None

    def in_short(self) -> str:
        """Return the values in a few words."""
        raise NotImplementedError


class Fixed(Domain_):
    """One value for every trial."""

    distribution: Literal["constant"] = "constant"
    value: ScalarField

    def suggest(self, trial: "optuna.trial.BaseTrial", name: str) -> Scalar:  # noqa: ARG002, D102
        return self.value

    def contains(self, value: Scalar | None) -> bool:  # noqa: D102
        return value == self.value

    def extremes(self) -> list[tuple[str, Scalar]]:  # noqa: D102
        return [("value", self.value)]

    def all_values(self) -> list[Scalar]:  # noqa: D102
        return [self.value]

    def in_short(self) -> str:  # noqa: D102
        return str(self.value)


class Choice(Domain_):
    """One of several values, in no order."""

    distribution: Literal["categorical"] = "categorical"
    values: list[ScalarField] = Field(min_length=1)
    probabilities: list[float] | None = Field(
        None, description="How likely each value is; equally, where they are left out."
    )

    @model_validator(mode="after")
    def _check(self) -> "Choice":
        if len(set(self.values)) < len(self.values):
            raise ValueError("a value is listed twice")
        if self.probabilities is not None:
            if len(self.probabilities) != len(self.values):
                raise ValueError(f"{len(self.values)} values have {len(self.probabilities)} probabilities")
            if min(self.probabilities) < LEAST_PROBABILITY or abs(sum(self.probabilities) - 1) > 1e-6:
                raise ValueError(f"probabilities must be at least {LEAST_PROBABILITY:g} and add up to 1")
        return self

    def suggest(self, trial: "optuna.trial.BaseTrial", name: str) -> Scalar:  # noqa: D102
        if self.probabilities is None:
            return cast("Scalar", trial.suggest_categorical(name, self.values))
        share = trial.suggest_float(name, 0, 1)
        return next((value for value, end in self._shares() if share < end), self.values[-1])

    def to_optuna(self, value: Scalar) -> Scalar:  # noqa: D102
        if self.probabilities is None:
            return value
        index = self.values.index(value)
        return sum(self.probabilities[:index]) + self.probabilities[index] / 2

    def contains(self, value: Scalar | None) -> bool:  # noqa: D102
        return value in self.values

    def extremes(self) -> list[tuple[str, Scalar]]:  # noqa: D102
        return [("values", value) for value in self.values]

    def all_values(self) -> list[Scalar]:  # noqa: D102
        return list(self.values)

    def in_short(self) -> str:  # noqa: D102
        if self.probabilities is None:
            return ", ".join(map(str, self.values))
        pairs = zip(self.values, self.probabilities, strict=True)
        return ", ".join(f"{value} ({share:.0%})" for value, share in pairs)

    def _shares(self) -> Iterator[tuple[Scalar, float]]:
        end = 0.0
        for value, share in zip(self.values, self.probabilities or (), strict=True):
            end += share
            yield value, end


class Range(Domain_):
    """Numbers between two ends, both included."""

    min: float
    max: float

    @model_validator(mode="after")
    def _check_order(self) -> "Range":
        if self.min >= self.max:
            raise ValueError(f"min {self.min:g} must be less than max {self.max:g}")
        return self

    def contains(self, value: Scalar | None) -> bool:  # noqa: D102
        return isinstance(value, int | float) and self.min <= value <= self.max

    def nearest(self, value: Scalar) -> Scalar:  # noqa: D102
        return min(max(cast("float", value), self.min), self.max)

    def extremes(self) -> list[tuple[str, Scalar]]:  # noqa: D102
        return [("min", self.min), ("max", self.max)]

    def in_short(self) -> str:  # noqa: D102
        return f"{self.min:g} to {self.max:g}"


class Uniform(Range):
    """A real number, every value as likely."""

    distribution: Literal["uniform"] = "uniform"

    def suggest(self, trial: "optuna.trial.BaseTrial", name: str) -> Scalar:  # noqa: D102
        return trial.suggest_float(name, self.min, self.max)


class LogUniform(Range):
    """A positive real number, every order of magnitude as likely."""

    distribution: Literal["log_uniform_values"]
    min: float = Field(gt=0)

    def suggest(self, trial: "optuna.trial.BaseTrial", name: str) -> Scalar:  # noqa: D102
        return trial.suggest_float(name, self.min, self.max, log=True)

    def in_short(self) -> str:  # noqa: D102
        return f"{super().in_short()}, logarithmic"


class _Quantized(Range):
    """Multiples of ``q`` between two ends."""

    q: float = Field(1.0, gt=0, description="The values are multiples of it.")

    @model_validator(mode="after")
    def _check_multiples(self) -> "_Quantized":
        if (self.max - self.min) / self.q > MOST_MULTIPLES:
            raise ValueError(f"q {self.q:g} is too small: there are over a million multiples of it")
        first, last = self._ends()
        if first >= last:
            raise ValueError(f"there are no two multiples of q {self.q:g} from {self.min:g} to {self.max:g}")
        return self

    def contains(self, value: Scalar | None) -> bool:
        return super().contains(value) and abs(cast("float", value) / self.q % 1 - 0.5) > 0.5 - 1e-6

    def nearest(self, value: Scalar) -> Scalar:
        first, last = self._ends()
        return self._multiple(min(max(round(cast("float", value) / self.q), first), last))

    def extremes(self) -> list[tuple[str, Scalar]]:
        first, last = self._ends()
        return [("min", self._multiple(first)), ("max", self._multiple(last))]

    def all_values(self) -> list[Scalar] | None:
        first, last = self._ends()
        if last - first >= MOST_LISTED:
            return None
        return [self._multiple(index) for index in range(first, last + 1)]

    def in_short(self) -> str:
        return f"{super().in_short()}, multiples of {self.q:g}"

    def _ends(self) -> tuple[int, int]:
        return ceil(self.min / self.q - 1e-9), floor(self.max / self.q + 1e-9)

    def _multiple(self, index: int) -> float:
        return index * int(self.q) if self.q.is_integer() else float(f"{index * self.q:.12g}")


class QUniform(_Quantized):
    """A multiple of ``q``, every one as likely."""

    distribution: Literal["q_uniform"]

    def suggest(self, trial: "optuna.trial.BaseTrial", name: str) -> Scalar:  # noqa: D102
        return self._multiple(trial.suggest_int(name, *self._ends()))

    def to_optuna(self, value: Scalar) -> Scalar:  # noqa: D102
        return round(cast("float", value) / self.q)


class QLogUniform(_Quantized):
    """A multiple of ``q``, every order of magnitude as likely."""

    distribution: Literal["q_log_uniform_values"]
    min: float = Field(gt=0)

    def suggest(self, trial: "optuna.trial.BaseTrial", name: str) -> Scalar:  # noqa: D102
        return self.nearest(trial.suggest_float(name, self.min, self.max, log=True))

    def in_short(self) -> str:  # noqa: D102
        return f"{super().in_short()}, logarithmic"


class Normal(Domain_):
    """A real number, normally distributed, cut at four standard deviations from its mean."""

    distribution: Literal["normal"]
    mu: float = Field(0.0, description="The mean.")
    sigma: float = Field(1.0, gt=0, description="The standard deviation.")
    _SHARE: ClassVar[float] = NormalDist().cdf(-TAIL)

    def suggest(self, trial: "optuna.trial.BaseTrial", name: str) -> Scalar:  # noqa: D102
        share = trial.suggest_float(name, self._SHARE, 1 - self._SHARE)
        decimals = 9 - floor(log10(self.sigma))
        return round(NormalDist(self.mu, self.sigma).inv_cdf(share), decimals)

    def to_optuna(self, value: Scalar) -> Scalar:  # noqa: D102
        return NormalDist(self.mu, self.sigma).cdf(cast("float", value))

    def contains(self, value: Scalar | None) -> bool:  # noqa: D102
        return isinstance(value, int | float) and abs(value - self.mu) <= TAIL * self.sigma

    def nearest(self, value: Scalar) -> Scalar:  # noqa: D102
        low, high = self.mu - TAIL * self.sigma, self.mu + TAIL * self.sigma
        return min(max(cast("float", value), low), high)

    def extremes(self) -> list[tuple[str, Scalar]]:  # noqa: D102
        ends = (self.mu - TAIL * self.sigma, self.mu + TAIL * self.sigma)
        return [("mu", float(f"{end:.6g}")) for end in ends]

    def in_short(self) -> str:  # noqa: D102
        return f"normal, {self.mu:g} ± {self.sigma:g}"


class IntUniform(Range):
    """A whole number, both ends included, every value as likely."""

    distribution: Literal["int_uniform"] = "int_uniform"
    min: int = Field(ge=-(2**63), lt=2**63)
    max: int = Field(ge=-(2**63), lt=2**63)

    def suggest(self, trial: "optuna.trial.BaseTrial", name: str) -> Scalar:  # noqa: D102
        return trial.suggest_int(name, self.min, self.max)

    def contains(self, value: Scalar | None) -> bool:  # noqa: D102
        return isinstance(value, int) and super().contains(value)

    def all_values(self) -> list[Scalar] | None:  # noqa: D102
        return list(range(self.min, self.max + 1)) if self.max - self.min < MOST_LISTED else None


MOST_LISTED = 10_000
"""Numbers in a range that is still called finite."""

MOST_MULTIPLES = 1_000_000

KINDS: dict[str, type[Domain_]] = {
    kind.__name__: kind
    for kind in (Fixed, Choice, Uniform, LogUniform, QUniform, QLogUniform, Normal, IntUniform)
}

DISTRIBUTIONS = {
    "categorical": "Choice",
    "constant": "Fixed",
    "int_uniform": "IntUniform",
    "log_uniform_values": "LogUniform",
    "normal": "Normal",
    "q_log_uniform_values": "QLogUniform",
    "q_uniform": "QUniform",
    "uniform": "Uniform",
}


def _kind(parameter: Any) -> str | None:  # noqa: ANN401 - whatever stands in the file
    """Return the kind of a parameter by its keys: W&B's rules where no distribution is named."""
    if isinstance(parameter, Domain_):
        return type(parameter).__name__
    if "distribution" in parameter:
        return DISTRIBUTIONS.get(str(parameter["distribution"]))
    if "values" in parameter:
        return "Choice"
    if {"mu", "sigma"} & parameter.keys():
        return "Normal"
    if {"min", "max"} & parameter.keys():
        whole = all(isinstance(parameter.get(key, 0), int) for key in ("min", "max"))
        return "IntUniform" if whole else "Uniform"
    return "Fixed"


Domain = Annotated[
    Annotated[Fixed, Tag("Fixed")]
    | Annotated[Choice, Tag("Choice")]
    | Annotated[Uniform, Tag("Uniform")]
    | Annotated[LogUniform, Tag("LogUniform")]
    | Annotated[QUniform, Tag("QUniform")]
    | Annotated[QLogUniform, Tag("QLogUniform")]
    | Annotated[Normal, Tag("Normal")]
    | Annotated[IntUniform, Tag("IntUniform")],
    Discriminator(
        _kind,
        custom_error_type="unknown_distribution",
        custom_error_message=f"unknown distribution; allowed: {', '.join(DISTRIBUTIONS)}",
    ),
]
